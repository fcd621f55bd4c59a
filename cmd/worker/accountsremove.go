package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/audited"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// removalLook is how often a removal that was asked for is looked at.
const removalLook = 500 * time.Millisecond

// removal are the flags of accounts remove.
type removal struct {
	yes, dryRun, cancel bool
	wait                time.Duration
	output              string
	note                audited.Note
}

func (a *app) removeCommand() *cobra.Command {
	var r removal
	command := &cobra.Command{
		Use:   "remove ACCOUNT",
		Short: "end what is open of an account that is not configured any more, and forget it",
		Long: `Ends what is open of an account that no running worker has in its configuration: what
waits becomes invalid (reason account_removed), what was sent and not confirmed ends
unconfirmed. Both become dead letters. A running worker does it; without one it is done
as soon as one runs. A worker that starts with the account in its configuration stops it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			format, err := cli.ParseOutput(r.output)
			if err != nil {
				return err
			}
			if r.wait < 0 || r.wait > time.Hour {
				return cli.UsageErrorf("--wait %s is not allowed: 0s to 1h", r.wait)
			}
			if err := r.note.Check(); err != nil {
				return err
			}
			db, err := a.openStore(c)
			if err != nil {
				return err
			}
			defer db.close()
			return a.remove(c, db, args[0], &r, format)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&r.dryRun, "dry-run", false, "only say what would end")
	flags.BoolVar(&r.yes, "yes", false, "do not ask")
	flags.BoolVar(&r.cancel, "cancel", false, "take back a removal that is not finished")
	flags.DurationVar(&r.wait, "wait", 30*time.Second, "how long to wait for it to be done; 0 does not wait")
	r.note.Flag(flags, "reason")
	cli.OutputFlag(command, flags, &r.output)
	return command
}

// removed is what a removal says to programs.
type removed struct {
	Account string `json:"account"`
	persistence.Remains
	// Done is done, asked, dry run or canceled.
	Done string `json:"done"`
}

// errNotAsked is said of a removal that cannot be taken back.
var errNotAsked = errors.New("nobody asked for the removal, or it is done")

func (a *app) remove(c *cobra.Command, db *database, account string, r *removal, format cli.Output) error {
	ctx := c.Context()
	if r.cancel {
		action := audited.Action{Name: persistence.ActCancelRemoval, Target: account, Expected: -1, Note: r.note.Text()}
		err := a.audited(c, db, action, func() (int64, string, error) {
			stopped, err := db.StopRemoval(ctx, account)
			if err == nil && !stopped {
				err = fmt.Errorf("account %s: %w", legible.Text(account), errNotAsked)
			}
			return -1, "the removal is taken back", err
		})
		if err != nil {
			return err
		}
		return a.sayRemoved(format, &removed{Account: account, Done: "canceled"})
	}
	found, err := db.AccountRemains(ctx, account)
	if err != nil {
		return err
	}
	if r.dryRun {
		return a.sayRemoved(format, &removed{Account: account, Remains: found, Done: "dry run"})
	}
	if !r.yes && len(found.Workers) == 0 {
		if !a.streams.Asks() {
			return cli.UsageErrorf("nobody is at the terminal who could be asked: use --yes, or --dry-run first")
		}
		if !a.streams.Confirm(preview(account, &found) + " Remove it?") {
			return errNotConfirmed
		}
	}
	var done bool
	action := audited.Action{Name: persistence.ActRemoveAccount, Target: account, Expected: found.Waiting + found.InBatches, Note: r.note.Text()}
	err = a.audited(c, db, action, func() (changed int64, message string, err error) {
		if found, err = db.AskForRemoval(ctx, account); err != nil {
			return -1, "", err
		}
		done, err = db.awaitRemoval(ctx, account, r.wait)
		return found.Waiting + found.InBatches, map[bool]string{true: "removed", false: "the removal is asked for; a worker goes on with it"}[done], err
	})
	if err != nil {
		return err
	}
	said := removed{Account: account, Remains: found, Done: "asked"}
	if done {
		said.Done = "done"
	}
	return a.sayRemoved(format, &said)
}

// awaitRemoval waits for the worker to end what is open, and forgets the account then.
func (d *database) awaitRemoval(ctx context.Context, account string, limit time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, limit+time.Minute) // each look ends by itself
	defer cancel()
	tick := time.NewTicker(removalLook)
	defer tick.Stop()
	for began := time.Now(); ; {
		if _, err := d.EndRemoval(ctx, account); err != nil {
			return false, err
		}
		states, err := d.Accounts(ctx, []string{account})
		if err != nil {
			return false, err
		}
		if _, there := states[account]; !there {
			return true, nil
		}
		if time.Since(began) >= limit {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, errors.New("stopped waiting; the removal goes on")
		case <-tick.C:
		}
	}
}

// preview says what a removal ends.
func preview(account string, found *persistence.Remains) string {
	return fmt.Sprintf("account %s: %s waiting become invalid; %d open batches with %s end, and what was sent of them is unconfirmed; %s open before stay.",
		legible.Text(account), cli.Counted(int(found.Waiting), "change"), found.OpenBatches, cli.Counted(int(found.InBatches), "change"),
		cli.Counted(int(found.DeadLetters), "dead letter"))
}

func (a *app) sayRemoved(format cli.Output, said *removed) error {
	if format.Machine() {
		return format.Print(a.streams.Out, said)
	}
	text := preview(said.Account, &said.Remains)
	switch said.Done {
	case "done":
		text = legible.Text(said.Account) + " is removed"
	case "canceled":
		text = "the removal of " + legible.Text(said.Account) + " is taken back; what it ended stays ended"
	case "asked":
		text += "\nThe removal is asked for; it is not done yet."
		if !said.Running {
			text += " No worker runs: the next one does it."
		}
	}
	_, err := fmt.Fprintln(a.streams.Out, text)
	return err
}
