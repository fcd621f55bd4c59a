package service

import (
	"context"
	"fmt"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/queue"
)

const (
	// prefetchMessages and chunkMessages are what the partitions share of messages asked
	// for ahead and of those handed on at a time. A worker may own all of them, and all
	// may have to wait for one that takes up its memory.
	prefetchMessages = 32_000
	chunkMessages    = 8_000
	// prefetchPart is what part of the worker's memory limit the messages asked for ahead
	// may take: messages may be a thousand times as large as usual ones.
	prefetchPart = 8
)

// share is a partition's part of a whole: never more than an eighth, which is all that
// one can use, nor less than a 128th, which it takes to keep it busy.
func share(whole, partitions int) int { return min(max(whole/partitions, whole/128), whole/8) }

func (w *worker) read(ctx context.Context, lease ledger.Lease, r *ledger.Resumption) (Reader, error) {
	config := queue.ReaderConfig{
		Partition: lease.Partition, LeaseToken: lease.Token, From: r.Anchor, Skip: r.Recorded, Logger: w.log,
		Identity:         w.identity,
		PrefetchMessages: share(prefetchMessages, w.config.NATS.Partitions),
		PrefetchBytes:    share(int(w.config.Worker.MemoryLimit/prefetchPart), w.config.NATS.Partitions),
		ChunkMessages:    share(chunkMessages, w.config.NATS.Partitions),
	}
	if newest := newestRecorded(r); newest > r.Anchor.Position.Sequence {
		var err error
		config.SkippedLast, _, err = w.deps.Store.RecordedAtOrBefore(ctx, lease.Partition, r.Anchor.Position.Generation, newest)
		if err != nil {
			return nil, fmt.Errorf("find the newest message that is recorded: %w", err)
		}
	}
	reader, err := w.deps.Queue.Open(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the reader: %w", err)
	}
	return reader, nil
}

// newestRecorded is the highest sequence of the partition that is recorded.
func newestRecorded(r *ledger.Resumption) uint64 {
	newest := r.Anchor.Position.Sequence
	for _, recorded := range r.Recorded {
		newest = max(newest, recorded.Last)
	}
	return newest
}
