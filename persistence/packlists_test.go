package persistence_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
)

// packedChanges writes, by SQL, packs of 200 lines of one catalog, each item changed in several of
// them and some twice in one, and plain messages between the packs: in all 40,000 changes in the
// blocks of 400 sequences.
func packedChanges(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	for _, statement := range []string{
		`insert into courier.lane (partition, account, catalog, catalog_type) values (0, 'acme', 'us', 'RETAIL')`,
		`select courier.ensure_day(current_date)`,
		`insert into courier.batch (id, created_at, finished_at, partition, lane, records, mutations, succeeded, failed, state, payload)
			select (courier.first_id(current_date))::text::uuid, now(), now(), 0, 1, 1000, 1000, 1000, 0, 'completed', ''`,
		`insert into courier.mutation (sequence, line, published_ns, received_at, day, lane, generation, record, operation, state, attempts, batch_id, mutation_id, item_id)
			select s, n, 1, now(), current_date, l.id, 0, n, 2, 0, 0, b.id, 'p' || s || '/' || n, 'SKU-' || (s * 7919 + n / 2 * 31) % 9000
			from generate_series(1, 400) s, generate_series(0, 199) n, courier.lane l, courier.batch b
			where (s % 2 = 0 and n > 0) or (s % 2 = 1 and n = 0)
			order by s, n`,
	} {
		_, err := pool.Exec(tb.Context(), statement)
		require.NoError(tb, err, statement)
	}
}

// TestListsFollowTheLinesOfPacks: every item once, at the newest of its changes, in the order of
// the stream; places name lines, and a page may end in the middle of a pack.
func TestListsFollowTheLinesOfPacks(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	packedChanges(t, pool)
	rows, err := pool.Query(t.Context(), `select distinct on (item_id) courier.place(generation, sequence, line), item_id, 'succeeded' from courier.mutation
		order by item_id, generation desc, sequence desc, line desc`)
	require.NoError(t, err)
	var all []listed
	for rows.Next() {
		var one listed
		require.NoError(t, rows.Scan(&one.Place, &one.Item, &one.Status))
		all = append(all, one)
	}
	require.NoError(t, rows.Err())
	place := map[string]string{}
	for _, one := range all {
		place[one.Item] = one.Place
	}
	var before *string
	seen, last := map[string]bool{}, ""
	for range 20 {
		page := itemsPage(t, pool, "us", before, 150)
		if len(page) == 0 {
			break
		}
		for _, row := range page {
			last = row.Place
			if row.Item == "" {
				continue
			}
			require.False(t, seen[row.Item], "%s is listed twice", row.Item)
			require.Equal(t, place[row.Item], row.Place, "the newest change of %s", row.Item)
			seen[row.Item] = true
		}
		before = &last
	}
	require.GreaterOrEqual(t, len(seen), 2000)
	for i := 0; i < len(all); i += len(all) / 50 {
		var found string
		require.NoError(t, pool.QueryRow(t.Context(), `select place from courier.item('acme', 'us', $1)`, all[i].Item).Scan(&found))
		require.Equal(t, all[i].Place, found)
	}
	// In the order of the stream, whatever the size of a page.
	var order []string
	rows, err = pool.Query(t.Context(), `select item_id from (select distinct on (item_id) item_id, sequence, line from courier.mutation
		order by item_id, sequence desc, line desc) x order by sequence desc, line desc limit 300`)
	require.NoError(t, err)
	for rows.Next() {
		var item string
		require.NoError(t, rows.Scan(&item))
		order = append(order, item)
	}
	require.NoError(t, rows.Err())
	var got []string
	before = nil
	for len(got) < 300 {
		page := itemsPage(t, pool, "us", before, 7)
		require.NotEmpty(t, page)
		for _, row := range page {
			if row.Item != "" {
				got = append(got, row.Item)
			}
		}
		before = &page[len(page)-1].Place
	}
	require.Equal(t, order, got[:300])
}

// TestWaitingItemsFollowTheLinesOfPacks: the changes of a pack that wait, one by one.
func TestWaitingItemsFollowTheLinesOfPacks(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	tx := ledgertest.Transaction(lease)
	for sequence := uint64(1); sequence <= 3; sequence++ {
		for number := 1; number <= 4; number++ {
			m := ledgertest.Mutation(sequence, fmt.Sprintf("item %d of %d", number, sequence))
			if sequence == 2 && number > 1 {
				continue // a message of its own
			}
			if sequence != 2 {
				m.Position.Line = number
			}
			tx.Waiting = append(tx.Waiting, m)
		}
	}
	require.NoError(t, store.Commit(t.Context(), lease, tx))
	var got []string
	before := ""
	for range 20 {
		rows, err := pool.Query(t.Context(), "select place, item_id from courier.waiting_items('acme', 'us', nullif($1, ''), 2)", before)
		require.NoError(t, err)
		page, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Place, Item string }])
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, row := range page {
			got, before = append(got, row.Place+" "+row.Item), row.Place
		}
	}
	require.Equal(t, []string{
		"0.3.4 item 4 of 3", "0.3.3 item 3 of 3", "0.3.2 item 2 of 3", "0.3.1 item 1 of 3", "0.2 item 1 of 2",
		"0.1.4 item 4 of 1", "0.1.3 item 3 of 1", "0.1.2 item 2 of 1", "0.1.1 item 1 of 1",
	}, got)
}
