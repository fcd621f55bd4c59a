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

// Put notes the number of a partition's commits.
func (m *Mirror) Put(ctx context.Context, partition int, commits int64) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := m.bucket.Put(ctx, strconv.Itoa(partition), strconv.AppendInt(nil, commits, 10)); err != nil {
		return fmt.Errorf("mirroring the commits of partition %d: %w", partition, err)
	}
	return nil
}

// Get reads the number of a partition's commits; 0 when none was noted.
func (m *Mirror) Get(ctx context.Context, partition int) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	entry, err := m.bucket.Get(ctx, strconv.Itoa(partition))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the mirrored commits of partition %d: %w", partition, err)
	}
	commits, err := strconv.ParseInt(string(entry.Value()), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading the mirrored commits of partition %d: %w", partition, err)
	}
	return commits, nil
}
