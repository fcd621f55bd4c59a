package persistence_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// BenchmarkIndexItems writes pages of 5,000 changes into an index of 200,000 items: of items
// that it does not know, that it knows, and of both by halves; and the same when one of a
// hundred fails.
func BenchmarkIndexItems(b *testing.B) {
	for _, c := range []struct {
		name    string
		known   int // of each hundred
		failing int // of each hundred
	}{{"new", 0, 0}, {"known", 100, 0}, {"half", 50, 0}, {"known, failing", 100, 1}} {
		b.Run(c.name, func(b *testing.B) { benchmarkIndexItems(b, c.known, c.failing) })
	}
}

func benchmarkIndexItems(b *testing.B, known, failing int) {
	b.Helper()
	const size, old = 5000, 200_000
	store, pool := newDatabase(b)
	lease := acquire(b, pool, 0)
	tx := ledgertest.Transaction(lease) // it makes the lane
	tx.Batches = []ledger.Batch{ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(1, "a")))}
	require.NoError(b, store.Commit(b.Context(), lease, tx))
	var sequence uint64
	page := func(known, failing int) (update persistence.ItemUpdate) {
		seen := map[int]bool{}
		for len(seen) < size {
			item := rand.IntN(old)
			if known == 0 || rand.IntN(100) >= known {
				item += old + rand.IntN(1<<30)
			}
			seen[item] = true
		}
		items := make([]int, 0, size)
		for item := range seen {
			items = append(items, item)
		}
		update.Items = changesOf(items, failing, &sequence)
		return update
	}
	for from := 0; from < old; from += size {
		items := make([]int, size)
		for i := range items {
			items[i] = from + i
		}
		require.NoError(b, store.IndexItems(b.Context(), ledgertest.At, persistence.ItemUpdate{Items: changesOf(items, 0, &sequence)}, nothing))
	}
	_, err := pool.Exec(b.Context(), "vacuum analyze courier.item")
	require.NoError(b, err)
	var client, server time.Duration
	b.ReportAllocs()
	backends, before := backendsOf(b, pool), walOf(b, pool)
	for b.Loop() {
		b.StopTimer()
		update := page(known, failing)
		clientBefore, serverBefore := ownCPU(b), cpuOf(b, backends)
		b.StartTimer()
		require.NoError(b, store.IndexItems(b.Context(), ledgertest.At, update, nothing))
		b.StopTimer()
		client += ownCPU(b) - clientBefore
		server += cpuOf(b, backends) - serverBefore
		b.StartTimer()
	}
	perRow := func(v float64) float64 { return v / float64(b.N*size) }
	b.ReportMetric(perRow(float64(client.Nanoseconds())/1000), "client-µs/row")
	b.ReportMetric(perRow(float64(server.Nanoseconds())/1000), "server-µs/row")
	b.ReportMetric(perRow(float64(walOf(b, pool)-before)), "wal-B/row")
	var hot, updates float64
	require.NoError(b, pool.QueryRow(b.Context(), "select n_tup_hot_upd, n_tup_upd from pg_stat_user_tables where relid = 'courier.item'::regclass").Scan(&hot, &updates))
	b.ReportMetric(100*hot/max(updates, 1), "hot-%")
}

// changesOf makes changes of items, some of a hundred of which fail.
func changesOf(items []int, failing int, sequence *uint64) []persistence.ItemChange {
	changes := make([]persistence.ItemChange, len(items))
	for i, item := range items {
		*sequence++
		c := &changes[i]
		*c = persistence.ItemChange{
			Key: catalog.ItemKey{Lane: ledgertest.Lane, ItemID: fmt.Sprintf("SKU-%010d", item)}, Position: catalog.Position{Sequence: *sequence},
			MutationID: uuid.Must(uuid.NewV7()).String(), Operation: catalog.Upsert, Status: persistence.ItemSucceeded, ChangedAt: ledgertest.At,
		}
		if rand.IntN(100) < failing {
			c.Status, c.ErrorCount, c.Error = persistence.ItemFailed, 1, ledger.Issue{Code: "7", Message: "no"}
			continue
		}
		c.Succeeded = &persistence.ItemSuccess{Position: c.Position, MutationID: c.MutationID, Operation: c.Operation, At: c.ChangedAt}
	}
	slices.SortFunc(changes, func(a, b persistence.ItemChange) int { return strings.Compare(a.Key.ItemID, b.Key.ItemID) })
	return changes
}

// BenchmarkOutboxPage reads a page of the outbox with one change, where few days are kept and
// where many are.
func BenchmarkOutboxPage(b *testing.B) {
	for _, days := range []int{3, 31} {
		b.Run(fmt.Sprintf("%d days", days), func(b *testing.B) {
			store, pool := newDatabase(b)
			lease := acquire(b, pool, 0)
			for i := range days {
				_, err := pool.Exec(b.Context(), "select courier.ensure_day($1)", ledgertest.At.AddDate(0, 0, -i))
				require.NoError(b, err)
			}
			tx := ledgertest.Transaction(lease)
			batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(1, "a")))
			tx.Batches = []ledger.Batch{batch}
			require.NoError(b, store.Commit(b.Context(), lease, tx))
			tx = ledgertest.Transaction(lease)
			tx.Outcomes = []ledger.BatchOutcome{{BatchID: batch.ID, State: ledger.BatchCompleted, FinishedAt: ledgertest.At, Succeeded: 1}}
			require.NoError(b, store.Commit(b.Context(), lease, tx))
			for range 10 { // whichever connection reads it
				_, err := store.ItemOutcomes(b.Context(), 0, 0, ledger.OutboxLimit{})
				require.NoError(b, err)
			}
			backends := backendsOf(b, pool)
			client, server := ownCPU(b), cpuOf(b, backends)
			for b.Loop() {
				page, err := store.ItemOutcomes(b.Context(), 0, 0, ledger.OutboxLimit{})
				require.NoError(b, err)
				require.Len(b, page.Outcomes, 1)
			}
			b.ReportMetric(float64((ownCPU(b)-client).Microseconds())/float64(b.N), "client-µs/page")
			b.ReportMetric(float64((cpuOf(b, backends)-server).Microseconds())/float64(b.N), "server-µs/page")
		})
	}
}
