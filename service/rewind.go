package service

import (
	"context"
	"fmt"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/queue"
)

// rewind moves the partition back to the newest recorded message that the stream
// still has, in a new generation. What is recorded up to there stays recorded. kept is
// false where it has none.
func (w *worker) rewind(ctx context.Context, lease ledger.Lease, r *ledger.Resumption) (kept bool, err error) {
	newest, generation := newestRecorded(r), r.Anchor.Position.Generation
	anchor, kept, err := queue.FindAnchor(ctx, w.deps.Queue, func(ctx context.Context, sequence uint64) (ledger.Anchor, bool, error) {
		return w.deps.Store.RecordedAtOrBefore(ctx, lease.Partition, generation, min(sequence, newest))
	})
	if err != nil {
		return false, fmt.Errorf("search the newest recorded message that the stream still has: %w", err)
	}
	// The answers were about the recorded stream only if it still is there.
	if err := queue.CheckIdentity(ctx, w.deps.Queue, w.identity); err != nil {
		return false, err
	}
	// Everything above the old position and up to the anchor that was not recorded
	// must still be read: the position goes back to the older of the two.
	to, recorded := anchor, ledger.RangesUpTo(r.Recorded, anchor.Position.Sequence)
	if r.Anchor.Position.Sequence < anchor.Position.Sequence {
		to = r.Anchor
	}
	_, err = w.deps.Store.Rewind(ctx, lease, to, recorded)
	return kept, err
}
