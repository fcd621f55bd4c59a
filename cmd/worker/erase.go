package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/audited"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// erasing are the flags of erase.
type erasing struct {
	account, item string
	dryRun, yes   bool
	note          audited.Note
}

func (a *app) eraseCommand() *cobra.Command {
	var e erasing
	command := &cobra.Command{
		Use:   "erase ITEM",
		Short: "erase what the database keeps of one item",
		Long: `Erases values, texts and the id of one item of an account from the database: its dead
letters, its messages in finished batches and what platforms answered to these, the texts
of its results, webhook deliveries that name it, and what sources know of it. Other items
stay as they are. It shows what that is, and asks. It refuses while a change of the item
waits or is at a platform. Delete the item at the platform first, by publishing a DELETE.

It connects as --database says, which must be the role that owns the schema
(courier_migrate of deploy/postgres/roles.sql). --yes answers for scripts. The audit log
keeps who did it and a hash of the item's id, not the id.`,
		Example: `  worker erase SKU-1 --account acme --dry-run
  worker erase SKU-1 --account acme --reason "request of a customer"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 && e.item != "" {
				return cli.UsageErrorf("name the item once: as an argument or with --item")
			}
			if len(args) == 1 {
				e.item = args[0]
			}
			switch {
			case e.item == "":
				return cli.UsageErrorf("name the item: worker erase ITEM --account ACCOUNT")
			case e.account == "":
				return cli.UsageErrorf("name the account of the item with --account")
			case e.dryRun && e.yes:
				return cli.UsageErrorf("give either --dry-run or --yes")
			}
			if err := e.note.Check(); err != nil {
				return err
			}
			return a.erase(c, &e)
		},
	}
	flags := command.Flags()
	flags.StringVar(&e.account, "account", "", "the item's account")
	flags.StringVar(&e.item, "item", "", "the item's id, in place of the argument")
	flags.BoolVar(&e.dryRun, "dry-run", false, "count what would be erased, and change nothing")
	flags.BoolVar(&e.yes, "yes", false, "erase without asking")
	e.note.Flag(flags, "reason")
	return command
}

var errNotErased = errors.New("nothing was erased: it needs --yes, or a yes on a terminal")

func (a *app) erase(c *cobra.Command, e *erasing) error {
	settings, err := a.loadInfrastructure()
	if err != nil {
		return err
	}
	db, err := a.openStore(c)
	if err != nil {
		return err
	}
	defer db.close()
	found, err := db.EraseItem(c.Context(), e.account, e.item, true)
	if err != nil {
		return fmt.Errorf("the database at %s: %w", settings.Database.URL.Address(), err)
	}
	whose := "of item " + legible.Text(e.item) + " of account " + legible.Text(e.account)
	if rowsOf(found) == 0 {
		known, err := db.Accounts(c.Context(), []string{e.account})
		if err != nil {
			return err
		}
		if _, is := known[e.account]; !is {
			return fmt.Errorf("account %s: %w; worker accounts list shows those that there are", legible.Text(e.account), persistence.ErrNoAccount)
		}
		_, err = fmt.Fprintln(a.streams.Out, "nothing is kept "+whose)
		return err
	}
	if err := a.listErased("would be erased "+whose, found); err != nil || e.dryRun {
		return err
	}
	if !e.yes {
		switch agreed, err := a.ask("Erase it? It cannot be undone. [y/N] "); {
		case err != nil && !errors.Is(err, errNotAdopted):
			return err
		case !agreed:
			return errNotErased
		}
	}
	digest := sha256.Sum256([]byte(e.item))
	action := audited.Action{
		Name: persistence.ActEraseItem, Target: e.account, Expected: rowsOf(found), Note: e.note.Text(),
		Filter: map[string][]string{"item_sha256": {hex.EncodeToString(digest[:])}},
	}
	err = a.audited(c, db, action, func() (_ int64, _ string, err error) {
		found, err = db.EraseItem(c.Context(), e.account, e.item, false)
		return rowsOf(found), "erased", err
	})
	if err != nil {
		return fmt.Errorf("the database at %s: %w", settings.Database.URL.Address(), err)
	}
	if err := a.listErased("erased", found); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.streams.Out, `What stays: ids of mutations, times and counts; the messages in the stream, until they
are recorded and %s old (nats.stream.replay_window); outcome events in CATALOG_OUTCOMES,
until they are older than outcomes.max_age; logs and notices that name the item, and
reasons in the audit log; backups of the database and of NATS; and the item at the platform.
`, settings.NATS.Stream.ReplayWindow)
	return err
}

func rowsOf(found []persistence.Erased) (rows int64) {
	for _, one := range found {
		rows += one.Rows
	}
	return rows
}

func (a *app) listErased(title string, found []persistence.Erased) error {
	if _, err := fmt.Fprintln(a.streams.Out, title+":"); err != nil {
		return err
	}
	for _, one := range found {
		if one.Rows == 0 {
			continue
		}
		if _, err := fmt.Fprintf(a.streams.Out, "  %s: %d\n", one.What, one.Rows); err != nil {
			return err
		}
	}
	return nil
}
