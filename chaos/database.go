package main

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/embedded"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// database is a durable Postgres that can be crashed, stopped, copied and put back.
type database struct {
	disk *disk
	copy string // where a copy of its files is kept

	running *embedded.Postgres // nil while it is down
	// pool is the trial's own way in, past every proxy. It outlives restarts.
	pool *pgxpool.Pool
}

func (d *database) start(ctx context.Context) (err error) {
	d.running, err = embedded.StartPostgres(ctx, embedded.PostgresOptions{
		Dir: d.disk.path("postgres"), Durable: true,
		Parameters: map[string]string{"max_wal_size": "256MB", "autovacuum_naptime": "10s"},
	})
	if err != nil || d.pool != nil {
		return err
	}
	if _, err := persistence.Migrate(ctx, d.running.URL()); err != nil {
		return err
	}
	d.pool, err = persistence.Open(ctx, persistence.PoolConfig{URL: d.running.URL(), MaxConns: 4, ApplicationName: "chaos"})
	return err
}

// socket is the path of the Unix socket, and address the URL for clients who go
// through a door at host.
func (d *database) socket() string { return filepath.Join(d.disk.path("postgres"), ".s.PGSQL.5432") }

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
	return copyFolder(ctx, filepath.Join(d.disk.path("postgres"), "data"), d.copy)
}

func (d *database) putBack(ctx context.Context) error {
	return copyFolder(ctx, d.copy, filepath.Join(d.disk.path("postgres"), "data"))
}

func (d *database) close() error {
	if d.pool != nil {
		d.pool.Close()
	}
	return errors.Join(d.stop())
}
