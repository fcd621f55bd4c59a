package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
	"github.com/catalog-courier/catalog-courier/publish"
)

// acknowledging publishes nothing, and gives each line the next place of the stream.
type acknowledging struct{ stored uint64 }

func (a *acknowledging) open(context.Context, config.NATS, time.Duration, int, func(string)) (publisher, func(), error) {
	return a, func() {}, nil
}

func (a *acknowledging) Publish(_ context.Context, publications []publish.Publication) ([]publish.Result, error) {
	results := make([]publish.Result, len(publications))
	for i := range results {
		a.stored++
		results[i] = publish.Result{Outcome: publish.Stored, Sequence: a.stored}
	}
	return results, nil
}

// TestWaitTellsWhatBecameOfEachLine, by its own place in the stream: what became of an older
// message with the same id does not count.
func TestWaitTellsWhatBecameOfEachLine(t *testing.T) {
	t.Parallel()
	url := persistencetest.Database(t)
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: url, MaxConns: 2})
	require.NoError(t, err)
	defer pool.Close()
	store, err := persistence.NewStore(pool, persistence.Config{})
	require.NoError(t, err)
	defer store.Close()
	require.NoError(t, store.EnsurePartitions(t.Context(), 1))
	lease := ledger.Lease{Token: uuid.New()}
	_, err = pool.Exec(t.Context(), "update courier.lease set token = $1, last_transaction = $1", lease.Token)
	require.NoError(t, err)
	commit := func(fill func(*ledger.Transaction)) {
		tx := ledgertest.Transaction(lease)
		fill(tx)
		require.NoError(t, store.Commit(t.Context(), lease, tx))
	}
	batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(1, "a")), ledgertest.Record(ledgertest.Mutation(2, "b")))
	commit(func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
	commit(func(tx *ledger.Transaction) {
		tx.Outcomes = []ledger.BatchOutcome{{
			BatchID: batch.ID, Lane: batch.Lane, CreatedAt: batch.CreatedAt, State: ledger.BatchCompleted, FinishedAt: ledgertest.At,
			Exceptions: []ledger.RecordOutcome{{
				Index: 1, Result: ledger.Failed, Reason: catalog.Refused, Constituents: batch.Records[1].Constituents,
				Errors: []ledger.Issue{{Code: "106", Attribute: "title", Message: "Title is missing."}},
			}},
		}}
		tx.Waiting = []*catalog.Mutation{ledgertest.Mutation(3, "c")}
	})
	lines := func(ids ...string) string {
		var text strings.Builder
		for _, id := range ids {
			text.WriteString(`{"id":"` + id + `","account":"acme","catalog":"us","type":"RETAIL","item_id":"x","operation":"DELETE"}` + "\n")
		}
		return text.String()
	}

	got := execute(t, (&acknowledging{}).open, lines("m1"), "--wait", "--database", url)
	require.Zero(t, got.code, got.err)
	require.Regexp(t, `delivered +1\b`, got.out)

	got = execute(t, (&acknowledging{}).open, lines("m1", "m2"), "--wait", "--database", url, "--output", "json")
	require.Equal(t, 1, got.code, got.err)
	var report summary
	require.NoError(t, json.Unmarshal([]byte(got.out), &report))
	require.Equal(t, outcomes{Delivered: 1, Failed: 1, Failures: []refusal{
		{Source: "standard input", Line: 2, Reason: "failed: 106: title: Title is missing."},
	}}, *report.Outcome)

	got = execute(t, (&acknowledging{stored: 2}).open, lines("m3", "m1"), "--wait", "--wait-timeout", "4500ms", "--database", url)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.err, "2 lines are not final: the time of --wait-timeout is over; line 1 of standard input: ", "one waits, the other's row is of another message")
	require.Regexp(t, `2 of 2 not final; line 1 of standard input: \w+`, got.err, "said while it waits")
	require.NotContains(t, got.err, "no worker has read it")
	require.Regexp(t, `not final +2\b`, got.out)

	none := &acknowledging{}
	got = execute(t, none.open, lines("m1"), "--wait")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.err, "give its address with --database")
	require.Zero(t, none.stored, "nothing is published before it is known that one can wait")
}
