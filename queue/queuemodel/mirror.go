package queuemodel

import (
	"context"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/queue"
)

// Mirror is one owner's view of its partition's note, as queue.PartitionMirror is.
type Mirror struct {
	stream    *Stream
	partition int
	knows     func(uuid.UUID) bool // until the first Put
	revision  uint64
	own       map[uuid.UUID]bool // what this owner noted
}

// Mirror reads a partition's note, for an owner that goes on from there.
func (s *Stream) Mirror(_ context.Context, partition int, knows func(uuid.UUID) bool) (*Mirror, queue.Noted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.mirrored[partition]
	m := &Mirror{stream: s, partition: partition, knows: knows, revision: kept.revision, own: map[uuid.UUID]bool{}}
	return m, queue.Noted{Sent: kept.sent, Found: kept.revision > 0}, nil
}

// Put notes the last transaction that announced a POST, unless somebody noted one
// meanwhile that this owner does not know.
func (m *Mirror) Put(_ context.Context, sent ledger.Sent) error {
	m.stream.mu.Lock()
	defer m.stream.mu.Unlock()
	m.own[sent.Transaction] = true
	kept := m.stream.mirrored[m.partition]
	if kept.revision != m.revision && kept.revision > 0 && !m.knows(kept.sent.Transaction) && !m.own[kept.sent.Transaction] {
		m.revision = kept.revision
		return ledger.ErrOtherHistory
	}
	m.stream.revision++
	m.revision = m.stream.revision
	m.stream.mirrored[m.partition] = entry{sent: sent, revision: m.revision}
	m.own, m.knows = map[uuid.UUID]bool{sent.Transaction: true}, knowsNone
	return nil
}

func knowsNone(uuid.UUID) bool { return false }

// Moved reports whether anybody has written the note since it was read or put last.
func (m *Mirror) Moved(context.Context) (bool, error) {
	m.stream.mu.Lock()
	defer m.stream.mu.Unlock()
	before := m.revision
	m.revision = m.stream.mirrored[m.partition].revision
	return m.revision != before, nil
}

// DropMirror removes all notes, as an operator does who deletes the bucket.
func (s *Stream) DropMirror() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.mirrored)
}
