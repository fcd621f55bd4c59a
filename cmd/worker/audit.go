package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/nearest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status"
)

// auditing are the flags of audit.
type auditing struct {
	filter       persistence.AuditFilter
	since, until string
	output       string
	most         int
}

func (a *app) auditCommand() *cobra.Command {
	var g auditing
	command := &cobra.Command{
		Use:   "audit",
		Short: "list what people did in the console and by commands",
		Long: `Lists what people did in the console and by commands, the newest first: who, when, to
what, why, and how it ended. An action that stays "started" belongs to a process that
ended meanwhile.`,
		Example: `  worker audit --action pause_account --since 7d
  worker audit --who ala --output csv`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			format, err := cli.ParseOutput(g.output)
			if err != nil {
				return err
			}
			if err := g.read(); err != nil {
				return err
			}
			db, err := a.openStore(c)
			if err != nil {
				return err
			}
			defer db.close()
			g.filter.Limit = g.most + 1
			entries, err := persistence.NewAudit(db.pool).List(c.Context(), g.filter)
			if err != nil {
				return err
			}
			more := len(entries) > g.most
			if more {
				entries = entries[:g.most]
			}
			if format.Machine() {
				if entries == nil {
					entries = []persistence.AuditEntry{}
				}
				return format.Print(a.streams.Out, entries)
			}
			return a.printAudit(entries, more)
		},
	}
	flags := command.Flags()
	flags.StringVar(&g.filter.Who, "who", "", "only of those with this in their name")
	flags.StringVar(&g.filter.Action, "action", "", "only this action, such as "+persistence.ActPauseAccount)
	flags.StringVar(&g.filter.Target, "target", "", "only on this: an account, or the id of a dead letter")
	flags.StringVar(&g.filter.Result, "result", "", "only those that ended so: started, done, failed or refused")
	flags.StringVar(&g.since, "since", "", "only since then: 2h, 7d, 2026-11-28 or 2026-11-28T09:00:00Z")
	flags.StringVar(&g.until, "until", "", "only before then, as --since")
	flags.Int64Var(&g.filter.Before, "before", 0, "continue a list below the action with this id")
	flags.IntVar(&g.most, "limit", 50, "maximum number shown, newest first")
	_ = command.RegisterFlagCompletionFunc("action", cobra.FixedCompletions(persistence.ActionNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = command.RegisterFlagCompletionFunc("result", cobra.FixedCompletions(persistence.ActionResults(), cobra.ShellCompDirectiveNoFileComp))
	cli.OutputFlag(command, flags, &g.output)
	return command
}

// read checks the flags.
func (g *auditing) read() (err error) {
	if g.most < 1 || g.most > status.MaxPage {
		return cli.UsageErrorf("--limit %d is out of range: 1 to %d", g.most, status.MaxPage)
	}
	if err := oneOf("--action", g.filter.Action, persistence.ActionNames()); err != nil {
		return err
	}
	if err := oneOf("--result", g.filter.Result, persistence.ActionResults()); err != nil {
		return err
	}
	if g.filter.Since, err = pointIn("--since", g.since, time.Now()); err != nil {
		return err
	}
	g.filter.Until, err = pointIn("--until", g.until, time.Now())
	return err
}

// oneOf complains of a value that there is not, and names the one that was meant.
func oneOf(flag, value string, known []string) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	meant := ""
	if near := nearest.To(value, known); near != "" {
		meant = "did you mean " + near + "? "
	}
	return cli.UsageErrorf("%s %q is not known: %sthere are %s", flag, value, meant, strings.Join(known, ", "))
}

func (a *app) printAudit(entries []persistence.AuditEntry, more bool) error {
	columns := []cli.Column{
		{Title: "id", Whole: true, Drop: 2},
		{Title: "when"},
		{Title: "who"},
		{Title: "how", Drop: 4},
		{Title: "action"},
		{Title: "to what"},
		{Title: "why", Drop: 1},
		{Title: "rows", Drop: 3},
		{Title: "result"},
	}
	rows := make([][]any, len(entries))
	for i := range entries {
		e := &entries[i]
		var changed any
		if e.Changed != nil {
			changed = *e.Changed
		}
		result := e.Result
		if result != string(persistence.ActionDone) && e.Message != "" {
			result += ": " + e.Message
		}
		rows[i] = []any{e.ID, e.At, e.Who, e.How, strings.ReplaceAll(e.Action, "_", " "), cli.Clipped(e.ToWhat()), cli.Clipped(e.Reason), changed, cli.Clipped(result)}
	}
	if err := cli.TableOf(a.streams.Out, columns, rows); err != nil || !more {
		return err
	}
	_, err := fmt.Fprintf(a.streams.Out, "older actions: --before %d\n", entries[len(entries)-1].ID)
	return err
}
