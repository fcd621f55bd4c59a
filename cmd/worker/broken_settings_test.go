package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

// account runs a server with an account that has the limits of JetStream.
func (s *situation) account(limits string) {
	path := filepath.Join(s.t.TempDir(), "nats.conf")
	require.NoError(s.t, os.WriteFile(path, []byte(
		"accounts { A: { jetstream: {"+limits+"}, users: [{user: u, password: p}] } }\n"), 0o600))
	read, err := server.ProcessConfigFile(path)
	require.NoError(s.t, err)
	s.broker(func(o *server.Options) { o.Accounts, o.Users = read.Accounts, read.Users })
	s.nats = strings.Replace(s.nats, "//", "//u:p@", 1)
}

// existing makes the worker's stream with one setting changed.
func existing(edit func(c *jetstream.StreamConfig)) func(s *situation) {
	return func(s *situation) { s.broker(nil); s.stream(edit) }
}

// bucket makes the stream and a bucket of the name that the mirror has.
func bucket(edit func(c *jetstream.KeyValueConfig)) func(s *situation) {
	return func(s *situation) {
		s.broker(nil)
		s.stream(func(*jetstream.StreamConfig) {})
		conn, err := nats.Connect(s.nats)
		require.NoError(s.t, err)
		defer conn.Close()
		js, err := jetstream.New(conn)
		require.NoError(s.t, err)
		c := jetstream.KeyValueConfig{Bucket: "CATALOG_MUTATIONS_COMMITS", History: 1, Storage: jetstream.FileStorage}
		edit(&c)
		_, err = js.CreateKeyValue(s.t.Context(), c)
		require.NoError(s.t, err)
	}
}

// role makes one that may log in, with all rights on the schema, and goes on as it.
func (s *situation) role(options string) {
	name := "role_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	s.sql("CREATE ROLE " + name + " LOGIN " + options + "; GRANT ALL ON SCHEMA courier TO " + name +
		"; GRANT ALL ON ALL TABLES IN SCHEMA courier TO " + name + "; GRANT ALL ON ALL FUNCTIONS IN SCHEMA courier TO " + name)
	s.database += "&user=" + name
}

// brokenSettings are of what exists, or of limits, and let no worker work.
var brokenSettings = []broken{
	// The stream.
	{"stream that keeps what is purged", "deny_purge is", existing(func(c *jetstream.StreamConfig) { c.DenyPurge = true })},
	{"stream that is a mirror", "mirror is", existing(func(c *jetstream.StreamConfig) {
		*c = jetstream.StreamConfig{Name: c.Name, Mirror: &jetstream.StreamSource{Name: "OTHER"}}
	})},
	{"stream with sources", "sources is", existing(func(c *jetstream.StreamConfig) { c.Sources = []*jetstream.StreamSource{{Name: "OTHER"}} })},
	{"stream without a transform", "subject_transform is", existing(func(c *jetstream.StreamConfig) { c.SubjectTransform = nil })},
	{"stream with rollups", "allow_rollup_hdrs is", existing(func(c *jetstream.StreamConfig) { c.AllowRollup = true })},
	{"stream with a number of messages", "max_msgs is", existing(func(c *jetstream.StreamConfig) { c.MaxMsgs = 10 })},
	{"stream without atomic batches", "allow_atomic is", existing(func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false })},
	{"stream with few consumers", "max_consumers is 8", existing(func(c *jetstream.StreamConfig) { c.MaxConsumers = 8 })},
	{"stream whose consumers end early", "consumer_limits.inactive_threshold is 1s", existing(func(c *jetstream.StreamConfig) {
		c.ConsumerLimits.InactiveThreshold = time.Second
	})},
	// The bucket of the mirror.
	{"bucket with an age", "max_age is 1h0m0s", bucket(func(c *jetstream.KeyValueConfig) { c.TTL = time.Hour })},
	{"bucket in memory", "storage is", bucket(func(c *jetstream.KeyValueConfig) { c.Storage = jetstream.MemoryStorage })},
	{"bucket of small notes", "max_msg_size is 10", bucket(func(c *jetstream.KeyValueConfig) { c.MaxValueSize = 10 })},
	{"bucket of few bytes", "max_bytes is 4096", bucket(func(c *jetstream.KeyValueConfig) { c.MaxBytes = 4096 })},
	// The account.
	{"account without streams left", "limit of streams", func(s *situation) { s.account("max_streams: 1") }},
	{"account with few consumers", "limit of consumers", func(s *situation) { s.account("max_consumers: 8") }},
	{"account with little storage", "nats.stream.max_bytes", func(s *situation) { s.account("max_file: 1G") }},
	{"account that wants limits", "max_bytes_required", func(s *situation) { s.account("max_bytes: true") }},
	{"inbox denied", "_INBOX", func(s *situation) {
		s.broker(func(o *server.Options) {
			o.Users = []*server.User{{Username: "u", Password: "p", Permissions: &server.Permissions{
				Subscribe: &server.SubjectPermission{Deny: []string{"_INBOX.>"}},
			}}}
		})
		s.nats = strings.Replace(s.nats, "//", "//u:p@", 1)
	}},
	// Postgres.
	{"too few connections of the role", "database.max_conns", func(s *situation) { s.broker(nil); s.role("CONNECTION LIMIT 3") }},
	{"no connection of the database", "too many connections", func(s *situation) {
		s.broker(nil)
		s.sql("ALTER DATABASE " + s.name() + " CONNECTION LIMIT 0")
		s.role("")
	}},
}

// warned are settings that differ from what is wanted, and with which a worker works.
var warned = []broken{
	{"deny_delete", "deny_delete is true, wanted false", existing(func(c *jetstream.StreamConfig) { c.DenyDelete = true })},
	{"short duplicate window", "duplicate_window is 1s, wanted 2m0s", existing(func(c *jetstream.StreamConfig) { c.Duplicates = time.Second })},
	{"compression", "compression is S2, wanted None", existing(func(c *jetstream.StreamConfig) { c.Compression = jetstream.S2Compression })},
	{"other number of consumers", "max_consumers is 200, wanted -1", existing(func(c *jetstream.StreamConfig) { c.MaxConsumers = 200 })},
	{"newer schema", "newer than this program", func(s *situation) {
		s.broker(nil)
		s.sql("INSERT INTO courier.schema_version (version_id, is_applied) VALUES (99999, true)")
	}},
	{"fewer connections than configured", "database.max_conns", func(s *situation) { s.broker(nil); s.role("CONNECTION LIMIT 7") }},
}

// TestCheckAndRunWarnOfSettingsThatDiffer in the same words.
func TestCheckAndRunWarnOfSettingsThatDiffer(t *testing.T) {
	t.Parallel()
	for _, one := range warned {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			s := &situation{t: t, database: persistencetest.Database(t)}
			one.make(s)
			check, run := s.both("worker started", one.says)
			require.Zero(t, check.code, check.out+check.err)
			require.Contains(t, check.out, "warns")
			require.Contains(t, check.out, one.says)
			require.Contains(t, run.err, "worker started")
			require.Contains(t, run.err, one.says, "run says the same")
		})
	}
}

// TestFailuresSayWhereTheSettingWasMade: with file and line.
func TestFailuresSayWhereTheSettingWasMade(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]broken{
		"replicas": {says: "courier.yaml:1", make: func(s *situation) { s.broker(nil); s.add("nats: {stream: {replicas: 3}}") }},
		"partitions": {says: "nats.partitions: ", make: func(s *situation) {
			s.broker(nil)
			s.stream(func(*jetstream.StreamConfig) {})
			s.add("nats: {partitions: 8}")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &situation{t: t, database: persistencetest.Database(t)}
			one.make(s)
			check, run := s.both(one.says, "courier.yaml:1")
			for _, text := range []string{check.out, run.err} {
				require.Contains(t, text, one.says)
				require.Contains(t, text, "courier.yaml:1")
			}
		})
	}
}
