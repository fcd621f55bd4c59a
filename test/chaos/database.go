package main

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// database is a durable Postgres that can be crashed, stopped, copied and restored, and
// that can fail over to a standby.
type database struct {
	disk  *disk
	copy  string // where a copy of its files is kept
	place string // a symbolic link to the folder of the socket
	name  string // of the folder that is in use, on the disk

	running *embedded.Postgres // nil while it is down
	// pool is the run's own way in, past every proxy. It outlives restarts.
	pool *pgxpool.Pool
}

func (d *database) start(ctx context.Context) (err error) {
	d.name = cmp.Or(d.name, firstFolder)
	d.running, err = embedded.StartPostgres(ctx, embedded.PostgresOptions{
		Dir: d.disk.path(d.name), Durable: true,
		Parameters: map[string]string{"max_wal_size": "256MB", "autovacuum_naptime": "10s"},
	})
	if err != nil || d.pool != nil {
		return err
	}
	if err := d.show(); err != nil {
		return err
	}
	if _, err := persistence.Migrate(ctx, d.running.URL()); err != nil {
		return err
	}
	address := url.URL{Scheme: "postgres", User: url.User("courier"), Path: "/courier", RawQuery: url.Values{"host": {d.place}, "sslmode": {"disable"}}.Encode()}
	d.pool, err = persistence.Open(ctx, persistence.PoolConfig{URL: address.String(), MaxConns: 4, ApplicationName: "chaos"})
	return err
}

// The folders of the server that is in use and of its standby take turns.
const (
	firstFolder  = "postgres"
	secondFolder = "postgres-2"
)

// other is the folder that is not in use.
func (d *database) other() string {
	if d.name == firstFolder {
		return secondFolder
	}
	return firstFolder
}

// show leads the proxies to the folder that is in use.
func (d *database) show() error {
	next := d.place + ".next"
	if err := os.Symlink(d.disk.path(d.name), next); err != nil {
		return err
	}
	return os.Rename(next, d.place)
}

// failOver loses the server and promotes a standby. One that is not synchronous has
// not got what was committed for the time of behind.
func (d *database) failOver(ctx context.Context, synchronous bool, behind func()) error {
	if err := os.RemoveAll(d.disk.path(d.other())); err != nil {
		return err
	}
	standby, err := d.running.StartStandby(ctx, embedded.StandbyOptions{Dir: d.disk.path(d.other()), Synchronous: synchronous})
	if err != nil {
		return err
	}
	if !synchronous {
		if err := standby.Fall(ctx); err != nil {
			return errors.Join(err, standby.Stop()) //nolint:contextcheck // ending it must not end with ctx
		}
	}
	behind()
	err = errors.Join(d.running.Kill(), standby.Promote(ctx)) //nolint:contextcheck // ending it must not end with ctx
	d.running, d.name = standby, d.other()
	return errors.Join(err, d.show())
}

// socket is the path of the Unix socket, and address the URL for clients who go
// through a proxy at host.
func (d *database) socket() string { return filepath.Join(d.place, ".s.PGSQL.5432") }

func (d *database) address(host string) string {
	address := url.URL{
		Scheme: "postgres", User: url.User("courier"), Host: host, Path: "/courier",
		RawQuery: "sslmode=disable",
	}
	return address.String()
}

// crash ends the server at once; stop gives it time for a checkpoint.
func (d *database) crash() error { return d.end((*embedded.Postgres).Crash) }
func (d *database) stop() error  { return d.end((*embedded.Postgres).Stop) }

func (d *database) end(how func(*embedded.Postgres) error) error {
	if d.running == nil {
		return nil
	}
	err := how(d.running)
	d.running = nil
	return err
}

// keepCopy copies the stopped server's files; putBack makes them the server's again.
func (d *database) keepCopy(ctx context.Context) error {
	return copyFolder(ctx, filepath.Join(d.disk.path(d.name), "data"), d.copy)
}

func (d *database) putBack(ctx context.Context) error {
	return copyFolder(ctx, d.copy, filepath.Join(d.disk.path(d.name), "data"))
}

func (d *database) close() error {
	if d.pool != nil {
		d.pool.Close()
	}
	return errors.Join(d.stop())
}
