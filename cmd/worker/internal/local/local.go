// Package local starts everything that a worker needs inside this process: a
// NATS server, a private Postgres and simulated platforms.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/simulated"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// Options say what to start.
type Options struct {
	// Dir keeps streams and tables between runs. Empty is a temporary folder that
	// Close removes.
	Dir string
	// DatabaseURL, when not empty, names the Postgres to use instead of a private
	// one. With a temporary folder a database of its own is made there for the time
	// being: what is recorded of a stream is of no use without the stream.
	DatabaseURL string
	// NATSPort on 127.0.0.1; -1 takes a free one.
	NATSPort int
	// PostgresPort of a private Postgres on 127.0.0.1; 0 is a socket alone.
	PostgresPort int
	// Simulated are the platforms.
	Simulated simulated.Options
	Logger    *slog.Logger
}

// Environment is everything, running.
type Environment struct {
	NATS        *embedded.NATS
	Postgres    *embedded.Postgres
	Platforms   *simulated.Platforms
	DatabaseURL string

	closers []func() error
}

// Start starts everything and brings the schema up to date. The error of a part
// that cannot start ends the others.
func Start(ctx context.Context, options Options) (*Environment, error) {
	e := &Environment{}
	if err := e.start(ctx, options); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Environment) start(ctx context.Context, options Options) error {
	dir, err := e.folder(options.Dir)
	if err != nil {
		return err
	}
	if e.NATS, err = embedded.StartNATS(embedded.NATSOptions{
		StoreDir: filepath.Join(dir, "nats"), SyncAlways: true, Port: options.NATSPort, Logger: options.Logger,
	}); err != nil {
		return err
	}
	e.closeLater(func() error { e.NATS.Shutdown(); return nil })

	postgres := embedded.PostgresOptions{URL: options.DatabaseURL, Durable: true, Port: options.PostgresPort}
	if options.Dir != "" {
		postgres.Dir = filepath.Join(dir, "postgres")
	}
	if e.Postgres, err = embedded.StartPostgres(ctx, postgres); err != nil {
		return err
	}
	e.closeLater(e.Postgres.Stop)
	e.DatabaseURL = e.Postgres.URL()
	if options.Dir == "" && options.DatabaseURL != "" {
		if err := e.useTemporaryDatabase(ctx); err != nil {
			return err
		}
	}
	if _, err := persistence.Migrate(ctx, e.DatabaseURL); err != nil {
		return err
	}

	if e.Platforms, err = simulated.Start(ctx, options.Simulated); err != nil {
		return err
	}
	e.closeLater(e.Platforms.Close)
	return nil
}

func (e *Environment) folder(dir string) (string, error) {
	if dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // Postgres, run as another user, must reach its own folder in it
			return "", fmt.Errorf("making the folder for streams and tables: %w", err)
		}
		return filepath.Abs(dir)
	}
	temporary, err := os.MkdirTemp("", "courier-")
	if err != nil {
		return "", fmt.Errorf("making a temporary folder: %w", err)
	}
	e.closeLater(func() error { return os.RemoveAll(temporary) })
	return temporary, nil
}

func (e *Environment) closeLater(closer func() error) { e.closers = append(e.closers, closer) }

// Overrides are the flags that make a configuration use what was started.
func (e *Environment) Overrides() map[string]string {
	return map[string]string{"nats.url": e.NATS.URL(), "database.url": e.DatabaseURL}
}

// Addresses are those of the simulated platforms, by name.
func (e *Environment) Addresses() map[string]string {
	addresses := map[string]string{}
	for _, one := range e.Platforms.All() {
		addresses[one.Name] = one.URL
	}
	return addresses
}

// Use points a configuration at what was started: its accounts at the simulated
// platforms, and its log-in to NATS, which is for another server, at none.
func (e *Environment) Use(c *config.Config) {
	c.NATS.CredsFile, c.NATS.Token, c.NATS.InboxPrefix, c.NATS.TLS = "", config.Secret{}, "", config.TLS{}
	for name, account := range c.Accounts {
		if simulated, found := e.Platforms.Find(account.Platform); found {
			account.BaseURL = simulated.URL
		}
		c.Accounts[name] = account
	}
}

// Close ends everything, the last started first, and waits for it.
func (e *Environment) Close() error {
	var failures error
	for _, closeNext := range slices.Backward(e.closers) {
		failures = errors.Join(failures, closeNext())
	}
	e.closers = nil
	return failures
}
