package persistence_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// work is what the server did for a statement, as it counts it itself.
type work struct {
	Whole int64 // rows read by scanning a table
	Rows  int64 // rows read by an index
	Looks int64 // descents of an index
}

// workOf runs a query of (place, item) in a transaction of its own.
func workOf(tb testing.TB, pool *pgxpool.Pool, query string, args ...any) (found []listed, did work) {
	tb.Helper()
	tx, err := pool.Begin(context.Background())
	require.NoError(tb, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	read := func() (w work) {
		require.NoError(tb, tx.QueryRow(context.Background(), `select sum(seq_tup_read)::bigint, sum(idx_tup_fetch)::bigint, sum(idx_scan)::bigint
			from pg_stat_xact_user_tables where schemaname = 'courier' and relname ~ '^(mutation|batch|attempt|record_outcome)_'`).Scan(&w.Whole, &w.Rows, &w.Looks))
		return w
	}
	// The counts go on from earlier transactions of the connection.
	before := read()
	rows, err := tx.Query(context.Background(), query, args...)
	require.NoError(tb, err)
	found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[listed])
	require.NoError(tb, err)
	after := read()
	return found, work{Whole: after.Whole - before.Whole, Rows: after.Rows - before.Rows, Looks: after.Looks - before.Looks}
}

const pageOfItems = "select place, coalesce(item_id, '') || coalesce('/' || localization, ''), coalesce(status, '') from courier.items('acme', $1, $2, $3)"

// newestOf are the items of a catalog as a scan of everything has them.
func newestOf(tb testing.TB, pool *pgxpool.Pool, catalogName string) (items []listed) {
	tb.Helper()
	rows, err := pool.Query(context.Background(), `select '0.' || max(m.sequence), m.item_id || coalesce('/' || m.localization, ''), 'succeeded'
		from courier.mutation m join courier.lane l on l.id = m.lane where l.catalog = $1
		group by m.lane, m.item_id, m.localization order by max(m.sequence) desc`, catalogName)
	require.NoError(tb, err)
	items, err = pgx.CollectRows(rows, pgx.RowToStructByPos[listed])
	require.NoError(tb, err)
	return items
}

// TestPagesReadNoMoreThanTheyShow: at every depth a page has the items that a scan has
// there, and the server reads some thousand rows for it, whatever it knows of the tables:
// of hot items and cold ones, of two types, of a few items among very many.
func TestPagesReadNoMoreThanTheyShow(t *testing.T) {
	t.Parallel()
	const changes = 200_000
	for name, analyzed := range map[string]bool{"with statistics": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, pool := newDatabase(t)
			manyChanges(t, pool, changes, analyzed)
			for _, catalogName := range []string{"us", "de", "small"} {
				all := newestOf(t, pool, catalogName)
				for _, from := range []int64{changes + 1, changes / 10 * 9, changes / 2, changes / 4, 1000} {
					for _, size := range []int{1, 50} {
						checkPages(t, pool, all, catalogName, from, size)
					}
				}
			}
			require.Empty(t, itemsPage(t, pool, "nope", nil, 100))
		})
	}
}

// checkPages goes three pages on from a place.
func checkPages(t *testing.T, pool *pgxpool.Pool, all []listed, catalogName string, from int64, size int) {
	t.Helper()
	next := 0
	for next < len(all) && sequenceOf(t, all[next].Place) >= from {
		next++
	}
	before := "0." + strconv.FormatInt(from, 10)
	for page := range 3 {
		rows, did := workOf(t, pool, pageOfItems, catalogName, before, size)
		t.Logf("%s from %d, page %d of %d: %d rows, %+v", catalogName, from, page, size, len(rows), did)
		require.Zero(t, did.Whole, "rows read by scanning a table")
		require.Less(t, did.Rows, int64(9_000), "rows read by an index")
		require.Less(t, did.Looks, int64(20_000), "looks into an index")
		if len(rows) == 0 {
			require.Equal(t, len(all), next, "the end comes when all items were listed")
			return
		}
		last := rows[len(rows)-1]
		if last.Item == "" { // go on from here
			rows = rows[:len(rows)-1]
		}
		require.LessOrEqual(t, len(rows), size)
		require.Equal(t, all[next:next+len(rows)], append([]listed{}, rows...), "%s before %s", catalogName, before)
		next += len(rows)
		require.True(t, last.Item == "" || len(rows) == size || next == len(all), "a page is full unless it says where to go on")
		require.Less(t, sequenceOf(t, last.Place), sequenceOf(t, before), "each page goes on")
		before = last.Place
	}
}

func sequenceOf(tb testing.TB, place string) int64 {
	tb.Helper()
	require.Equal(tb, "0.", place[:2])
	sequence, err := strconv.ParseInt(place[2:], 10, 64)
	require.NoError(tb, err)
	return sequence
}

// TestOneItemOfACatalog: an item is found at its newest change by looks into an index, one
// for each block of changes at most: hot and cold, of the day that is written and of one
// that is over, with and without statistics.
func TestOneItemOfACatalog(t *testing.T) {
	t.Parallel()
	const changes = 100_000
	for name, analyzed := range map[string]bool{"with statistics": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, pool := newDatabase(t)
			manyChanges(t, pool, changes, analyzed)
			for _, catalogName := range []string{"us", "de", "small"} {
				all := newestOf(t, pool, catalogName)
				for i := 0; i < len(all); i += len(all)/20 + 1 {
					rows, did := workOf(t, pool, `select i.place, i.item_id || coalesce('/' || i.localization, ''), i.status
						from (select split_part($2, '/', 1) as item, substring($2 from '/(.*)') as localization) x,
							courier.item('acme', $1, x.item, x.localization) i`, catalogName, all[i].Item)
					require.Equal(t, all[i:i+1], rows)
					require.Zero(t, did.Whole, "rows read by scanning a table")
					require.Less(t, did.Rows, int64(1_000), "rows read by an index")
					require.Less(t, did.Looks, int64(500), "looks into an index")
				}
				rows, did := workOf(t, pool, "select place, item_id, status from courier.item('acme', $1, 'none')", catalogName)
				require.Empty(t, rows)
				require.Less(t, did.Looks, int64(1_000))
			}
		})
	}
}
