package itemindex_test

import (
	"fmt"
	"os"
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

// BenchmarkBehind compares what the index costs a mutation with what recording it and
// ending its batch cost, in the same run: processor time of the server and of this process.
// Every item is known to the index already, as in a catalog that lives.
func BenchmarkBehind(b *testing.B) {
	const size, items = 5000, 20_000
	w := newBenchWorld(b)
	deliver := func() {
		records := make([]catalog.Record, size)
		for i := range records {
			w.sequence++
			m := ledgertest.Mutation(w.sequence, fmt.Sprintf("SKU-%08d", w.rnd.IntN(items)))
			m.ID = uuid.Must(uuid.NewV7()).String()
			records[i] = ledgertest.Record(m)
		}
		batch := ledgertest.Batch(records...)
		tx := ledgertest.Transaction(w.lease)
		tx.Batches = []ledger.Batch{batch}
		require.NoError(b, w.store.Commit(b.Context(), w.lease, tx))
		o := ledger.BatchOutcome{BatchID: batch.ID, Lane: batch.Lane, CreatedAt: batch.CreatedAt, State: ledger.BatchCompleted, FinishedAt: ledgertest.At, Succeeded: size - size/100, Failed: size / 100}
		for i := 0; i < size; i += 100 {
			o.Exceptions = append(o.Exceptions, ledger.RecordOutcome{
				Index: i, Result: ledger.Failed, Reason: catalog.Refused, Constituents: records[i].Constituents, Errors: []ledger.Issue{{Code: "2", Message: "no"}},
			})
		}
		tx = ledgertest.Transaction(w.lease)
		tx.Outcomes = []ledger.BatchOutcome{o}
		require.NoError(b, w.store.Commit(b.Context(), w.lease, tx))
	}
	step := func() {
		for more := true; more; {
			var err error
			more, err = w.index.Step(b.Context(), w.lease)
			require.NoError(b, err)
		}
	}
	for range 10 {
		deliver()
		step()
	}
	_, err := w.pool.Exec(b.Context(), "vacuum analyze courier.item")
	require.NoError(b, err)
	var delivered, behind spent
	rounds := 0
	for b.Loop() {
		before := w.spent(b)
		deliver()
		between := w.spent(b)
		step()
		after := w.spent(b)
		delivered.add(before, between)
		behind.add(between, after)
		rounds++
	}
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(rounds*size) }
	b.ReportMetric(per(delivered.server), "deliver-server-µs")
	b.ReportMetric(per(delivered.client), "deliver-client-µs")
	b.ReportMetric(per(behind.server), "index-server-µs")
	b.ReportMetric(per(behind.client), "index-client-µs")
	var hot, updates float64
	require.NoError(b, w.pool.QueryRow(b.Context(), "select n_tup_hot_upd, n_tup_upd from pg_stat_user_tables where relid = 'courier.item'::regclass").Scan(&hot, &updates))
	b.ReportMetric(100*hot/max(updates, 1), "hot-%")
}

type spent struct{ server, client time.Duration }

func (s *spent) add(from, to spent) {
	s.server += to.server - from.server
	s.client += to.client - from.client
}

// spent is the processor time so far of the server's sessions and of this process.
func (w *world) spent(b *testing.B) (s spent) {
	b.Helper()
	rows, err := w.pool.Query(b.Context(), "select pid from pg_stat_activity where datname = current_database()")
	require.NoError(b, err)
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	require.NoError(b, err)
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		if err != nil {
			continue // not Linux
		}
		var nanoseconds int64
		_, err = fmt.Sscan(string(stat), &nanoseconds)
		require.NoError(b, err)
		s.server += time.Duration(nanoseconds)
	}
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	s.client = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	return s
}

func newBenchWorld(b *testing.B) *world {
	b.Helper()
	return newWorldIn(b, 1, ledger.OutboxLimit{}, func(*pgxpool.Config) {})
}
