package console

import (
	"net/http"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status"
)

// Parameters that several endpoints have.
var (
	limitParameter   = parameter{Name: "limit", Meaning: "Rows of a page, at most 1000. 50 when left out."}
	accountParameter = parameter{Name: "account", Meaning: "Only of this account."}
	whyField         = parameter{Name: "why", Meaning: "Why, for the audit log: 3 to 500 characters.", Required: true}
	expectedField    = parameter{Name: "expected", Meaning: "How many rows this was decided for; another number is answered 409.", Required: true}
	letterParameters = []parameter{
		accountParameter,
		{Name: "catalog", Meaning: "Only of this catalog."},
		{Name: "type", Meaning: "Only of this catalog type."},
		{Name: "reason", Meaning: "Only with this reason code."},
		{Name: "attribute", Meaning: "Only with an error about this attribute."},
		{Name: "item", Meaning: "Only of this item id."},
		{Name: "mutation", Meaning: "Only of this mutation id."},
		{Name: "state", Meaning: "open, replayed, dismissed, resolved or all. open when left out."},
	}
	laneParameters = []parameter{accountParameter, {Name: "catalog", Meaning: "Only of this catalog."}, {Name: "type", Meaning: "Only of this catalog type."}}
)

func before(meaning string) parameter { return parameter{Name: "before", Meaning: meaning} }

func with(some []parameter, more ...parameter) []parameter {
	return append(append([]parameter{}, some...), more...)
}

// endpoints are the whole JSON API.
func (c *Console) endpoints() []endpoint {
	id := parameter{Name: "id", Meaning: "The item's id on the platforms.", Required: true}
	next := before("next of the page before.")
	chosen := with(letterParameters, parameter{Name: "id", Meaning: "Numbers of dead letters; may be repeated."},
		parameter{Name: "scope", Meaning: "all: everything that the other fields choose, instead of the numbers."})
	return []endpoint{
		{
			Method: "GET", Path: "/api/v1/items", Summary: "Find items by the beginning of their ids.", Shape: itemsAnswer{},
			Query: []parameter{{Name: "q", Meaning: "How the ids begin.", Required: true}, {Name: "after", Meaning: "next of the page before."}, limitParameter},
			answer: func(r *http.Request) (any, error) {
				items, next, err := c.Reader.Search(r.Context(), filled(r, "q"), limitOf(r), status.Cursor(filled(r, "after")))
				return itemsAnswer{list(items), next}, err
			},
		},
		{
			Method: "GET", Path: "/api/v1/item", Summary: "The state of an item at every destination.", Shape: status.Item{}, Query: with(laneParameters, id),
			answer: func(r *http.Request) (any, error) { return c.Reader.Item(r.Context(), filled(r, "id"), filterOf(r)) },
		},
		{
			Method: "GET", Path: "/api/v1/item/timeline", Summary: "The changes of an item, the newest first.", Shape: timelineAnswer{},
			Query: with(laneParameters, id, next, limitParameter), answer: c.apiTimeline,
		},
		{
			Method: "GET", Path: "/api/v1/mutations", Summary: "The changes with an id, which producers choose.", Shape: mutationsAnswer{},
			Query: []parameter{{Name: "id", Meaning: "The mutation's id.", Required: true}, accountParameter},
			answer: func(r *http.Request) (any, error) {
				found, err := c.Reader.Mutation(r.Context(), filled(r, "id"), filled(r, "account"))
				return mutationsAnswer{list(found)}, err
			},
		},
		{
			Method: "GET", Path: "/api/v1/issues", Summary: "What items fail of, and what to do about it.", Shape: issuesAnswer{},
			Query: with(laneParameters, parameter{Name: "code", Meaning: "Only this code."}, parameter{Name: "attribute", Meaning: "Only this attribute; empty for none."}, limitParameter),
			answer: func(r *http.Request) (any, error) {
				groups, more, err := c.Reader.Issues(r.Context(), issueFilter(r), limitOf(r))
				return issuesAnswer{list(groups), more}, err
			},
		},
		{
			Method: "GET", Path: "/api/v1/issues/items", Summary: "The items with an issue, those that failed last first.", Shape: itemsAnswer{},
			Query: with(laneParameters, parameter{Name: "code", Meaning: "Only this code."}, parameter{Name: "attribute", Meaning: "Only this attribute; empty for none."},
				parameter{Name: "message", Meaning: "Only this message_key of an issue."}, next, limitParameter),
			answer: func(r *http.Request) (any, error) {
				items, next, err := c.Reader.IssueItems(r.Context(), issueFilter(r), limitOf(r), status.Cursor(filled(r, "before")))
				return itemsAnswer{list(items), next}, err
			},
		},
		{
			Method: "GET", Path: "/api/v1/batches", Summary: "Batches, the newest first.", Shape: batchesAnswer{},
			Query:  with(laneParameters, parameter{Name: "state", Meaning: "Only in this state."}, parameter{Name: "unfinished", Meaning: "yes: only those that are not finished."}, next, limitParameter),
			answer: c.apiBatches,
		},
		{
			Method: "GET", Path: "/api/v1/batches/{id}", Summary: "A batch and its sends.", Shape: batchAnswer{},
			answer: func(r *http.Request) (any, error) {
				id, err := idOf(r.PathValue("id"))
				if err != nil {
					return nil, err
				}
				batch, attempts, err := c.Reader.Batch(r.Context(), id)
				if err != nil {
					return nil, err
				}
				answers, err := c.Reader.Answers(r.Context(), id)
				return batchAnswer{batch, list(attempts), list(answers)}, err
			},
		},
		{
			Method: "GET", Path: "/api/v1/batches/{id}/records", Summary: "The records of a batch, and what became of each.", Shape: recordsAnswer{},
			Query: []parameter{{Name: "first", Meaning: "Number of the first record, from 0."}, limitParameter},
			answer: func(r *http.Request) (any, error) {
				id, err := idOf(r.PathValue("id"))
				if err != nil {
					return nil, err
				}
				first := int(numberOf(r, "first"))
				records, more, err := c.Reader.Records(r.Context(), id, first, limitOf(r))
				answer := recordsAnswer{Records: list(records)}
				if more {
					answer.Next = first + len(records)
				}
				return answer, err
			},
		},
		{
			Method: "GET", Path: "/api/v1/accounts", Summary: "The accounts and how they are.", Shape: accountsAnswer{},
			answer: func(r *http.Request) (any, error) {
				accounts, err := c.Reader.Accounts(r.Context(), "")
				return accountsAnswer{list(accounts)}, err
			},
		},
		{
			Method: "GET", Path: "/api/v1/accounts/{name}", Summary: "One account.", Shape: status.Account{},
			answer: func(r *http.Request) (any, error) { return c.oneAccount(r.Context(), r.PathValue("name")) },
		},
		{
			Method: "GET", Path: "/api/v1/series", Summary: "What happened over time, and what was left of quotas.", Shape: seriesAnswer{},
			Query: []parameter{
				accountParameter,
				{Name: "from", Meaning: "A time of RFC 3339. 24 hours ago when left out."},
				{Name: "to", Meaning: "A time of RFC 3339. Now when left out."},
				{Name: "step", Meaning: "A multiple of five minutes. 15m when left out."},
			}, answer: c.apiSeries,
		},
		{Method: "GET", Path: "/api/v1/dead-letters", Summary: "Dead letters, the newest first.", Shape: lettersAnswer{}, Query: with(letterParameters, next, limitParameter), answer: c.apiLetters},
		{
			Method: "GET", Path: "/api/v1/dead-letters/{id}", Summary: "One dead letter with its message.", Shape: letterAnswer{},
			answer: func(r *http.Request) (any, error) {
				letter, err := c.oneLetter(r.Context(), r.PathValue("id"))
				if err != nil {
					return nil, err
				}
				return c.letterAnswer(letter), nil
			},
		},
		{
			Method: "GET", Path: "/api/v1/sources", Summary: "Routes of sources.", Shape: sourcesAnswer{},
			answer: func(r *http.Request) (any, error) {
				sources, err := c.Reader.Sources(r.Context())
				return sourcesAnswer{list(sources)}, err
			},
		},
		{
			Method: "GET", Path: "/api/v1/runs", Summary: "Runs of sources, the newest first.", Shape: runsAnswer{}, Query: []parameter{{Name: "source", Meaning: "Only of this source."}, limitParameter},
			answer: func(r *http.Request) (any, error) {
				runs, err := c.Reader.Runs(r.Context(), filled(r, "source"), limitOf(r))
				return runsAnswer{list(runs)}, err
			},
		},
		{
			Method: "GET", Path: "/api/v1/runs/{id}", Summary: "One run of a source.", Shape: status.Run{},
			answer: func(r *http.Request) (any, error) {
				shown, err := c.oneRun(r.Context(), r.PathValue("id"))
				return shown.Run, err
			},
		},
		{
			Method: "GET", Path: "/api/v1/webhooks", Summary: "Webhook deliveries, the newest first.", Shape: deliveriesAnswer{},
			Query: []parameter{{Name: "source", Meaning: "Only of this source."}, {Name: "state", Meaning: "Only in this state."}, next, limitParameter},
			answer: func(r *http.Request) (any, error) {
				limit := limitOf(r)
				rows, err := c.Reader.Deliveries(r.Context(), filled(r, "source"), persistence.DeliveryState(filled(r, "state")), numberOf(r, "before"), limit)
				answer := deliveriesAnswer{Deliveries: list(rows)}
				if len(rows) == limit {
					answer.Next = rows[limit-1].ID
				}
				return answer, err
			},
		},
		{
			Method: "GET", Path: "/api/v1/workers", Summary: "Workers and partitions.", Shape: workersAnswer{},
			answer: func(r *http.Request) (any, error) {
				workers, partitions, err := c.Reader.Workers(r.Context())
				return workersAnswer{list(workers), list(partitions)}, err
			},
		},
		{
			Method: "GET", Path: "/api/v1/audit", Summary: "What people did, the newest first.", Shape: auditAnswer{},
			Query: []parameter{{Name: "who", Meaning: "Only of this person."}, {Name: "action", Meaning: "Only this action."}, next, limitParameter},
			answer: func(r *http.Request) (any, error) {
				limit := limitOf(r)
				entries, err := c.Audit.List(r.Context(), persistence.AuditFilter{Before: numberOf(r, "before"), Who: filled(r, "who"), Action: filled(r, "action"), Limit: limit})
				answer := auditAnswer{Actions: list(entries)}
				if len(entries) == limit {
					answer.Next = entries[limit-1].ID
				}
				return answer, err
			},
		},
		{
			Method: "POST", Path: "/api/v1/accounts/{name}/pause", Summary: "Pause an account.", Shape: doneAnswer{}, serve: c.pause,
			Form: []parameter{
				whyField,
				{Name: "for", Meaning: "How long, such as 30m, 2h or 7d. Without it and until, until it is resumed."},
				{Name: "until", Meaning: "Until when, such as 2026-12-01T10:00Z."},
			},
		},
		{Method: "POST", Path: "/api/v1/accounts/{name}/resume", Summary: "End every pause of an account.", Shape: doneAnswer{}, serve: c.resume, Form: []parameter{whyField}},
		{
			Method: "POST", Path: "/api/v1/dead-letters/replay", Summary: "Publish the messages of dead letters again.", Shape: doneAnswer{}, serve: c.replayLetters,
			Form: with(chosen, expectedField, whyField, parameter{Name: "force", Meaning: "yes: also where items have newer changes."}),
		},
		{
			Method: "POST", Path: "/api/v1/dead-letters/dismiss", Summary: "Take dead letters from the list of what is to be done.", Shape: doneAnswer{}, serve: c.dismissLetters,
			Form: with(chosen, expectedField, whyField),
		},
		{
			Method: "POST", Path: "/api/v1/dead-letters/{id}/edit", Summary: "Publish an edited message in place of one that failed.", Shape: doneAnswer{}, serve: c.editLetter,
			Form: []parameter{{Name: "body", Meaning: "The whole message.", Required: true}, whyField, {Name: "force", Meaning: "yes: also where the item has newer changes."}},
		},
		{Method: "POST", Path: "/api/v1/runs/{id}/approve", Summary: "Let deletes go that a run has withheld.", Shape: doneAnswer{}, serve: c.approve, Form: []parameter{expectedField, whyField}},
	}
}
