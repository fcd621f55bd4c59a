package console

import (
	"math"
	"net/http"
	"net/url"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status"
)

// Parameters that several endpoints have.
var (
	limitParameter   = parameter{Name: "limit", Meaning: "Rows of a page. 50 when left out.", Rule: wholeNumber(1, status.MaxPage, "50")}
	accountParameter = parameter{Name: "account", Meaning: "Only of this account.", Rule: textOf("acme")}
	whyField         = parameter{Name: "why", Meaning: "Why, for the audit log.", Required: true, Rule: lengthOf(shortestReason, longestReason, "the shop moves")}
	expectedField    = parameter{Name: "expected", Meaning: "How many rows this was decided for; another number is answered 409.", Required: true, Rule: wholeNumber(0, maxNumber, "2")}
	sinceParameter   = parameter{Name: "since", Meaning: "Only since then.", Rule: pointInTime}
	untilParameter   = parameter{Name: "until", Meaning: "Only before then.", Rule: pointInTime}
	letterParameters = []parameter{
		accountParameter,
		{Name: "catalog", Meaning: "Only of this catalog.", Rule: textOf("products")},
		{Name: "type", Meaning: "Only of this catalog type.", Rule: textOf("PRODUCT_ITEM")},
		{Name: "reason", Meaning: "Only with this reason code.", Rule: one(catalog.DeadLetterReasons()...)},
		{Name: "attribute", Meaning: "Only with an error about this attribute.", Rule: textOf("price")},
		{Name: "item", Meaning: "Only of this item id.", Rule: textOf("SKU-1")},
		{Name: "mutation", Meaning: "Only of this mutation id.", Rule: textOf("0198c7d2-5a7e")},
		{Name: "since", Meaning: "Only those that failed since then.", Rule: pointInTime},
		{Name: "until", Meaning: "Only those that failed before then.", Rule: pointInTime},
		{Name: "state", Meaning: "What has become of them. open when left out.", Rule: one(append(persistence.LetterStates(), scopeAll)...)},
	}
	laneParameters = []parameter{
		accountParameter, {Name: "catalog", Meaning: "Only of this catalog.", Rule: textOf("products")}, {Name: "type", Meaning: "Only of this catalog type.", Rule: textOf("PRODUCT_ITEM")},
	}
	issueParameters = with(laneParameters, parameter{Name: "code", Meaning: "Only this code.", Rule: textOf("missing_attribute")},
		parameter{Name: "attribute", Meaning: "Only this attribute; empty for none.", Rule: textOf("price")})
	forceField = parameter{Name: "force", Meaning: "yes: also where items have newer changes.", Rule: one(yes, no)}
)

// What switches are set to.
const (
	yes = "yes"
	no  = "no"
)

func before(r rule) parameter {
	return parameter{Name: "before", Meaning: "next of the page before.", Rule: r}
}

func with(some []parameter, more ...parameter) []parameter {
	return append(append([]parameter{}, some...), more...)
}

// endpoints are the whole JSON API.
func (c *Console) endpoints() []endpoint {
	id := parameter{Name: "id", Meaning: "The item's id on the platforms.", Required: true, Rule: textOf("SKU-1")}
	chosen := with(letterParameters, parameter{Name: "id", Meaning: "Numbers of dead letters; may be repeated.", Many: true, Rule: serial},
		parameter{Name: "scope", Meaning: "all: everything that the other fields choose, instead of the numbers.", Rule: one(scopeAll)})
	return []endpoint{
		{
			Method: "GET", Path: "/api/v1/items", Summary: "Find items by the beginning of their ids.", Shape: itemsAnswer{},
			Query: []parameter{{Name: "q", Meaning: "How the ids begin.", Required: true, Rule: textOf("SKU")}, {Name: "after", Meaning: "next of the page before.", Rule: cursor}, limitParameter},
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
			Query: with(laneParameters, id, before(place), limitParameter), answer: c.apiTimeline,
		},
		{
			Method: "GET", Path: "/api/v1/mutations", Summary: "The changes with an id, which producers choose.", Shape: mutationsAnswer{},
			Query: []parameter{{Name: "id", Meaning: "The mutation's id.", Required: true, Rule: textOf("0198c7d2-5a7e")}, accountParameter},
			answer: func(r *http.Request) (any, error) {
				found, err := c.Reader.Mutation(r.Context(), filled(r, "id"), filled(r, "account"))
				return mutationsAnswer{list(found)}, err
			},
		},
		{
			Method: "GET", Path: "/api/v1/issues", Summary: "What items fail of, and what to do about it.", Shape: issuesAnswer{},
			Query: with(issueParameters, limitParameter),
			answer: func(r *http.Request) (any, error) {
				groups, more, err := c.Reader.Issues(r.Context(), issueFilter(r), limitOf(r))
				return issuesAnswer{list(groups), more}, err
			},
		},
		{
			Method: "GET", Path: "/api/v1/issues/items", Summary: "The items with an issue, those that failed last first.", Shape: itemsAnswer{},
			Query: with(issueParameters, parameter{Name: "status", Meaning: "Only with this status.", Rule: one("failed", "unconfirmed", "invalid")},
				parameter{Name: "message", Meaning: "Only this message_key of an issue.", Rule: textOf("price is wrong")}, before(cursor), limitParameter),
			answer: func(r *http.Request) (any, error) {
				items, next, err := c.Reader.IssueItems(r.Context(), issueFilter(r), limitOf(r), status.Cursor(filled(r, "before")))
				return itemsAnswer{list(items), next}, err
			},
		},
		{
			Method: "GET", Path: "/api/v1/batches", Summary: "Batches, the newest first.", Shape: batchesAnswer{},
			Query: with(laneParameters, parameter{Name: "state", Meaning: "Only in this state.", Rule: one(status.BatchStates()...)},
				parameter{Name: "unfinished", Meaning: "yes: only those that are not finished.", Rule: one(yes, no)}, before(batchID), limitParameter),
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
			Query: []parameter{{Name: "first", Meaning: "Number of the first record, from 0.", Rule: wholeNumber(0, math.MaxInt32, "0")}, limitParameter},
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
				{Name: "from", Meaning: "Its beginning. 24 hours ago when left out.", Rule: pointInTime},
				{Name: "to", Meaning: "Its end. Now when left out.", Rule: pointInTime},
				{Name: "step", Meaning: "The length of a step. 15m when left out.", Rule: step},
			}, answer: c.apiSeries,
		},
		{Method: "GET", Path: "/api/v1/dead-letters", Summary: "Dead letters, the newest first.", Shape: lettersAnswer{}, Query: with(letterParameters, before(serial), limitParameter), answer: c.apiLetters},
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
			Method: "GET", Path: "/api/v1/runs", Summary: "Runs of sources, the newest first.", Shape: runsAnswer{}, Query: []parameter{{Name: "source", Meaning: "Only of this source.", Rule: textOf("shop")}, limitParameter},
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
			Query: []parameter{{Name: "source", Meaning: "Only of this source.", Rule: textOf("shop")}, {Name: "state", Meaning: "Only in this state.", Rule: one(deliveryStates...)}, before(serial), limitParameter},
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
			Query: []parameter{
				{Name: "who", Meaning: "Only of those with this in their name.", Rule: textOf("ala")},
				{Name: "action", Meaning: "Only this action.", Rule: one(persistence.ActionNames()...)},
				{Name: "target", Meaning: "Only on this: an account, or the number of a dead letter.", Rule: textOf("acme")},
				{Name: "result", Meaning: "Only those that ended so.", Rule: one(persistence.ActionResults()...)},
				sinceParameter, untilParameter, before(serial), limitParameter,
			},
			answer: func(r *http.Request) (any, error) {
				limit := limitOf(r)
				entries, err := c.Audit.List(r.Context(), auditFilter(r, c.now(), limit))
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
				{Name: "for", Meaning: "How long. Without it and until, until it is resumed.", Rule: lengthOfTime},
				{Name: "until", Meaning: "Until when; not together with for.", Rule: timeToCome},
			},
			Query: []parameter{{Name: "zone", Meaning: "The time zone of until, where that names none. UTC when left out.", Rule: timeZone}},
			together: func(form url.Values) []wrongField {
				if form.Get("for") != "" && form.Get("until") != "" {
					return []wrongField{{Field: "until", Rule: "must be left out with for"}}
				}
				return nil
			},
		},
		{Method: "POST", Path: "/api/v1/accounts/{name}/resume", Summary: "End every pause of an account.", Shape: doneAnswer{}, serve: c.resume, Form: []parameter{whyField}},
		{
			Method: "POST", Path: "/api/v1/dead-letters/replay", Summary: "Publish the messages of dead letters again.", Shape: doneAnswer{}, serve: c.replayLetters,
			Form: with(chosen, expectedField, whyField, forceField), together: chosenTogether,
		},
		{
			Method: "POST", Path: "/api/v1/dead-letters/dismiss", Summary: "Take dead letters from the list of what is to be done.", Shape: doneAnswer{}, serve: c.dismissLetters,
			Form: with(chosen, expectedField, whyField), together: chosenTogether,
		},
		{
			Method: "POST", Path: "/api/v1/dead-letters/{id}/edit", Summary: "Publish an edited message in place of one that failed.", Shape: doneAnswer{}, serve: c.editLetter,
			Form: []parameter{{Name: "body", Meaning: "The whole message.", Required: true, Rule: textUpTo(message.MaxBody, `{"item_id":"SKU-1","operation":"DELETE"}`)}, whyField, forceField},
		},
		{Method: "POST", Path: "/api/v1/runs/{id}/approve", Summary: "Let deletes go that a run has withheld.", Shape: doneAnswer{}, serve: c.approve, Form: []parameter{expectedField, whyField}},
	}
}

// deliveryStates are those of webhook deliveries.
var deliveryStates = []persistence.DeliveryState{
	persistence.DeliveryAccepted, persistence.DeliveryPartial, persistence.DeliveryRejected, persistence.DeliveryIgnored, persistence.DeliveryPending,
}

func auditFilter(r *http.Request, now time.Time, limit int) persistence.AuditFilter {
	return persistence.AuditFilter{
		Before: numberOf(r, "before"), Who: filled(r, "who"), Action: filled(r, "action"), Target: filled(r, "target"), Result: filled(r, "result"),
		Since: pointOf(filled(r, "since"), now), Until: pointOf(filled(r, "until"), now), Limit: limit,
	}
}
