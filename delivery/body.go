package delivery

import (
	"errors"
	"log/slog"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// ErrTorn says that this version merges the changes of a batch otherwise than the one that
// sent it.
var ErrTorn = errors.New("this version merges the recorded changes otherwise than the one that sent them")

// Body puts the body of POST number attempt (from 1) of a recorded batch together again, as
// a new owner of the batch does. The records have their mutations only; only, when not nil,
// lists those that the body is to have.
func Body(endpoint platform.Endpoint, group string, records []catalog.Record, only []int, attempt int) ([]byte, error) {
	f := &openBatch{
		batch: ledger.Batch{Group: group, Records: records}, lane: &lane{endpoint: endpoint}, attempt: max(attempt, 1),
		rests: map[int]catalog.Change{},
	}
	f.rebuild(slog.New(slog.DiscardHandler))
	if f.torn {
		return nil, ErrTorn
	}
	f.split()
	chosen := f.batch.Records
	if only != nil {
		chosen = make([]catalog.Record, 0, len(only))
		for _, index := range only {
			chosen = append(chosen, f.batch.Records[index])
		}
	}
	return endpoint.Encode(make([]byte, 0, bodySize(endpoint, chosen)), group, chosen, variantOf(f))
}
