package persistence_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// fail makes a dead letter of a mutation that the platform refused.
func fail(t *testing.T, store *persistence.Store, lease ledger.Lease, result ledger.RecordResult, reason catalog.Reason, m *catalog.Mutation, issues ...ledger.Issue) {
	t.Helper()
	batch := ledgertest.Batch(ledgertest.Record(m))
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Outcomes = []ledger.BatchOutcome{{
			BatchID: batch.ID, Lane: batch.Lane, CreatedAt: batch.CreatedAt, State: ledger.BatchCompleted, FinishedAt: ledgertest.At,
			Exceptions: []ledger.RecordOutcome{{
				Index: 0, Result: result, Reason: reason, Errors: issues, Constituents: batch.Records[0].Constituents,
			}},
		}}
	})
}

// succeed delivers a mutation.
func succeed(t *testing.T, store *persistence.Store, lease ledger.Lease, m *catalog.Mutation) {
	t.Helper()
	batch := ledgertest.Batch(ledgertest.Record(m))
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Outcomes = []ledger.BatchOutcome{{
			BatchID: batch.ID, Lane: batch.Lane, CreatedAt: batch.CreatedAt, State: ledger.BatchCompleted, FinishedAt: ledgertest.At,
		}}
	})
}

func newest(t *testing.T, store *persistence.Store, filter persistence.DeadLetterFilter) []persistence.DeadLetter {
	t.Helper()
	letters, _, err := store.NewestDeadLetters(t.Context(), filter, 0)
	require.NoError(t, err)
	return letters
}

func items(letters []persistence.DeadLetter) (ids []string) {
	for i := range letters {
		ids = append(ids, letters[i].ItemID)
	}
	return ids
}

// TestDeadLettersTellAllErrors: those of refused items too, and what is true of one that is
// unconfirmed although the platform said something.
func TestDeadLettersTellAllErrors(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	issues := []ledger.Issue{{Code: "106", Attribute: "title", Message: "Title is missing."}, {Code: "7", Attribute: "price", Message: "no"}}
	fail(t, store, lease, ledger.Failed, catalog.Refused, ledgertest.Mutation(1, "a"), issues...)
	fail(t, store, lease, ledger.Unconfirmed, catalog.Unconfirmed, ledgertest.Mutation(2, "b"), ledger.Issue{Message: "not allowed"})
	fail(t, store, lease, ledger.Unconfirmed, catalog.Unconfirmed, ledgertest.Mutation(3, "c"))

	letters := newest(t, store, persistence.DeadLetterFilter{WithoutMessage: true})
	require.Equal(t, []string{"c", "b", "a"}, items(letters))
	require.Equal(t, issues, letters[2].Errors)
	require.Equal(t, "the platform said of title: Title is missing.", letters[2].Text)
	require.Equal(t, "it is not known whether the platform has the change, because a copy that was sent may have been accepted; the last that it said: not allowed", letters[1].Text)
	require.NotContains(t, letters[0].Text, "said:")
	require.Empty(t, letters[0].Message.Data)
	require.NotEmpty(t, newest(t, store, persistence.DeadLetterFilter{})[0].Message.Data)

	require.Equal(t, []string{"a"}, items(newest(t, store, persistence.DeadLetterFilter{Attribute: "price"})))
	shown := one(t, pool, "select errors, state from courier.dead_letters where item_id = 'a'")
	require.Len(t, shown["errors"], 2)
	require.Equal(t, "open", shown["state"])
	shown = one(t, pool, "select errors from courier.dead_letters where item_id = 'c'")
	require.Contains(t, shown["errors"].([]any)[0].(map[string]any)["message"], "never said", "there is always a message")
}

// TestDeadLetterFilters: each condition, pages, counts and groups.
func TestDeadLetterFilters(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	for i := range uint64(5) {
		fail(t, store, lease, ledger.Failed, catalog.Refused, ledgertest.Mutation(i+1, fmt.Sprint("i", i)), ledger.Issue{Code: "106", Attribute: "title"}, ledger.Issue{Code: "1", Attribute: "link"})
	}
	fail(t, store, lease, ledger.Failed, catalog.AttemptsExhausted, ledgertest.Mutation(6, "i0"), ledger.Issue{Attribute: "title"})

	page, next, err := store.NewestDeadLetters(t.Context(), persistence.DeadLetterFilter{Limit: 4, WithoutMessage: true}, 0)
	require.NoError(t, err)
	require.Equal(t, []string{"i0", "i4", "i3", "i2"}, items(page))
	page, next, err = store.NewestDeadLetters(t.Context(), persistence.DeadLetterFilter{Limit: 4, WithoutMessage: true}, next)
	require.NoError(t, err)
	require.Equal(t, []string{"i1", "i0"}, items(page))
	require.Zero(t, next)

	at := ledgertest.At
	for name, c := range map[string]struct {
		filter persistence.DeadLetterFilter
		count  int64
	}{
		"all":           {persistence.DeadLetterFilter{}, 6},
		"ids":           {persistence.DeadLetterFilter{IDs: []int64{page[0].ID, 999}}, 1},
		"account":       {persistence.DeadLetterFilter{Account: "acme"}, 6},
		"other account": {persistence.DeadLetterFilter{Account: "other"}, 0},
		"item":          {persistence.DeadLetterFilter{ItemID: "i0"}, 2},
		"item, reason":  {persistence.DeadLetterFilter{ItemID: "i0", Reason: catalog.Refused}, 1},
		"attribute":     {persistence.DeadLetterFilter{Attribute: "link"}, 5},
		"since":         {persistence.DeadLetterFilter{FailedSince: at}, 6},
		"since later":   {persistence.DeadLetterFilter{FailedSince: at.Add(time.Second)}, 0},
		"before":        {persistence.DeadLetterFilter{FailedBefore: at}, 0},
		"replayed":      {persistence.DeadLetterFilter{States: []persistence.LetterState{persistence.LetterReplayed}}, 0},
		"any state":     {persistence.DeadLetterFilter{States: persistence.LetterStates()}, 6},
	} {
		count, err := store.CountDeadLetters(t.Context(), c.filter)
		require.NoError(t, err, name)
		require.Equal(t, c.count, count, name)
		require.Len(t, newest(t, store, c.filter), int(c.count), name)
		oldest, err := store.DeadLetters(t.Context(), c.filter)
		require.NoError(t, err, name)
		require.Len(t, oldest, int(c.count), name)
	}

	groups, err := store.GroupDeadLetters(t.Context(), persistence.DeadLetterFilter{}, persistence.LetterGrouping{Reason: true})
	require.NoError(t, err)
	require.Len(t, groups, 2)
	require.Equal(t, catalog.Refused, groups[0].Reason)
	require.EqualValues(t, 5, groups[0].Letters)
	require.Empty(t, groups[0].Account)
	groups, err = store.GroupDeadLetters(t.Context(), persistence.DeadLetterFilter{}, persistence.LetterGrouping{Account: true, Attribute: true})
	require.NoError(t, err)
	require.Len(t, groups, 3)
	require.Equal(t, "106 title 5 5 acme", fmt.Sprint(groups[1].Code, " ", groups[1].Attribute, " ", groups[1].Letters, " ", groups[1].Items, " ", groups[1].Account))
	unknown, err := store.UnknownDeadLetters(t.Context(), []int64{page[0].ID, 998, 999})
	require.NoError(t, err)
	require.Equal(t, []int64{998, 999}, unknown)
}

// TestDeadLettersAreResolved by a newer success of their item and by nothing else: shown at
// once, noted by and by, and still known when the mutations are gone.
func TestDeadLettersAreResolved(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	succeed(t, store, lease, ledgertest.Mutation(1, "older")) // an older success resolves nothing
	for i, item := range []string{"older", "fixed", "waiting", "failed", "alone", "localized"} {
		fail(t, store, lease, ledger.Failed, catalog.Refused, ledgertest.Mutation(uint64(i+2), item), ledger.Issue{Attribute: "price", Message: "no"})
	}
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Batches = []ledger.Batch{ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(10, "waiting")))}
	})
	fail(t, store, lease, ledger.Failed, catalog.Refused, ledgertest.Mutation(11, "failed"))
	succeed(t, store, lease, ledgertest.Mutation(12, "fixed"))
	localized := ledgertest.Mutation(13, "localized")
	localized.Localization = catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}
	succeed(t, store, lease, localized)

	open := []string{"failed", "localized", "alone", "failed", "waiting", "older"}
	require.Equal(t, open, items(newest(t, store, persistence.DeadLetterFilter{})), "shown at once")
	require.Equal(t, "open", one(t, pool, "select state from courier.dead_letters where item_id = 'fixed'")["state"], "and noted later")

	var resolved, next int64
	rounds := 0
	for {
		got, before, err := store.ResolveDeadLetters(t.Context(), next, 2)
		require.NoError(t, err)
		resolved, next, rounds = resolved+got, before, rounds+1
		if next == 0 {
			break
		}
	}
	require.EqualValues(t, 1, resolved)
	require.Equal(t, 4, rounds)
	_, err := pool.Exec(t.Context(), "delete from courier.mutation")
	require.NoError(t, err)
	require.Equal(t, "resolved", one(t, pool, "select state from courier.dead_letters where item_id = 'fixed'")["state"])
	require.Equal(t, open, items(newest(t, store, persistence.DeadLetterFilter{})))
	require.Equal(t, []string{"fixed"}, items(newest(t, store, persistence.DeadLetterFilter{States: []persistence.LetterState{persistence.LetterResolved}})))
	stats, err := store.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 6, stats.DeadLetters[0].Letters, "the metric counts what is open")
}

// TestDismiss: once, with who and why; what is dismissed is not replayed by a list that was
// read before.
func TestDismiss(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	for i, item := range []string{"a", "b"} {
		fail(t, store, lease, ledger.Failed, catalog.Refused, ledgertest.Mutation(uint64(i+1), item))
	}
	letters := newest(t, store, persistence.DeadLetterFilter{})
	ids := []int64{letters[0].ID, 999}
	dismissed, err := store.DismissDeadLetters(t.Context(), ids, "ana", "sold\x00 out")
	require.NoError(t, err)
	require.Equal(t, ids[:1], dismissed)
	dismissed, err = store.DismissDeadLetters(t.Context(), ids, "bob", "again")
	require.NoError(t, err)
	require.Empty(t, dismissed)
	found := newest(t, store, persistence.DeadLetterFilter{States: []persistence.LetterState{persistence.LetterDismissed}})
	require.Len(t, found, 1)
	require.Equal(t, persistence.LetterDismissed, found[0].State)
	require.Equal(t, "ana", found[0].DismissedBy)
	require.Equal(t, "sold\uFFFD out", found[0].DismissReason)

	marked, err := store.Replay(t.Context(), letters, persistence.ReplayNote{By: "eve", ReplacedBy: "new"}, func(_ context.Context, given []int64) ([]int64, error) {
		require.Equal(t, []int64{letters[1].ID}, given)
		return given, errors.New("stop")
	})
	require.ErrorContains(t, err, "stop")
	require.EqualValues(t, 1, marked)
	shown := one(t, pool, "select state, replayed_by, replaced_by from courier.dead_letters where item_id = 'a'")
	require.Equal(t, map[string]any{"state": "replayed", "replayed_by": "eve", "replaced_by": "new"}, shown)
}

// TestThe10000thLetterIsCounted and no other: counting ends there.
func TestThe10000thLetterIsCounted(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	fail(t, store, lease, ledger.Failed, catalog.Refused, ledgertest.Mutation(1, "a"))
	copies(t, pool, 12_000)
	count, err := store.CountDeadLetters(t.Context(), persistence.DeadLetterFilter{Account: "acme"})
	require.NoError(t, err)
	require.EqualValues(t, persistence.MaxCountedLetters, count)
	require.Len(t, newest(t, store, persistence.DeadLetterFilter{WithoutMessage: true}), 100)
	groups, err := store.GroupDeadLetters(t.Context(), persistence.DeadLetterFilter{}, persistence.LetterGrouping{Reason: true, Attribute: true})
	require.NoError(t, err)
	require.EqualValues(t, 12_001, groups[0].Letters)
}

func copies(t *testing.T, pool *pgxpool.Pool, count int) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `insert into courier.dead_letter (sequence, failed_at, lane, generation, operation, mutation_id, item_id, subject, reason, text, headers, body)
		select n, now(), lane, generation, operation, mutation_id, 'item ' || n, subject, reason, text, headers, body
		from courier.dead_letter, generate_series(1, $1) n`, count)
	require.NoError(t, err)
}

// TestResolvingGoesByTheIndexOfItems where it has the item.
func TestResolvingGoesByTheIndexOfItems(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	for i, item := range []string{"older", "newer", "never"} {
		fail(t, store, lease, ledger.Failed, catalog.Refused, ledgertest.Mutation(uint64(i+10), item))
	}
	_, err := pool.Exec(t.Context(), `insert into courier.item (changed_at, sequence, succeeded_sequence, generation, succeeded_generation, lane, operation, status, item_id, mutation_id)
		select now(), 99, x.place, 0, case when x.place is not null then 0 end, d.lane, 2, 2, d.item_id, 'm' from courier.dead_letter d
		join (values ('older', 5::bigint), ('newer', 50), ('never', null)) x(item, place) on x.item = d.item_id`)
	require.NoError(t, err)
	resolved, next, err := store.ResolveDeadLetters(t.Context(), 0, 100)
	require.NoError(t, err)
	require.Zero(t, next)
	require.EqualValues(t, 1, resolved)
	require.Equal(t, "newer", one(t, pool, "select item_id from courier.dead_letters where state = 'resolved'")["item_id"])
}
