package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/audited"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/internal/devservers"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/service"
)

func (a *app) migrateCommand() *cobra.Command {
	var wait time.Duration
	var adopt, yes, dryRun bool
	var note audited.Note
	command := &cobra.Command{
		Use:   "migrate",
		Short: "bring the database schema up to date",
		Long: `Brings the schema up to date. Safe to run from many places at once: one
applies, the others wait and find it done. Needs no accounts, and a database that
--database, DATABASE_URL or the configuration names: worker dev migrates its own.
--dry-run lists what would be applied, and what of it locks or rewrites tables; it
changes nothing.

A worker refuses a stream that its database does not know, and a stream that
another database's workers work. --adopt-stream accepts the stream that is there
on purpose: after the stream, or the database, was replaced. It says first what
will be sent again, and asks; --yes answers for scripts. Stop all workers before.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if yes && !adopt {
				return cli.UsageErrorf("--yes answers what --adopt-stream asks")
			}
			if err := note.Check(); err != nil {
				return err
			}
			if note.Text() != "" && !adopt {
				return cli.UsageErrorf("--reason says why --adopt-stream is given")
			}
			if dryRun && (adopt || wait > 0) {
				return cli.UsageErrorf("--dry-run goes with neither --adopt-stream nor --wait")
			}
			// Never of a worker dev that happens to run: a schema is changed on purpose.
			settings, _, err := a.loadNamed()
			if err != nil {
				return err
			}
			if settings.Database.URL.IsZero() {
				if found, runs := devservers.Running(a.streams); runs {
					return fmt.Errorf("%w; that of the running worker dev (process %d) is not taken: it migrates its own", service.ErrNoDatabase, found.Process)
				}
				return service.ErrNoDatabase
			}
			if dryRun {
				return a.listPending(c.Context(), settings)
			}
			version, err := a.migrate(c.Context(), settings.Database.URL.Reveal(), wait)
			if err != nil {
				return fmt.Errorf("the database at %s: %w", settings.Database.URL.Address(), err)
			}
			if _, err = fmt.Fprintf(a.streams.Out, "the schema is at version %d\n", version); err != nil || !adopt {
				return err
			}
			return a.adopt(c.Context(), settings, yes, note.Text())
		},
	}
	flags := command.Flags()
	flags.DurationVar(&wait, "wait", 0, "how long to wait for a database that cannot be reached yet")
	flags.BoolVar(&dryRun, "dry-run", false, "list what would be applied, and change nothing")
	flags.BoolVar(&adopt, "adopt-stream", false, "accept the stream that is there in the place of the recorded one")
	flags.BoolVar(&yes, "yes", false, "adopt without asking")
	note.Flag(flags, "reason")
	return command
}

// listPending prints what a migration would apply.
func (a *app) listPending(ctx context.Context, settings *config.Config) error {
	pending, err := persistence.PendingMigrations(ctx, settings.Database.URL.Reveal())
	if err != nil {
		return fmt.Errorf("the database at %s: %w", settings.Database.URL.Address(), err)
	}
	if len(pending) == 0 {
		_, err := fmt.Fprintln(a.streams.Out, "nothing to apply: the schema is up to date")
		return err
	}
	for _, one := range pending {
		if _, err := fmt.Fprintf(a.streams.Out, "%s\n  %s\n", one.Name, one.Comment); err != nil {
			return err
		}
		for _, effect := range one.Effects {
			if _, err := fmt.Fprintln(a.streams.Out, "  - "+effect); err != nil {
				return err
			}
		}
	}
	_, err = fmt.Fprintf(a.streams.Out, "%d to apply; nothing was changed\n", len(pending))
	return err
}

// migrate tries again for as long as wait while nothing answers.
func (a *app) migrate(ctx context.Context, url string, wait time.Duration) (version int64, err error) {
	if wait <= 0 {
		return persistence.Migrate(ctx, url)
	}
	policy := backoff.NewExponentialBackOff(backoff.WithMaxInterval(5*time.Second), backoff.WithMaxElapsedTime(wait))
	err = backoff.RetryNotify(func() error {
		var failure error
		version, failure = persistence.Migrate(ctx, url)
		if failure != nil && !unreachable(failure) {
			return backoff.Permanent(failure)
		}
		return failure
	}, backoff.WithContext(policy, ctx), func(_ error, pause time.Duration) {
		_, _ = fmt.Fprintf(a.streams.Err, "the database does not answer yet, next try in %s\n", pause.Round(100*time.Millisecond))
	})
	return version, err
}

func unreachable(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network
}
