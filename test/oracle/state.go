package oracle

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// table is the items of one type in a platform's catalog.
type table struct {
	place    Place
	itemType catalog.Type
}

// state applies a history to fresh platforms.
type state struct {
	*Verdict
	history *History
	rows    map[rowName][]Row
	// unsure are the items of which nobody knows the platform's last word.
	unsure map[table]map[string]bool
}

// checkState is I2 and I5. The order is that of the rows; what no worker recorded was
// never sent.
func (v *Verdict) checkState(h *History) {
	s := &state{Verdict: v, history: h, rows: byName(h.Rows), unsure: map[table]map[string]bool{}}
	messages := make(map[Key]Message, len(h.Messages))
	for _, m := range h.Messages {
		messages[m.Key] = m
	}
	for _, r := range h.Rows {
		m, ok := messages[r.Key]
		neverSent := r.Status == "invalid" || r.Status == "superseded" && !r.InBatch
		if _, known := h.Places[r.Item.Lane]; ok && known && !neverSent {
			s.apply(r, m)
		}
	}
	s.compare()
}

// apply has the fresh platform take a mutation, and holds its status against that.
func (s *state) apply(r Row, m Message) {
	place := s.history.Places[r.Item.Lane]
	carrier := r
	if r.Status == "superseded" {
		carrier, _ = supersedes(s.rows, r)
	}
	switch {
	case m.Refused:
		if r.Status == "succeeded" {
			s.addf(SuccessWasConfirmed, "the platform never takes it: %+v", r)
		}
		return
	case m.Doubtful:
		s.Doubtful++
		s.doubt(place, m.Mutation)
		return
	case carrier.Status == "unconfirmed":
		s.doubt(place, m.Mutation)
	}
	err := place.Platform.Fresh.Apply(place.Catalog, m.Mutation.Lane.Type, m.Mutation)
	if err != nil && !errors.Is(err, sandbox.ErrNotApplied) {
		s.addf(StateIsSequential, "the expected state is not known: %v", err)
		return
	}
	taken, redone := err == nil, r.PublishedAt.Before(s.history.Restored)
	unsure := s.isUnsure(s.tableOf(place, m.Mutation), itemName(m.Mutation))
	switch {
	case r.Status == "failed" && taken && redone:
		s.Replayed++ // such as an UPDATE of an item that a later mutation had deleted
	case r.Status != "failed" && !taken && redone:
		s.doubt(place, m.Mutation) // refused at first, and worked after newer ones
	case r.Status == "failed" && taken && !unsure:
		s.addf(StateIsSequential, "failed, though the platform takes it: %+v", r)
	case carrier.Status == "succeeded" && !taken && !unsure && s.history.Strict:
		s.addf(SuccessWasConfirmed, "succeeded, though one at a time %v: %+v", err, r)
	}
}

// itemName is how platforms name the item, or the localization of it.
func itemName(m *catalog.Mutation) string {
	if m.Localization.IsZero() {
		return m.ItemID
	}
	return sandbox.LocalizedID(m.ItemID, m.Localization)
}

func (s *state) tableOf(place Place, m *catalog.Mutation) table { return table{place, m.Lane.Type} }

func (s *state) doubt(place Place, m *catalog.Mutation) {
	t := s.tableOf(place, m)
	if s.unsure[t] == nil {
		s.unsure[t] = map[string]bool{}
	}
	s.unsure[t][itemName(m)] = true
}

// isUnsure reports that nobody knows of the item, or of the one that it localizes.
func (s *state) isUnsure(t table, item string) bool {
	base, _, _ := strings.Cut(item, " (")
	return s.unsure[t][item] || s.unsure[t][base]
}

// compare holds the platforms' items against those of the fresh ones.
func (s *state) compare() {
	tables := map[table]bool{}
	for lane, place := range s.history.Places {
		tables[table{place, lane.Type}] = true
	}
	sorted := slices.SortedFunc(maps.Keys(tables), func(a, b table) int {
		return cmp.Or(cmp.Compare(a.place.Platform.Name, b.place.Platform.Name), cmp.Compare(a.place.Catalog, b.place.Catalog), cmp.Compare(a.itemType, b.itemType))
	})
	for _, t := range sorted {
		want, have := t.place.Platform.Fresh.Items(t.place.Catalog, t.itemType), t.place.Platform.Holds.Items(t.place.Catalog, t.itemType)
		both := maps.Clone(want)
		maps.Copy(both, have)
		for _, id := range slices.Sorted(maps.Keys(both)) {
			if want[id] != have[id] && !s.isUnsure(t, id) {
				s.Violations = append(s.Violations, Violation{
					Invariant: StateIsSequential, Catalog: t.place.Catalog, Item: id,
					Text: fmt.Sprintf("%s %s %s %s: want %s, have %s", t.place.Platform.Name, t.place.Catalog, t.itemType, id,
						cmp.Or(want[id], "no item"), cmp.Or(have[id], "no item")),
				})
			}
		}
	}
}
