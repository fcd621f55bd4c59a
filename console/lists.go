package console

import (
	"net/http"
	"strconv"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status"
)

// The whole of a list that a page shows in parts, as a file.

func (c *Console) batchesCSV(w http.ResponseWriter, r *http.Request, filter status.BatchFilter) error {
	table := newCSV(w, "batches", "batch_id", "account", "catalog", "catalog_type", "state", "items", "mutations", "succeeded", "failed", "attempts", "created_at", "finished_at", "last_error")
	for before := [16]byte{}; ; {
		batches, more, err := c.Reader.Batches(r.Context(), filter, before, status.MaxPage)
		if err != nil {
			return table.end(err)
		}
		for i := range batches {
			b := &batches[i]
			if !table.row(b.ID.String(), b.Account, b.Catalog, b.Type, b.State, strconv.Itoa(b.Items), strconv.Itoa(b.Mutations), small(b.Succeeded), small(b.Failed),
				strconv.Itoa(b.Attempts), stamp(b.CreatedAt), moment(b.FinishedAt), b.LastError) {
				return table.end(nil)
			}
		}
		if !more || len(batches) == 0 {
			return table.end(nil)
		}
		before = batches[len(batches)-1].ID
	}
}

func accountsCSV(w http.ResponseWriter, accounts []status.Account) error {
	table := newCSV(w, "accounts", "account", "platform", "state", "reason", "since", "waiting_items", "in_flight_items", "failed_last_hour", "oldest_waiting_at", "last_succeeded_at",
		"next_attempt_at", "resumes_at")
	for i := range accounts {
		a := &accounts[i]
		table.row(a.Name, a.Platform, a.State, a.Reason, moment(a.Since), strconv.FormatInt(a.WaitingItems, 10), strconv.FormatInt(a.InFlightItems, 10),
			strconv.FormatInt(a.FailedLastHour, 10), moment(a.OldestWaitingAt), moment(a.LastSucceededAt), moment(a.NextAttemptAt), moment(a.ResumesAt))
	}
	return table.end(nil)
}

func runsCSV(w http.ResponseWriter, runs []status.Run) error {
	table := newCSV(w, "runs", "run", "source", "state", "reason", "trigger", "started_at", "finished_at", "items_read", "to_publish", "published")
	for i := range runs {
		one := &runs[i]
		table.row(strconv.FormatInt(one.Run, 10), one.Source, string(one.State), one.Reason, one.Trigger, stamp(one.StartedAt), moment(one.FinishedAt),
			strconv.FormatInt(one.ItemsRead, 10), strconv.FormatInt(one.ToPublish, 10), strconv.FormatInt(one.Published, 10))
	}
	return table.end(nil)
}

func (c *Console) auditCSV(w http.ResponseWriter, r *http.Request, filter persistence.AuditFilter) error {
	table := newCSV(w, "audit", "id", "at", "who", "how", "action", "target", "filter", "expected", "changed", "reason", "result", "message", "finished_at")
	for filter.Limit = status.MaxPage; ; {
		entries, err := c.Audit.List(r.Context(), filter)
		if err != nil {
			return table.end(err)
		}
		for i := range entries {
			e := &entries[i]
			if !table.row(strconv.FormatInt(e.ID, 10), stamp(e.At), e.Who, e.How, e.Action, e.Target, string(e.Filter), number(e.Expected), number(e.Changed), e.Reason, e.Result, e.Message, moment(e.FinishedAt)) {
				return table.end(nil)
			}
		}
		if len(entries) < filter.Limit {
			return table.end(nil)
		}
		filter.Before = entries[len(entries)-1].ID
	}
}

func (c *Console) deliveriesCSV(w http.ResponseWriter, r *http.Request) error {
	table := newCSV(w, "webhooks", "id", "source", "received_at", "delivery_id", "topic", "state", "published", "unchanged", "older", "reason", "body_bytes", "attempts", "retry_at")
	for before := int64(0); ; {
		rows, err := c.Reader.Deliveries(r.Context(), filled(r, "source"), persistence.DeliveryState(filled(r, "state")), before, status.MaxPage)
		if err != nil {
			return table.end(err)
		}
		for i := range rows {
			d := &rows[i]
			if !table.row(strconv.FormatInt(d.ID, 10), d.Source, stamp(d.ReceivedAt), d.DeliveryID, d.Topic, string(d.State), strconv.Itoa(d.Published), strconv.Itoa(d.Unchanged),
				strconv.Itoa(d.Older), d.Reason, strconv.FormatInt(d.BodyBytes, 10), strconv.Itoa(d.Attempts), moment(d.RetryAt)) {
				return table.end(nil)
			}
		}
		if len(rows) < status.MaxPage {
			return table.end(nil)
		}
		before = rows[len(rows)-1].ID
	}
}
