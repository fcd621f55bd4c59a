package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/status"
)

// tailEvery is how often the database is asked for what ended.
const tailEvery = time.Second

// tailFlags choose what is told.
type tailFlags struct {
	destinations

	status, item, output string
}

func (f *tailFlags) matches(m *status.Mutation) bool {
	return (f.Account == "" || m.Account == f.Account) && (f.Catalog == "" || m.Catalog == f.Catalog) &&
		(f.Type == "" || m.Type == f.Type) && (f.status == "" || m.Status == f.status) && (f.item == "" || m.ItemID == f.item)
}

func (a *app) tailCommand() *cobra.Command {
	var given tailFlags
	command := &cobra.Command{
		Use:   "tail",
		Short: "follow what becomes of changes",
		Long: `Prints a line for each change whose outcome becomes known from now on: confirmed,
rejected, without an answer, replaced by a newer one in its batch, or never sent. --output
json prints one JSON object a line. While the database does not answer it waits.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if given.output != "table" && given.output != "json" {
				return cli.UsageErrorf("--output %q is invalid: must be table or json", given.output)
			}
			if err := checkChoice("status", given.status, finalStatuses()); err != nil {
				return err
			}
			return a.tail(c, &given)
		},
	}
	given.flags(a, command)
	flags := command.Flags()
	choice(command, flags, &given.status, "status", "only changes that end so", finalStatuses())
	flags.StringVar(&given.item, "item", "", "only this item")
	flags.StringVar(&given.output, "output", "table", "output format: table, or json for one object a line")
	_ = command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return command
}

// finalStatuses are those in which a change ends.
func finalStatuses() []string {
	return []string{status.Succeeded, status.Failed, status.Unconfirmed, status.Invalid, status.Superseded}
}

func (a *app) tail(c *cobra.Command, given *tailFlags) error {
	reader, db, err := a.openReader(c, nil)
	if err != nil {
		return err
	}
	defer db.close()
	follower, err := reader.Follow(c.Context())
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(a.streams.Err, "following the outcomes of "+db.address); err != nil {
		return err
	}
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	failing := false
	for {
		told, problem := follower.Next(c.Context())
		if c.Context().Err() != nil {
			return nil
		}
		for i := range told {
			if !given.matches(&told[i]) {
				continue
			}
			if err := a.printOutcome(&told[i], given.output == "json"); err != nil {
				return err
			}
		}
		// A database restarts now and then. Nothing is lost by it: what ends meanwhile is told
		// afterwards.
		if failing != (problem != nil) {
			failing = problem != nil
			said := "the database answers again"
			if failing {
				said = legible.Connecting(problem.Error()) + "; trying again every " + tailEvery.String()
			}
			if _, err := fmt.Fprintln(a.streams.Err, said); err != nil {
				return err
			}
		}
		select {
		case <-c.Context().Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *app) printOutcome(m *status.Mutation, asJSON bool) error {
	if asJSON {
		encoded, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("printing: %w", err)
		}
		_, err = a.streams.Out.Write(append(legible.JSON(encoded), '\n'))
		return err
	}
	at := m.ReceivedAt
	if m.FinishedAt != nil {
		at = *m.FinishedAt
	}
	line := strings.Join([]string{
		at.Local().Format("15:04:05"), m.String(), m.ItemID, m.OperationWords(), m.Words,
	}, "  ")
	if len(m.Errors) > 0 {
		line += ": " + string(firstIssue(m.Errors))
	}
	if width := cli.Width(a.streams.Out); width > 0 {
		line = legible.Clip(line, width)
	} else {
		line = legible.Text(line)
	}
	_, err := fmt.Fprintln(a.streams.Out, line)
	return err
}
