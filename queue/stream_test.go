package queue

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/message"
)

func TestEnsureMakesTheStreamAndFindsItAgain(t *testing.T) {
	t.Parallel()
	b := newBroker(t, StreamConfig{MaxBytes: 1 << 20})
	require.Equal(t, DefaultPartitions, b.stream.Partitions())
	again, err := Ensure(t.Context(), b.js, StreamConfig{})
	require.NoError(t, err)
	require.Equal(t, int64(1<<20), again.handle.CachedInfo().Config.MaxBytes, "no wish leaves the limit alone")
	_, err = Ensure(t.Context(), b.js, StreamConfig{MaxBytes: 2 << 20})
	require.NoError(t, err)
	changed, err := b.js.Stream(t.Context(), DefaultStreamName)
	require.NoError(t, err)
	require.Equal(t, int64(2<<20), changed.CachedInfo().Config.MaxBytes)
}

func TestMessagesAreStoredByPartition(t *testing.T) {
	t.Parallel()
	b := newBroker(t, StreamConfig{})
	for _, account := range []string{"acme", "A", "with-dash_1", "0"} {
		result := b.publish(t, account, 0, 1)[0]
		stored, err := b.stream.handle.GetMsg(t.Context(), result.Sequence)
		require.NoError(t, err)
		lane, problem := message.ParseSubject(stored.Subject)
		require.Nil(t, problem)
		require.Equal(t, account, lane.Account)
		require.Contains(t, stored.Subject, partitionFilter(PartitionOf(account, DefaultPartitions))[:len(message.StoredPrefix)+1])
		_, err = b.stream.handle.GetLastMsgForSubject(t.Context(), partitionFilter(PartitionOf(account, DefaultPartitions)))
		require.NoError(t, err, "the partition is the one PartitionOf says")
	}
}

func TestEnsureRefusesOtherSettings(t *testing.T) {
	t.Parallel()
	for setting, spoil := range map[string]func(*jetstream.StreamConfig){
		"max_age":                 func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"max_msgs":                func(c *jetstream.StreamConfig) { c.MaxMsgs = 10 },
		"max_msgs_per_subject":    func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 },
		"max_msg_size":            func(c *jetstream.StreamConfig) { c.MaxMsgSize = -1 },
		"discard":                 func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld },
		"retention":               func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy },
		"storage":                 func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"allow_rollup_hdrs":       func(c *jetstream.StreamConfig) { c.AllowRollup = true },
		"allow_msg_ttl":           func(c *jetstream.StreamConfig) { c.AllowMsgTTL = true },
		"allow_atomic":            func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false },
		"allow_direct":            func(c *jetstream.StreamConfig) { c.AllowDirect = true },
		"no_ack":                  func(c *jetstream.StreamConfig) { c.NoAck, c.AllowAtomicPublish = true, false },
		"deny_purge":              func(c *jetstream.StreamConfig) { c.DenyPurge = true },
		"subjects":                func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, "other") },
		"subject_transform":       func(c *jetstream.StreamConfig) { c.SubjectTransform = nil },
		"partition(32,1)":         func(c *jetstream.StreamConfig) { c.SubjectTransform.Destination = storedTransform(32) },
		"discard_new_per_subject": func(c *jetstream.StreamConfig) { c.DiscardNewPerSubject, c.MaxMsgsPerSubject = true, 1 },
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			js := natstest.Start(t).JetStream(t)
			config := StreamConfig{}.withDefaults().wanted()
			spoil(&config)
			_, err := js.CreateStream(t.Context(), config)
			require.NoError(t, err)
			_, err = Ensure(t.Context(), js, StreamConfig{})
			require.ErrorIs(t, err, ErrStreamMismatch)
			require.ErrorContains(t, err, setting)
		})
	}
}

func TestServerVersions(t *testing.T) {
	t.Parallel()
	for version, recent := range map[string]bool{
		"2.15.0": true, "2.15.2-RC.1": true, "v2.16.0": true, "3.0.0": true,
		"2.14.9": false, "1.99.0": false, "2": false, "": false, "new": false,
	} {
		require.Equal(t, recent, recentEnough(version), version)
	}
	server := natstest.Start(t)
	connection := server.Connect(t)
	js, err := jetstream.New(connection)
	require.NoError(t, err)
	server.Stop()
	require.Eventually(t, func() bool { return connection.Status() == nats.RECONNECTING }, patience, time.Millisecond)
	_, err = Ensure(t.Context(), js, StreamConfig{})
	require.Error(t, err)
}
