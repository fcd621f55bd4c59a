package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"
)

// FindMirror is OpenMirror that makes nothing: nil when there is no bucket. The error is
// ErrStreamMismatch when its settings could lose or refuse notes.
func FindMirror(ctx context.Context, js jetstream.JetStream, config StreamConfig) (*Mirror, error) {
	m := &Mirror{js: js, config: config.withDefaults()}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	bucket, err := js.KeyValue(ctx, m.name())
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the bucket %s: %w", m.name(), err)
	}
	if err := m.checkSettings(ctx); err != nil {
		return nil, err
	}
	m.bucket = bucket
	return m, nil
}

// checkSettings refuses a bucket that would lose or refuse notes.
func (m *Mirror) checkSettings(ctx context.Context) error {
	found, err := settingsOf(ctx, m.js, m.streamName())
	if err != nil {
		return err
	}
	return checkBucket(found, m.name(), m.config.Partitions)
}

// Installation is the id of the database whose transactions the mirror notes, as its
// metadata says; "" when it says nothing.
func (m *Mirror) Installation(ctx context.Context) (string, error) {
	settings, err := settingsOf(ctx, m.js, m.streamName())
	return settings.Metadata[installationKey], err
}

// streamName is the stream below the bucket.
func (m *Mirror) streamName() string { return "KV_" + m.name() }

// metadata is what a bucket that is recreated says of itself.
func (m *Mirror) metadata() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.installation == "" {
		return nil
	}
	return map[string]string{installationKey: m.installation}
}

// Bind notes whose transactions the mirror has, if nobody is noted yet. From then on
// each call compares it once on each connection, so that a client that finds itself
// on another server spoils no notes there. The error is ErrForeignStream when
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

// Adopt makes the mirror this installation's and forgets the notes in it: they are of
// the transactions of another one.
func (m *Mirror) Adopt(ctx context.Context, installation string, partitions int) error {
	for partition := range partitions {
		for _, key := range []string{noteKey(partition), strconv.Itoa(partition)} {
			if err := m.forget(ctx, key); err != nil {
				return fmt.Errorf("forgetting the mirrored transaction of partition %d: %w", partition, err)
			}
		}
	}
	return m.take(ctx, installation)
}

func (m *Mirror) forget(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := m.current().Get(ctx, key)
	if err == nil {
		err = m.current().Delete(ctx, key)
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
		ErrForeignStream, m.name(), named(found), named(wanted), adoptHint)
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

// compareStream asks whose the stream beside a bucket is that is about to be recreated:
// none is made on another server.
func (m *Mirror) compareStream(ctx context.Context) error {
	wanted := m.metadata()[installationKey]
	if wanted == "" {
		return nil
	}
	settings, err := settingsOf(ctx, m.js, m.config.Name)
	if err != nil {
		return err
	}
	if found := settings.Metadata[installationKey]; found != wanted {
		return fmt.Errorf("%w: the stream %s belongs to installation %s, this database is installation %s; %s",
			ErrForeignStream, m.config.Name, named(found), named(wanted), adoptHint)
	}
	return nil
}
