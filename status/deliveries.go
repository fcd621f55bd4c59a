package status

import (
	"context"

	"github.com/catalog-courier/catalog-courier/persistence"
)

// Delivery is a webhook delivery of a source.
type Delivery = persistence.DeliveryRow

// Run reads one run of a source. The error is persistence.ErrNoSuchRun where there is none.
func (r *Reader) Run(ctx context.Context, id int64) (Run, error) {
	return persistence.NewSources(r.pool, r.config.Timeout).Run(ctx, id)
}

// Deliveries lists webhook deliveries, the newest first: of one source or, for "", of all, in
// one state or, for "", in any. before is the id of the last one of the page before; 0 begins.
// limit 0 means DefaultPage.
func (r *Reader) Deliveries(ctx context.Context, source string, state persistence.DeliveryState, before int64, limit int) ([]Delivery, error) {
	return persistence.NewSources(r.pool, r.config.Timeout).Deliveries(ctx, source, state, before, int(page(limit)))
}
