package simulation

import (
	"fmt"
	"slices"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
)

// count gives a change the producer's version: mostly the next one, sometimes one that
// comes late, or the last once more, or none. After a DELETE some count from one again.
func (w *world) count(c *change) {
	if !w.plan.versions {
		return
	}
	r, item := w.random, c.mutation.Account+"/"+c.mutation.Catalog+"/"+c.item()
	kind := r.IntN(10)
	if kind == 0 {
		return
	}
	if kind > 1 {
		w.counters[item]++
	}
	version := w.counters[item]
	if kind < 5 && kind > 1 {
		version -= int64(1 + r.IntN(2))
	}
	c.mutation.Version = &version
	if c.mutation.Operation == catalog.Delete && r.IntN(2) == 0 {
		w.counters[item] = 0
	}
}

func (c *change) version() string {
	if c.mutation.Version == nil {
		return ""
	}
	return fmt.Sprint("v", *c.mutation.Version)
}

func (c *change) sameItem(other *change) bool {
	return c.mutation.Account == other.mutation.Account && c.mutation.Catalog == other.mutation.Catalog && c.item() == other.item()
}

// checkVersions goes through each item's changes in the order of the stream, one at a
// time: what a newer version before it makes superfluous is never sent, and nothing
// else is left out. Between a DELETE and the moment when the worker knows of its success
// both may be.
func (w *world) checkVersions(found *findings, rows map[string]ledgermodel.Mutation) {
	changes := w.inOrder(rows)
	slices.SortStableFunc(changes, func(a, b *change) int {
		return rows[a.mutation.ID].Position.Compare(rows[b.mutation.ID].Position)
	})
	for i, c := range changes {
		row := rows[c.mutation.ID]
		if row.Status == ledgermodel.Invalid {
			continue
		}
		by, surely := newestBefore(changes[:i], c, rows)
		switch {
		case row.Overtaken && by == nil:
			found.addf("I2", "%s %s is left out, and no newer version was before it", c.mutation.ID, c.version())
		case row.Overtaken && !newer(changes[:i], c, row.SupersededBy):
			found.addf("I2", "%s %s is said to be superseded by %s", c.mutation.ID, c.version(), row.SupersededBy)
		case !row.Overtaken && by != nil && surely:
			found.addf("I2", "%s %s is not left out, though %s %s was before it", c.mutation.ID, c.version(), by.mutation.ID, by.version())
		}
	}
}

// newestBefore finds the change with a newer version than c that is the last before it.
// surely is false when that, or one between them, is a DELETE: it may have ended the
// counter.
func newestBefore(before []*change, c *change, rows map[string]ledgermodel.Mutation) (by *change, surely bool) {
	if c.mutation.Version == nil {
		return nil, false
	}
	surely = true
	for _, older := range slices.Backward(before) {
		row := rows[older.mutation.ID]
		if !older.sameItem(c) || row.Overtaken || row.Status == ledgermodel.Invalid {
			continue
		}
		surely = surely && older.mutation.Operation != catalog.Delete
		if older.mutation.Version != nil && *older.mutation.Version > *c.mutation.Version {
			return older, surely
		}
	}
	return nil, false
}

// newer reports whether the change named is a newer version of the item than c's.
func newer(before []*change, c *change, id string) bool {
	i := slices.IndexFunc(before, func(older *change) bool { return older.mutation.ID == id })
	return i >= 0 && before[i].sameItem(c) && before[i].mutation.Version != nil && *before[i].mutation.Version > *c.mutation.Version
}
