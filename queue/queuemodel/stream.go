// Package queuemodel keeps a stream in memory: a model of what package queue does with
// JetStream, for tests and simulations. It passes the suite of queuetest, as the
// real one does. Its waiting ends by channels alone, so that it may be used in a
// synctest bubble.
package queuemodel

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
)

// duplicates is for how long a message id is remembered.
const duplicates = queue.DefaultDuplicates

// Stream is a stream with its store. It is safe for concurrent use.
type Stream struct {
	partitions int

	mu       sync.Mutex
	identity ledger.StreamIdentity
	messages []storedMessage // in order; sequences without a gap
	first    uint64          // of messages, or the next sequence when there are none
	mirrored map[int]entry
	revision uint64
	grown    chan struct{} // closed and replaced when there is more to read
	broken   chan struct{} // closed and replaced when connections break
}

// storedMessage is a message of the stream.
type storedMessage struct {
	anchor    ledger.Anchor
	partition int
	subject   string
	headers   []catalog.Header
	data      []byte
}

// entry is a partition's note in the mirror.
type entry struct {
	sent     ledger.Sent
	revision uint64
}

var _ queue.Log = (*Stream)(nil)

// New makes an empty stream.
func New(partitions int) *Stream {
	return &Stream{
		identity:   ledger.StreamIdentity{Stream: uuid.NewString()},
		partitions: partitions, first: 1, mirrored: map[int]entry{},
		grown: make(chan struct{}), broken: make(chan struct{}),
	}
}

// ErrPartition says that the stream has no such partition.
var ErrPartition = errors.New("the stream has no such partition")

// Publish stores mutations in order. A repeat of an id is dropped, as JetStream
// does. The error is that of the first mutation that breaks the contract.
func (s *Stream) Publish(mutations ...publish.Mutation) ([]publish.Result, error) {
	return s.PublishPacks(1, mutations...)
}

// PublishPacks publishes with up to so many mutations in one message, as publish.Publisher does.
func (s *Stream) PublishPacks(lines int, mutations ...publish.Mutation) ([]publish.Result, error) {
	publications := make([]publish.Publication, len(mutations))
	for i := range mutations {
		var err error
		if publications[i], err = mutations[i].Publication(); err != nil {
			return nil, err
		}
	}
	messages, counts := publish.InPacks(publications, lines)
	results := make([]publish.Result, 0, len(mutations))
	for i := range messages {
		result := s.store(mutations[len(results)].Account, messages[i])
		for line := range counts[i] {
			if counts[i] > 1 {
				result.Line = line + 1
			}
			results = append(results, result)
		}
	}
	return results, nil
}

func (s *Stream) store(account string, p publish.Publication) publish.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for i := len(s.messages) - 1; i >= 0 && now.Sub(s.messages[i].anchor.Time) < duplicates; i-- {
		if s.messages[i].anchor.MessageID == p.ID {
			return publish.Result{Outcome: publish.Duplicate, Sequence: s.messages[i].anchor.Position.Sequence}
		}
	}
	stored := storedMessage{
		anchor:    ledger.Anchor{Position: catalog.Position{Sequence: s.next()}, Time: now, MessageID: p.ID},
		partition: queue.PartitionOf(account, s.partitions), subject: p.Subject, headers: p.Headers, data: p.Data,
	}
	s.messages = append(s.messages, stored)
	close(s.grown)
	s.grown = make(chan struct{})
	return publish.Result{Outcome: publish.Stored, Sequence: stored.anchor.Position.Sequence}
}

// next is the sequence of the message to come. The lock must be held.
func (s *Stream) next() uint64 { return s.first + uint64(len(s.messages)) }

// Disconnect breaks all connections. Readers come back by themselves.
func (s *Stream) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disconnect()
}

func (s *Stream) disconnect() {
	close(s.broken)
	s.broken = make(chan struct{})
}

// contents is all that a stream's store holds.
type contents struct {
	identity ledger.StreamIdentity
	messages []storedMessage
	first    uint64
	mirrored map[int]entry
	revision uint64
}

func (s *Stream) contents() contents {
	s.mu.Lock()
	defer s.mu.Unlock()
	return contents{
		identity: s.identity, messages: slices.Clone(s.messages), first: s.first,
		mirrored: maps.Clone(s.mirrored), revision: s.revision,
	}
}

func (s *Stream) put(c contents) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.identity, s.messages, s.first = c.identity, slices.Clone(c.messages), c.first
	s.mirrored, s.revision = maps.Clone(c.mirrored), c.revision
	s.disconnect()
}

// Copy keeps a copy of the store, the mirror and the identity with it. The function
// returned puts the copy back, which nothing but the messages themselves will tell.
func (s *Stream) Copy() (putBack func()) {
	kept := s.contents()
	return func() { s.put(kept) }
}

// Replace puts the store of another stream in the place of this one, as a wrong
// address or a lost volume does, and breaks all connections. The function returned
// brings the first store back, as it was left.
func (s *Stream) Replace(other *Stream) (back func()) {
	back = s.Copy()
	s.put(other.contents())
	return back
}

// Identity is what the stream says of itself.
func (s *Stream) Identity(context.Context) (ledger.StreamIdentity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.identity, nil
}

// Bind writes the identity down in the stream.
func (s *Stream) Bind(_ context.Context, identity ledger.StreamIdentity) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.identity = identity
	return nil
}

// State is how far the stream reaches.
func (s *Stream) State(context.Context) (queue.LogState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := queue.LogState{
		First: s.first, Last: s.next() - 1, Messages: uint64(len(s.messages)), Partitions: s.partitions, Now: time.Now(),
	}
	for i := range s.messages {
		state.Bytes += uint64(len(s.messages[i].data))
	}
	return state, nil
}

// At finds the message at a sequence.
func (s *Stream) At(_ context.Context, sequence uint64) (ledger.Anchor, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sequence < s.first || sequence >= s.next() {
		return ledger.Anchor{}, false, nil
	}
	return s.messages[sequence-s.first].anchor, true, nil
}

// From finds the first message at or after a sequence.
func (s *Stream) From(ctx context.Context, sequence uint64) (ledger.Anchor, bool, error) {
	s.mu.Lock()
	first := s.first
	s.mu.Unlock()
	return s.At(ctx, max(sequence, first))
}

// Newest is the sequence of a partition's newest message.
func (s *Stream) Newest(_ context.Context, partition int) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stored := range slices.Backward(s.messages) {
		if stored.partition == partition {
			return stored.anchor.Position.Sequence, nil
		}
	}
	return 0, nil
}

// PurgeBefore removes every message before a sequence.
func (s *Stream) PurgeBefore(_ context.Context, sequence uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sequence > s.first {
		gone := min(sequence, s.next()) - s.first
		s.messages = slices.Clone(s.messages[gone:])
		s.first += gone
	}
	return nil
}
