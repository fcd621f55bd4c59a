package console

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/run"
	"github.com/catalog-courier/catalog-courier/status"
)

// sourceList is the sources with their last runs.
type sourceList struct {
	Sources []status.Source
	Runs    []status.Run
}

const runsShown = 30

func (c *Console) sources(w http.ResponseWriter, r *http.Request) error {
	sources, err := c.Reader.Sources(r.Context())
	if err != nil {
		return err
	}
	shown := runsShown
	if wantsCSV(r) {
		shown = status.MaxPage
	}
	runs, err := c.Reader.Runs(r.Context(), filled(r, "source"), shown)
	if err != nil {
		return err
	}
	if wantsCSV(r) {
		return runsCSV(w, runs)
	}
	return c.showPage(w, "sources", c.page(r, "Sources", "sources").live(), sourceList{sources, runs})
}

// shownRun is a run with what it found for each route.
type shownRun struct {
	status.Run
	Routes   []run.RoutePlan
	Kinds    []run.KindCount
	Withheld int // the most deletes of a route that wait for an approval
	Over     bool
	Open     bool // somebody may still approve
}

func (c *Console) run(w http.ResponseWriter, r *http.Request) error {
	shown, err := c.oneRun(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	p := c.page(r, "Run "+strconv.FormatInt(shown.Run.Run, 10)+" of "+shown.Source, "sources")
	if shown.FinishedAt == nil || shown.Withheld > 0 {
		p.live()
	}
	return c.showPage(w, "run", p, shown)
}

// lookBack is how many runs after a withheld one are looked at.
const lookBack = 1000

func (c *Console) oneRun(ctx context.Context, text string) (shown shownRun, err error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return shown, errNowhere
	}
	if shown.Run, err = c.Reader.Run(ctx, id); err != nil {
		return shown, err
	}
	if err := json.Unmarshal(shown.Counts, &shown.Routes); err != nil {
		return shown, err
	}
	if err := json.Unmarshal(shown.Findings, &shown.Kinds); err != nil {
		return shown, err
	}
	for _, route := range shown.Routes {
		if route.Decision == "withheld" {
			shown.Withheld = max(shown.Withheld, route.Counts.Removed)
		}
	}
	if shown.Withheld == 0 {
		return shown, nil
	}
	later, err := c.Reader.Runs(ctx, shown.Source, lookBack)
	if err != nil {
		return shown, err
	}
	for _, one := range later {
		if one.Run > id && (one.State == persistence.RunDone || one.State == persistence.RunUnchanged) {
			shown.Over = true
		}
	}
	shown.Open = !shown.Over && shown.FinishedAt != nil
	return shown, nil
}

// approve lets withheld deletes go: at most as many as were shown.
func (c *Console) approve(w http.ResponseWriter, r *http.Request) error {
	shown, err := c.oneRun(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if !shown.Open || shown.Withheld == 0 {
		return refuse(http.StatusConflict, "This run has withheld nothing that still waits for an approval.")
	}
	if c.Do == nil || c.Do.Approve == nil {
		return refuse(http.StatusNotImplemented, "This console cannot run sources: its configuration has none. Approve with enqueue feed approve "+r.PathValue("id")+".")
	}
	if err := confirmed(r, int64(shown.Withheld)); err != nil {
		return err
	}
	return c.act(w, r, deed{
		name: persistence.ActApproveDeletes, target: "run " + r.PathValue("id") + " of " + shown.Source, expected: int64(shown.Withheld), back: c.link("/sources"),
		do: func(ctx context.Context, _ string) (int64, string, error) {
			done, err := c.Do.Approve(ctx, shown.Run.Run, shown.Withheld)
			return -1, done, err
		},
	})
}

// deliveryList is a page of webhook deliveries.
type deliveryList struct {
	Deliveries []persistence.DeliveryRow
	States     []string
	Next       int64
}

const deliveriesPage = 50

func (c *Console) webhooks(w http.ResponseWriter, r *http.Request) error {
	before, _ := strconv.ParseInt(filled(r, "before"), 10, 64) // else the newest
	if wantsCSV(r) {
		return c.deliveriesCSV(w, r)
	}
	rows, err := c.Reader.Deliveries(r.Context(), filled(r, "source"), persistence.DeliveryState(filled(r, "state")), before, deliveriesPage+1)
	if err != nil {
		return err
	}
	shown := deliveryList{Deliveries: rows, States: []string{"accepted", "partial", "rejected", "ignored", "pending"}}
	if len(rows) > deliveriesPage {
		shown.Deliveries = rows[:deliveriesPage]
		shown.Next = shown.Deliveries[deliveriesPage-1].ID
	}
	p := c.page(r, "Webhook deliveries", "webhooks")
	if before == 0 {
		p.live()
	}
	return c.showPage(w, "webhooks", p, shown)
}
