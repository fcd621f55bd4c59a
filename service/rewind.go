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
		config.SkippedLast, _, err = w.parts.Store.RecordedAtOrBefore(ctx, lease.Partition, r.Anchor.Position.Generation, newest)
		if err != nil {
			return nil, fmt.Errorf("find the newest message that is recorded: %w", err)
		}
	}
	reader, err := w.parts.Queue.Open(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the reader: %w", err)
	}
	return reader, nil
}

// rewind moves the partition back to the newest recorded message that the stream
// still has, in a new generation. What is recorded up to there stays recorded.
func (w *worker) rewind(ctx context.Context, lease ledger.Lease, r *ledger.Resumption) error {
	newest, generation := newestRecorded(r), r.Anchor.Position.Generation
	anchor, _, err := queue.FindAnchor(ctx, w.parts.Queue, func(ctx context.Context, sequence uint64) (ledger.Anchor, bool, error) {
		return w.parts.Store.RecordedAtOrBefore(ctx, lease.Partition, generation, min(sequence, newest))
	})
	if err != nil {
		return fmt.Errorf("search the newest recorded message that the stream still has: %w", err)
	}
	// The answers were about the recorded stream only if it still is there.
	if err := queue.CheckIdentity(ctx, w.parts.Queue, w.identity); err != nil {
		return err
	}
	// Everything above the old position and up to the anchor that was not recorded
	// must still be read: the position goes back to the older of the two.
	to, recorded := anchor, clip(r.Recorded, anchor.Position.Sequence)
	if r.Anchor.Position.Sequence < anchor.Position.Sequence {
		to = r.Anchor
	}
	_, err = w.parts.Store.Rewind(ctx, lease, to, recorded)
	return err
}

// newestRecorded is the highest sequence of the partition that is recorded.
func newestRecorded(r *ledger.Resumption) uint64 {
	newest := r.Anchor.Position.Sequence
	for _, recorded := range r.Recorded {
		newest = max(newest, recorded.Last)
	}
	return newest
}

// clip leaves of the ranges what lies at or below last.
func clip(ranges []ledger.Range, last uint64) []ledger.Range {
	var clipped []ledger.Range
	for _, r := range ranges {
		if r.First <= last {
			clipped = append(clipped, ledger.Range{First: r.First, Last: min(r.Last, last)})
		}
	}
	return clipped
}
