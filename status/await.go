package status

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// Published is a mutation that its producer waits for: its id, and its place in the stream
// as NATS acknowledged it.
type Published struct {
	ID       string
	Sequence uint64
	Line     int // of a pack, from 1; 0: a message of its own
}

// Ended is what became of one: succeeded, superseded, failed, invalid or unconfirmed.
type Ended struct {
	Published

	Status string
	Errors []Issue
}

// Outcomes tells what became of mutations, at most MaxPage at once. Those that are not final,
// or that no worker has recorded yet, are left out: ask again after a while.
func (r *Reader) Outcomes(ctx context.Context, published []Published) ([]Ended, error) {
	if len(published) > MaxPage {
		return nil, errors.New("more mutations are asked for at once than a page has")
	}
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	var params query.OutcomesOfParams
	for _, p := range published {
		params.Ids, params.Places = append(params.Ids, p.ID), append(params.Places, int64(p.Sequence)) //nolint:gosec // a stream's sequence fits
		params.Lines = append(params.Lines, int16(p.Line))                                             //nolint:gosec // at most message.MaxPackLines
	}
	rows, err := r.query.OutcomesOf(ctx, params)
	if err != nil {
		return nil, read("what became of mutations", err)
	}
	ended := make([]Ended, len(rows))
	for i, row := range rows {
		ended[i] = Ended{Published: Published{ID: row.MutationID, Sequence: uint64(row.StreamSequence), Line: int(row.StreamLine)}, Status: row.Status} //nolint:gosec // written from one
		if err := json.Unmarshal(row.Errors, &ended[i].Errors); len(row.Errors) > 0 && err != nil {
			return nil, read("the errors of mutation "+row.MutationID, err)
		}
	}
	return ended, nil
}
