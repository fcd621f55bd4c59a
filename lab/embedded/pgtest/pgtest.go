// Package pgtest gives tests a real Postgres: one server for each test binary,
// started at first use, and a database of its own for each test. With
// TEST_DATABASE_URL set, that server is used instead; its user must be allowed to
// create databases.
//
// A package that uses it ends the server in TestMain:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }
//
// Without that the server ends with the test binary all the same, and its folder
// is removed by a later run.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/lab/embedded"
)

// urlVariable names a server to use instead of an embedded one.
const urlVariable = "TEST_DATABASE_URL"

const (
	// timeout is generous: on a busy machine migrating alone may take a minute.
	timeout = 5 * time.Minute
	// From this version on CREATE DATABASE can copy files, which beats the
	// write-ahead log for a small template (measured: 45 ms against 64 ms).
	fileCopyVersion = 150000
)

// server is the one of this test binary. It is global because the tests of a
// binary have nothing else in common.
var server = struct {
	sync.Mutex
	postgres *embedded.Postgres
	created  []string // templates, dropped by Main
}{}

// Database makes an empty database, drops it when the test ends, and returns its
// URL.
func Database(tb testing.TB) string {
	tb.Helper()
	return create(tb, "template0", false)
}

// A Template is a migrated database that others are cloned from. It is safe for
// concurrent use.
type Template struct {
	migrate func(ctx context.Context, url string) error
	once    sync.Once
	name    string
	err     error
}

// NewTemplate remembers how to migrate an empty database; it does nothing yet. A
// package keeps one for all its tests. migrate must leave no connection open.
func NewTemplate(migrate func(ctx context.Context, url string) error) *Template {
	return &Template{migrate: migrate}
}

// Database clones the template, which the first call makes, drops the clone when
// the test ends, and returns its URL.
func (p *Template) Database(tb testing.TB) string {
	tb.Helper()
	p.once.Do(p.prepare)
	if p.err != nil {
		tb.Fatalf("preparing the template database: %v", p.err)
	}
	return create(tb, p.name, true)
}

func (p *Template) prepare() {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	base, err := serverURL(ctx)
	if err != nil {
		p.err = err
		return
	}
	p.name = newName("template")
	if p.err = execute(ctx, base, "CREATE DATABASE "+p.name+" TEMPLATE template0 ENCODING 'UTF8'"); p.err != nil {
		return
	}
	server.Lock()
	server.created = append(server.created, p.name)
	server.Unlock()
	p.err = p.migrate(ctx, withDatabase(base, p.name))
}

// create makes a database for one test.
func create(tb testing.TB, template string, clone bool) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	base, err := serverURL(ctx)
	if err != nil {
		tb.Fatalf("starting Postgres for tests: %v", err)
	}
	name := newName("test")
	statement := "CREATE DATABASE " + name + " TEMPLATE " + template
	if clone {
		statement += strategy(ctx, base)
	} else {
		statement += " ENCODING 'UTF8'"
	}
	if err := execute(ctx, base, statement); err != nil {
		tb.Fatalf("making a database: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		if err := execute(ctx, base, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("dropping the test's database: %v", err)
		}
	})
	return withDatabase(base, name)
}

// serverURL starts the server at first use.
func serverURL(ctx context.Context) (string, error) {
	server.Lock()
	defer server.Unlock()
	if server.postgres == nil {
		started, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{
			URL:        os.Getenv(urlVariable),
			Parameters: map[string]string{"autovacuum_naptime": "10s", "checkpoint_timeout": "1h"},
		})
		if err != nil {
			return "", err
		}
		server.postgres = started
	}
	return server.postgres.URL(), nil
}

// Runner is what *testing.M and goleak's VerifyTestMain have in common.
type Runner interface{ Run() int }

// Main wraps m: after the tests it drops what is left and ends the server.
func Main(m Runner) Runner { return &mainRunner{tests: m} }

type mainRunner struct{ tests Runner }

// Run runs the tests and cleans up after them.
func (r *mainRunner) Run() int {
	code := r.tests.Run()
	if err := shutdown(); err != nil {
		fmt.Fprintln(os.Stderr, "ending Postgres after the tests:", err)
		return max(code, 1)
	}
	return code
}

func shutdown() error {
	server.Lock()
	defer server.Unlock()
	if server.postgres == nil {
		return nil
	}
	if os.Getenv(urlVariable) != "" {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		for _, name := range server.created {
			if err := execute(ctx, server.postgres.URL(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
				return err
			}
		}
	}
	err := server.postgres.Stop()
	server.postgres, server.created = nil, nil
	return err
}

// strategy says how to clone; servers before version 15 know one way only.
func strategy(ctx context.Context, base string) string {
	connection, err := pgx.Connect(ctx, base)
	if err != nil {
		return "" // CREATE DATABASE will say what is wrong
	}
	defer func() { _ = connection.Close(ctx) }()
	var version int
	err = connection.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version)
	if err != nil || version < fileCopyVersion {
		return ""
	}
	return " STRATEGY file_copy"
}

func execute(ctx context.Context, url, statement string) error {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	_, err = connection.Exec(ctx, statement)
	return err
}

// newName is a name that needs no quoting and no other run uses.
func newName(kind string) string {
	id := uuid.New()
	return fmt.Sprintf("courier_%s_%x", kind, id[:8])
}

func withDatabase(base, name string) string {
	parsed, err := url.Parse(base)
	if err != nil {
		return base
	}
	parsed.Path = "/" + name
	return parsed.String()
}
