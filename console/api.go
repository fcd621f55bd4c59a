package console

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/reason"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status"
)

// endpoint is an address of the JSON API, as schema/console.openapi.yaml describes it.
type endpoint struct {
	Method, Path string
	Summary      string
	// Query are the parameters of the address, Form the fields of a body.
	Query, Form []parameter
	// answer reads what is asked for. Actions have serve instead, which the pages use too.
	answer func(r *http.Request) (any, error)
	serve  serve
	// together says what is wrong between fields of the form. Nil finds nothing.
	together func(form url.Values) []wrongField
	// Shape is a zero value of what is answered.
	Shape any
}

type parameter struct {
	Name, Meaning string
	Required      bool
	// Many says that it may be repeated.
	Many bool
	Rule rule
}

// The answers that are lists. next continues a list; it is empty at the end.
type (
	itemsAnswer struct {
		Items []status.IndexedItem `json:"items"`
		Next  status.Cursor        `json:"next,omitempty"`
	}
	timelineAnswer struct {
		Changes []status.Mutation `json:"changes"`
		Next    status.Place      `json:"next,omitempty"`
	}
	mutationsAnswer struct {
		Mutations []status.Mutation `json:"mutations"`
	}
	issuesAnswer struct {
		Issues []status.IssueGroup `json:"issues"`
		More   bool                `json:"more"`
	}
	batchesAnswer struct {
		Batches []status.Batch `json:"batches"`
		Next    string         `json:"next,omitempty"`
	}
	batchAnswer struct {
		Batch    status.Batch     `json:"batch"`
		Attempts []status.Attempt `json:"attempts"`
		// Answers are what the platform answered, as far as it is kept.
		Answers []status.Answer `json:"answers"`
	}
	recordsAnswer struct {
		Records []status.Record `json:"records"`
		Next    int             `json:"next,omitempty"`
	}
	accountsAnswer struct {
		Accounts []status.Account `json:"accounts"`
	}
	lettersAnswer struct {
		Letters []letterAnswer `json:"dead_letters"`
		Next    int64          `json:"next,omitempty"`
	}
	sourcesAnswer struct {
		Sources []status.Source `json:"sources"`
	}
	runsAnswer struct {
		Runs []status.Run `json:"runs"`
	}
	deliveriesAnswer struct {
		Deliveries []status.Delivery `json:"deliveries"`
		Next       int64             `json:"next,omitempty"`
	}
	workersAnswer struct {
		Workers    []status.Worker    `json:"workers"`
		Partitions []status.Partition `json:"partitions"`
	}
	seriesAnswer struct {
		Points []status.Point      `json:"points"`
		Quotas []status.QuotaPoint `json:"quotas"`
	}
	auditAnswer struct {
		Actions []persistence.AuditEntry `json:"actions"`
		Next    int64                    `json:"next,omitempty"`
	}
	doneAnswer struct {
		// Done says in a sentence what was done.
		Done string `json:"done"`
		// Changed is how many rows, where they are counted.
		Changed int64 `json:"changed,omitempty"`
	}
)

// letterAnswer is a dead letter for machines.
type letterAnswer struct {
	ID           int64           `json:"id"`
	State        string          `json:"state"`
	MutationID   string          `json:"mutation_id"`
	Account      string          `json:"account"`
	Catalog      string          `json:"catalog"`
	Type         string          `json:"catalog_type"`
	ItemID       string          `json:"item_id"`
	Operation    string          `json:"operation"`
	Reason       string          `json:"reason"`
	Attribute    string          `json:"attribute,omitempty"`
	Text         string          `json:"text"`
	FailedAt     time.Time       `json:"failed_at"`
	Advice       []reason.Advice `json:"advice"`
	Subject      string          `json:"subject,omitempty"`
	Body         string          `json:"body,omitempty"`
	ReplayedBy   string          `json:"replayed_by,omitempty"`
	ReplacedBy   string          `json:"replaced_by,omitempty"`
	DismissedBy  string          `json:"dismissed_by,omitempty"`
	DismissedFor string          `json:"dismiss_reason,omitempty"`
}

func (c *Console) letterAnswer(l *persistence.DeadLetter) letterAnswer {
	return letterAnswer{
		ID: l.ID, State: string(l.State), MutationID: l.MutationID, Account: l.Lane.Account, Catalog: l.Lane.Catalog, Type: string(l.Lane.Type),
		ItemID: l.ItemID, Operation: l.Operation.String(), Reason: string(l.Reason), Attribute: l.Field, Text: l.Text, FailedAt: l.FailedAt,
		Advice: c.advice(l), Subject: l.Message.Subject, Body: string(l.Message.Data), ReplayedBy: l.ReplayedBy, ReplacedBy: l.ReplacedBy,
		DismissedBy: l.DismissedBy, DismissedFor: l.DismissReason,
	}
}

// routeAPI adds the endpoints to the routes of the pages.
func (c *Console) routeAPI(routes map[string]serve) {
	for _, e := range c.endpoints() {
		if e.serve != nil {
			routes[e.Method+" "+e.Path] = e.checked(e.serve)
			continue
		}
		routes[e.Method+" "+e.Path] = e.checked(func(w http.ResponseWriter, r *http.Request) error {
			answer, err := e.answer(r)
			if err != nil {
				return err
			}
			w.Header().Set("Content-Type", "application/json")
			return json.NewEncoder(w).Encode(answer)
		})
	}
}

// limitOf is how many rows a page of a list has: 50, or what the address says up to 1000.
func limitOf(r *http.Request) int {
	limit, err := strconv.Atoi(filled(r, "limit"))
	if err != nil || limit < 1 {
		return status.DefaultPage
	}
	return min(limit, status.MaxPage)
}

func numberOf(r *http.Request, key string) int64 {
	n, _ := strconv.ParseInt(filled(r, key), 10, 64) // else from the beginning
	return n
}

func (c *Console) apiBatches(r *http.Request) (any, error) {
	before, err := idOf(filled(r, "before"))
	if err != nil {
		return nil, err
	}
	filter := status.BatchFilter{Filter: filterOf(r), State: filled(r, "state"), Unfinished: filled(r, "unfinished") == yes}
	batches, more, err := c.Reader.Batches(r.Context(), filter, before, limitOf(r))
	answer := batchesAnswer{Batches: list(batches)}
	if more {
		answer.Next = batches[len(batches)-1].ID.String()
	}
	return answer, err
}

func (c *Console) apiLetters(r *http.Request) (any, error) {
	filter := letterFilter(r.URL.Query(), c.now())
	filter.Limit = limitOf(r)
	letters, next, err := c.Letters.NewestDeadLetters(r.Context(), filter, numberOf(r, "before"))
	answer := lettersAnswer{Letters: make([]letterAnswer, len(letters)), Next: next}
	for i := range letters {
		answer.Letters[i] = c.letterAnswer(&letters[i])
	}
	return answer, err
}

func (c *Console) apiTimeline(r *http.Request) (any, error) {
	changes, more, err := c.Reader.Timeline(r.Context(), filled(r, "id"), filterOf(r), status.Place(filled(r, "before")), limitOf(r))
	answer := timelineAnswer{Changes: list(changes)}
	if more {
		answer.Next = changes[len(changes)-1].Place
	}
	return answer, err
}

func (c *Console) apiSeries(r *http.Request) (any, error) {
	to := c.now()
	from, step := to.Add(-chartSpan), chartStep
	for key, into := range map[string]*time.Time{"from": &from, "to": &to} {
		if at := pointOf(filled(r, key), c.now()); !at.IsZero() {
			*into = at
		}
	}
	if text := filled(r, "step"); text != "" {
		length, err := time.ParseDuration(text)
		if err != nil {
			return nil, err // never: the step was checked
		}
		step = length
	}
	return c.series(r.Context(), filled(r, "account"), from, to, step)
}

func (c *Console) series(ctx context.Context, account string, from, to time.Time, step time.Duration) (answer seriesAnswer, err error) {
	if answer.Points, err = c.Reader.Series(ctx, account, from, to, step); err != nil {
		return answer, err
	}
	answer.Points = list(answer.Points)
	answer.Quotas = []status.QuotaPoint{}
	if account != "" {
		answer.Quotas, err = c.Reader.Quotas(ctx, account, from, to, step)
		answer.Quotas = list(answer.Quotas)
	}
	return answer, err
}

// list is never null in JSON.
func list[T any](values []T) []T {
	if values == nil {
		return []T{}
	}
	return values
}
