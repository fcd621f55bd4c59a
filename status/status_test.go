package status_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status"
)

// delivered writes a batch of three records: a (two changes, merged), b (rejected) and c (with
// a warning).
func delivered(t *testing.T, w *world) ledger.Batch {
	t.Helper()
	w.exec(t, "insert into courier.account (name, platform) values ('acme', 'pinterest')")
	batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(1, "a"), ledgertest.Mutation(2, "a")),
		ledgertest.Record(ledgertest.Mutation(3, "b")), ledgertest.Record(ledgertest.Mutation(4, "c")))
	w.commit(t, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
	require.NoError(t, w.store.AppendAttempts(t.Context(), []ledger.Attempt{
		{BatchID: batch.ID, Number: 1, Result: ledger.NotTaken, At: ledgertest.At, Error: "HTTP 429", NextAt: ledgertest.At.Add(time.Second)},
	}))
	w.commit(t, func(tx *ledger.Transaction) {
		tx.Intents = []ledger.Intent{{BatchID: batch.ID, Attempt: 2, At: ledgertest.At, Reason: "again"}}
	})
	require.NoError(t, w.store.AppendAttempts(t.Context(), []ledger.Attempt{{
		BatchID: batch.ID, Number: 2, Result: ledger.Accepted, At: ledgertest.At.Add(time.Second), Handles: []string{"h-1"},
		Notes: []byte(`[{"i":2,"o":0,"w":[{"message":"image is small"}]}]`),
	}}))
	return batch
}

func finish(t *testing.T, w *world, batch ledger.Batch) {
	t.Helper()
	w.commit(t, func(tx *ledger.Transaction) {
		tx.Outcomes = []ledger.BatchOutcome{{
			BatchID: batch.ID, Lane: batch.Lane, CreatedAt: batch.CreatedAt, State: ledger.BatchCompleted, FinishedAt: ledgertest.At.Add(time.Minute),
			Succeeded: 2, Failed: 1, Warned: 1, Exceptions: []ledger.RecordOutcome{
				{
					Index: 1, Result: ledger.Failed, Reason: catalog.Refused, Constituents: batch.Records[1].Constituents,
					Errors: []ledger.Issue{{Code: "7", Attribute: "price", Message: "is too low"}},
				},
				{Index: 2, Result: ledger.Succeeded, Warnings: []ledger.Issue{{Message: "image is small"}}},
			},
		}}
	})
}

func advised(platform string, issue status.Issue) string {
	if platform == "pinterest" && issue.Code == "7" && issue.Attribute == "price" {
		return "set a price above 0"
	}
	return ""
}

func TestItem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := status.NewReader(w.pool, status.Config{Advice: advised})
	_, err := reader.Item(t.Context(), "a", status.Filter{})
	require.ErrorIs(t, err, status.ErrNotFound)

	batch := delivered(t, w)
	item, err := reader.Item(t.Context(), "a", status.Filter{})
	require.NoError(t, err)
	require.Len(t, item.Destinations, 1)
	require.Equal(t, "m2", item.Destinations[0].ID)
	require.Equal(t, "sent, waiting for Pinterest", item.Destinations[0].Words)
	require.Nil(t, item.Destinations[0].LastSucceededAt)

	finish(t, w, batch)
	item, err = reader.Item(t.Context(), "a", status.Filter{Account: "acme", Catalog: "us", Type: "RETAIL"})
	require.NoError(t, err)
	require.Equal(t, "up to date on Pinterest", item.Destinations[0].Words)
	require.Equal(t, "m2", item.Destinations[0].LastSucceededID)
	require.Equal(t, ledgertest.At.Add(time.Minute), *item.Destinations[0].LastSucceededAt)
	_, err = reader.Item(t.Context(), "a", status.Filter{Account: "other"})
	require.ErrorIs(t, err, status.ErrNotFound)

	item, err = reader.Item(t.Context(), "b", status.Filter{})
	require.NoError(t, err)
	rejected := item.Destinations[0]
	require.Equal(t, "rejected by Pinterest", rejected.Words)
	require.Equal(t, []status.Issue{{Code: "7", Attribute: "price", Message: "is too low", Advice: "set a price above 0"}}, rejected.Errors)
	require.NotEmpty(t, rejected.NextStep)
	require.Nil(t, rejected.LastSucceededAt)
	encoded, err := json.Marshal(item)
	require.NoError(t, err)
	require.Contains(t, string(encoded), `"account":"acme","catalog":"us","catalog_type":"RETAIL"`)
}

func TestWaitingItemSaysWhatTheAccountHasToDoWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := status.NewReader(w.pool, status.Config{})
	w.commit(t, func(tx *ledger.Transaction) { tx.Waiting = []*catalog.Mutation{ledgertest.Mutation(1, "a")} })
	item, err := reader.Item(t.Context(), "a", status.Filter{})
	require.NoError(t, err)
	require.Contains(t, item.Destinations[0].NextStep, "no running worker has account acme")
	require.Equal(t, "waiting to be sent to the platform", item.Destinations[0].Words)

	w.exec(t, "insert into courier.account (name, platform, state, by_hand, reason) values ('acme', 'meta', 'paused', true, 'maintenance')")
	item, err = reader.Item(t.Context(), "a", status.Filter{})
	require.NoError(t, err)
	require.Equal(t, "paused", item.Destinations[0].AccountState)
	require.Equal(t, "maintenance", item.Destinations[0].AccountReason)
	require.Contains(t, item.Destinations[0].NextStep, "the account is paused")
}

func TestTimelineGoesBackByPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := status.NewReader(w.pool, status.Config{})
	const changes = 7
	w.commit(t, func(tx *ledger.Transaction) {
		for i := range uint64(changes) {
			tx.Stale = append(tx.Stale, ledger.StaleVersion{Mutation: ledgertest.Mutation(i+1, "a"), SupersededBy: "newer"})
		}
	})
	var ids []string
	before := status.Place("")
	for more := true; more; {
		page, further, err := reader.Timeline(t.Context(), "a", status.Filter{}, before, 3)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), 3)
		for _, change := range page {
			require.Equal(t, "replaced by a newer change", change.Words)
			require.Equal(t, "newer", change.SupersededBy)
			ids = append(ids, change.ID)
		}
		more, before = further, page[len(page)-1].Place
	}
	require.Equal(t, []string{"m7", "m6", "m5", "m4", "m3", "m2", "m1"}, ids)
	_, _, err := reader.Timeline(t.Context(), "a", status.Filter{}, "x", 3)
	require.ErrorIs(t, err, status.ErrPlace)
}

func TestMutationOfSeveralAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	delivered(t, w)
	reader := status.NewReader(w.pool, status.Config{})
	found, err := reader.Mutation(t.Context(), "m1", "")
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "m2", found[0].SupersededBy)
	require.Equal(t, "h-1", found[0].Handle)
	require.Equal(t, 2, found[0].Attempts)
	_, err = reader.Mutation(t.Context(), "m1", "other")
	require.ErrorIs(t, err, status.ErrNotFound)
}

func TestBatchWithItsAttemptsRecordsAndRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	batch := delivered(t, w)
	encode := func(lane catalog.Lane, group string, records []catalog.Record, only []int, attempt int) ([]byte, error) {
		require.Equal(t, ledgertest.Lane, lane)
		require.Equal(t, batch.Group, group)
		var ids []string
		for i := range records {
			for _, m := range records[i].Constituents {
				if only != nil && !slices.Contains(only, i) {
					continue
				}
				ids = append(ids, m.ID)
			}
		}
		return []byte(strings.Join(ids, " ") + strings.Repeat("!", attempt)), nil
	}
	reader := status.NewReader(w.pool, status.Config{Encode: encode})
	_, _, err := reader.Batch(t.Context(), uuid.New())
	require.ErrorIs(t, err, status.ErrNotFound)

	found, attempts, err := reader.Batch(t.Context(), batch.ID)
	require.NoError(t, err)
	require.Equal(t, "submitted", found.State)
	require.Equal(t, 3, found.Items)
	require.Nil(t, found.Failed)
	require.Len(t, attempts, 2)
	require.Equal(t, "not taken by the platform", attempts[0].Words)
	require.Equal(t, "HTTP 429", attempts[0].Error)
	require.Equal(t, []string{"h-1"}, attempts[1].Handles)
	require.Equal(t, []status.Said{{Record: 2, Warnings: []status.Issue{{Message: "image is small"}}}}, attempts[1].Said)
	records, more, err := reader.Records(t.Context(), batch.ID, 0, 2)
	require.NoError(t, err)
	require.True(t, more)
	require.Equal(t, []string{"m1", "m2"}, records[0].MutationIDs)
	require.Equal(t, "sent, waiting for Pinterest", records[0].Words)

	finish(t, w, batch)
	found, _, err = reader.Batch(t.Context(), batch.ID)
	require.NoError(t, err)
	require.EqualValues(t, 1, *found.Failed)
	records, more, err = reader.Records(t.Context(), batch.ID, 1, 10)
	require.NoError(t, err)
	require.False(t, more)
	require.Len(t, records, 2)
	require.Equal(t, status.Failed, records[0].Result)
	require.Equal(t, "is too low", records[0].Errors[0].Message)
	require.Equal(t, status.Succeeded, records[1].Result)
	require.Equal(t, "image is small", records[1].Warnings[0].Message)

	request, err := reader.Request(t.Context(), batch.ID, 0, "")
	require.NoError(t, err)
	require.Equal(t, "m1 m2 m3 m4!!", string(request.Body))
	request, err = reader.Request(t.Context(), batch.ID, 1, "a")
	require.NoError(t, err)
	require.Equal(t, "m1 m2!", string(request.Body))
	require.Equal(t, []int{0}, request.Records)
	_, err = reader.Request(t.Context(), batch.ID, 1, "z")
	require.ErrorIs(t, err, status.ErrNotFound)
	_, err = status.NewReader(w.pool, status.Config{}).Request(t.Context(), batch.ID, 1, "")
	require.ErrorIs(t, err, status.ErrNoEncoder)
}

// TestRecordsThatWentIntoAnotherBatch: what a batch that was given up carried is in a later one.
func TestRecordsThatWentIntoAnotherBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	batch := delivered(t, w)
	again := ledgertest.Batch(batch.Records[:2]...)
	w.commit(t, func(tx *ledger.Transaction) {
		for i := range again.Records {
			for _, m := range again.Records[i].Constituents {
				m.RecordedOn = m.ReceivedAt.Truncate(24 * time.Hour)
			}
		}
		tx.Batches = []ledger.Batch{again}
		tx.Outcomes = []ledger.BatchOutcome{{
			BatchID: batch.ID, Lane: batch.Lane, CreatedAt: batch.CreatedAt, State: ledger.BatchRefused, FinishedAt: ledgertest.At.Add(time.Minute), Succeeded: 1,
		}}
	})
	reader := status.NewReader(w.pool, status.Config{})
	records, _, err := reader.Records(t.Context(), batch.ID, 0, 10)
	require.NoError(t, err)
	results := make([]string, 0, len(records))
	for _, record := range records {
		results = append(results, record.Result)
	}
	require.Equal(t, []string{"sent_again", "sent_again", "succeeded"}, results)
}

// TestRecordsOfARejectedRequestWait: a request that the platform certainly did not take sent nothing.
func TestRecordsOfARejectedRequestWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(1, "a")))
	w.commit(t, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
	attempt := ledger.Attempt{BatchID: batch.ID, Number: 1, Result: ledger.NotTaken, At: ledgertest.At, Error: "HTTP 401"}
	require.NoError(t, w.store.AppendAttempts(t.Context(), []ledger.Attempt{attempt}))
	words := func() string {
		records, _, err := status.NewReader(w.pool, status.Config{}).Records(t.Context(), batch.ID, 0, 10)
		require.NoError(t, err)
		require.Len(t, records, 1)
		return records[0].Words
	}
	require.Contains(t, words(), "waiting to be sent to")
	attempt.Number, attempt.Result, attempt.Error, attempt.Handles = 2, ledger.Accepted, "", []string{"h"}
	require.NoError(t, w.store.AppendAttempts(t.Context(), []ledger.Attempt{attempt}))
	require.Contains(t, words(), "sent, waiting for")
}

// TestAChangeWithoutAnOperationIsShown: what a producer wrote there may be no operation.
func TestAChangeWithoutAnOperationIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	unknown := ledgertest.Mutation(1, "a")
	unknown.Operation = 0
	w.commit(t, func(tx *ledger.Transaction) {
		tx.Invalid = []ledger.InvalidMutation{{Mutation: unknown, Problem: catalog.Problem{Reason: catalog.UnknownOperation, Text: "no"}}}
	})
	reader := status.NewReader(w.pool, status.Config{})
	changes, err := reader.Mutation(t.Context(), unknown.ID, "")
	require.NoError(t, err)
	require.Len(t, changes, 1)
	require.Empty(t, changes[0].Operation)
	w.index(t)
	failing, _, err := reader.IssueItems(t.Context(), status.IssueFilter{}, 5, "")
	require.NoError(t, err)
	require.Len(t, failing, 1)
	require.Empty(t, failing[0].Operation)

	item, err := reader.Item(t.Context(), "a", status.Filter{})
	require.NoError(t, err)
	require.Equal(t, status.Invalid, item.Destinations[0].Status)
	require.Empty(t, item.Destinations[0].Operation)
	timeline, _, err := reader.Timeline(t.Context(), "a", status.Filter{}, "", 5)
	require.NoError(t, err)
	require.Len(t, timeline, 1)

	// A good change after it.
	batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(2, "a")))
	w.commit(t, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
	item, err = reader.Item(t.Context(), "a", status.Filter{})
	require.NoError(t, err)
	require.Equal(t, "UPSERT", item.Destinations[0].Operation)
	timeline, _, err = reader.Timeline(t.Context(), "a", status.Filter{}, "", 5)
	require.NoError(t, err)
	require.Len(t, timeline, 2)
	require.Empty(t, timeline[1].Operation)
}

func TestBatchesGoBackByPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := make([]uuid.UUID, 0, 5)
	for i := range uint64(5) {
		batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(i+1, "a")))
		w.commit(t, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
		made = append(made, batch.ID)
		if i == 0 {
			finish1 := ledger.BatchOutcome{BatchID: batch.ID, Lane: batch.Lane, State: ledger.BatchCompleted, FinishedAt: ledgertest.At, Succeeded: 1}
			w.commit(t, func(tx *ledger.Transaction) { tx.Outcomes = []ledger.BatchOutcome{finish1} })
		}
	}
	reader := status.NewReader(w.pool, status.Config{})
	first, more, err := reader.Batches(t.Context(), status.BatchFilter{}, uuid.Nil, 3)
	require.NoError(t, err)
	require.True(t, more)
	rest, more, err := reader.Batches(t.Context(), status.BatchFilter{}, first[2].ID, 3)
	require.NoError(t, err)
	require.False(t, more)
	seen := make([]uuid.UUID, 0, len(first)+len(rest))
	for _, batch := range append(first, rest...) {
		seen = append(seen, batch.ID)
	}
	require.Len(t, seen, 5)
	require.ElementsMatch(t, made, seen)
	open, _, err := reader.Batches(t.Context(), status.BatchFilter{Unfinished: true}, uuid.Nil, 10)
	require.NoError(t, err)
	require.Len(t, open, 4)
	completed, _, err := reader.Batches(t.Context(), status.BatchFilter{Filter: status.Filter{Account: "acme"}, State: "completed"}, uuid.Nil, 10)
	require.NoError(t, err)
	require.Len(t, completed, 1)
	require.Equal(t, made[0], completed[0].ID)
}

func TestAccountsWorkersAndSources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := status.NewReader(w.pool, status.Config{})
	worker := uuid.New()
	w.exec(t, "insert into courier.account (name, platform) values ('acme', 'pinterest'), ('b', 'meta')")
	w.exec(t, "insert into courier.worker (id, name) values ($1, 'one')", worker)
	w.exec(t, "update courier.lease set owner = $1 where partition = 1", worker)
	accounts, err := reader.Accounts(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, accounts, 2)
	require.Equal(t, "active", accounts[0].State)
	workers, partitions, err := reader.Workers(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, workers[0].Partitions)
	require.Len(t, partitions, 2)
	require.Nil(t, partitions[0].WorkerID)
	require.Equal(t, "one", partitions[1].WorkerName)
	sources, err := reader.Sources(t.Context())
	require.NoError(t, err)
	require.Empty(t, sources)
	runs, err := reader.Runs(t.Context(), "", 0)
	require.NoError(t, err)
	require.Empty(t, runs)
}

// TestTheReaderRoleIsEnough: what the role that reads views may read is all that is needed.
func TestTheReaderRoleIsEnough(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	batch := delivered(t, w)
	role := "reads_views_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	w.exec(t, "create role "+role)
	t.Cleanup(func() { // before the pool closes: roles are the server's, not the database's
		for _, statement := range []string{"drop owned by " + role, "drop role " + role} {
			_, err := w.pool.Exec(context.WithoutCancel(t.Context()), statement)
			require.NoError(t, err)
		}
	})
	w.exec(t, "grant usage on schema courier to "+role)
	w.exec(t, `do $$ declare v record; begin for v in select viewname from pg_views where schemaname = 'courier' loop
		execute format('grant select on courier.%I to `+role+`', v.viewname); end loop; end $$`)
	w.exec(t, "grant execute on function courier.items, courier.newer_changes, courier.waiting_items, courier.changes_of_item, courier.mutations_at to "+role)
	config := w.pool.Config()
	config.ConnConfig.RuntimeParams["role"] = role
	config.AfterConnect = nil
	limited := connect(t, config)
	var who string
	require.NoError(t, limited.QueryRow(t.Context(), "select current_user").Scan(&who))
	require.Equal(t, role, who)
	reader := status.NewReader(limited, status.Config{})
	_, err := reader.Item(t.Context(), "a", status.Filter{})
	require.NoError(t, err)
	_, _, err = reader.Timeline(t.Context(), "a", status.Filter{}, "", 0)
	require.NoError(t, err)
	_, _, err = reader.Batch(t.Context(), batch.ID)
	require.NoError(t, err)
	_, _, err = reader.Records(t.Context(), batch.ID, 0, 0)
	require.NoError(t, err)
	_, _, err = reader.Batches(t.Context(), status.BatchFilter{}, uuid.Nil, 0)
	require.NoError(t, err)
	_, _, err = reader.Workers(t.Context())
	require.NoError(t, err)
	_, err = reader.Sources(t.Context())
	require.NoError(t, err)
	_, err = reader.Runs(t.Context(), "", 0)
	require.NoError(t, err)
	_, _, err = reader.Search(t.Context(), "a", 0, "")
	require.NoError(t, err)
	_, _, err = reader.Issues(t.Context(), status.IssueFilter{}, 0)
	require.NoError(t, err)
	_, _, err = reader.IssueItems(t.Context(), status.IssueFilter{}, 0, "")
	require.NoError(t, err)
	for _, of := range append(status.Statuses(), "") {
		_, _, err = reader.Items(t.Context(), "acme", "us", of, 0, "")
		require.NoError(t, err)
	}
	_, err = reader.Counts(t.Context(), "acme")
	require.NoError(t, err)
	_, err = reader.IndexLag(t.Context())
	require.NoError(t, err)
	_, err = reader.Series(t.Context(), "acme", ledgertest.At, ledgertest.At.Add(time.Hour), time.Hour)
	require.NoError(t, err)
	_, err = reader.Quotas(t.Context(), "acme", ledgertest.At, ledgertest.At.Add(time.Hour), time.Hour)
	require.NoError(t, err)
}

// TestWordsAndReasonOfASubmittedChangeAgree.
func TestWordsAndReasonOfASubmittedChangeAgree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := status.NewReader(w.pool, status.Config{})
	batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(1, "a")))
	w.commit(t, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
	_, err := persistence.NewLeaseTable(w.pool).Heartbeat(t.Context(), uuid.New(), "w")
	require.NoError(t, err)
	for _, step := range []struct {
		result        ledger.AttemptResult
		words, reason string
	}{
		{0, "being sent to the platform", "being sent"},
		{ledger.Ambiguous, "sent, perhaps not received by the platform", "nobody knows whether it arrived"},
		{ledger.Accepted, "sent, waiting for the platform", "waiting for the platform's answer"},
	} {
		if step.result != 0 {
			require.NoError(t, w.store.AppendAttempts(t.Context(), []ledger.Attempt{{BatchID: batch.ID, Number: 1, Result: step.result, At: ledgertest.At}}))
		}
		item, err := reader.Item(t.Context(), "a", status.Filter{})
		require.NoError(t, err)
		require.Equal(t, step.words, item.Destinations[0].Words)
		require.Contains(t, item.Destinations[0].Reason, step.reason)
		found, err := reader.Mutation(t.Context(), "m1", "")
		require.NoError(t, err)
		require.Equal(t, step.words, found[0].Words)
	}
}

// TestACompleteBatchSaysWhatWasRejected.
func TestACompleteBatchSaysWhatWasRejected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := status.NewReader(w.pool, status.Config{})
	batch := delivered(t, w)
	finish(t, w, batch)
	found, _, err := reader.Batch(t.Context(), batch.ID)
	require.NoError(t, err)
	require.Equal(t, "completed, 1 rejected", found.Words)
}
