package persistence_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/ledger"
	"github.com/catalog-courier/catalog-courier/ledger/ledgertest"
)

// realistic makes a 600-byte mutation with a UUIDv7 id and a random item.
func realistic(sequence uint64) *catalog.Mutation {
	m := ledgertest.Mutation(sequence, fmt.Sprintf("SKU-%09d", rand.IntN(50_000_000)))
	m.ID = uuid.Must(uuid.NewV7()).String()
	description := make([]byte, 400)
	for i := range description {
		description[i] = "abcdefghij klmnop qrst"[rand.IntN(22)]
	}
	m.Message.Data = fmt.Appendf(nil, `{"id":%q,"item_id":%q,"operation":"UPSERT","attributes":{"title":"number %d","price":"24.99 USD","description":%q}}`,
		m.ID, m.ItemID, sequence, description)
	m.Attributes = m.Message.Data[90:]
	m.Message.Headers = []catalog.Header{{Name: "Nats-Msg-Id", Value: m.ID}}
	return m
}

// BenchmarkCommit is a record transaction: rows, payload, position.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 50, 1000, 5000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) { benchmarkCommit(b, size, "") })
	}
}

// BenchmarkIndexes is the same with other indexes for the look-ups by item and by
// id, on a table that has grown to some hundred thousand rows.
func BenchmarkIndexes(b *testing.B) {
	for name, ddl := range map[string]string{
		"as migrated":   "",
		"no item index": "drop index courier.mutation_item",
		"no id index":   "drop index courier.mutation_id",
		"neither":       "drop index courier.mutation_item; drop index courier.mutation_id",
		"bare":          "drop index courier.mutation_item; drop index courier.mutation_id; drop index courier.mutation_sequence; drop index courier.mutation_batch",
		"item btree":    "drop index courier.mutation_item; create index on courier.mutation (item_id)",
		"item hash":     "drop index courier.mutation_item; create index on courier.mutation using hash (item_id)",
		"item bloom":    "drop index courier.mutation_item; create index on courier.mutation using brin (item_id text_bloom_ops(n_distinct_per_range = 3000)) with (pages_per_range = 32, autosummarize = on)",
	} {
		b.Run(name, func(b *testing.B) { benchmarkCommit(b, 5000, ddl) })
	}
}

func benchmarkCommit(b *testing.B, size int, ddl string) {
	b.Helper()
	store, pool := newDatabase(b)
	if ddl != "" {
		_, err := pool.Exec(b.Context(), ddl)
		require.NoError(b, err)
	}
	lease := acquire(b, pool, 0)
	sequence := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		tx := recordingOf(lease, size, &sequence)
		b.StartTimer()
		require.NoError(b, store.Commit(b.Context(), lease, tx))
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "µs/row")
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "rows/s")
}

func recordingOf(lease ledger.Lease, size int, sequence *uint64) *ledger.Transaction {
	records := make([]catalog.Record, size)
	for i := range records {
		*sequence++
		records[i] = ledgertest.Record(realistic(*sequence))
	}
	tx := ledgertest.Transaction(lease)
	tx.Batches = []ledger.Batch{ledgertest.Batch(records...)}
	tx.Anchor = ledgertest.Anchor(*sequence)
	return tx
}

// BenchmarkOutcome ends a batch in which one of a hundred records failed.
func BenchmarkOutcome(b *testing.B) {
	store, pool := newDatabase(b)
	lease := acquire(b, pool, 0)
	sequence := uint64(0)
	const size = 5000
	for b.Loop() {
		b.StopTimer()
		tx := recordingOf(lease, size, &sequence)
		require.NoError(b, store.Commit(b.Context(), lease, tx))
		batch := tx.Batches[0]
		outcome := ledger.BatchOutcome{BatchID: batch.ID, State: ledger.BatchCompleted, FinishedAt: ledgertest.At}
		for i := 0; i < size; i += 100 {
			outcome.Exceptions = append(outcome.Exceptions, ledger.RecordOutcome{
				Index: i, Result: ledger.Failed, Constituents: batch.Records[i].Constituents, Errors: []ledger.Issue{{Message: "no"}},
			})
		}
		end := ledgertest.Transaction(lease)
		end.Outcomes = []ledger.BatchOutcome{outcome}
		b.StartTimer()
		require.NoError(b, store.Commit(b.Context(), lease, end))
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "µs/row")
}

// BenchmarkLookUp asks the views in a table of a million rows.
func BenchmarkLookUp(b *testing.B) {
	store, pool := newDatabase(b)
	lease := acquire(b, pool, 0)
	sequence := uint64(0)
	var some *catalog.Mutation
	for i := range 100 {
		tx := recordingOf(lease, 5000, &sequence)
		if i == 50 {
			some = tx.Batches[0].Records[77].Newest()
		}
		require.NoError(b, store.Commit(b.Context(), lease, tx))
	}
	_, err := pool.Exec(b.Context(), "analyze courier.mutation")
	require.NoError(b, err)
	for name, query := range map[string]string{
		"by id":    "select * from courier.mutation_status where mutation_id = '" + some.ID + "'",
		"by item":  "select * from courier.item_status where account = 'acme' and item_id = '" + some.ItemID + "'",
		"by batch": "select count(*) from courier.mutation_status where batch_id = (select batch_id from courier.mutation where sequence = 1000)",
	} {
		b.Run(name, func(b *testing.B) { benchmarkQuery(b, pool, query) })
	}
}

func benchmarkQuery(b *testing.B, pool *pgxpool.Pool, query string) {
	b.Helper()
	for b.Loop() {
		rows, err := pool.Query(b.Context(), query)
		require.NoError(b, err)
		rows.Close()
		require.NoError(b, rows.Err())
	}
}

