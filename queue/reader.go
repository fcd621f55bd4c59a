package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// ErrClosed is returned by a reader after Close.
var ErrClosed = errors.New("the reader is closed")

// ReaderConfig says what to read and how far ahead.
type ReaderConfig struct {
	// Partition to read, from 0.
	Partition int
	// LeaseToken is part of the consumer's name, so that two owners never share one.
	LeaseToken uuid.UUID
	// From is the partition's position: reading starts after it. Its generation is
	// that of all arrivals. Without a sequence reading starts at the beginning.
	From ledger.Anchor
	// Skip is what is recorded above the position already.
	Skip []ledger.Range
	// SkippedLast is the newest message among those, as it was recorded. The stream
	// must hold it too: the position may stand before the point to which a stream was
	// restored, and what is recorded above it beyond.
	SkippedLast ledger.Anchor
	// Identity is the recorded one. The stream is compared with it on each connection
	// before anything is read through it; the zero value compares nothing.
	Identity ledger.StreamIdentity

	// PrefetchMessages and PrefetchBytes bound what was asked from the server and
	// is not decoded yet. Default to 4000 messages and 16 MiB; at least 4 MiB.
	PrefetchMessages int
	PrefetchBytes    int
	// ChunkMessages bounds what one Next returns. Defaults to 1000.
	ChunkMessages int
	// StallTimeout is how long messages may be waiting at the server without any
	// being delivered before the consumer is recreated. Defaults to 10 s.
	StallTimeout time.Duration
	// Logger is told when the consumer is recreated. Defaults to silence.
	Logger *slog.Logger

	// heartbeat is the longest silence of a server that has nothing to deliver.
	heartbeat time.Duration
}

// Verify checks that the stream is the recorded one (else ErrForeignStream) and still
// holds what was read up to last: see CheckIdentity and the function Verify.
func (c ReaderConfig) Verify(ctx context.Context, log Log, last ledger.Anchor) error {
	if err := CheckIdentity(ctx, log, c.Identity); err != nil {
		return err
	}
	if err := Verify(ctx, log, last); err != nil || c.SkippedLast.Position.Sequence <= last.Position.Sequence {
		return err
	}
	return Verify(ctx, log, c.SkippedLast)
}

const (
	minPrefetchBytes = 4 << 20
	// maxChunkBytes and minChunkBytes bound the messages of one chunk, in bytes. One
	// message more may be in it.
	maxChunkBytes = 4 << 20
	minChunkBytes = 1 << 20
)

// chunkBytes is how many bytes of messages one Next returns at most, but for the last
// message: several chunks are on their way at a time.
func (c ReaderConfig) chunkBytes() int {
	return min(max(c.PrefetchBytes/4, minChunkBytes), maxChunkBytes)
}

func (c ReaderConfig) withDefaults() ReaderConfig {
	const (
		prefetchMessages = 4000
		prefetchBytes    = 16 << 20
		chunkMessages    = 1000
		stallTimeout     = 10 * time.Second
		heartbeat        = 5 * time.Second
	)
	if c.PrefetchMessages <= 0 {
		c.PrefetchMessages = prefetchMessages
	}
	if c.PrefetchBytes <= 0 {
		c.PrefetchBytes = prefetchBytes
	}
	c.PrefetchMessages = max(c.PrefetchMessages, 2)
	c.PrefetchBytes = max(c.PrefetchBytes, minPrefetchBytes)
	if c.ChunkMessages <= 0 {
		c.ChunkMessages = chunkMessages
	}
	if c.StallTimeout <= 0 {
		c.StallTimeout = stallTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.heartbeat <= 0 {
		c.heartbeat = heartbeat
	}
	c.Skip = ledger.JoinRanges(slices.Clone(c.Skip))
	return c
}

// Reader reads one partition from a position on, in order, each message once.
// It asks for messages ahead and decodes them in a goroutine of its own. After a
// lost connection, a gap, or anything odd it checks that the stream still holds
// the last message read, and goes on after it with a new consumer.
//
// Next and Idle are for one goroutine; Pending, Restarts and Close for any.
type Reader struct {
	stream *Stream
	config ReaderConfig

	chunks chan []catalog.Arrival
	cancel context.CancelFunc
	done   chan struct{}
	err    error // why reading ended; read after done

	mu       sync.Mutex
	session  *session
	last     ledger.Anchor // the last message received, or what Idle found since
	told     uint64        // the last sequence that was kept for Next, or found by Idle
	waiting  int           // arrivals decoded and not returned by Next
	restarts uint64
}

// OpenReader checks that the stream is the recorded one (else ErrForeignStream) and
// holds the message config.From stands on (else ErrStreamRestored), and starts to read after it. ctx is for the opening alone;
// Close ends the reading.
func OpenReader(ctx context.Context, stream *Stream, config ReaderConfig) (*Reader, error) {
	config = config.withDefaults()
	if config.Partition < 0 || config.Partition >= stream.partitions {
		return nil, fmt.Errorf("partition %d is not one of the stream's %d", config.Partition, stream.partitions)
	}
	r := &Reader{
		stream: stream,
		config: config,
		chunks: make(chan []catalog.Arrival),
		done:   make(chan struct{}),
		last:   config.From,
		told:   config.From.Position.Sequence,
	}
	first, err := r.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening partition %d: %w", config.Partition, err)
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	go r.run(running, first)
	return r, nil
}

// Next returns the next arrivals, at least one, in the order of the stream. It
// waits until there are some, ctx ends, or reading has failed permanently: with
// ErrForeignStream, ErrStreamRestored, nats.ErrConnectionClosed, or ErrClosed after Close.
func (r *Reader) Next(ctx context.Context) ([]catalog.Arrival, error) {
	select {
	case chunk := <-r.chunks:
		r.mu.Lock()
		r.waiting -= len(chunk)
		r.mu.Unlock()
		return chunk, nil
	case <-r.done:
		return nil, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Pending is how many messages of the partition are stored and were not returned
// by Next yet: the lag.
func (r *Reader) Pending(ctx context.Context) (uint64, error) {
	r.mu.Lock()
	current, waiting := r.session, r.waiting
	r.mu.Unlock()
	if current == nil {
		return 0, fmt.Errorf("partition %d has no consumer at the moment", r.config.Partition)
	}
	info, err := current.info(ctx)
	if err != nil {
		return 0, err
	}
	return info.NumPending + uint64(len(current.messages)) + uint64(waiting), nil //nolint:gosec // never negative
}

// Restarts counts how often the consumer was recreated.
func (r *Reader) Restarts() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.restarts
}

// Close ends the reading, removes the consumer and waits for both. What Next has
// not returned is dropped; it is read again from the position. Closing twice is
// harmless.
func (r *Reader) Close() {
	r.cancel()
	<-r.done
}

// run reads through one session after another until it is closed or fails.
func (r *Reader) run(ctx context.Context, current *session) {
	defer close(r.done)
	for {
		cause := r.read(ctx, current)
		r.setSession(nil)
		current.close(ctx)
		if ctx.Err() != nil {
			r.err = ErrClosed
			return
		}
		r.countRestart(ctx, cause)
		next, err := r.reopen(ctx)
		if err != nil {
			r.err = err
			if ctx.Err() != nil {
				r.err = ErrClosed
			}
			return
		}
		current = next
	}
}

func (r *Reader) countRestart(ctx context.Context, cause error) {
	r.mu.Lock()
	r.restarts++
	after := r.last.Position.Sequence
	r.mu.Unlock()
	r.config.Logger.WarnContext(ctx, "consumer recreated",
		slog.Int("partition", r.config.Partition), slog.Uint64("after", after), slog.Any("cause", cause))
}

// reopen tries until it works, is closed, or there is no way on.
func (r *Reader) reopen(ctx context.Context) (*session, error) {
	const firstPause, longestPause = 10 * time.Millisecond, 2 * time.Second
	schedule := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstPause), backoff.WithMaxInterval(longestPause), backoff.WithMaxElapsedTime(0))
	return backoff.RetryNotifyWithData(func() (*session, error) {
		next, err := r.open(ctx)
		if errors.Is(err, ErrForeignStream) || errors.Is(err, ErrStreamRestored) || errors.Is(err, nats.ErrConnectionClosed) {
			return nil, backoff.Permanent(err)
		}
		return next, err
	}, backoff.WithContext(schedule, ctx), func(err error, pause time.Duration) {
		r.config.Logger.DebugContext(ctx, "no new consumer yet", slog.Int("partition", r.config.Partition), slog.Any("cause", err), slog.Duration("pause", pause))
	})
}

// open verifies the last message read and makes a consumer that starts after it.
func (r *Reader) open(ctx context.Context) (*session, error) {
	r.mu.Lock()
	last, number := r.last, r.restarts
	r.mu.Unlock()
	next, err := openSession(ctx, r.stream, r.config, last, number)
	if err == nil {
		r.setSession(next)
	}
	return next, err
}

func (r *Reader) setSession(current *session) {
	r.mu.Lock()
	r.session = current
	r.mu.Unlock()
}
