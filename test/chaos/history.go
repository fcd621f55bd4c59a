package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/message"
)

// history is what a trial is judged by.
type history struct {
	settings *config.Config
	// stream is what the stream holds in the end, and acks what it acknowledged.
	stream []catalog.Arrival
	acks   []published
	rows   []row
	sites  []*site
	// rewound says that the stream was restored from an older copy: it may lack
	// messages that it acknowledged.
	rewound bool
	// restored is when Postgres was restored from an older copy, zero for never: what
	// was published before may have been applied twice.
	restored time.Time
	// calm is when nothing but the platforms that are not quiet was in trouble.
	calm span
}

// span is a stretch of time.
type span struct{ from, to time.Time }

func (s span) holds(t time.Time) bool { return !t.Before(s.from) && t.Before(s.to) }

// row is a row of mutation_status.
type row struct {
	id           string
	lane         catalog.Lane
	itemID       string
	status       string
	supersededBy string
	inBatch      bool
	position     catalog.Position
	publishedAt  time.Time
	finishedAt   time.Time // zero while it is not final
	errors       string    // JSON
}

// place names a message of the stream, also after its sequence was given to another.
type place struct {
	sequence uint64
	id       string
}

func (r row) place() place { return place{r.position.Sequence, r.id} }

// latency is how long the mutation took from being published to its final status.
func (r row) latency() time.Duration { return r.finishedAt.Sub(r.publishedAt) }

// readRows reads mutation_status in the order in which workers read the stream.
func readRows(ctx context.Context, pool *pgxpool.Pool) ([]row, error) {
	rows, err := pool.Query(ctx, `
		SELECT mutation_id, account, catalog, catalog_type, item_id, status, coalesce(superseded_by, ''), batch_id IS NOT NULL,
			stream_generation, stream_sequence, published_at, finished_at, coalesce(errors::text, '')
		FROM courier.mutation_status ORDER BY stream_generation, stream_sequence`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(found pgx.CollectableRow) (r row, err error) {
		var sequence int64
		var finished *time.Time
		err = found.Scan(&r.id, &r.lane.Account, &r.lane.Catalog, &r.lane.Type, &r.itemID, &r.status, &r.supersededBy, &r.inBatch,
			&r.position.Generation, &sequence, &r.publishedAt, &finished, &r.errors)
		r.position.Sequence = uint64(sequence) //nolint:gosec // written from one
		if finished != nil {
			r.finishedAt = *finished
		}
		return r, err
	})
}

// messages are all that were acknowledged, decoded: those in the stream, and those
// that it lacks.
func (h *history) messages() (held, gone map[place]catalog.Arrival) {
	held, gone = make(map[place]catalog.Arrival, len(h.stream)), map[place]catalog.Arrival{}
	for _, arrival := range h.stream {
		held[place{arrival.Mutation.Position.Sequence, arrival.Mutation.ID}] = arrival
	}
	for _, ack := range h.acks {
		at := place{ack.sequence, ack.ID}
		if _, found := held[at]; found {
			continue
		}
		gone[at] = message.Decode(message.Raw{
			Subject: ack.Subject, Headers: map[string][]string{"Nats-Msg-Id": {ack.ID}}, Data: ack.Data,
			Time: ack.at, Position: catalog.Position{Sequence: ack.sequence},
		})
	}
	return held, gone
}
