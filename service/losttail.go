package service

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/queue"
)

// witness is what an owner finds in the mirror of its partition.
type witness struct {
	mirror   delivery.Mirror
	noted    ledger.Sent // where the database knows it
	lostTail bool
	quiet    time.Duration // how long nothing is sent after a lost tail
}

const lostTail = "the database lost its last commits: the stream is replayed, and nothing is sent until what was sent and forgotten can no longer be applied"

// openMirror compares the partition's history with what was noted beside the stream
// before it was sent. A transaction that the database does not know means that it was
// restored, or failed over without its last commits. The note is left as it is: every
// owner finds it until one has waited long enough.
func (w *worker) openMirror(ctx context.Context, partition int, r *ledger.Resumption) (witness, error) {
	mirror, noted, err := w.deps.Queue.Mirror(ctx, partition, r.Knows)
	if err != nil {
		return witness{}, err
	}
	found := witness{mirror: mirror, quiet: w.quietFor(partition, r, noted)}
	switch {
	case noted.Found && r.Knows(noted.Transaction):
		found.noted = noted.Sent
		r.Slowest = max(r.Slowest, noted.Slowest)
		return found, nil
	case noted.Found:
		w.together.add(ctx, lostTail, partition, found.quiet, slog.String("noted", noted.Transaction.String()), slog.String("known", r.Sent.String()),
			slog.Int64("commits", r.Commits), slog.Int64("noted_commits", noted.Commits))
	case len(r.Noted) > 0:
		w.together.add(ctx, "the mirror has lost what was noted of the partition, so that nobody knows whether the database is whole: "+
			"nothing is sent until what may have been sent and forgotten can no longer be applied", partition, found.quiet, slog.String("known", r.Noted[0].String()))
	case r.Sent == uuid.Nil && noted.Former > r.Commits:
		w.together.add(ctx, lostTail, partition, found.quiet, slog.Int64("commits", r.Commits), slog.Int64("noted_commits", noted.Former))
	default:
		return found, nil // nothing was noted yet
	}
	found.lostTail = true
	r.Slowest = max(r.Slowest, noted.Slowest)
	return found, nil
}

// quietFor is the longest settle time of the partition's accounts. Where it follows
// from the slowest batch and nobody knows that any more, it is the longest there is.
func (w *worker) quietFor(partition int, r *ledger.Resumption, noted queue.Noted) time.Duration {
	slowest := max(r.Slowest, noted.Slowest)
	if !noted.Found && len(r.Noted) > 0 {
		slowest = time.Hour
	}
	quiet := delivery.ShortestQuiet
	for name, account := range w.serving.Load().config.Accounts {
		if queue.PartitionOf(name, w.config.NATS.Partitions) == partition {
			quiet = max(quiet, delivery.Settle(account.Settle, slowest))
		}
	}
	return quiet
}
