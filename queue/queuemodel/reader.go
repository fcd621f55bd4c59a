package queuemodel

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/queue"
)

// Reader reads one partition, as queue.Reader does. It has no goroutine: it reads a
// chunk ahead whenever Next returns. Next and Idle are for one goroutine.
type Reader struct {
	stream  *Stream
	log     queue.Log // where it asks about the stream
	config  queue.ReaderConfig
	decoder message.Decoder
	closed  chan struct{}
	end     sync.Once
	ended   error // why Next can never give more

	ahead []catalog.Arrival // read and not returned

	mu       sync.Mutex
	last     ledger.Anchor
	told     uint64          // the last sequence that was kept, or found by Idle
	broken   <-chan struct{} // of the connection that is read through
	restarts uint64
}

// Open verifies the position and reads after it: see queue.OpenReader.
func (s *Stream) Open(ctx context.Context, config queue.ReaderConfig) (*Reader, error) {
	return s.OpenThrough(ctx, s, config)
}

// OpenThrough opens a reader that asks log about the stream, so that a simulation
// can come in between.
func (s *Stream) OpenThrough(ctx context.Context, log queue.Log, config queue.ReaderConfig) (*Reader, error) {
	if config.Partition < 0 || config.Partition >= s.partitions {
		return nil, ErrPartition
	}
	const chunk = 1000
	if config.ChunkMessages <= 0 {
		config.ChunkMessages = chunk
	}
	r := &Reader{stream: s, log: log, config: config, closed: make(chan struct{}), last: config.From, told: config.From.Position.Sequence}
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// connect begins to read through a new connection; what is checked then is checked
// on it.
func (r *Reader) connect(ctx context.Context) error {
	r.stream.mu.Lock()
	broken := r.stream.broken
	r.stream.mu.Unlock()
	r.mu.Lock()
	last := r.last
	r.mu.Unlock()
	if err := r.config.Verify(ctx, r.log, last); err != nil {
		return err
	}
	r.mu.Lock()
	r.broken = broken
	r.mu.Unlock()
	return nil
}

// Next returns the next arrivals: see queue.Reader.
func (r *Reader) Next(ctx context.Context) ([]catalog.Arrival, error) {
	for r.ended == nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		chunk, grown := r.ahead, (<-chan struct{})(nil)
		if len(chunk) == 0 {
			chunk, grown = r.take()
		}
		if n := r.config.ChunkMessages; len(chunk) > n { // the rest of a pack
			chunk, r.ahead = chunk[:n:n], chunk[n:]
			return chunk, nil
		}
		if len(chunk) > 0 {
			r.ahead, _ = r.take()
			return chunk, nil
		}
		select {
		case <-r.closed:
			return nil, queue.ErrClosed
		default:
		}
		select {
		case <-grown:
		case <-r.broken:
			r.mu.Lock()
			r.restarts++
			r.mu.Unlock()
			if err := r.connect(ctx); errors.Is(err, queue.ErrStreamRestored) || errors.Is(err, queue.ErrForeignStream) {
				r.ended = err
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		case <-r.closed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, r.ended
}

// take reads what is there; nothing once the connection is broken. grown is closed
// when there is more.
func (r *Reader) take() (chunk []catalog.Arrival, grown <-chan struct{}) {
	r.stream.mu.Lock()
	defer r.stream.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.closed:
		return nil, r.stream.grown
	case <-r.broken:
		return nil, r.stream.grown
	default:
	}
	from := max(r.last.Position.Sequence+1, r.stream.first)
	for ; from < r.stream.next() && len(chunk) < r.config.ChunkMessages; from++ {
		stored := &r.stream.messages[from-r.stream.first]
		if stored.partition != r.config.Partition {
			continue
		}
		r.last = stored.anchor
		r.last.Position.Generation = r.config.From.Position.Generation
		if fresh := r.decode(stored); len(fresh) > 0 {
			r.told = from
			chunk = append(chunk, fresh...)
		}
	}
	return chunk, r.stream.grown
}

// decode returns what is not recorded of a message.
func (r *Reader) decode(stored *storedMessage) (fresh []catalog.Arrival) {
	headers := map[string][]string{message.HeaderID: {stored.anchor.MessageID}}
	for _, header := range stored.headers {
		headers[header.Name] = []string{header.Value}
	}
	for _, arrival := range r.decoder.DecodeAll(nil, message.Raw{
		Subject: stored.subject, Headers: headers, Data: slices.Clone(stored.data),
		Time: stored.anchor.Time, Position: r.last.Position, ReceivedAt: time.Now(),
	}) {
		if !r.skips(arrival.Mutation.Position) {
			arrival.More = true
			fresh = append(fresh, arrival)
		}
	}
	if len(fresh) > 0 {
		fresh[len(fresh)-1].More = false
	}
	return fresh
}

func (r *Reader) skips(position catalog.Position) bool {
	return slices.ContainsFunc(r.config.Skip, func(known ledger.Range) bool { return known.Holds(position) })
}

// Idle finds the stream's end when nothing of the partition is left to read: see
// queue.Reader.
func (r *Reader) Idle(ctx context.Context) (anchor ledger.Anchor, ok bool, err error) {
	if len(r.ahead) > 0 {
		return ledger.Anchor{}, false, nil
	}
	r.mu.Lock()
	last, told := r.last, r.told
	r.mu.Unlock()
	anchor, ok, err = queue.IdleUpTo(ctx, r.log, r.config, last, told)
	if ok {
		r.mu.Lock()
		r.last, r.told = anchor, anchor.Position.Sequence
		r.mu.Unlock()
	}
	return anchor, ok, err
}

// Pending is how many messages of the partition were not returned yet.
func (r *Reader) Pending(context.Context) (uint64, error) {
	r.stream.mu.Lock()
	defer r.stream.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	pending := uint64(len(r.ahead))
	for i := range r.stream.messages {
		stored := &r.stream.messages[i]
		position := stored.anchor.Position
		if stored.partition == r.config.Partition && position.Sequence > r.last.Position.Sequence && !r.skips(position) {
			pending++
		}
	}
	return pending, nil
}

// Restarts counts how often the connection was recreated.
func (r *Reader) Restarts() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.restarts
}

// Close ends the reading. Closing twice is harmless.
func (r *Reader) Close() { r.end.Do(func() { close(r.closed) }) }
