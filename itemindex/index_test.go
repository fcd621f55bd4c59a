package itemindex_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/itemindex"
	"github.com/catalog-courier/catalog-courier/persistence"
)

const seeds = 6

// TestTheIndexSaysWhatItemStatusSays: over random histories, whatever statement of the job
// its process ends at, whether its commit has an answer, and however often the partition
// has another owner.
func TestTheIndexSaysWhatItemStatusSays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(seeds) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			w.begin()
			for range 60 {
				w.write()
				w.disturb(func(lease ledger.Lease) (bool, error) { return w.index.Step(t.Context(), lease) })
			}
			w.finish()
			w.compare()
		})
	}
}

// TestANewDatabaseHasNothingToFillIn: the index reads the outbox from the first transaction on,
// also where it begins late and another consumer was sooner.
func TestANewDatabaseHasNothingToFillIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 9)
	require.NoError(t, w.store.EnsurePartitions(t.Context(), 1)) // as each worker does
	number, err := w.store.OpenCursor(t.Context(), w.lease, "another")
	require.NoError(t, err)
	for range 30 {
		w.write()
	}
	page, err := w.store.Outcomes(t.Context(), 0, number, ledger.OutboxLimit{})
	require.NoError(t, err)
	require.NoError(t, w.store.MoveCursor(t.Context(), w.lease, "another", number, page.To))
	_, more, err := w.store.NextFilling(t.Context())
	require.NoError(t, err)
	require.False(t, more)
	w.finish()
	w.compare()
	require.Zero(t, w.filled())
}

// TestWhatIsOlderThanTheOutboxIsFilledIn, in pieces, while new changes come.
func TestWhatIsOlderThanTheOutboxIsFilledIn(t *testing.T) {
	t.Parallel()
	for seed := range uint64(seeds) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 100+seed)
			w.upgraded()
			for range 60 {
				w.write()
			}
			_, err := w.pool.Exec(t.Context(), "delete from courier.outcome")
			require.NoError(t, err)
			done, err := w.index.Fill(t.Context(), w.lease)
			require.NoError(t, err)
			require.True(t, done, "it does not begin before every partition reads the outbox")
			w.began = time.Now() // what comes now has a row in the outbox
			_, err = w.store.OpenCursor(t.Context(), w.lease, persistence.ItemsConsumer)
			require.NoError(t, err)
			for range 12 {
				w.write()
				w.disturb(func(lease ledger.Lease) (bool, error) { return w.index.Step(t.Context(), lease) })
				w.disturb(func(lease ledger.Lease) (bool, error) { return w.index.Fill(t.Context(), lease) })
			}
			w.finish()
			w.compare()
			var filling bool
			require.NoError(t, w.pool.QueryRow(t.Context(), "select filling from courier.item_index_status").Scan(&filling))
			require.False(t, filling)
		})
	}
}

// TestWhatTheOutboxHasIsNotFilledIn: what is written to a day while it is filled in.
func TestWhatTheOutboxHasIsNotFilledIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	w.upgraded()
	ends := func(first uint64, n int) {
		records := make([]catalog.Record, n)
		for i := range records {
			records[i] = ledgertest.Record(ledgertest.Mutation(first+uint64(i), fmt.Sprintf("item-%d", first+uint64(i))))
		}
		tx := w.transaction()
		tx.Batches = []ledger.Batch{w.batch(records)}
		w.sequence++ // the next batch has another id
		require.NoError(t, w.store.Commit(t.Context(), w.lease, tx))
		end := w.transaction()
		end.Outcomes = []ledger.BatchOutcome{{
			BatchID: tx.Batches[0].ID, Lane: ledgertest.Lane, CreatedAt: tx.Batches[0].CreatedAt, State: ledger.BatchCompleted, FinishedAt: w.began, Succeeded: n,
		}}
		require.NoError(t, w.store.Commit(t.Context(), w.lease, end))
	}
	const older, newer = 20_000, 60_000 // a piece has fewer than either
	ends(1, older)
	_, err := w.pool.Exec(t.Context(), "delete from courier.outcome")
	require.NoError(t, err)
	_, err = w.store.OpenCursor(t.Context(), w.lease, persistence.ItemsConsumer)
	require.NoError(t, err)
	for w.filled() == 0 { // the days that are still to come have nothing
		done, err := w.index.Fill(t.Context(), w.lease)
		require.NoError(t, err)
		require.False(t, done)
	}
	ends(older+1, newer)
	w.finish()
	require.Less(t, w.filled(), older+newer/2)
	var items int
	require.NoError(t, w.pool.QueryRow(t.Context(), "select sum(items) from courier.item_counts").Scan(&items))
	require.Equal(t, older+newer, items)
}

// TestWhatAnOlderWorkerWritesIsFilledIn: it takes a partition back that reads the outbox by then,
// and writes none.
func TestWhatAnOlderWorkerWritesIsFilledIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 11)
	w.upgraded()
	w.write()
	_, err := w.store.OpenCursor(t.Context(), w.lease, persistence.ItemsConsumer)
	require.NoError(t, err)
	_, err = w.pool.Exec(t.Context(), "insert into courier.worker (id, name) values ('0198a6c4-0000-7000-8000-000000000001', 'older')")
	require.NoError(t, err)
	for range 3 {
		_, err := w.index.Fill(t.Context(), w.lease)
		require.NoError(t, err)
	}
	for range 30 {
		w.write()
	}
	_, err = w.pool.Exec(t.Context(), "delete from courier.outcome")
	require.NoError(t, err)
	_, err = w.pool.Exec(t.Context(), "update courier.worker set seen_at = now() - interval '1 minute'")
	require.NoError(t, err)
	w.began = time.Now()
	w.finish()
	require.Positive(t, w.filled())
	w.compare()
}

// upgraded makes the database one whose partitions a version without the outbox made.
func (w *world) upgraded() {
	_, err := w.pool.Exec(w.t.Context(), "delete from courier.outcome_cursor")
	require.NoError(w.t, err)
	_, err = w.pool.Exec(w.t.Context(), "update courier.item_filling set started_at = null, finished_at = null")
	require.NoError(w.t, err)
}

// filled is how many mutations were filled in so far.
func (w *world) filled() (n int) {
	require.NoError(w.t, w.pool.QueryRow(w.t.Context(), "select mutations from courier.item_filling").Scan(&n))
	return n
}

// TestEveryStatementMayBeTheLast: one page, with a crash at each of its statements.
func TestEveryStatementMayBeTheLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 7)
	w.begin()
	crashed := 0
	for statement := 1; ; statement++ {
		require.Less(t, statement, 50)
		for range 12 {
			w.write()
		}
		w.crash.at(statement)
		_, err := w.index.Step(t.Context(), w.lease)
		if !w.crash.happened() {
			require.NoError(t, err)
			break
		}
		crashed++
		require.Error(t, err)
	}
	require.Greater(t, crashed, 6)
	w.crash.at(0)
	w.finish()
	w.compare()
}

// TestAFormerOwnerWritesNothing.
func TestAFormerOwnerWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 8)
	w.begin()
	for range 20 {
		w.write()
	}
	former := w.takeOver()
	_, err := w.index.Step(t.Context(), former)
	require.ErrorIs(t, err, ledger.ErrLeaseLost)
	var items int
	require.NoError(t, w.pool.QueryRow(t.Context(), "select count(*) from courier.item").Scan(&items))
	require.Zero(t, items)
	var behind int
	var seconds float64
	require.NoError(t, w.pool.QueryRow(t.Context(), "select transactions_behind, seconds_behind from courier.item_index_status").Scan(&behind, &seconds))
	require.Positive(t, behind)
	require.Positive(t, seconds)
	w.finish()
	w.compare()
}

// begin starts the index on a database without mutations.
func (w *world) begin() {
	_, err := w.index.Step(w.t.Context(), w.lease)
	require.NoError(w.t, err)
	for range 2 {
		_, err = w.index.Fill(w.t.Context(), w.lease)
		require.NoError(w.t, err)
	}
}

// disturb does a step, perhaps with a crash, a lost answer or a former owner.
func (w *world) disturb(step func(lease ledger.Lease) (bool, error)) {
	switch w.rnd.IntN(6) {
	case 0:
		w.crash.at(1 + w.rnd.IntN(12))
		_, err := step(w.lease)
		if w.crash.happened() {
			require.Error(w.t, err)
		} else {
			require.NoError(w.t, err)
		}
		w.crash.at(0)
	case 1:
		w.failed.silent = true
		if _, err := step(w.lease); err != nil {
			require.ErrorIs(w.t, err, errNoAnswer)
		}
		w.failed.silent = false
	case 2:
		former := w.takeOver()
		if _, err := step(former); err != nil {
			require.ErrorIs(w.t, err, ledger.ErrLeaseLost)
		}
	case 3: // it does nothing for a while
	default:
		_, err := step(w.lease)
		require.NoError(w.t, err)
	}
}

// finish ends what is open and lets the index catch up.
func (w *world) finish() {
	for len(w.open) > 0 {
		tx := w.transaction()
		outcome, goOn := w.end(&w.open[0])
		w.open = w.open[1:]
		tx.Outcomes = []ledger.BatchOutcome{outcome}
		if len(goOn) > 0 {
			tx.Batches = []ledger.Batch{w.batch(goOn)}
			w.open = append(w.open, tx.Batches[0])
		}
		require.NoError(w.t, w.store.Commit(w.t.Context(), w.lease, tx))
	}
	for more := true; more; {
		w.compareOutcomes()
		var err error
		more, err = w.index.Step(w.t.Context(), w.lease)
		require.NoError(w.t, err)
	}
	for done := false; !done; {
		var err error
		done, err = w.index.Fill(w.t.Context(), w.lease)
		require.NoError(w.t, err)
	}
}

// compareOutcomes holds what the index reads to what the other consumers of the outbox do.
func (w *world) compareOutcomes() {
	w.t.Helper()
	number, err := w.store.OpenCursor(w.t.Context(), w.lease, itemindex.Name)
	require.NoError(w.t, err)
	whole, err := w.store.Outcomes(w.t.Context(), w.lease.Partition, number, ledger.OutboxLimit{})
	require.NoError(w.t, err)
	brief, err := w.store.ItemOutcomes(w.t.Context(), w.lease.Partition, number, ledger.OutboxLimit{})
	require.NoError(w.t, err)
	for _, page := range []*ledger.OutboxPage{&whole, &brief} {
		for i := range page.Outcomes {
			o := &page.Outcomes[i]
			o.Handle, o.Attempts, o.Warnings, o.PublishedAt, o.SupersededBy = "", 0, nil, time.Time{}, ""
		}
	}
	require.Equal(w.t, whole, brief)
}

// compare holds the index to the views.
func (w *world) compare() {
	w.t.Helper()
	const truth = `select item_id, coalesce(localization, '') as localization, mutation_id, operation, status,
		coalesce(errors -> 0 ->> 'code', '') as code, coalesce(errors -> 0 ->> 'attribute', '') as attribute, coalesce(jsonb_array_length(errors), 0) as errors,
		finished_at, (select max(g.finished_at || ' ' || g.operation || ' ' || g.mutation_id) from (
			select s.finished_at::text, s.operation, s.mutation_id from courier.mutation_status s where s.item_id = m.item_id and s.localization is not distinct from m.localization
				and s.status = 'succeeded' order by s.stream_generation desc, s.stream_sequence desc limit 1) g) as succeeded
		from (select distinct on (item_id, localization) * from courier.mutation_status where status in ('succeeded', 'failed', 'unconfirmed', 'invalid')
			order by item_id, localization, stream_generation desc, stream_sequence desc) m order by 1, 2`
	const index = `select i.item_id, i.localization, i.mutation_id, courier.operation_name(i.operation),
		(array['succeeded', 'failed', 'unconfirmed', 'invalid'])[i.status], i.code, i.attribute, i.error_count, i.changed_at,
		i.succeeded_at::text || ' ' || courier.operation_name(i.succeeded_operation) || ' ' || v.last_succeeded_id
		from courier.item i join courier.indexed_items v using (item_id, lane, localization) order by 1, 2`
	want, got := w.rows(truth), w.rows(index)
	require.NotEmpty(w.t, want)
	require.Equal(w.t, want, got)
	require.Equal(w.t,
		w.rows("select courier.item_kind(status, operation, failed_at), code, attribute, count(*) from courier.item group by 1, 2, 3 order by 1, 2, 3"),
		w.rows("select kind, code, attribute, items from courier.item_count where items <> 0 order by 1, 2, 3"), "the counts follow the rows")
	require.Equal(w.t,
		w.rows(`select count(*), count(*) filter (where status = 'succeeded'), count(*) filter (where status in ('failed', 'unconfirmed', 'invalid'))
			from courier.mutation_status where status not in ('waiting', 'submitted')`),
		w.rows("select sum(arrived), sum(succeeded), sum(failed) from courier.lane_series"), "each outcome is counted once")
}

func (w *world) rows(query string) []string {
	w.t.Helper()
	rows, err := w.pool.Query(w.t.Context(), query)
	require.NoError(w.t, err)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		for i, value := range values {
			if number, ok := value.(fmt.Stringer); ok {
				values[i] = number.String()
			}
		}
		return fmt.Sprint(values...), err
	})
	require.NoError(w.t, err)
	return all
}
