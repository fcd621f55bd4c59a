package memory

import (
	"context"
	"errors"
)

// Mirror is one owner's view of the number of its partition's commits, as
// queue.PartitionMirror is.
type Mirror struct {
	stream    *Stream
	partition int
	revision  uint64
}

// errNoted says that another owner has noted more.
var errNoted = errors.New("another owner has noted more commits")

// Mirror reads the mirrored number of a partition's commits, for an owner that goes
// on from there.
func (s *Stream) Mirror(_ context.Context, partition int) (*Mirror, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.mirrored[partition]
	return &Mirror{stream: s, partition: partition, revision: kept.revision}, kept.commits, nil
}

// Put notes the number of the partition's commits, unless another owner has noted
// more meanwhile.
func (m *Mirror) Put(_ context.Context, commits int64) error {
	m.stream.mu.Lock()
	defer m.stream.mu.Unlock()
	kept := m.stream.mirrored[m.partition]
	if kept.revision != m.revision && kept.commits > commits {
		return errNoted
	}
	m.stream.revision++
	m.revision = m.stream.revision
	m.stream.mirrored[m.partition] = entry{commits: commits, revision: m.revision}
	return nil
}
