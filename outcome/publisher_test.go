package outcome_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/outcome"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/queue"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// endMany ends a batch of so many mutations, every tenth of them refused.
func endMany(t *testing.T, store *persistence.Store, lease ledger.Lease, first, many int) {
	t.Helper()
	records := make([]catalog.Record, many)
	o := ledger.BatchOutcome{State: ledger.BatchCompleted, FinishedAt: ledgertest.At}
	for i := range records {
		records[i] = ledgertest.Record(ledgertest.Mutation(uint64(first+i), fmt.Sprintf("item %d", first+i)))
		if i%10 == 0 {
			o.Exceptions = append(o.Exceptions, ledger.RecordOutcome{
				Index: i, Result: ledger.Failed, Constituents: records[i].Constituents, Reason: catalog.Refused,
				Errors: []ledger.Issue{{Code: "2", Attribute: "price", Message: "zł: \"no\""}},
			})
		}
	}
	batch := ledgertest.Batch(records...)
	o.BatchID = batch.ID
	tx := ledgertest.Transaction(lease)
	tx.Batches = []ledger.Batch{batch}
	require.NoError(t, store.Commit(t.Context(), lease, tx))
	tx = ledgertest.Transaction(lease)
	tx.Outcomes = []ledger.BatchOutcome{o}
	require.NoError(t, store.Commit(t.Context(), lease, tx))
}

var limits = queue.OutcomesConfig{MaxAge: time.Hour, MaxBytes: 64 << 20, Replicas: 1}

func newPublisher(t *testing.T, server *natstest.Server, limits queue.OutcomesConfig) (*outcome.Publisher, jetstream.JetStream) {
	t.Helper()
	js := server.JetStream(t)
	ensure := func(ctx context.Context) error { return queue.EnsureOutcomes(ctx, js, limits) }
	require.NoError(t, ensure(t.Context()))
	return &outcome.Publisher{JetStream: js, Ensure: ensure}, js
}

// stored reads all events of the stream.
func stored(t *testing.T, js jetstream.JetStream) (messages []jetstream.Msg) {
	t.Helper()
	stream, err := js.Stream(t.Context(), queue.OutcomesName)
	require.NoError(t, err)
	total := int(stream.CachedInfo().State.Msgs)
	if total == 0 {
		return nil
	}
	consumer, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	require.NoError(t, err)
	batch, err := consumer.Fetch(total, jetstream.FetchMaxWait(patience))
	require.NoError(t, err)
	for m := range batch.Messages() {
		messages = append(messages, m)
	}
	require.NoError(t, batch.Error())
	require.Len(t, messages, total)
	return messages
}

func TestEventsAreCloudEvents(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	publisher, js := newPublisher(t, natstest.Start(t), limits)
	counts := map[outcome.Status]int{}
	publisher.Published = func(events map[outcome.Status]int) {
		for status, n := range events {
			counts[status] += n
		}
	}
	endMany(t, store, lease, 1, 2_500)
	reader, err := outcome.Open(t.Context(), store, lease, outcome.PublisherName, ledger.OutboxLimit{})
	require.NoError(t, err)
	page, err := reader.Read(t.Context())
	require.NoError(t, err)
	require.NoError(t, publisher.Work(t.Context(), reader, page))
	require.Equal(t, map[outcome.Status]int{"succeeded": 2_250, "failed": 250}, counts)

	seen := map[string]bool{}
	for _, m := range stored(t, js) {
		h := m.Headers()
		require.Equal(t, "1.0", h.Get("ce-specversion"))
		require.Equal(t, "application/json", h.Get("ce-datacontenttype"))
		require.Equal(t, h.Get("Nats-Msg-Id"), h.Get("ce-id"))
		require.False(t, seen[h.Get("ce-id")], "each event once")
		seen[h.Get("ce-id")] = true
		var d map[string]any
		require.NoError(t, json.Unmarshal(m.Data(), &d))
		item, err := url.PathUnescape(h.Get("ce-subject"))
		require.NoError(t, err)
		require.Equal(t, d["item_id"], item)
		require.Equal(t, "catalog.outcomes.acme.us.RETAIL."+d["status"].(string), m.Subject())
		require.Equal(t, "dev.catalog-courier.mutation."+d["status"].(string), h.Get("ce-type"))
		require.Equal(t, "/accounts/acme/catalogs/us/types/RETAIL", h.Get("ce-source"))
		_, err = time.Parse(time.RFC3339Nano, h.Get("ce-time"))
		require.NoError(t, err)
		if d["mutation_id"] == "m1" {
			require.Equal(t, "m1:0-1:failed", h.Get("ce-id"))
			require.Equal(t, "item%201", h.Get("ce-subject"))
			delete(d, "batch_id")
			require.Equal(t, map[string]any{
				"mutation_id": "m1", "account": "acme", "catalog": "us", "catalog_type": "RETAIL", "item_id": "item 1", "operation": "UPSERT",
				"status": "failed", "reason": "refused", "errors": []any{map[string]any{"code": "2", "attribute": "price", "message": "zł: \"no\""}},
				"attempts": 1.0, "published_at": "2026-11-22T10:00:00.001000123Z", "received_at": "2026-11-22T10:00:00.002Z",
				"finished_at": "2026-11-22T10:00:00Z", "stream_generation": 0.0, "stream_sequence": 1.0,
			}, d)
		}
	}
	require.Len(t, seen, 2_500)
}

// TestARepeatedPageIsStoredOnce: whoever goes on after a crash between the
// acknowledgements and the cursor sends the page again, and within the duplicate window the
// stream drops it.
func TestARepeatedPageIsStoredOnce(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	publisher, js := newPublisher(t, natstest.Start(t), limits)
	endMany(t, store, lease, 1, 1_200)
	old, err := outcome.Open(t.Context(), store, lease, outcome.PublisherName, ledger.OutboxLimit{})
	require.NoError(t, err)
	page, err := old.Read(t.Context())
	require.NoError(t, err)
	fresh := acquire(t, pool, 0)
	require.ErrorIs(t, publisher.Work(t.Context(), old, page), ledger.ErrLeaseLost, "all is stored, and the cursor is not moved")
	before := stored(t, js)
	require.Len(t, before, 1_200)

	endMany(t, store, fresh, 2_001, 10)
	reader, err := outcome.Open(t.Context(), store, fresh, outcome.PublisherName, ledger.OutboxLimit{})
	require.NoError(t, err)
	page, err = reader.Read(t.Context())
	require.NoError(t, err)
	require.Len(t, page.Outcomes, 1_210)
	require.NoError(t, publisher.Work(t.Context(), reader, page))
	require.Len(t, stored(t, js), 1_210)
	page, err = reader.Read(t.Context())
	require.NoError(t, err)
	require.Empty(t, page.Outcomes)
}

// TestEventsAfterAnOutage: what became final while NATS was away, and its stream gone, is
// published once both are back; nothing is asked of those who commit.
func TestEventsAfterAnOutage(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 2)
	server := natstest.Start(t)
	publisher, js := newPublisher(t, server, limits)
	var mu sync.Mutex
	failures := 0
	consumer := &outcome.Consumer{
		Name: outcome.PublisherName, Outbox: store, Work: publisher.Work, Logger: slog.New(slog.DiscardHandler), Every: time.Millisecond,
		Pages: make(chan struct{}, 1),
		Failed: func(error) {
			mu.Lock()
			defer mu.Unlock()
			failures++
		},
	}
	wake := make(chan struct{}, 1)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { consumer.Follow(ctx, lease, wake) })
	t.Cleanup(running.Wait)
	t.Cleanup(stop)
	there := func(many int) {
		require.Eventually(t, func() bool {
			stream, err := js.Stream(ctx, queue.OutcomesName)
			return err == nil && int(stream.CachedInfo().State.Msgs) == many
		}, patience, 20*time.Millisecond)
	}
	endMany(t, store, lease, 1, 20)
	wake <- struct{}{}
	there(20)

	server.Stop()
	endMany(t, store, lease, 101, 30)
	wake <- struct{}{}
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return failures > 0 }, patience, 20*time.Millisecond)
	endMany(t, store, lease, 201, 5)
	server.Run(t)
	there(55)
	// What is stored and not noted would be published again, to the new stream.
	require.Eventually(t, func() bool {
		number, err := store.OpenCursor(ctx, lease, outcome.PublisherName)
		require.NoError(t, err)
		page, err := store.Outcomes(ctx, lease.Partition, number, ledger.OutboxLimit{})
		require.NoError(t, err)
		return len(page.Outcomes) == 0
	}, patience, 20*time.Millisecond)

	require.NoError(t, js.DeleteStream(ctx, queue.OutcomesName))
	endMany(t, store, lease, 301, 7)
	wake <- struct{}{}
	there(7)
}

// TestAFullStreamDropsTheOldest: it never stands in the way.
func TestAFullStreamDropsTheOldest(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	small := limits
	small.MaxBytes = 200 << 10
	publisher, js := newPublisher(t, natstest.Start(t), small)
	endMany(t, store, lease, 1, 1_500)
	reader, err := outcome.Open(t.Context(), store, lease, outcome.PublisherName, ledger.OutboxLimit{})
	require.NoError(t, err)
	page, err := reader.Read(t.Context())
	require.NoError(t, err)
	require.NoError(t, publisher.Work(t.Context(), reader, page))
	left := stored(t, js)
	require.Less(t, len(left), 1_500)
	require.Equal(t, "m1500:0-1500:succeeded", left[len(left)-1].Headers().Get("ce-id"))
}

func TestHugeErrorsAreCut(t *testing.T) {
	t.Parallel()
	o := outcome.Outcome{MutationID: "m%1 ż", Lane: catalog.Lane{Account: "a\uFFFD", Catalog: "", Type: "RETAIL"}, Status: ledger.OutcomeInvalid}
	for range 100 {
		o.Errors = append(o.Errors, ledger.Issue{Message: strings.Repeat("x", 10_000)})
	}
	event, err := outcome.EventOf(&o)
	require.NoError(t, err)
	require.Less(t, len(event.Data), 64<<10)
	require.Contains(t, string(event.Data), `"truncated":true`)
	m := event.Message()
	require.Equal(t, "catalog.outcomes._._.RETAIL.invalid", m.Subject)
	require.Equal(t, "m%251%20%C5%BC:0-0:invalid", m.Header.Get("ce-id"))
	require.Empty(t, m.Header.Get("ce-subject"))
	structured, err := event.Structured()
	require.NoError(t, err)
	var back map[string]any
	require.NoError(t, json.Unmarshal(structured, &back))
	require.Equal(t, "m%1 ż:0-0:invalid", back["id"])
}

// TestAnEventThatNATSDoesNotTake: one that is larger than the server allows is left out;
// the others of its page, and the pages after it, are published.
func TestAnEventThatNATSDoesNotTake(t *testing.T) {
	t.Parallel()
	server, err := embedded.StartNATS(embedded.NATSOptions{StoreDir: t.TempDir(), MaxPayload: 8 << 10})
	require.NoError(t, err)
	t.Cleanup(server.Shutdown)
	conn, err := server.Connect()
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	ensure := func(ctx context.Context) error { return queue.EnsureOutcomes(ctx, js, limits) }
	require.NoError(t, ensure(t.Context()))
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	large := ledgertest.Record(ledgertest.Mutation(2, "large"))
	batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(1, "first")), large, ledgertest.Record(ledgertest.Mutation(3, "last")))
	tx := ledgertest.Transaction(lease)
	tx.Batches = []ledger.Batch{batch}
	require.NoError(t, store.Commit(t.Context(), lease, tx))
	tx = ledgertest.Transaction(lease)
	tx.Outcomes = []ledger.BatchOutcome{{BatchID: batch.ID, State: ledger.BatchCompleted, FinishedAt: ledgertest.At, Exceptions: []ledger.RecordOutcome{{
		Index: 1, Result: ledger.Failed, Constituents: large.Constituents, Reason: catalog.Refused,
		Errors: []ledger.Issue{{Code: "2", Message: strings.Repeat("x", 16<<10)}},
	}}}}
	require.NoError(t, store.Commit(t.Context(), lease, tx))

	var dropped []string
	publisher := &outcome.Publisher{JetStream: js, Ensure: ensure, Dropped: func(e *outcome.Event, _ error) { dropped = append(dropped, e.Subject) }}
	reader, err := outcome.Open(t.Context(), store, lease, outcome.PublisherName, ledger.OutboxLimit{})
	require.NoError(t, err)
	page, err := reader.Read(t.Context())
	require.NoError(t, err)
	require.Len(t, page.Outcomes, 3)
	require.NoError(t, publisher.Work(t.Context(), reader, page))
	require.Equal(t, []string{"large"}, dropped)
	require.Len(t, stored(t, js), 2)
}
