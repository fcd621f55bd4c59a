//nolint:thelper // these are tests, not helpers: a failure is where it happens
package ledgertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// People is what people see of a store, and what they do to it.
type People interface {
	// Health is what is known of an account's calls: the zero value for nothing.
	Health(account string) ledger.AccountHealth
	// Strays are the lanes of a partition that are known to be stray, by name.
	Strays(partition int) []ledger.StrayLane
	// AskForRemoval asks for an account to be removed.
	AskForRemoval(account string)
	// Configure has a running worker say that it has the account, or that it has no more.
	Configure(account string, has bool)
}

func health(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	save := func(lease ledger.Lease, accounts ...ledger.AccountHealth) {
		require.NoError(t, h.Store.SaveHealth(t.Context(), lease, accounts))
	}
	save(lease)
	require.Zero(t, h.People(t).Health("acme"))
	works := ledger.AccountHealth{Account: "acme", SucceededAt: At}
	save(lease, works, ledger.AccountHealth{Account: "other"})
	require.Equal(t, works, h.People(t).Health("acme"))
	require.Equal(t, ledger.AccountHealth{Account: "other"}, h.People(t).Health("other"))

	fails := ledger.AccountHealth{Account: "acme", FailingSince: At.Add(time.Minute), Reason: "no\x00answer", NextTry: At.Add(time.Hour)}
	save(lease, fails)
	want := fails
	want.SucceededAt, want.Reason = At, "no\uFFFDanswer"
	require.Equal(t, want, h.People(t).Health("acme"), "the last success stays known")
	later := fails
	later.FailingSince, later.Reason, later.NextTry = At.Add(2*time.Minute), "503", time.Time{}
	save(lease, later)
	want.Reason, want.NextTry = "503", time.Time{}
	require.Equal(t, want, h.People(t).Health("acme"), "it is failing since the first call")
	earlier := later
	earlier.FailingSince = At.Add(time.Second)
	save(lease, earlier)
	want.FailingSince = earlier.FailingSince
	require.Equal(t, want, h.People(t).Health("acme"))
	save(lease, ledger.AccountHealth{Account: "acme", SucceededAt: At.Add(-time.Hour)})
	require.Equal(t, works, h.People(t).Health("acme"), "it fails no more, and the newest success counts")
	save(lease, fails)
	require.Equal(t, fails.FailingSince, h.People(t).Health("acme").FailingSince, "it is another failure")

	next := h.Acquire(t, 0)
	save(lease, works)
	require.Equal(t, fails.FailingSince, h.People(t).Health("acme").FailingSince, "a stale owner says nothing")
	save(next, works)
	require.Equal(t, works, h.People(t).Health("acme"))
}

func strays(t *testing.T, h Harness) {
	lease, other := h.Acquire(t, 0), h.Acquire(t, 1)
	lane := func(name string) catalog.Lane {
		return catalog.Lane{Account: Lane.Account, Catalog: name, Type: Lane.Type}
	}
	has := func(lease ledger.Lease, sequence uint64, name string) {
		m := Mutation(sequence, "a")
		m.Lane = lane(name)
		tx := Transaction(lease)
		tx.Waiting = []*catalog.Mutation{m}
		commit(t, h, lease, tx)
	}
	has(lease, 1, "a")
	has(lease, 2, "b")
	has(other, 3, "c")
	save := func(lease ledger.Lease, lanes ...ledger.StrayLane) {
		require.NoError(t, h.Store.SaveStrays(t.Context(), lease, lanes))
	}
	a := ledger.StrayLane{Lane: lane("a"), Problem: "no\x00such catalog", Since: At, InvalidAt: At.Add(time.Hour)}
	shown := a
	shown.Problem = "no\uFFFDsuch catalog"
	b := ledger.StrayLane{Lane: lane("b"), Problem: "no such account", Since: At}
	c := ledger.StrayLane{Lane: lane("c"), Problem: "no such account", Since: At}
	save(other, c)
	save(lease, a, b, c, ledger.StrayLane{Lane: lane("unknown"), Problem: "no row", Since: At})
	require.Equal(t, []ledger.StrayLane{shown, b}, h.People(t).Strays(0), "the lanes of the partition that have a row")
	require.Equal(t, []ledger.StrayLane{c}, h.People(t).Strays(1))
	later := b
	later.Since, later.InvalidAt = At.Add(time.Minute), At.Add(time.Hour)
	save(lease, later)
	require.Equal(t, []ledger.StrayLane{later}, h.People(t).Strays(0), "those named, and no other")
	stale := lease
	lease = h.Acquire(t, 0)
	save(stale, a)
	require.Equal(t, []ledger.StrayLane{later}, h.People(t).Strays(0), "a stale owner says nothing")
	save(lease)
	require.Empty(t, h.People(t).Strays(0))
	require.Equal(t, []ledger.StrayLane{c}, h.People(t).Strays(1))
}

func removal(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	end := func() bool {
		removed, err := h.Store.EndRemoval(t.Context(), Lane.Account)
		require.NoError(t, err)
		return removed
	}
	state := func() (ledger.AccountState, bool) {
		states, err := h.Store.Accounts(t.Context(), []string{Lane.Account})
		require.NoError(t, err)
		found, known := states[Lane.Account]
		return found, known
	}
	require.False(t, end(), "nobody knows it")
	_, err := h.Store.SaveAccount(t.Context(), ledger.AccountState{Account: Lane.Account, State: "paused", Reason: "401"})
	require.NoError(t, err)
	require.NoError(t, h.Store.SaveHealth(t.Context(), lease, []ledger.AccountHealth{{Account: Lane.Account, SucceededAt: At}}))
	require.False(t, end(), "nobody asked for it")

	stored := Mutation(1, "a")
	tx := Transaction(lease)
	tx.Waiting = []*catalog.Mutation{stored}
	commit(t, h, lease, tx)
	stored.HasWaitingRow = true
	h.People(t).AskForRemoval(Lane.Account)
	asked, _ := state()
	require.True(t, asked.Removing)
	require.Equal(t, "paused", asked.State)
	require.False(t, end(), "a mutation waits")
	batch := record(t, h, lease, Record(stored))
	require.False(t, end(), "a batch is open")
	finish(t, h, lease, batch)

	h.People(t).Configure(Lane.Account, true)
	asked, _ = state()
	require.False(t, asked.Removing, "a worker that has it takes the wish back")
	require.False(t, end())
	h.People(t).Configure(Lane.Account, false)
	require.False(t, end(), "the wish is not there any more")
	h.People(t).AskForRemoval(Lane.Account)
	require.True(t, end())
	_, known := state()
	require.False(t, known)
	require.Zero(t, h.People(t).Health(Lane.Account))
	require.False(t, end(), "it is gone")
}
