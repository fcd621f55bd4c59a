package persistence_test

import (
	"math"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

// TestWhatIsRefusedForGoodSaysSo, and leaves the store usable.
func TestWhatIsRefusedForGoodSaysSo(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	for name, spoil := range map[string]func(*catalog.Mutation){
		"a value that cannot be encoded": func(m *catalog.Mutation) { m.Position.Generation = math.MaxInt64 },
		"a time that the server refuses": func(m *catalog.Mutation) { m.ReceivedAt = time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"a mutation without a time":      func(m *catalog.Mutation) { m.ReceivedAt = time.Time{} },
	} {
		for _, rows := range []uint64{1, 200} { // INSERT and COPY
			tx := ledgertest.Transaction(lease)
			for i := range rows {
				tx.Waiting = append(tx.Waiting, ledgertest.Mutation(i+1, "a"))
			}
			spoil(tx.Waiting[0])
			require.ErrorIs(t, store.Commit(t.Context(), lease, tx), ledger.ErrRejected, "%s, %d rows", name, rows)
		}
	}
	_, err := pool.Exec(t.Context(), "alter table courier.mutation rename column state to condition")
	require.NoError(t, err)
	tx := ledgertest.Transaction(lease)
	tx.Waiting = []*catalog.Mutation{ledgertest.Mutation(1, "a")}
	err = store.Commit(t.Context(), lease, tx)
	require.ErrorIs(t, err, ledger.ErrRejected)
	var said *pgconn.PgError
	require.ErrorAs(t, err, &said, "and what the server said is still there")
	_, err = pool.Exec(t.Context(), "alter table courier.mutation rename column condition to state")
	require.NoError(t, err)
	require.NoError(t, store.Commit(t.Context(), lease, tx))
}

// TestALostConnectionIsNoRefusal.
func TestALostConnectionIsNoRefusal(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	_, err := pool.Exec(t.Context(), `create function courier.cut() returns trigger language plpgsql as
		$$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
		create trigger cut after insert on courier.waiting execute function courier.cut()`)
	require.NoError(t, err)
	tx := ledgertest.Transaction(lease)
	tx.Waiting = []*catalog.Mutation{ledgertest.Mutation(1, "a")}
	err = store.Commit(t.Context(), lease, tx)
	require.Error(t, err)
	require.NotErrorIs(t, err, ledger.ErrRejected)
	_, err = pool.Exec(t.Context(), "drop trigger cut on courier.waiting")
	require.NoError(t, err)
	require.NoError(t, store.Commit(t.Context(), lease, tx))
}

// TestTheServersLanguageDoesNotMatter: with another lc_messages a refusal is one all the same.
func TestTheServersLanguageDoesNotMatter(t *testing.T) {
	t.Parallel()
	database := persistencetest.Database(t)
	german := &pooler{language: map[string]string{"ERROR": "FEHLER", "FATAL": "FATAL", "PANIC": "PANIK"}}
	pool := newPool(t, german.start(t, database))
	store := newStore(t, pool)
	s := newShared(t, store, pool, 3, 1)
	_, err := pool.Exec(t.Context(), "alter table courier.mutation add constraint odd check (mutation_id not like 'p1-%')")
	require.NoError(t, err)
	err = store.Commit(t.Context(), s.leases[1], s.txs[1])
	require.ErrorIs(t, err, ledger.ErrRejected)
	require.ErrorContains(t, err, "FEHLER")
	require.ErrorIs(t, store.Probe(t.Context(), s.leases[1], s.txs[1]), ledger.ErrRejected)
	for i, err := range s.commit(t) {
		if i == 1 {
			require.ErrorIs(t, err, ledger.ErrRejected)
			continue
		}
		require.NoError(t, err, "it is written apart from the one that is refused")
	}
	pool.Close()
}
