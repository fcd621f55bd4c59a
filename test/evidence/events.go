package evidence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/test/oracle"
)

// outcomes is the stream of outcome events. What consumers rely on is written down here
// once more, so that the worker is not checked against itself.
const outcomes = "CATALOG_OUTCOMES"

// Told is an outcome event.
type Told struct {
	ID         string    `json:"-"` // ce-id
	Subject    string    `json:"-"` // of the stream
	MutationID string    `json:"mutation_id"`
	Status     string    `json:"status"`
	FinishedAt time.Time `json:"finished_at"`
	Sequence   uint64    `json:"stream_sequence"`
	Line       int       `json:"stream_line"`
	Generation int64     `json:"stream_generation"`
}

// Event is the same for the oracle; its key is left to the caller.
func (t Told) Event(key oracle.Key) oracle.Event {
	return oracle.Event{Key: key, ID: t.ID, Status: t.Status, FinishedAt: t.FinishedAt}
}

// Events reads all outcome events that the stream holds, in order; none when there is no
// such stream.
func Events(ctx context.Context, js jetstream.JetStream) ([]Told, error) {
	const page = 1000
	stream, err := js.Stream(ctx, outcomes)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	total := int(stream.CachedInfo().State.Msgs) //nolint:gosec // far below the limit
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	told := make([]Told, 0, total)
	for len(told) < total {
		before := len(told)
		messages, err := consumer.Fetch(min(page, total-before), jetstream.FetchMaxWait(10*time.Second))
		if err != nil {
			return nil, err
		}
		for stored := range messages.Messages() {
			e := Told{ID: stored.Headers().Get("ce-id"), Subject: stored.Subject()}
			if err := json.Unmarshal(stored.Data(), &e); err != nil {
				return nil, fmt.Errorf("an event is no JSON: %w", err)
			}
			told = append(told, e)
		}
		if err := messages.Error(); err != nil {
			return nil, err
		}
		if len(told) == before {
			return nil, fmt.Errorf("the stream gave %d of %d events", before, total)
		}
	}
	return told, nil
}

// Untold counts the transactions whose outcomes have not been published yet.
func Untold(ctx context.Context, pool *pgxpool.Pool) (untold int, err error) {
	err = pool.QueryRow(ctx, `SELECT count(*) FROM courier.outcome o
		LEFT JOIN courier.outcome_cursor c ON c.partition = o.partition AND c.consumer = 'events'
		WHERE o.number > coalesce(c.number, 0)`).Scan(&untold)
	return untold, err
}
