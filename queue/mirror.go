package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"
)

// Mirror keeps, beside the stream, how many transactions each partition has
// committed in Postgres. A database that was put back, or failed over to a standby
// without its last commits, knows a lower number: what it lost may have been sent.
type Mirror struct {
	bucket jetstream.KeyValue
}

// OpenMirror makes or finds the mirror of a stream: a bucket named
// <stream>_COMMITS, with as many replicas as the stream.
func OpenMirror(ctx context.Context, js jetstream.JetStream, config StreamConfig) (*Mirror, error) {
	config = config.withDefaults()
	name := config.Name + "_COMMITS"
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	bucket, err := js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		bucket, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: name, Description: "Catalog Courier: transactions committed for each partition",
			History: 1, Storage: jetstream.FileStorage, Replicas: config.Replicas,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("opening the bucket %s: %w", name, err)
	}
	return &Mirror{bucket: bucket}, nil
}

// PartitionMirror is one owner's view of its partition's entry.
type PartitionMirror struct {
	bucket   jetstream.KeyValue
	key      string
	revision uint64 // of the entry as this owner knows it; 0 when there is none
}

// Partition reads the mirrored number of a partition's commits, 0 when none was
// noted, for an owner that goes on from there.
func (m *Mirror) Partition(ctx context.Context, partition int) (own *PartitionMirror, commits int64, err error) {
	own = &PartitionMirror{bucket: m.bucket, key: strconv.Itoa(partition)}
	commits, err = own.read(ctx)
	return own, commits, err
}

// Put notes the number of the partition's commits. It fails when another owner has
// noted more meanwhile: an owner that was frozen must not hide what its successor
// did. It is for one goroutine.
func (p *PartitionMirror) Put(ctx context.Context, commits int64) error {
	err := p.update(ctx, commits)
	if err == nil {
		return nil
	}
	// Perhaps an earlier update did arrive and only its answer was lost.
	noted, readErr := p.read(ctx)
	if readErr != nil || noted > commits {
		return fmt.Errorf("mirroring %d commits of partition %s: %w", commits, p.key, errors.Join(err, readErr))
	}
	if err := p.update(ctx, commits); err != nil {
		return fmt.Errorf("mirroring %d commits of partition %s: %w", commits, p.key, err)
	}
	return nil
}

func (p *PartitionMirror) update(ctx context.Context, commits int64) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	revision, err := p.bucket.Update(ctx, p.key, strconv.AppendInt(nil, commits, 10), p.revision)
	if err == nil {
		p.revision = revision
	}
	return err
}

func (p *PartitionMirror) read(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	entry, err := p.bucket.Get(ctx, p.key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		p.revision = 0
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the mirrored commits of partition %s: %w", p.key, err)
	}
	commits, err := strconv.ParseInt(string(entry.Value()), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading the mirrored commits of partition %s: %w", p.key, err)
	}
	p.revision = entry.Revision()
	return commits, nil
}
