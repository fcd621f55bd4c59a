package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/audited"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/internal/span"
	"github.com/catalog-courier/catalog-courier/persistence"
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

// pausing are the flags of accounts pause.
type pausing struct {
	reason, length, until string
	every                 bool
}

func (a *app) pauseCommand() *cobra.Command {
	var p pausing
	command := &cobra.Command{
		Use:   "pause [ACCOUNT]",
		Short: "send nothing of the account until it is resumed",
		Long: `Sends nothing of the account until it is resumed by hand, until the time of --for is
over, or until the time of --until, whether a worker runs then or not. Workers hear of
it within about five seconds and may send more until then. Batches under way are followed
to their end; what arrives waits. With --all it stops every account.`,
		Example: `  worker accounts pause acme --for 2h --reason "stocktaking"
  worker accounts pause acme --until 2026-12-01T10:00Z
  worker accounts pause --all`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOrAll(args, p.every); err != nil {
				return err
			}
			end, words, err := p.end(time.Now())
			if err != nil {
				return err
			}
			note := audited.NoteOf(p.reason, "reason")
			changed, err := a.changeAccounts(c, persistence.ActPauseAccount, &note, args, " is paused"+words, func(db *database) ([]string, error) {
				if p.every {
					return db.PauseAllAccounts(c.Context(), p.reason, end)
				}
				return args, db.PauseAccountUntil(c.Context(), args[0], p.reason, end)
			})
			if err != nil || changed == 0 {
				return err
			}
			_, err = fmt.Fprintln(a.streams.Out, "workers hear of it within about 5 seconds; until then they may send more")
			return err
		},
	}
	flags := command.Flags()
	flags.StringVar(&p.reason, "reason", "paused by hand", "why, for account_status and the audit log")
	flags.StringVar(&p.length, "for", "", "how long, such as 30m, 2h or 7d; without it and --until, until it is resumed")
	flags.StringVar(&p.until, "until", "", "until when, such as 2026-12-01T10:00Z, or 2026-12-01T10:00 in this machine's time zone")
	flags.BoolVar(&p.every, "all", false, "all accounts")
	return command
}

// end reads when the pause ends, also in words.
func (p *pausing) end(now time.Time) (end persistence.PauseEnd, words string, err error) {
	switch {
	case p.length != "" && p.until != "":
		return end, "", cli.UsageErrorf("--for and --until contradict each other: give one of them")
	case p.length != "":
		if end.After, err = span.Length(p.length); err != nil {
			return end, "", cli.UsageErrorf("--for %q %w", p.length, err)
		}
		return end, " for " + span.Words(end.After), nil
	case p.until != "":
		if end.At, err = span.Until(p.until, time.Local, now); err != nil { //nolint:gosmopolitan // people mean their own time
			return end, "", cli.UsageErrorf("--until %q %w", p.until, err)
		}
		return end, " until " + exact(end.At), nil
	default:
		return end, "", nil
	}
}

func (a *app) resumeCommand() *cobra.Command {
	var every bool
	var note audited.Note
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
			_, err := a.changeAccounts(c, persistence.ActResumeAccount, &note, args, " is resumed", func(db *database) ([]string, error) {
				if every {
					return db.ResumeAllAccounts(c.Context())
				}
				return args, db.ResumeAccount(c.Context(), args[0])
			})
			return err
		},
	}
	command.Flags().BoolVar(&every, "all", false, "all accounts")
	note.Flag(command.Flags(), "reason")
	return command
}

func oneOrAll(args []string, every bool) error {
	if every == (len(args) == 1) {
		return cli.UsageErrorf("name one account, or use --all")
	}
	return nil
}

// changeAccounts changes one account, or all where none is named, names those that it
// changed, and says how many they are.
func (a *app) changeAccounts(c *cobra.Command, name string, note *audited.Note, args []string, done string, change func(*database) ([]string, error)) (int, error) {
	if err := note.Check(); err != nil {
		return 0, err
	}
	db, err := a.openStore(c)
	if err != nil {
		return 0, err
	}
	defer db.close()
	action := audited.Action{Name: name, Expected: -1, Note: note.Text()}
	if len(args) > 0 {
		action.Target = args[0]
	} else {
		action.Filter = map[string][]string{"all": {"yes"}}
	}
	var names []string
	err = a.audited(c, db, action, func() (changed int64, message string, err error) {
		if names, err = change(db); len(args) > 0 {
			return -1, args[0] + done, err
		}
		return int64(len(names)), cli.Counted(len(names), "account") + ": each" + done, err
	})
	if err != nil {
		return 0, err
	}
	var text strings.Builder
	for _, name := range names {
		_, _ = fmt.Fprintln(&text, legible.Text(name)+done)
	}
	if len(names) == 0 {
		_, _ = fmt.Fprintln(&text, "no account was changed")
	}
	_, err = fmt.Fprint(a.streams.Out, text.String())
	return len(names), err
}
