package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
)

func (a *app) accountsCommand() *cobra.Command {
	group := &cobra.Command{Use: "accounts", Short: "list, pause, resume and remove accounts"}
	group.AddCommand(a.accountsListCommand(), a.pauseCommand(), a.resumeCommand(), a.removeCommand())
	return group
}

func (a *app) accountsListCommand() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "list",
		Short: "list accounts: state, what waits, what failed, and why",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			format, err := cli.ParseOutput(output)
			if err != nil {
				return err
			}
			db, err := a.openStore(c)
			if err != nil {
				return err
			}
			defer db.close()
			accounts, err := db.accountStatus(c.Context(), "")
			if err != nil {
				return err
			}
			if format.Machine() {
				return format.Print(a.streams.Out, accounts)
			}
			return printAccounts(a.streams.Out, accounts)
		},
	}
	cli.OutputFlag(command, command.Flags(), &output)
	return command
}

// longestPause bounds a pause for some time: who wants a longer one ends it by hand.
const longestPause = 366 * 24 * time.Hour

func (a *app) pauseCommand() *cobra.Command {
	var reason string
	var every bool
	var pause time.Duration
	command := &cobra.Command{
		Use:   "pause [ACCOUNT]",
		Short: "send nothing of the account until it is resumed",
		Long: `Sends nothing of the account until it is resumed by hand, or until the time of --for is
over, whether a worker runs then or not. Batches under way are followed to their end;
what arrives waits. With --all it stops every account at once.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOrAll(args, every); err != nil {
				return err
			}
			if c.Flags().Changed("for") && (pause < time.Second || pause > longestPause) {
				return cli.UsageErrorf("--for %s is not allowed: 1s to %s", pause, longestPause)
			}
			until := ""
			if pause > 0 {
				until = " for " + pause.String()
			}
			if every {
				return a.changeAccounts(c, " is paused"+until, func(db *database) ([]string, error) { return db.PauseAllAccounts(c.Context(), reason, pause) })
			}
			return a.changeAccount(c, func(db *database) error { return db.PauseAccountFor(c.Context(), args[0], reason, pause) }, legible.Text(args[0])+" is paused"+until)
		},
	}
	flags := command.Flags()
	flags.StringVar(&reason, "reason", "paused by hand", "shown in account_status")
	flags.DurationVar(&pause, "for", 0, "how long, such as 30m or 2h; without it until it is resumed")
	flags.BoolVar(&every, "all", false, "all accounts")
	return command
}

func (a *app) resumeCommand() *cobra.Command {
	var every bool
	command := &cobra.Command{
		Use:   "resume [ACCOUNT]",
		Short: "end every pause of the account",
		Long: `Ends every pause of the account. With --all it ends the pauses by hand of all accounts:
those that a platform asked for go on.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOrAll(args, every); err != nil {
				return err
			}
			if every {
				return a.changeAccounts(c, " is resumed", func(db *database) ([]string, error) { return db.ResumeAllAccounts(c.Context()) })
			}
			return a.changeAccount(c, func(db *database) error { return db.ResumeAccount(c.Context(), args[0]) }, legible.Text(args[0])+" is resumed")
		},
	}
	command.Flags().BoolVar(&every, "all", false, "all accounts")
	return command
}

func oneOrAll(args []string, every bool) error {
	if every == (len(args) == 1) {
		return cli.UsageErrorf("name one account, or use --all")
	}
	return nil
}

// changeAccounts changes all accounts and names those that it changed.
func (a *app) changeAccounts(c *cobra.Command, done string, change func(*database) ([]string, error)) error {
	db, err := a.openStore(c)
	if err != nil {
		return err
	}
	defer db.close()
	names, err := change(db)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, name := range names {
		_, _ = fmt.Fprintln(&text, legible.Text(name)+done)
	}
	if len(names) == 0 {
		_, _ = fmt.Fprintln(&text, "no account was changed")
	}
	_, err = fmt.Fprint(a.streams.Out, text.String())
	return err
}

func (a *app) changeAccount(c *cobra.Command, change func(*database) error, done string) error {
	db, err := a.openStore(c)
	if err != nil {
		return err
	}
	defer db.close()
	if err := change(db); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.streams.Out, done)
	return err
}
