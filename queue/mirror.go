package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// Mirror keeps, beside the stream, how many transactions each partition has
// committed in Postgres. A database that was put back, or failed over to a standby
// without its last commits, knows a lower number: what it lost may have been sent.
type Mirror struct {
	js     jetstream.JetStream
	bucket jetstream.KeyValue

	mu           sync.Mutex
	installation string // whose commits they are; "" compares nothing
	compared     uint64 // the connection, counted from 1, on which that was compared
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
		bucket, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: name, Description: "Catalog Courier: transactions committed for each partition",
			History: 1, Storage: jetstream.FileStorage, Replicas: config.Replicas,
		})
		if errors.Is(err, jetstream.ErrBucketExists) { // somebody else made it at the same moment
			bucket, err = js.KeyValue(ctx, name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the bucket %s: %w", name, err)
	}
	return &Mirror{js: js, bucket: bucket}, nil
}

// FindMirror is OpenMirror that makes nothing: nil when there is no bucket.
func FindMirror(ctx context.Context, js jetstream.JetStream, config StreamConfig) (*Mirror, error) {
	name := config.withDefaults().Name + "_COMMITS"
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	bucket, err := js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the bucket %s: %w", name, err)
	}
	return &Mirror{js: js, bucket: bucket}, nil
}

// Installation is the id of the database whose commits the mirror counts, as its
// metadata says; "" when it says nothing.
func (m *Mirror) Installation(ctx context.Context) (string, error) {
	settings, err := settingsOf(ctx, m.js, m.streamName())
	return settings.Metadata[installationKey], err
}

// streamName is the stream below the bucket.
func (m *Mirror) streamName() string { return "KV_" + m.bucket.Bucket() }

// Bind notes whose commits the mirror counts, if nobody is noted yet. From then on
// each call compares it once on each connection, so that a client that finds itself
// on another server spoils no numbers there. The error is ErrForeignStream when
// another installation is noted.
func (m *Mirror) Bind(ctx context.Context, installation string) error {
	found, err := m.Installation(ctx)
	if err != nil {
		return err
	}
	if found != "" && found != installation {
		return m.foreign(found, installation)
	}
	return m.take(ctx, installation)
}

// Adopt makes the mirror this installation's and forgets the numbers in it: they
// count the commits of another one.
func (m *Mirror) Adopt(ctx context.Context, installation string, partitions int) error {
	for partition := range partitions {
		if err := m.forget(ctx, strconv.Itoa(partition)); err != nil {
			return fmt.Errorf("forgetting the mirrored commits of partition %d: %w", partition, err)
		}
	}
	return m.take(ctx, installation)
}

func (m *Mirror) forget(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := m.bucket.Get(ctx, key)
	if err == nil {
		_, err = m.bucket.Put(ctx, key, []byte("0"))
	} else if errors.Is(err, jetstream.ErrKeyNotFound) {
		err = nil
	}
	return err
}

func (m *Mirror) take(ctx context.Context, installation string) error {
	if err := writeMetadata(ctx, m.js, m.streamName(), map[string]string{installationKey: installation}); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.installation, m.compared = installation, 0
	return nil
}

func (m *Mirror) foreign(found, wanted string) error {
	return fmt.Errorf("%w: the bucket %s belongs to installation %s, this database is installation %s; %s",
		ErrForeignStream, m.bucket.Bucket(), named(found), named(wanted), adoptHint)
}

// compare asks, once on each connection, whose the mirror is.
func (m *Mirror) compare(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	connection := m.js.Conn().Stats().Reconnects + 1
	if m.installation == "" || m.compared == connection {
		return nil
	}
	found, err := m.Installation(ctx)
	if err != nil {
		return err
	}
	if found != m.installation {
		return m.foreign(found, m.installation)
	}
	m.compared = connection
	return nil
}

// PartitionMirror is one owner's view of its partition's entry.
type PartitionMirror struct {
	mirror   *Mirror
	bucket   jetstream.KeyValue
	key      string
	revision uint64 // of the entry as this owner knows it; 0 when there is none
}

// Partition reads the mirrored number of a partition's commits, 0 when none was
// noted, for an owner that goes on from there.
func (m *Mirror) Partition(ctx context.Context, partition int) (own *PartitionMirror, commits int64, err error) {
	own = &PartitionMirror{mirror: m, bucket: m.bucket, key: strconv.Itoa(partition)}
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
	if err := p.mirror.compare(ctx); err != nil {
		return err
	}
	revision, err := p.bucket.Update(ctx, p.key, strconv.AppendInt(nil, commits, 10), p.revision)
	if err == nil {
		p.revision = revision
	}
	return err
}

func (p *PartitionMirror) read(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := p.mirror.compare(ctx); err != nil {
		return 0, err
	}
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
