package persistence_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
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
		b.Run(strconv.Itoa(size), func(b *testing.B) { benchmarkCommit(b, size, "") })
	}
}

// BenchmarkIndexes is the same with other indexes for the look-ups by item and by
// id, on a table that has grown to some hundred thousand rows.
func BenchmarkIndexes(b *testing.B) {
	for name, ddl := range map[string]string{
		"as migrated": "",
		"no blocks":   "drop index courier.mutation_block",
		"no id":       "drop index courier.mutation_name",
		"no ranges":   "drop index courier.mutation_range",
		"none":        "drop index courier.mutation_range; drop index courier.mutation_name",
		"two B-trees": "drop index courier.mutation_name; create index on courier.mutation (mutation_id); create index on courier.mutation (sequence)",
		"item apart":  "drop index courier.mutation_range; create index on courier.mutation using brin (batch_id, sequence) with (pages_per_range = 8); create index on courier.mutation using brin (item_id text_bloom_ops(n_distinct_per_range = 2500)) with (pages_per_range = 32)",
		"item B-tree": "drop index courier.mutation_range; create index on courier.mutation using brin (batch_id, sequence); create index on courier.mutation (item_id)",
		"item hash":   "drop index courier.mutation_range; create index on courier.mutation using brin (batch_id, sequence); create index on courier.mutation using hash (item_id)",
	} {
		b.Run(name, func(b *testing.B) { benchmarkCommit(b, 5000, ddl) })
	}
}

// BenchmarkGrown compares indexes for the look-up by item where they cost most, in
// a day of a million rows.
func BenchmarkGrown(b *testing.B) {
	for name, ddl := range map[string]string{
		"item B-tree": "drop index courier.mutation_range; create index on courier.mutation using brin (batch_id, sequence); create index on courier.mutation (item_id)",
		"as migrated": "select 1",
	} {
		b.Run(name, func(b *testing.B) {
			const fill = `; insert into courier.mutation (sequence, published_ns, received_at, day, lane, generation, operation, state, attempts,
					mutation_id, item_id)
				select 1000000000 + i, 0, now(), '2026-11-22', 1, 0, 2, 3, 0, '01a203ca-' || lpad(i::text, 12, '0'),
					'SKU-' || lpad((random() * 50000000)::int::text, 9, '0')
				from generate_series(1, 200000) i`
			benchmarkCommit(b, 5000, "select courier.ensure_day('2026-11-22'); "+ddl+strings.Repeat(fill, 5)+"; vacuum analyze courier.mutation")
		})
	}
}

func benchmarkCommit(b *testing.B, size int, ddl string) {
	b.Helper()
	store, pool := newDatabase(b)
	for statement := range strings.SplitSeq(ddl, ";") {
		_, err := pool.Exec(b.Context(), statement)
		require.NoError(b, err)
	}
	lease := acquire(b, pool, 0)
	sequence := uint64(0)
	b.ReportAllocs()
	var client, server time.Duration
	backends, before := backendsOf(b, pool), walOf(b, pool)
	for b.Loop() {
		b.StopTimer()
		tx := recordingOf(lease, size, &sequence)
		clientBefore, serverBefore := ownCPU(b), cpuOf(b, backends)
		b.StartTimer()
		require.NoError(b, store.Commit(b.Context(), lease, tx))
		b.StopTimer()
		client += ownCPU(b) - clientBefore
		server += cpuOf(b, backends) - serverBefore
		b.StartTimer()
	}
	perRow := func(v float64) float64 { return v / float64(b.N*size) }
	b.ReportMetric(perRow(float64(client.Nanoseconds())/1000), "client-µs/row")
	b.ReportMetric(perRow(float64(server.Nanoseconds())/1000), "server-µs/row")
	b.ReportMetric(perRow(float64(walOf(b, pool)-before)), "wal-B/row")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "µs/row")
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "rows/s")
	var item string
	require.NoError(b, pool.QueryRow(b.Context(), "select item_id from courier.mutation limit 1").Scan(&item))
	start := time.Now()
	benchmarkQuery(b, pool, "select * from courier.item_status where item_id = '"+item+"'", 5)
	b.ReportMetric(float64(time.Since(start).Microseconds())/5, "µs/look-up")
}

// On a busy machine processor time says more than the clock.

func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func backendsOf(b *testing.B, pool *pgxpool.Pool) []int {
	b.Helper()
	rows, err := pool.Query(b.Context(), "select pid from pg_stat_activity where datname = current_database()")
	require.NoError(b, err)
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	require.NoError(b, err)
	return pids
}

// cpuOf is the processor time of server processes; 0 where /proc does not say.
func cpuOf(b *testing.B, pids []int) (total time.Duration) {
	b.Helper()
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		if err != nil {
			continue
		}
		var nanoseconds int64
		_, err = fmt.Sscan(string(stat), &nanoseconds)
		require.NoError(b, err)
		total += time.Duration(nanoseconds)
	}
	return total
}

func walOf(b *testing.B, pool *pgxpool.Pool) (bytes int64) {
	b.Helper()
	require.NoError(b, pool.QueryRow(b.Context(), "select (pg_current_wal_insert_lsn() - '0/0')::bigint").Scan(&bytes))
	return bytes
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

// BenchmarkLookUp asks the views in a table of 200,000 rows.
func BenchmarkLookUp(b *testing.B) {
	store, pool := newDatabase(b)
	lease := acquire(b, pool, 0)
	sequence := uint64(0)
	var some *catalog.Mutation
	for i := range 40 {
		tx := recordingOf(lease, 5000, &sequence)
		if i == 20 {
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
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				benchmarkQuery(b, pool, query, 1)
			}
		})
	}
}

func benchmarkQuery(b *testing.B, pool *pgxpool.Pool, query string, times int) {
	b.Helper()
	for range times {
		rows, err := pool.Query(b.Context(), query)
		require.NoError(b, err)
		rows.Close()
		require.NoError(b, rows.Err())
	}
}
