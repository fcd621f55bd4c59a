package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/persistence"
)

func (a *app) eraseCommand() *cobra.Command {
	var account, item string
	var dryRun, yes bool
	command := &cobra.Command{
		Use:   "erase",
		Short: "erase what the database keeps of one item",
		Long: `Erases values, texts and the id of one item of an account from the database: its dead
letters, its messages in finished batches, the texts of its results, webhook deliveries
that name it, and what sources know of it. Other items stay as they are. It refuses while
a change of the item waits or is at a platform. Delete the item at the platform first, by
publishing a DELETE.

It connects as --database says, which must be the role that owns the schema
(courier_migrate of deploy/postgres/roles.sql). --yes answers for scripts.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if account == "" || item == "" {
				return cli.UsageErrorf("--account and --item are needed")
			}
			if dryRun && yes {
				return cli.UsageErrorf("give either --dry-run or --yes")
			}
			return a.erase(c, account, item, dryRun, yes)
		},
	}
	flags := command.Flags()
	flags.StringVar(&account, "account", "", "the item's account")
	flags.StringVar(&item, "item", "", "the item's id")
	flags.BoolVar(&dryRun, "dry-run", false, "count what would be erased, and change nothing")
	flags.BoolVar(&yes, "yes", false, "erase without asking")
	return command
}

var errNotErased = errors.New("nothing was erased: it needs --yes, or a yes on a terminal")

func (a *app) erase(c *cobra.Command, account, item string, dryRun, yes bool) error {
	settings, err := a.loadInfrastructure()
	if err != nil {
		return err
	}
	db, err := a.openStore(c)
	if err != nil {
		return err
	}
	defer db.close()
	found, err := db.EraseItem(c.Context(), account, item, true)
	if err != nil {
		return fmt.Errorf("the database at %s: %w", settings.Database.URL.Address(), err)
	}
	if err := a.listErased("would be erased of item "+legible.Text(item)+" of account "+legible.Text(account), found); err != nil || dryRun {
		return err
	}
	if !yes {
		switch agreed, err := a.ask("Erase it? It cannot be undone. [y/N] "); {
		case err != nil && !errors.Is(err, errNotAdopted):
			return err
		case !agreed:
			return errNotErased
		}
	}
	if found, err = db.EraseItem(c.Context(), account, item, false); err != nil {
		return fmt.Errorf("the database at %s: %w", settings.Database.URL.Address(), err)
	}
	if err := a.listErased("erased", found); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.streams.Out, `What stays: ids of mutations, times and counts; the messages in the stream, until they
are recorded and %s old (nats.stream.replay_window); logs; backups of the database and of
NATS; and the item at the platform.
`, settings.NATS.Stream.ReplayWindow)
	return err
}

func (a *app) listErased(title string, found []persistence.Erased) error {
	if _, err := fmt.Fprintln(a.streams.Out, title+":"); err != nil {
		return err
	}
	for _, one := range found {
		if _, err := fmt.Fprintf(a.streams.Out, "%8d %s\n", one.Rows, one.What); err != nil {
			return err
		}
	}
	return nil
}
