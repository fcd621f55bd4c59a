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
	InFlight, Delivered, Failed int64
	Charts                      []chart
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
		shown.Accounts = append(shown.Accounts, accountLine{Account: accounts[i]})
	}
	if shown.Notes, err = c.remarks(r.Context()); err != nil {
		return err
	}
	return c.showPage(w, "overview", c.page(r, "Overview", "overview").live(), shown)
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
