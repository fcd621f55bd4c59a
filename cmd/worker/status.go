package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/internal/nearest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status"
)

// accountRow is a row of the view account_status.
type accountRow struct {
	Account       string     `json:"account"`
	Platform      string     `json:"platform"`
	State         string     `json:"state"`
	Reason        *string    `json:"reason"`
	ResumesAt     *time.Time `json:"resumes_at"`
	Waiting       int64      `json:"waiting_items"`
	OldestWaiting *time.Time `json:"oldest_waiting_at"`
	InFlight      int64      `json:"in_flight_items"`
	Failed        int64      `json:"failed_last_hour"`
	LastSucceeded *time.Time `json:"last_succeeded_at"`
	Since         *time.Time `json:"since"`
	NextAttempt   *time.Time `json:"next_attempt_at"`
	PausedByHand  bool       `json:"paused_by_hand"`
	Configured    bool       `json:"configured"`
}

func (a *app) statusCommand() *cobra.Command {
	var output, account string
	var limit int
	var watch bool
	var every time.Duration
	command := &cobra.Command{
		Use:   "status",
		Short: "show accounts, the newest batches and the sources",
		Long: `Shows the accounts, the newest batches and the sources. --output csv has the accounts.
With --watch it shows them again and again until SIGTERM or SIGINT: on a terminal in one
place, else as a line for each account and batch that changed.`,
		RunE: func(c *cobra.Command, _ []string) error {
			format, err := cli.ParseOutput(output)
			if err != nil {
				return err
			}
			if limit < 1 || limit > status.MaxPage {
				return cli.UsageErrorf("--batches %d is not allowed: 1 to %d", limit, status.MaxPage)
			}
			if watch && (format.Machine() || every < time.Second) {
				return cli.UsageErrorf("--watch is for people: without --output, and --interval is at least 1s")
			}
			reader, db, err := a.openReader(c, nil)
			if err != nil {
				return err
			}
			defer db.close()
			// Beside the answer, so that scripts read it as before.
			if _, err := fmt.Fprintln(a.streams.Err, "database "+db.address); err != nil {
				return err
			}
			look := func(ctx context.Context) (*overview, error) { return db.overview(ctx, reader, account, limit) }
			if watch {
				return a.watch(c.Context(), look, every)
			}
			seen, err := look(c.Context())
			if err != nil {
				return err
			}
			if account != "" && len(seen.Accounts) == 0 {
				if err := db.sayUnknown(c.Context(), a.streams, account); err != nil {
					return err
				}
			}
			if format.Machine() {
				return format.PrintList(a.streams.Out, seen, seen.Accounts)
			}
			return seen.print(a.streams.Out)
		},
	}
	flags := command.Flags()
	flags.StringVar(&account, "account", "", "only this account")
	a.completeAccounts(command)
	flags.IntVar(&limit, "batches", 20, "maximum number of batches shown, newest first")
	flags.BoolVar(&watch, "watch", false, "show it again and again")
	flags.DurationVar(&every, "interval", 2*time.Second, "how often --watch looks, at least 1s")
	cli.OutputFlag(command, flags, &output)
	return command
}

// overview is what status shows.
type overview struct {
	Accounts []accountRow               `json:"accounts"`
	Batches  []status.Batch             `json:"batches"`
	Sources  []persistence.SourceStatus `json:"sources"`
	Totals   totals                     `json:"totals"`
}

// totals are what a glance takes: who works, and what is left to look at.
type totals struct {
	Workers     int64 `json:"workers"`
	Draining    int64 `json:"workers_draining"`
	Partitions  int64 `json:"partitions"`
	Owned       int64 `json:"partitions_owned"`
	DeadLetters int64 `json:"dead_letters_open"`
}

func (t *totals) String() string {
	text := cli.Counted(int(t.Workers), "worker")
	if t.Workers == 0 {
		text = "no worker runs"
	}
	if t.Draining > 0 {
		text += fmt.Sprintf(" (%d draining)", t.Draining)
	}
	return fmt.Sprintf("%s, %d of %s owned, %s", text, t.Owned, cli.Counted(int(t.Partitions), "partition"), cli.Counted(int(t.DeadLetters), "open dead letter"))
}

func (d *database) totals(ctx context.Context) (t totals, err error) {
	row, err := d.Overview(ctx)
	return totals{Workers: row.Workers, Draining: row.Draining, Partitions: row.Partitions, Owned: row.Owned, DeadLetters: row.DeadLetters}, err
}

func (d *database) overview(ctx context.Context, reader *status.Reader, account string, batches int) (*overview, error) {
	var seen overview
	var err error
	if seen.Accounts, err = d.accountStatus(ctx, account); err != nil {
		return nil, err
	}
	if seen.Batches, _, err = reader.Batches(ctx, status.BatchFilter{Filter: status.Filter{Account: account}}, uuid.Nil, batches); err != nil {
		return nil, err
	}
	if seen.Totals, err = d.totals(ctx); err != nil {
		return nil, err
	}
	seen.Sources, err = d.sourceStatus(ctx, account)
	return &seen, err
}

func (d *database) accountStatus(ctx context.Context, account string) ([]accountRow, error) {
	rows, err := d.pool.Query(ctx, `SELECT account, platform, state, reason, resumes_at, waiting_items, oldest_waiting_at,
			in_flight_items, failed_last_hour, last_succeeded_at, since, next_attempt_at, paused_by_hand, configured
		FROM courier.account_status WHERE $1 = '' OR account = $1 ORDER BY account`, account)
	if err != nil {
		return nil, fmt.Errorf("asking for accounts: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[accountRow])
	if err != nil {
		return nil, fmt.Errorf("asking for accounts: %w", err)
	}
	return found, nil
}

// maxNamed bounds how many known accounts are named.
const maxNamed = 20

// sayUnknown tells whoever asks for an account that no worker knows what becomes of what
// is published for it, and which accounts there are: most often the name is a slip.
func (d *database) sayUnknown(ctx context.Context, streams cli.Streams, account string) error {
	known, err := d.accountStatus(ctx, "")
	if err != nil {
		return err
	}
	names := make([]string, 0, maxNamed+1)
	all := make([]string, len(known))
	for i := range known {
		all[i] = known[i].Account
	}
	likely := ""
	if name := nearest.To(account, all); name != "" {
		likely = "; the nearest known name is " + legible.Text(name)
	}
	for i := range known {
		if i == maxNamed {
			names = append(names, "…")
			break
		}
		names = append(names, legible.Text(known[i].Account))
	}
	there := "there is none yet"
	if len(names) > 0 {
		there = "known are " + strings.Join(names, ", ")
	}
	_, err = fmt.Fprintf(streams.Err, "no worker has the account %s in its configuration%s; %s. What is published for it waits for "+
		"worker.unknown_account_grace, and is then invalid (reason unknown_account)\n", legible.Text(account), likely, there)
	return err
}

// sourceStatus is the state of the sources' routes to an account, or of all for "".
func (d *database) sourceStatus(ctx context.Context, account string) ([]persistence.SourceStatus, error) {
	routes, err := persistence.NewSources(d.pool, 0).Status(ctx)
	return slices.DeleteFunc(routes, func(route persistence.SourceStatus) bool { return account != "" && route.Account != account }), err
}

func (o *overview) print(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s\n\n", o.Totals.String()); err != nil {
		return err
	}
	if err := printAccounts(w, o.Accounts); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	if err := printBatches(w, o.Batches); err != nil || len(o.Sources) == 0 {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return printSources(w, o.Sources)
}

func printAccounts(w io.Writer, accounts []accountRow) error {
	rows := make([][]any, len(accounts))
	for i, r := range accounts {
		rows[i] = []any{r.Account, r.Platform, r.State, r.Since, r.NextAttempt, r.Waiting, r.InFlight, r.Failed, r.LastSucceeded, r.OldestWaiting, text(r.Reason)}
	}
	return cli.TableOf(w, []cli.Column{
		{Title: "account"},
		{Title: "platform", Drop: 6},
		{Title: "state", Whole: true},
		{Title: "since", Drop: 4},
		{Title: "next try", Drop: 3},
		{Title: "waiting"},
		{Title: "in flight", Drop: 1},
		{Title: "failed 1h"},
		{Title: "last success", Drop: 2},
		{Title: "oldest", Drop: 5},
		{Title: "reason"},
	}, rows)
}

func printBatches(w io.Writer, batches []status.Batch) error {
	rows := make([][]any, len(batches))
	for i := range batches {
		b := &batches[i]
		rows[i] = []any{
			b.ID, b.CreatedAt, b.Destination, b.State, b.Items, b.Succeeded, b.Failed, b.Attempts, strings.Join(b.Handles, " "), cli.Clipped(b.LastError),
		}
	}
	return cli.TableOf(w, []cli.Column{
		{Title: "batch", Whole: true},
		{Title: "created", Drop: 4},
		{Title: "catalog"},
		{Title: "state"},
		{Title: "items", Drop: 1},
		{Title: "succeeded", Drop: 3},
		{Title: "failed"},
		{Title: "attempts", Drop: 5},
		{Title: "handles", Drop: 6},
		{Title: "last error", Drop: 2},
	}, rows)
}

func printSources(w io.Writer, routes []persistence.SourceStatus) error {
	rows := make([][]any, len(routes))
	for i := range routes {
		r := &routes[i]
		state := string(r.State)
		switch {
		case r.Running:
			state += ", running"
		case r.Silent:
			state += ", silent"
		}
		rows[i] = []any{r.Source, r.Account + "/" + r.Catalog + "/" + r.Type, r.Items, r.Invalid, state, r.LastGoodAt, r.LastWebhookAt, cli.Clipped(r.Reason)}
	}
	return cli.TableOf(w, []cli.Column{
		{Title: "source"},
		{Title: "route"},
		{Title: "items"},
		{Title: "invalid", Drop: 1},
		{Title: "last run"},
		{Title: "last good run", Drop: 2},
		{Title: "last webhook", Drop: 3},
		{Title: "reason"},
	}, rows)
}

func text(s *string) cli.Clipped {
	if s == nil {
		return ""
	}
	return cli.Clipped(*s)
}
