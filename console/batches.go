package console

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/status"
)

// batchList is a page of batches.
type batchList struct {
	Batches  []status.Batch
	States   []string
	Accounts []string
	Next     string
}

const batchesPage = 50

func (c *Console) batches(w http.ResponseWriter, r *http.Request) error {
	filter := status.BatchFilter{Filter: filterOf(r), State: filled(r, "state"), Unfinished: filled(r, "unfinished") != ""}
	if wantsCSV(r) {
		return c.batchesCSV(w, r, filter)
	}
	before, err := idOf(filled(r, "before"))
	if err != nil {
		return err
	}
	batches, more, err := c.Reader.Batches(r.Context(), filter, before, batchesPage)
	if err != nil {
		return err
	}
	list := batchList{Batches: batches, States: status.BatchStates()}
	if list.Accounts, err = c.accountNames(r.Context()); err != nil {
		return err
	}
	if more {
		list.Next = batches[len(batches)-1].ID.String()
	}
	p := c.page(r, "Batches", "batches")
	if before == uuid.Nil {
		p.live()
	}
	return c.showPage(w, "batches", p, list)
}

func idOf(text string) (uuid.UUID, error) {
	if text == "" {
		return uuid.Nil, nil
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil, refuse(http.StatusBadRequest, "This is not the id of a batch.")
	}
	return id, nil
}

// shownBatch is a batch with a page of its records.
type shownBatch struct {
	status.Batch
	Attempts []status.Attempt
	Answers  []status.Answer
	Records  []status.Record
	First    int
	Next     int // the first record of the next page; 0 without one
}

const recordsPage = 100

func (c *Console) batch(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r.PathValue("id"))
	if err != nil {
		return err
	}
	shown := shownBatch{}
	if shown.Batch, shown.Attempts, err = c.Reader.Batch(r.Context(), id); err != nil {
		return err
	}
	if shown.Answers, err = c.Reader.Answers(r.Context(), id); err != nil {
		return err
	}
	shown.First, _ = strconv.Atoi(filled(r, "first")) // else from the first on
	records, more, err := c.Reader.Records(r.Context(), id, shown.First, recordsPage)
	if err != nil {
		return err
	}
	shown.Records = records
	if more {
		shown.Next = shown.First + recordsPage
	}
	p := c.page(r, "Batch "+id.String()[:8], "batches")
	if shown.FinishedAt == nil {
		p.live()
	}
	return c.showPage(w, "batch", p, shown)
}

// request sends the body of a batch's POST as the platform got it.
func (c *Console) request(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r.PathValue("id"))
	if err != nil {
		return err
	}
	attempt, _ := strconv.Atoi(filled(r, "attempt")) // else the last one
	request, err := c.Reader.Request(r.Context(), id, attempt, filled(r, "item"))
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	if !json.Valid(request.Body) {
		header.Set("Content-Type", "application/octet-stream")
	}
	header.Set("Content-Disposition", `attachment; filename="batch-`+id.String()+`.json"`)
	_, _ = w.Write(request.Body) // the browser may have gone
	return nil
}
