package ledgertest

import (
	"context"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// packed has the suite's mutations be lines of packs: on their way to the store they get the
// line that belongs to their sequence, and on the way back they lose it again, so that the tests
// need not know.
type packed struct {
	ledger.Store
	prober ledger.Prober
	// line is the line of the suite's mutation of a sequence, 0 for a message of its own.
	line func(sequence uint64) int
}

// packs is the harness with packs in the place of the messages of some sequences.
func (h Harness) packs(line func(sequence uint64) int) Harness {
	prober, _ := h.Store.(ledger.Prober)
	store := packed{Store: h.Store, prober: prober, line: line}
	h.Store, h.Outbox = store, packedOutbox{Outbox: h.Outbox}
	return h
}

func (p packed) at(position catalog.Position) catalog.Position {
	if position != (catalog.Position{}) {
		position.Line = p.line(position.Sequence)
	}
	return position
}

func positions(tx *ledger.Transaction) (all []*catalog.Position) {
	mutations := func(ms []*catalog.Mutation) {
		for _, m := range ms {
			all = append(all, &m.Position)
		}
	}
	for i := range tx.Batches {
		for j := range tx.Batches[i].Records {
			mutations(tx.Batches[i].Records[j].Constituents)
		}
	}
	mutations(tx.Waiting)
	for i := range tx.Invalid {
		all = append(all, &tx.Invalid[i].Mutation.Position)
	}
	for i := range tx.Stale {
		all = append(all, &tx.Stale[i].Mutation.Position)
	}
	for i := range tx.Versions {
		all = append(all, &tx.Versions[i].Position)
	}
	for i := range tx.Outcomes {
		for j := range tx.Outcomes[i].Exceptions {
			mutations(tx.Outcomes[i].Exceptions[j].Constituents)
			mutations(tx.Outcomes[i].Exceptions[j].Settled)
		}
		for j := range tx.Outcomes[i].ResetVersions {
			all = append(all, &tx.Outcomes[i].ResetVersions[j].Position)
		}
	}
	return all
}

// within calls the store with a transaction of packs.
func (p packed) within(tx *ledger.Transaction, call func() error) error {
	all := positions(tx)
	for _, position := range all {
		*position = p.at(*position)
	}
	err := call()
	for _, position := range all {
		position.Line = 0
	}
	return err
}

func (p packed) Commit(ctx context.Context, lease ledger.Lease, tx *ledger.Transaction) error {
	return p.within(tx, func() error { return p.Store.Commit(ctx, lease, tx) })
}

func (p packed) Probe(ctx context.Context, lease ledger.Lease, tx *ledger.Transaction) error {
	return p.within(tx, func() error { return p.prober.Probe(ctx, lease, tx) })
}

func (p packed) Committed(ctx context.Context, lease ledger.Lease, tx *ledger.Transaction) (committed bool, err error) {
	err = p.within(tx, func() error {
		committed, err = p.prober.Committed(ctx, lease, tx)
		return err
	})
	return committed, err
}

func (p packed) Resume(ctx context.Context, lease ledger.Lease) (*ledger.Resumption, error) {
	r, err := p.Store.Resume(ctx, lease)
	if err != nil {
		return nil, err
	}
	for i := range r.Open {
		for _, record := range r.Open[i].Records {
			for _, m := range record.Constituents {
				m.Position.Line = 0
			}
		}
	}
	return r, nil
}

func (p packed) Waiting(ctx context.Context, lane catalog.Lane, after catalog.Position, limit int) (ledger.Page, error) {
	page, err := p.Store.Waiting(ctx, lane, p.at(after), limit)
	for _, m := range page.Mutations {
		m.Position.Line = 0
	}
	return page, err
}

func (p packed) NewestVersions(ctx context.Context, keys []catalog.ItemKey) (map[catalog.ItemKey]ledger.ItemVersion, error) {
	versions, err := p.Store.NewestVersions(ctx, keys)
	for key, version := range versions {
		version.Position.Line = 0
		versions[key] = version
	}
	return versions, err
}

type packedOutbox struct{ ledger.Outbox }

func (p packedOutbox) Outcomes(ctx context.Context, partition int, after int64, limit ledger.OutboxLimit) (ledger.OutboxPage, error) {
	page, err := p.Outbox.Outcomes(ctx, partition, after, limit)
	for i := range page.Outcomes {
		page.Outcomes[i].Position.Line = 0
	}
	return page, err
}
