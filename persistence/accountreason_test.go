package persistence_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// TestAccountSaysWhyItsChangesWait: whatever holds changes back has a reason in
// account_status, and they are counted.
func TestAccountSaysWhyItsChangesWait(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	state := func(name, reason string) func(t *testing.T, store *persistence.Store) {
		return func(t *testing.T, store *persistence.Store) {
			t.Helper()
			_, err := store.SaveAccount(t.Context(), ledger.AccountState{Account: "acme", State: name, Reason: reason, ResumesAt: soon})
			require.NoError(t, err)
		}
	}
	for name, test := range map[string]struct {
		attempt       ledger.Attempt // the last of the open batch
		also          func(t *testing.T, store *persistence.Store)
		state, reason string
	}{
		"the pace of a quota, the breaker, an outage before the first POST": {
			attempt: ledger.Attempt{Result: ledger.Unsent, Error: "not sent yet: the quota sets the pace", NextAt: soon},
			state:   "throttled", reason: "not sent yet: the quota sets the pace",
		},
		"an outage": {
			attempt: ledger.Attempt{Result: ledger.NotTaken, Error: "connection refused", NextAt: soon},
			state:   "active", reason: "connection refused",
		},
		"a refusal without words": {
			attempt: ledger.Attempt{Result: ledger.NotTaken}, state: "active", reason: "the last request was not taken",
		},
		"a refused account": {
			attempt: ledger.Attempt{Result: ledger.NotTaken, Error: "HTTP 400"}, also: state("paused", "code 100 subcode 33"),
			state: "paused", reason: "code 100 subcode 33",
		},
		"no token": {
			attempt: ledger.Attempt{Result: ledger.Unsent, Error: "x"}, also: state("paused", "there is no access token"),
			state: "paused", reason: "there is no access token",
		},
		"a refused lane": {
			attempt: ledger.Attempt{Result: ledger.NotTaken, Error: "HTTP 400"}, also: state("throttled", "every batch of us RETAIL is refused: no"),
			state: "held", reason: "every batch of us RETAIL is refused: no",
		},
		"a pause without words": {
			attempt: ledger.Attempt{Result: ledger.NotTaken, Error: "HTTP 400"}, also: state("paused", ""), state: "paused", reason: "HTTP 400",
		},
		"by hand": {
			attempt: ledger.Attempt{Result: ledger.Unsent, Error: "x"}, state: "paused", reason: "stocktaking",
			also: func(t *testing.T, store *persistence.Store) {
				t.Helper()
				require.NoError(t, store.PauseAccount(t.Context(), "acme", "stocktaking"))
			},
		},
		"by hand, without words": {
			attempt: ledger.Attempt{Result: ledger.Unsent, Error: "x"}, state: "paused", reason: "paused by hand",
			also: func(t *testing.T, store *persistence.Store) {
				t.Helper()
				require.NoError(t, store.PauseAccount(t.Context(), "acme", ""))
			},
		},
		"a quota": {
			attempt: ledger.Attempt{Result: ledger.NotTaken, Error: "HTTP 429"}, state: "throttled", reason: "quota of s",
			also: func(t *testing.T, store *persistence.Store) {
				t.Helper()
				require.NoError(t, store.SaveScopes(t.Context(), []ledger.ScopeState{{Scope: "s", BlockedUntil: soon, UpdatedAt: time.Now()}}))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, pool := newDatabase(t)
			lease := acquire(t, pool, 0)
			require.NoError(t, store.RegisterAccounts(t.Context(), []persistence.Account{{Name: "acme", Platform: "meta", Scopes: []string{"s"}}}))
			batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(1, "a"), ledgertest.Mutation(2, "a")), ledgertest.Record(ledgertest.Mutation(3, "b")))
			commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
			test.attempt.BatchID, test.attempt.Number, test.attempt.At = batch.ID, 1, ledgertest.At
			require.NoError(t, store.AppendAttempts(t.Context(), []ledger.Attempt{test.attempt}))
			if test.also != nil {
				test.also(t, store)
			}
			account := one(t, pool, "select * from courier.account_status")
			require.Equal(t, test.state, account["state"])
			require.Equal(t, test.reason, account["reason"])
			require.EqualValues(t, 3, account["waiting_items"])
			require.NotNil(t, account["oldest_waiting_at"])
			require.Equal(t, "waiting", statuses(t, pool)["m3"])
		})
	}
}
