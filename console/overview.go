package console

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/status"
)

// chart is some series over the same times, drawn from a table that says the same.
type chart struct {
	Title string
	// Colors are variables of the style sheet, one for each series.
	Colors string
	Names  []string
	Rows   []chartRow
}

type chartRow struct {
	At     time.Time
	Values []chartValue
}

// chartValue is a number, or none where nothing was measured.
type chartValue struct {
	Known bool
	Value string // for the script
	Text  string // for people
}

func valueOf(n *float64) chartValue {
	if n == nil {
		return chartValue{}
	}
	return chartValue{true, strconv.FormatFloat(*n, 'f', -1, 64), count(int64(*n))}
}

// remark is something on the overview that somebody should look at.
type remark struct{ Class, Text, Path, Link string }

// accountLine is an account on the overview.
type accountLine struct {
	status.Account
	Delivered int64
	// QuotaLeft is percent of the scarcest quota; negative where the platform told none.
	QuotaLeft float64
	Charts    []chart
}

type summary struct {
	Accounts []accountLine
	Notes    []remark
}

func (c *Console) overview(w http.ResponseWriter, r *http.Request) error {
	accounts, err := c.Reader.Accounts(r.Context(), "")
	if err != nil {
		return err
	}
	shown := summary{}
	for i := range accounts {
		line, err := c.line(r.Context(), accounts[i], i < chartedAccounts)
		if err != nil {
			return err
		}
		shown.Accounts = append(shown.Accounts, line)
	}
	if shown.Notes, err = c.remarks(r.Context()); err != nil {
		return err
	}
	return c.showPage(w, "overview", c.page(r, "Overview", "overview").live(), shown)
}

// The charts of a page: of how many accounts, over which time, in which steps.
const (
	chartedAccounts = 6
	chartSpan       = 24 * time.Hour
	chartStep       = 15 * time.Minute
	shortSpan       = time.Hour
	fineStep        = 5 * time.Minute
)

// line is an account with its last hour, and with charts of the last day.
func (c *Console) line(ctx context.Context, account status.Account, charted bool) (accountLine, error) {
	line := accountLine{Account: account, QuotaLeft: -1}
	for _, quota := range quotaLines(account.Quota, c.now()) {
		if quota.Left >= 0 && (line.QuotaLeft < 0 || quota.Left < line.QuotaLeft) {
			line.QuotaLeft = quota.Left
		}
	}
	now := c.now()
	points, err := c.Reader.Series(ctx, account.Name, now.Add(-shortSpan), now.Add(fineStep), fineStep)
	if err != nil {
		return line, err
	}
	for _, point := range points {
		line.Delivered += point.Succeeded
	}
	if charted {
		line.Charts, err = c.charts(ctx, account.Name)
	}
	return line, err
}

// charts are what happened to an account in the last day.
func (c *Console) charts(ctx context.Context, account string) ([]chart, error) {
	to := c.now().Truncate(chartStep).Add(chartStep)
	from := to.Add(-chartSpan)
	points, err := c.Reader.Series(ctx, account, from, to, chartStep)
	if err != nil {
		return nil, err
	}
	changes := chart{Title: "Changes in 15 minutes", Colors: "--busy --good --bad", Names: []string{"arrived", "confirmed", "failed"}}
	by := map[int64]status.Point{}
	for _, point := range points {
		by[point.At.Unix()] = point
	}
	for at := from; at.Before(to); at = at.Add(chartStep) { // nothing happened where there is no point
		point := by[at.Unix()]
		row := chartRow{At: at}
		for _, n := range []int64{point.Arrived, point.Succeeded, point.Failed} {
			value := float64(n)
			row.Values = append(row.Values, valueOf(&value))
		}
		changes.Rows = append(changes.Rows, row)
	}
	quotas, err := c.Reader.Quotas(ctx, account, from, to, chartStep)
	if err != nil || len(quotas) == 0 {
		return []chart{changes}, err
	}
	return []chart{changes, quotaChart(quotas)}, nil
}

// quotaChart shows what was left of each quota, in percent.
func quotaChart(points []status.QuotaPoint) chart {
	made := chart{Title: "Quota left, percent", Colors: "--busy --warn --good"}
	column := map[string]int{}
	for _, point := range points {
		if _, known := column[point.Scope]; !known {
			column[point.Scope] = len(made.Names)
			made.Names = append(made.Names, point.Scope)
		}
	}
	for _, point := range points {
		if last := len(made.Rows) - 1; last < 0 || !made.Rows[last].At.Equal(point.At) {
			made.Rows = append(made.Rows, chartRow{At: point.At, Values: make([]chartValue, len(made.Names))})
		}
		var left *float64
		switch {
		case point.Remaining != nil && point.Limit != nil && *point.Limit > 0:
			percent := 100 * float64(*point.Remaining) / float64(*point.Limit)
			left = &percent
		case point.UsedPercent != nil:
			percent := max(0, 100-*point.UsedPercent)
			left = &percent
		}
		made.Rows[len(made.Rows)-1].Values[column[point.Scope]] = valueOf(left)
	}
	return made
}

// remarks are what is wrong apart from accounts.
func (c *Console) remarks(ctx context.Context) (notes []remark, err error) {
	workers, partitions, err := c.Reader.Workers(ctx)
	if err != nil {
		return nil, err
	}
	free := 0
	for _, partition := range partitions {
		if partition.WorkerID == nil {
			free++
		}
	}
	switch {
	case len(workers) == 0:
		notes = append(notes, remark{"bad", "No worker runs: nothing is sent.", c.link("/workers"), "Workers"})
	case free > 0:
		notes = append(notes, remark{"warn", plural(free, "partition has", "partitions have") + " no worker.", c.link("/workers"), "Workers"})
	}
	sources, err := c.Reader.Sources(ctx)
	if err != nil {
		return nil, err
	}
	told := map[int64]bool{}
	for _, source := range sources {
		switch {
		case source.State == "withheld" && !told[source.Run]:
			told[source.Run] = true
			notes = append(notes, remark{"warn", "Source " + source.Source + " withholds deletes until somebody approves them.", c.link("/runs/" + strconv.FormatInt(source.Run, 10)), "Look at the run"})
		case source.Silent && !told[-source.Run-1]:
			told[-source.Run-1] = true
			notes = append(notes, remark{"bad", "Source " + source.Source + " is silent.", c.link("/sources", "source", source.Source), "Look at its runs"})
		}
	}
	return notes, nil
}
