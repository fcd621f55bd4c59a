package persistence_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/persistence"
)

// TestQueriesDoNotReadALane: statements that know a row, an item or a range of the stream
// do not reach it by going through its lane, also while the server has no statistics: it
// takes a lane to have a handful of rows then.
func TestQueriesDoNotReadALane(t *testing.T) {
	t.Parallel()
	_, wide := newDatabase(t)
	manyChanges(t, wide, 50_000, false)
	_, err := wide.Exec(t.Context(), `insert into courier.dead_letter (sequence, failed_at, lane, generation, operation, mutation_id, item_id, subject, reason, text, headers, body)
		select m.sequence, now(), m.lane, 0, 2, m.mutation_id, m.item_id, 's', 'r', 't', '{}', '' from courier.mutation m
		where m.item_id ~ '^OLD-' or m.sequence = 49999 limit 30`)
	require.NoError(t, err)
	// One session, so that its counts can be sent at once.
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: wide.Config().ConnString(), MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	store := newStore(t, pool)
	ids, err := idsOfLetters(t, pool)
	require.NoError(t, err)
	require.Len(t, ids, 30)

	before := lanesRead(t, pool)
	newer, err := store.NewerChanges(t.Context(), ids)
	require.NoError(t, err)
	require.Empty(t, newer)
	require.Less(t, lanesRead(t, pool)-before, int64(1_000), "entries of mutation_block read")
}

func idsOfLetters(t *testing.T, pool *pgxpool.Pool) (ids []int64, err error) {
	t.Helper()
	return ids, pool.QueryRow(t.Context(), "select array_agg(id) from courier.dead_letter").Scan(&ids)
}

// lanesRead is how many entries of mutation_block were read, by all sessions that said so.
func lanesRead(t *testing.T, pool *pgxpool.Pool) (n int64) {
	t.Helper()
	_, err := pool.Exec(t.Context(), "select pg_stat_force_next_flush()")
	require.NoError(t, err)
	require.NoError(t, pool.QueryRow(t.Context(), `select coalesce(sum(idx_tup_read), 0)::bigint from pg_stat_user_indexes
		where indexrelname like 'mutation\_2%\_block\_%'`).Scan(&n))
	return n
}
