package persistence_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// loseAll makes the database one that failed over to a standby which had nothing yet
// but the lease: lanes, days and rows are gone, while the process lives on.
func loseAll(t *testing.T, pool *pgxpool.Pool, lease ledger.Lease) {
	t.Helper()
	for _, statement := range []string{
		"truncate courier.mutation, courier.batch, courier.attempt, courier.record_outcome, courier.waiting, courier.dead_letter, courier.item_version, courier.recorded, courier.account, courier.lane restart identity",
		`do $$ declare t text; begin
			for t in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent in
				('courier.mutation'::regclass, 'courier.batch'::regclass, 'courier.attempt'::regclass, 'courier.record_outcome'::regclass)
			loop execute format('drop table courier.%I', t); end loop; end $$`,
	} {
		_, err := pool.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	_, err := pool.Exec(t.Context(), `update courier.lease set last_transaction = token, sequence = 0, message_ns = 0, message_id = '', sent = null, noted = null
		where partition = $1 and token = $2`, lease.Partition, lease.Token)
	require.NoError(t, err)
}

// persistently commits as the engine does: what fails is tried again.
func persistently(t *testing.T, store *persistence.Store, lease ledger.Lease, tx *ledger.Transaction) {
	t.Helper()
	var err error
	for range 6 {
		if err = store.Commit(t.Context(), lease, tx); err == nil {
			return
		}
	}
	require.NoError(t, err)
}

func refusal(sequence uint64, lane catalog.Lane) ledger.InvalidMutation {
	m := ledgertest.Mutation(sequence, "item")
	m.Lane = lane
	return ledger.InvalidMutation{Mutation: m, Problem: catalog.Problem{Reason: catalog.UnknownType, Text: "there is no such type"}}
}

// Everything that a process remembers of the database may be gone after a failover:
// what is read again is recorded again, valid or not, where people find it.
func TestWhatIsReadAgainAfterAFailoverIsRecordedAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lanes []catalog.Lane // added first by others in the new history, so that ids are given again
	}{
		{"the lanes are gone", nil},
		{"the ids of the lanes are those of other lanes", []catalog.Lane{
			{Account: "other", Catalog: "c", Type: "RETAIL"}, {Account: "other", Catalog: "c", Type: "HOTEL"},
		}},
		{"the lanes have each other's ids", []catalog.Lane{
			{Account: "acme", Catalog: "us", Type: "NOPE"}, ledgertest.Lane,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store, pool := newDatabase(t)
			nope := catalog.Lane{Account: "acme", Catalog: "us", Type: "NOPE"}
			write := func(lease ledger.Lease) {
				tx := ledgertest.Transaction(lease)
				tx.Invalid = []ledger.InvalidMutation{refusal(1, nope)}
				tx.Waiting = []*catalog.Mutation{ledgertest.Mutation(2, "a")}
				tx.Batches = []ledger.Batch{ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(3, "b")))}
				tx.Versions = []ledger.ItemVersion{{Key: ledgertest.Mutation(3, "b").Key(), Version: 7, MutationID: "m3"}}
				persistently(t, store, lease, tx)
			}
			lease := acquire(t, pool, 1)
			write(lease)
			loseAll(t, pool, lease)
			require.ErrorIs(t, store.Verify(t.Context(), lease), ledger.ErrLeaseLost, "an owner with nothing to do notices as well")

			others := newStore(t, pool)
			theirs := acquire(t, pool, 2)
			for i, lane := range c.lanes {
				tx := ledgertest.Transaction(theirs)
				tx.Invalid = []ledger.InvalidMutation{refusal(uint64(100+i), lane)}
				persistently(t, others, theirs, tx)
			}
			known, err := store.NewestVersions(t.Context(), []catalog.ItemKey{ledgertest.Mutation(3, "b").Key()})
			require.NoError(t, err)
			require.Empty(t, known)
			page, err := store.Waiting(t.Context(), ledgertest.Lane, catalog.Position{}, 10)
			require.NoError(t, err)
			require.Empty(t, page.Mutations)

			write(acquire(t, pool, 1))
			status := func(id string) (lane catalog.Lane, status string) {
				require.NoError(t, pool.QueryRow(t.Context(), "select account, catalog, catalog_type, status from courier.mutation_status where mutation_id = $1", id).
					Scan(&lane.Account, &lane.Catalog, &lane.Type, &status))
				return lane, status
			}
			for id, want := range map[string]string{"m1": "invalid", "m2": "waiting", "m3": "submitted"} {
				lane, got := status(id)
				require.Equal(t, want, got, id)
				require.Equal(t, id == "m1", lane == nope, "%s is in %v", id, lane)
			}
			var letters int
			require.NoError(t, pool.QueryRow(t.Context(), "select count(*) from courier.dead_letters where mutation_id = 'm1' and catalog_type = 'NOPE'").Scan(&letters))
			require.Equal(t, 1, letters)
			page, err = store.Waiting(t.Context(), ledgertest.Lane, catalog.Position{}, 10)
			require.NoError(t, err)
			require.Len(t, page.Mutations, 1)
			known, err = store.NewestVersions(t.Context(), []catalog.ItemKey{ledgertest.Mutation(3, "b").Key()})
			require.NoError(t, err)
			require.Len(t, known, 1)
		})
	}
}

// The same history goes on under an owner whose last commits are all there.
func TestVerifyLeavesADoubtfulCommitToItsRepetition(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	require.NoError(t, store.Verify(t.Context(), lease), "before the first commit")
	for sequence := range uint64(3) {
		tx := ledgertest.Transaction(lease)
		tx.Waiting = []*catalog.Mutation{ledgertest.Mutation(sequence+1, "a")}
		persistently(t, store, lease, tx)
		require.NoError(t, store.Verify(t.Context(), lease))
	}
	// Another process commits for the lease, as one does that was taken for dead.
	_, err := pool.Exec(t.Context(), "update courier.lease set last_transaction = gen_random_uuid() where partition = 0")
	require.NoError(t, err)
	require.ErrorIs(t, store.Verify(t.Context(), lease), ledger.ErrLeaseLost)
}
