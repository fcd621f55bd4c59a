package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/status"
)

func (a *app) mutationCommand() *cobra.Command {
	var output, account string
	command := &cobra.Command{
		Use:   "mutation ID",
		Short: "show what became of a mutation",
		Long: `Shows what became of the mutations with an id, the newest first. Ids are the producers'
own: several accounts may have the same, and a replayed mutation has it again. The exit
code is 1 when there is none.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			format, err := cli.ParseOutput(output)
			if err != nil {
				return err
			}
			reader, db, err := a.openReader(c, nil)
			if err != nil {
				return err
			}
			defer db.close()
			found, err := reader.Mutation(c.Context(), args[0], account)
			if errors.Is(err, status.ErrNotFound) {
				if _, err := fmt.Fprintf(a.streams.Err, "no mutation %s is recorded; what was published a moment ago is recorded when a worker has read it\n", legible.Text(args[0])); err != nil {
					return err
				}
				return cli.ErrReported()
			}
			if err != nil {
				return err
			}
			if format.Machine() {
				return format.Print(a.streams.Out, found)
			}
			d := &details{out: a.streams.Out}
			for i := range found {
				printMutation(d, &found[i])
			}
			return d.err
		},
	}
	command.Flags().StringVar(&account, "account", "", "only of this account")
	a.completeAccounts(command)
	cli.OutputFlag(command, command.Flags(), &output)
	return command
}

func printMutation(d *details, m *status.Mutation) {
	d.printf("%s\n", legible.Text(m.ID))
	d.line("item", m.ItemID)
	d.line("localization", m.Localization)
	d.line("destination", m.String())
	d.line("operation", m.Operation)
	d.line("status", m.Words)
	d.line("why it waits", m.Reason)
	d.issues("error", m.Errors)
	d.issues("warning", m.Warnings)
	d.letter(m)
	d.line("what to do", m.NextStep)
	d.line("replaced by", m.SupersededBy)
	d.moment("published", m.PublishedAt)
	d.moment("received", &m.ReceivedAt)
	d.moment("sent", m.SubmittedAt)
	d.moment("finished", m.FinishedAt)
	d.line("attempts", strconv.Itoa(m.Attempts))
	if m.BatchID != nil {
		d.line("batch", m.BatchID.String())
	}
	d.line("handle", m.Handle)
	d.line("place", string(m.Place))
}
