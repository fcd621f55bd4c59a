package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

// situation is what check and run are tried against.
type situation struct {
	t        *testing.T
	nats     string
	database string
	file     []string // lines of the configuration, whole sections
}

// broker runs a NATS server until the test ends.
func broker(t *testing.T, edit func(*server.Options)) string {
	t.Helper()
	options := &server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true, MaxPayload: 2 << 20,
	}
	if edit != nil {
		edit(options)
	}
	started, err := server.NewServer(options)
	require.NoError(t, err)
	started.Start()
	t.Cleanup(func() { started.Shutdown(); started.WaitForShutdown() })
	require.True(t, started.ReadyForConnections(10*time.Second))
	return "nats://" + started.Addr().String()
}

func permissions(deny ...string) func(*server.Options) {
	return func(o *server.Options) {
		o.Users = []*server.User{{Username: "u", Password: "p", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: deny}}}}
	}
}

func (s *situation) broker(edit func(*server.Options)) { s.nats = broker(s.t, edit) }

// denied gives a user that may not publish to the subjects.
func (s *situation) denied(deny ...string) {
	s.broker(permissions(deny...))
	s.nats = strings.Replace(s.nats, "//", "//u:p@", 1)
}

func (s *situation) add(lines ...string) { s.file = append(s.file, lines...) }

// stream makes the worker's stream, then changes one setting of it.
func (s *situation) stream(edit func(*jetstream.StreamConfig)) {
	conn, err := nats.Connect(s.nats)
	require.NoError(s.t, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(s.t, err)
	c := jetstream.StreamConfig{
		Name: "CATALOG_MUTATIONS", Subjects: []string{"catalog.mutations.*.*.*"}, Discard: jetstream.DiscardNew, AllowAtomicPublish: true,
		SubjectTransform: &jetstream.SubjectTransformConfig{
			Source:      "catalog.mutations.*.*.*",
			Destination: "catalog.p.{{partition(64,1)}}.{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}",
		},
		MaxMsgSize: 1<<20 + 64<<10,
	}
	edit(&c)
	_, err = js.CreateStream(s.t.Context(), c)
	require.NoError(s.t, err)
}

func (s *situation) sql(statement string) {
	connection, err := pgx.Connect(s.t.Context(), s.database)
	require.NoError(s.t, err)
	defer func() { _ = connection.Close(context.Background()) }()
	_, err = connection.Exec(s.t.Context(), statement)
	require.NoError(s.t, err, statement)
}

func (s *situation) name() string {
	parsed, err := pgx.ParseConfig(s.database)
	require.NoError(s.t, err)
	return parsed.Database
}

// broken is one precondition that does not hold, and words of what is said of it.
type broken struct {
	name, says string
	make       func(s *situation)
}

var brokenPreconditions = []broken{
	// NATS: the connection.
	{"NATS away", "NATS", func(s *situation) { s.nats = "nats://127.0.0.1:1" }},
	{"JetStream off", "JetStream", func(s *situation) { s.broker(func(o *server.Options) { o.JetStream = false }) }},
	{"wrong password", "Authorization", func(s *situation) {
		s.broker(permissions())
		s.nats = strings.Replace(s.nats, "//", "//u:wrong@", 1)
	}},
	{"no password", "Authorization", func(s *situation) { s.broker(permissions()) }},
	{"wrong token", "Authorization", func(s *situation) {
		s.broker(func(o *server.Options) { o.Authorization = "right" })
		s.add("nats: {token: wrong}")
	}},
	{"no TLS at the server", "secure", func(s *situation) { s.broker(nil); s.nats = strings.Replace(s.nats, "nats:", "tls:", 1) }},
	{"CA file missing", "none.pem", func(s *situation) { s.broker(nil); s.add("nats: {tls: {ca_file: /none.pem}}") }},
	{"credentials file missing", "none.creds", func(s *situation) { s.broker(nil); s.add("nats: {creds_file: /none.creds}") }},
	{"seed as credentials", "nats.nkey_seed_file", func(s *situation) {
		s.broker(nil)
		s.add("nats: {creds_file: " + s.seedFile() + "}")
	}},
	{"text as credentials", "not a NATS credentials file", func(s *situation) {
		s.broker(nil)
		path := filepath.Join(s.t.TempDir(), "user.creds")
		require.NoError(s.t, os.WriteFile(path, []byte("user: acme\npassword: p\n"), 0o600))
		s.add("nats: {creds_file: " + path + "}")
	}},
	{"unknown domain", "nats.domain", func(s *situation) { s.broker(nil); s.add("nats: {domain: hub}") }},
	{"unknown nkey", "Authorization", func(s *situation) {
		known, err := nkeys.CreateUser()
		require.NoError(s.t, err)
		public, err := known.PublicKey()
		require.NoError(s.t, err)
		s.broker(func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} })
		pair, err := nkeys.CreateUser()
		require.NoError(s.t, err)
		seed, err := pair.Seed()
		require.NoError(s.t, err)
		s.add("nats: {nkey_seed: " + string(seed) + "}")
	}},
	{"no seed", "nats.nkey_seed", func(s *situation) { s.broker(nil); s.add("nats: {nkey_seed: SUNOTASEED}") }},
	// NATS: limits and what exists.
	{"file store too small", "nats.stream.max_bytes", func(s *situation) { s.broker(func(o *server.Options) { o.JetStreamMaxStore = 1 << 30 }) }},
	{"replicas on one server", "nats.stream.replicas", func(s *situation) { s.broker(nil); s.add("nats: {stream: {replicas: 3}}") }},
	{"more replicas on one server", "nats.stream.replicas", func(s *situation) {
		s.broker(nil)
		s.stream(func(*jetstream.StreamConfig) {})
		s.add("nats: {stream: {replicas: 3}}")
	}},
	{"subjects of another stream", "the owner of the subjects catalog.mutations", func(s *situation) {
		s.broker(nil)
		s.stream(func(c *jetstream.StreamConfig) {
			*c = jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"catalog.>"}}
		})
	}},
	{"stream with other subjects", "subjects is", func(s *situation) {
		s.broker(nil)
		s.stream(func(c *jetstream.StreamConfig) { c.Subjects = []string{"catalog.mutations.>"} })
	}},
	{"stream in memory", "storage is", func(s *situation) {
		s.broker(nil)
		s.stream(func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage })
	}},
	{"stream as a work queue", "retention is", func(s *situation) {
		s.broker(nil)
		s.stream(func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy })
	}},
	{"stream with an age", "max_age is", func(s *situation) {
		s.broker(nil)
		s.stream(func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour })
	}},
	{"stream that drops the oldest", "discard is", func(s *situation) {
		s.broker(nil)
		s.stream(func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld })
	}},
	{"stream with small messages", "max_msg_size is", func(s *situation) {
		s.broker(nil)
		s.stream(func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1024 })
	}},
	{"stream of other partitions", "subject_transform is", func(s *situation) {
		s.broker(nil)
		s.stream(func(*jetstream.StreamConfig) {})
		s.add("nats: {partitions: 8}")
	}},
	// NATS: permissions.
	{"may not ask JetStream", "$JS.API.INFO", func(s *situation) { s.denied("$JS.API.INFO") }},
	{"may not look at the stream", "$JS.API.STREAM.INFO.CATALOG_MUTATIONS", func(s *situation) { s.denied("$JS.API.STREAM.INFO.>") }},
	{"may not make the stream", "$JS.API.STREAM.CREATE.CATALOG_MUTATIONS", func(s *situation) { s.denied("$JS.API.STREAM.CREATE.>") }},
	{"may not make consumers", "$JS.API.CONSUMER.CREATE.CATALOG_MUTATIONS", func(s *situation) { s.denied("$JS.API.CONSUMER.CREATE.>") }},
	{"may not ask for messages", "$JS.API.CONSUMER.MSG.NEXT.CATALOG_MUTATIONS", func(s *situation) { s.denied("$JS.API.CONSUMER.MSG.NEXT.>") }},
	{"may not trim", "$JS.API.STREAM.PURGE.CATALOG_MUTATIONS", func(s *situation) { s.denied("$JS.API.STREAM.PURGE.>") }},
	{"may not write to the mirror", "$KV.CATALOG_MUTATIONS_COMMITS", func(s *situation) { s.denied("$KV.>") }},
	// Postgres.
	{"Postgres away", "127.0.0.1:1", func(s *situation) { s.broker(nil); s.database = "postgres://u:p@127.0.0.1:1/x?sslmode=disable" }},
	{"no such database", "does not exist", func(s *situation) {
		s.broker(nil)
		s.database = strings.Replace(s.database, s.name(), "no_such_database", 1)
	}},
	{"no such role", "no_such_role", func(s *situation) { s.broker(nil); s.database += "&user=no_such_role" }},
	{"no schema", "worker migrate", func(s *situation) { s.broker(nil); s.database = pgtest.Database(s.t) }},
	{"older schema", "worker migrate", func(s *situation) {
		s.broker(nil)
		s.sql("DELETE FROM courier.schema_version WHERE version_id = (SELECT max(version_id) FROM courier.schema_version)")
	}},
	{"other encoding", "EUC_JP", func(s *situation) {
		s.broker(nil)
		name := "other_" + strings.ReplaceAll(uuid.NewString(), "-", "")
		s.sql("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'EUC_JP' LC_COLLATE 'C' LC_CTYPE 'C'")
		s.database = strings.Replace(s.database, s.name(), name, 1)
	}},
	{"read-only database", "default_transaction_read_only", func(s *situation) {
		s.broker(nil)
		s.sql("ALTER DATABASE " + s.name() + " SET default_transaction_read_only = on")
	}},
	{"role without privileges", "permission denied", func(s *situation) {
		s.broker(nil)
		role := "role_" + strings.ReplaceAll(uuid.NewString(), "-", "")
		s.sql("CREATE ROLE " + role + " LOGIN PASSWORD 'p'")
		s.sql("ALTER DATABASE " + s.name() + " SET role = " + role)
	}},
	{"role that only reads", "courier.", func(s *situation) {
		s.broker(nil)
		role := "role_" + strings.ReplaceAll(uuid.NewString(), "-", "")
		s.sql("CREATE ROLE " + role + "; GRANT USAGE ON SCHEMA courier TO " + role + "; GRANT SELECT ON ALL TABLES IN SCHEMA courier TO " + role)
		s.sql("ALTER DATABASE " + s.name() + " SET role = " + role)
	}},
	// The configuration.
	{"no database named", "DATABASE_URL", func(s *situation) { s.broker(nil); s.database = "" }},
	{"unknown key", "natz", func(s *situation) { s.broker(nil); s.add("natz: {}") }},
	{"token file missing", "nats.token_file", func(s *situation) { s.broker(nil); s.add("nats: {token_file: /none.token}") }},
	{"unknown variable", "NOBODY_SET_IT", func(s *situation) { s.broker(nil); s.add("nats: {token: '${NOBODY_SET_IT}'}") }},
	{"port in use", "http.listen", func(s *situation) {
		s.broker(nil)
		var config net.ListenConfig
		listener, err := config.Listen(s.t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(s.t, err)
		s.t.Cleanup(func() { _ = listener.Close() })
		s.add(fmt.Sprintf("http: {listen: '%s'}", listener.Addr()))
	}},
	{"port not of this machine", "http.listen", func(s *situation) { s.broker(nil); s.add("http: {listen: '192.0.2.1:80'}") }},
}

// seedFile has an nkey seed, as the tool nk writes it.
func (s *situation) seedFile() string {
	pair, err := nkeys.CreateUser()
	require.NoError(s.t, err)
	seed, err := pair.Seed()
	require.NoError(s.t, err)
	path := filepath.Join(s.t.TempDir(), "user.nk")
	require.NoError(s.t, os.WriteFile(path, append(seed, '\n'), 0o600))
	return path
}

// both runs check, and run until it ends or has waited for a while.
func (s *situation) both(until ...string) (check, run execution) {
	s.t.Helper()
	if !strings.Contains(strings.Join(s.file, "\n"), "http:") {
		s.add("http: {listen: '127.0.0.1:0'}")
	}
	s.add("accounts: {a: {platform: meta, access_token: t, base_url: 'http://127.0.0.1:1', catalogs: {c: {catalog_id: '1'}}}}")
	path := filepath.Join(s.t.TempDir(), "courier.yaml")
	require.NoError(s.t, os.WriteFile(path, []byte(strings.Join(s.file, "\n")+"\n"), 0o600))
	variables := map[string]string{"NATS_URL": s.nats, "DATABASE_URL": s.database}
	check = execute(s.t, variables, "check", "--config", path)
	limited, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	told := &awaited{all: until, found: cancel}
	return check, executeTo(limited, told, builtin.Platforms(), variables, "run", "--config", path)
}

// awaited keeps what is written to it, and calls found once all the texts are there.
type awaited struct {
	mu     sync.Mutex
	buffer bytes.Buffer
	all    []string
	found  func()
}

func (a *awaited) Write(text []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.buffer.Write(text)
	if !slices.ContainsFunc(a.all, func(one string) bool { return !bytes.Contains(a.buffer.Bytes(), []byte(one)) }) {
		a.found()
	}
	return len(text), nil
}

func (a *awaited) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.buffer.String()
}

// TestCheckSaysWhyRunCannotWork tries both against everything that can be broken.
func TestCheckSaysWhyRunCannotWork(t *testing.T) {
	t.Parallel()
	for _, broken := range slices.Concat(brokenPreconditions, brokenSettings) {
		t.Run(broken.name, func(t *testing.T) {
			t.Parallel()
			s := &situation{t: t, database: persistencetest.Database(t)}
			broken.make(s)
			check, run := s.both(broken.says)
			require.Equal(t, cli.Failed, check.code, check.out+check.err)
			require.Contains(t, check.out+check.err, broken.says)
			require.Contains(t, check.out, "FAILED")
			require.NotContains(t, run.err, "worker started")
			require.Contains(t, run.err, broken.says, "run says the same")
		})
	}
}

// TestCheckAndRunAgreeThatAllIsWell: also with an nkey and in a domain.
func TestCheckAndRunAgreeThatAllIsWell(t *testing.T) {
	t.Parallel()
	pair, err := nkeys.CreateUser()
	require.NoError(t, err)
	public, err := pair.PublicKey()
	require.NoError(t, err)
	seed, err := pair.Seed()
	require.NoError(t, err)
	seedFile := filepath.Join(t.TempDir(), "seed")
	require.NoError(t, os.WriteFile(seedFile, append(seed, '\n'), 0o600))
	withKey := func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} }
	for name, arrange := range map[string]func(s *situation){
		"nothing made yet": func(s *situation) { s.broker(nil) },
		"a stream":         func(s *situation) { s.broker(nil); s.stream(func(*jetstream.StreamConfig) {}) },
		"an nkey":          func(s *situation) { s.broker(withKey); s.add("nats: {nkey_seed: " + string(seed) + "}") },
		"an nkey's file":   func(s *situation) { s.broker(withKey); s.add("nats: {nkey_seed_file: " + seedFile + "}") },
		"a domain": func(s *situation) {
			s.broker(func(o *server.Options) { o.JetStreamDomain = "hub" })
			s.add("nats: {domain: hub}")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &situation{t: t, database: persistencetest.Database(t)}
			arrange(s)
			check, run := s.both("worker started")
			require.Zero(t, check.code, check.out+check.err)
			require.Zero(t, run.code, run.err)
			require.Contains(t, run.err, "worker started")
			require.NotContains(t, check.out+run.err, string(seed))
		})
	}
}
