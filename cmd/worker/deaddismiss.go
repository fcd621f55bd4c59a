package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/replay"
)

func (a *app) dismissCommand() *cobra.Command {
	var act acting
	var output string
	command := &cobra.Command{
		Use:   "dismiss [ID ...]",
		Short: "take dead letters from the list: nothing is to be done about them",
		Long: `Takes dead letters from the list of those that are open. The change is not sent,
and the letter is kept with who dismissed it and why. A dismissed letter can still
be replayed by its id with --state dismissed.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			format, err := cli.ParseOutput(output)
			if err != nil {
				return err
			}
			filter, err := act.which(args)
			if err != nil {
				return err
			}
			if len(filter.States) > 0 {
				return cli.UsageErrorf("only open dead letters can be dismissed: leave --state and --replayed out")
			}
			db, err := a.openStore(c)
			if err != nil {
				return err
			}
			defer db.close()
			r := replay.New(replay.Options{Store: db.Store, By: act.who()})
			if err := r.Known(c.Context(), filter.IDs); err != nil {
				return err
			}
			many, expected := len(filter.IDs) == 0, int64(-1)
			if err := a.mayAsk(&act, many); err != nil {
				return err
			}
			if act.dryRun || many && !act.yes {
				count, err := db.CountDeadLetters(c.Context(), filter)
				if err != nil {
					return err
				}
				if act.dryRun {
					_, err := fmt.Fprintf(a.streams.Out, "would dismiss %s\n", capped(count))
					return err
				}
				if count > 0 && !a.streams.Confirm(fmt.Sprintf("dismiss %s open dead letters?", capped(count))) {
					return errNotConfirmed
				}
				expected = count
			}
			var dismissed int
			err = a.audited(c, db, act.action(persistence.ActDismissLetters, &filter, expected), func() (_ int64, _ string, err error) {
				if len(filter.IDs) > 0 {
					dismissed, err = r.Dismiss(c.Context(), filter.IDs, act.note.Text())
				} else {
					dismissed, err = r.DismissAll(c.Context(), filter, act.note.Text())
				}
				return int64(dismissed), cli.Counted(dismissed, "dead letter") + " dismissed", err
			})
			if err != nil {
				return err
			}
			if format.Machine() {
				return format.Print(a.streams.Out, map[string]int{"dismissed": dismissed})
			}
			text := fmt.Sprintf("dismissed %d\n", dismissed)
			if left := len(filter.IDs) - dismissed; left > 0 {
				text += fmt.Sprintf("left %d as they are: they were replayed or dismissed before\n", left)
			}
			_, err = fmt.Fprint(a.streams.Out, text)
			return err
		},
	}
	act.declare(command, "dismissing")
	cli.OutputFlag(command, command.Flags(), &output)
	return command
}
