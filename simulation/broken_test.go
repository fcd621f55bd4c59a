package simulation

import (
	"context"
	"time"

	"github.com/catalog-courier/catalog-courier/ledger"
)

// variant is a worker that is broken on purpose. The zero value is whole.
type variant struct {
	name string
	// commit stands in for the store's.
	commit func(ctx context.Context, p *process, lease ledger.Lease, tx *ledger.Transaction) error
	// take comes before the lease table's.
	take func(ctx context.Context, p *process, partition int) error
	// unguarded connections write whatever the lease says.
	unguarded bool
	// blind takes any stream for the one that a position was recorded of.
	blind bool
	// settle is how long newer changes wait for an ambiguous copy, when not 0.
	settle time.Duration
}

func (v variant) settleOf(ordinary time.Duration) time.Duration {
	if v.settle > 0 {
		return v.settle
	}
	return ordinary
}
