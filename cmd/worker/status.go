package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/persistence"
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
}

// batchRow is a row of the view batch_status.
type batchRow struct {
	BatchID   string    `json:"batch_id"`
	Account   string    `json:"account"`
	Catalog   string    `json:"catalog"`
	Type      string    `json:"catalog_type"`
	State     string    `json:"state"`
	Items     int64     `json:"item_count"`
	Succeeded *int64    `json:"succeeded"`
	Failed    *int64    `json:"failed"`
	Attempts  int64     `json:"attempts"`
	Handles   []string  `json:"handles"`
	LastError *string   `json:"last_error"`
	CreatedAt time.Time `json:"created_at"`
}

func (a *app) statusCommand() *cobra.Command {
	var output, account string
	var limit int
	command := &cobra.Command{
		Use:   "status",
		Short: "print accounts, the newest batches and the sources",
		RunE: func(c *cobra.Command, _ []string) error {
			format, err := cli.ParseOutput(output)
			if err != nil {
				return err
			}
			if limit < 1 || limit > 10_000 {
				return cli.UsageErrorf("--batches %d is not allowed: 1 to 10000", limit)
			}
			db, err := a.openStore(c)
			if err != nil {
				return err
			}
			defer db.close()
			// Beside the answer, so that scripts read it as before.
			if _, err := fmt.Fprintln(a.streams.Err, "database "+db.address); err != nil {
				return err
			}
			accounts, err := db.accountStatus(c.Context(), account)
			if err != nil {
				return err
			}
			batches, err := db.batchStatus(c.Context(), account, limit)
			if err != nil {
				return err
			}
			if account != "" && len(accounts) == 0 {
				if err := db.sayUnknown(c.Context(), a.streams, account); err != nil {
					return err
				}
			}
			routes, err := db.sourceStatus(c.Context(), account)
			if err != nil {
				return err
			}
			return printStatus(a.streams, format, accounts, batches, routes)
		},
	}
	flags := command.Flags()
	flags.StringVar(&account, "account", "", "only this account")
	flags.IntVar(&limit, "batches", 20, "how many batches")
	flags.StringVar(&output, "output", "table", "table or json")
	return command
}

func (d *database) accountStatus(ctx context.Context, account string) ([]accountRow, error) {
	rows, err := d.pool.Query(ctx, `SELECT account, platform, state, reason, resumes_at, waiting_items, oldest_waiting_at
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
	_, err = fmt.Fprintf(streams.Err, "no worker has the account %s in its configuration; %s. What is published for it waits for "+
		"worker.unknown_account_grace, and is then invalid (reason unknown_account)\n", legible.Text(account), there)
	return err
}

func (d *database) batchStatus(ctx context.Context, account string, limit int) ([]batchRow, error) {
	rows, err := d.pool.Query(ctx, `SELECT batch_id::text, account, catalog, catalog_type, state, item_count, succeeded, failed,
			attempts, handles, last_error, created_at
		FROM courier.batch_status WHERE $1 = '' OR account = $1 ORDER BY created_at DESC LIMIT $2`, account, limit)
	if err != nil {
		return nil, fmt.Errorf("asking for batches: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[batchRow])
	if err != nil {
		return nil, fmt.Errorf("asking for batches: %w", err)
	}
	return found, nil
}

// sourceStatus is the state of the sources' routes to an account, or of all for "".
func (d *database) sourceStatus(ctx context.Context, account string) ([]persistence.SourceStatus, error) {
	routes, err := persistence.NewSources(d.pool, 0).Status(ctx)
	return slices.DeleteFunc(routes, func(route persistence.SourceStatus) bool { return account != "" && route.Account != account }), err
}

func printStatus(streams cli.Streams, format cli.Output, accounts []accountRow, batches []batchRow, routes []persistence.SourceStatus) error {
	if format.JSON() {
		return cli.PrintJSON(streams.Out, map[string]any{"accounts": accounts, "batches": batches, "sources": routes})
	}
	rows := make([][]any, len(accounts))
	for i, r := range accounts {
		rows[i] = []any{r.Account, r.Platform, r.State, text(r.Reason), moment(r.ResumesAt), r.Waiting, moment(r.OldestWaiting)}
	}
	if err := cli.Table(streams.Out, []string{"account", "platform", "state", "reason", "resumes at", "waiting", "oldest waiting"}, rows); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(streams.Out); err != nil {
		return err
	}
	if err := printBatches(streams, batches); err != nil || len(routes) == 0 {
		return err
	}
	if _, err := fmt.Fprintln(streams.Out); err != nil {
		return err
	}
	return printSources(streams, routes)
}

func printSources(streams cli.Streams, routes []persistence.SourceStatus) error {
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
		rows[i] = []any{r.Source, r.Account + "/" + r.Catalog + "/" + r.Type, r.Items, r.Invalid, state, moment(r.LastGoodAt), moment(r.LastWebhookAt), cli.Clipped(r.Reason)}
	}
	return cli.Table(streams.Out, []string{"source", "route", "items", "invalid", "last run", "last good run", "last webhook", "reason"}, rows)
}

func printBatches(streams cli.Streams, batches []batchRow) error {
	rows := make([][]any, len(batches))
	for i, r := range batches {
		rows[i] = []any{
			r.BatchID, r.Account + "/" + r.Catalog + "/" + r.Type, r.State, r.Items, number(r.Succeeded), number(r.Failed),
			r.Attempts, strings.Join(r.Handles, " "), text(r.LastError),
		}
	}
	return cli.Table(streams.Out, []string{"batch", "catalog", "state", "items", "succeeded", "failed", "attempts", "handles", "last error"}, rows)
}

func text(s *string) cli.Clipped {
	if s == nil {
		return ""
	}
	return cli.Clipped(*s)
}

func number(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

func moment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Local().Format(time.DateTime)
}
