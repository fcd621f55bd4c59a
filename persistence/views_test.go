package persistence_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// contractColumns are what people may rely on. A column may be added, never taken
// away or renamed.
var contractColumns = map[string][]string{
	"mutation_status": {
		"mutation_id", "account", "catalog", "catalog_type", "item_id", "operation", "status", "superseded_by", "batch_id", "handle",
		"attempts", "errors", "warnings", "published_at", "received_at", "submitted_at", "finished_at",
	},
	"item_status": {
		"account", "catalog", "catalog_type", "item_id", "localization", "status", "last_succeeded_operation", "last_succeeded_at", "last_error",
	},
	"batch_status": {
		"batch_id", "account", "catalog", "catalog_type", "state", "item_count", "succeeded", "failed", "warned", "handles", "attempts",
		"next_attempt_at", "last_error", "created_at", "submitted_at", "finished_at",
	},
	"account_status": {"account", "state", "reason", "resumes_at", "quota", "waiting_items", "oldest_waiting_at"},
	"dead_letters": {
		"id", "subject", "headers", "body", "reason_code", "reason_text", "failed_at", "replayed_at",
		"state", "errors", "replayed_by", "replaced_by", "dismissed_at", "dismissed_by", "dismiss_reason", "resolved_at",
	},
}

func TestViewsHaveTheContractsColumns(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	for view, columns := range contractColumns {
		rows, err := pool.Query(t.Context(), "select column_name::text from information_schema.columns where table_schema = 'courier' and table_name = $1", view)
		require.NoError(t, err)
		have, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		require.Subset(t, have, columns, view)
	}
}

// one reads one row of a view as a map.
func one(t *testing.T, pool *pgxpool.Pool, query string, arguments ...any) map[string]any {
	t.Helper()
	rows, err := pool.Query(context.Background(), query, arguments...)
	require.NoError(t, err)
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
	require.NoError(t, err)
	return found
}

func commit(t *testing.T, store *persistence.Store, lease ledger.Lease, write func(tx *ledger.Transaction)) {
	t.Helper()
	tx := ledgertest.Transaction(lease)
	write(tx)
	require.NoError(t, store.Commit(t.Context(), lease, tx))
}

func TestWayOfABatchThroughTheViews(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	older, newer, failing, warned := ledgertest.Mutation(1, "a"), ledgertest.Mutation(2, "a"), ledgertest.Mutation(3, "b"), ledgertest.Mutation(4, "c")
	failing.Attempts = 2
	batch := ledgertest.Batch(ledgertest.Record(older, newer), ledgertest.Record(failing), ledgertest.Record(warned))
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })

	b := one(t, pool, "select * from courier.batch_status")
	require.Equal(t, "sending", b["state"])
	require.EqualValues(t, 3, b["item_count"])
	require.EqualValues(t, 4, b["mutation_count"])
	require.EqualValues(t, 1, b["attempts"])
	require.Nil(t, b["succeeded"])

	retryAt := ledgertest.At.Add(time.Hour)
	require.NoError(t, store.AppendAttempts(t.Context(), []ledger.Attempt{
		{BatchID: batch.ID, Number: 1, Result: ledger.NotTaken, At: ledgertest.At, Error: "HTTP 429", NextAt: retryAt},
	}))
	b = one(t, pool, "select * from courier.batch_status")
	require.Equal(t, "retrying", b["state"])
	require.Equal(t, "HTTP 429", b["last_error"])
	require.Equal(t, retryAt, b["next_attempt_at"])

	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Intents = []ledger.Intent{{BatchID: batch.ID, Attempt: 2, At: ledgertest.At}}
	})
	sentAt := ledgertest.At.Add(2 * time.Second)
	require.NoError(t, store.AppendAttempts(t.Context(), []ledger.Attempt{
		{BatchID: batch.ID, Number: 2, Result: ledger.Accepted, At: sentAt, Handles: []string{"h-1", "h-2"}},
	}))
	b = one(t, pool, "select * from courier.batch_status")
	require.Equal(t, "submitted", b["state"])
	require.Equal(t, []any{"h-1", "h-2"}, b["handles"])
	require.Equal(t, sentAt, b["submitted_at"])
	m := one(t, pool, "select * from courier.mutation_status where mutation_id = 'm3'")
	require.Equal(t, "submitted", m["status"])
	require.EqualValues(t, 4, m["attempts"], "two before, two of this batch")
	require.Equal(t, "h-1", m["handle"])
	require.Equal(t, sentAt, m["submitted_at"])
	require.Equal(t, failing.PublishedAt.Truncate(time.Microsecond), m["published_at"])
	require.Equal(t, failing.ReceivedAt, m["received_at"])
	require.Nil(t, m["finished_at"])

	finishedAt := ledgertest.At.Add(time.Minute)
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Outcomes = []ledger.BatchOutcome{{
			BatchID: batch.ID, Lane: batch.Lane, CreatedAt: batch.CreatedAt, State: ledger.BatchCompleted, FinishedAt: finishedAt,
			Succeeded: 2, Failed: 1, Warned: 1, Exceptions: []ledger.RecordOutcome{
				{
					Index: 1, Result: ledger.Failed, Reason: catalog.Refused, Constituents: batch.Records[1].Constituents,
					Errors: []ledger.Issue{{Code: "7", Attribute: "price", Message: "is too low"}},
				},
				{Index: 2, Result: ledger.Succeeded, Warnings: []ledger.Issue{{Message: "image is small"}}},
			},
		}}
	})
	b = one(t, pool, "select * from courier.batch_status")
	require.Equal(t, "completed", b["state"])
	require.EqualValues(t, 2, b["succeeded"])
	require.EqualValues(t, 1, b["failed"])
	require.EqualValues(t, 1, b["warned"])
	require.Equal(t, finishedAt, b["finished_at"])
	require.Nil(t, b["next_attempt_at"])

	require.Equal(t, map[string]string{"m1": "superseded", "m2": "succeeded", "m3": "failed", "m4": "succeeded"}, statuses(t, pool))
	m = one(t, pool, "select * from courier.mutation_status where mutation_id = 'm1'")
	require.Equal(t, "m2", m["superseded_by"])
	require.Equal(t, finishedAt, m["finished_at"], "final when its successor is")
	m = one(t, pool, "select * from courier.mutation_status where mutation_id = 'm3'")
	require.Equal(t, []any{map[string]any{"code": "7", "attribute": "price", "message": "is too low"}}, m["errors"])
	m = one(t, pool, "select * from courier.mutation_status where mutation_id = 'm4'")
	require.Equal(t, []any{map[string]any{"message": "image is small"}}, m["warnings"])

	d := one(t, pool, "select * from courier.dead_letters")
	require.Equal(t, "refused", d["reason_code"])
	require.Equal(t, "the platform said of price: is too low", d["reason_text"])
	require.Equal(t, "catalog.mutations.acme.us.RETAIL", d["subject"])
	require.Equal(t, string(failing.Message.Data), d["body"])
	require.Equal(t, []any{map[string]any{"name": "Nats-Msg-Id", "value": "m3"}}, d["headers"])
	require.Equal(t, finishedAt, d["failed_at"])
}

func TestItemStatus(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	sequence := uint64(0)
	send := func(result ledger.RecordResult, operation catalog.Operation) {
		sequence++
		m := ledgertest.Mutation(sequence, "a")
		m.Operation = operation
		batch := ledgertest.Batch(ledgertest.Record(m))
		commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
		outcome := ledger.BatchOutcome{BatchID: batch.ID, State: ledger.BatchCompleted, FinishedAt: ledgertest.At.Add(time.Duration(sequence) * time.Minute)}
		if result != ledger.Succeeded {
			outcome.Exceptions = []ledger.RecordOutcome{{Result: result, Constituents: batch.Records[0].Constituents, Errors: []ledger.Issue{{Message: "no"}}}}
		}
		commit(t, store, lease, func(tx *ledger.Transaction) { tx.Outcomes = []ledger.BatchOutcome{outcome} })
	}
	send(ledger.Succeeded, catalog.Create)
	send(ledger.Succeeded, catalog.Update)
	send(ledger.Failed, catalog.Delete)
	localized := ledgertest.Mutation(9, "a")
	localized.Localization = catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Waiting = []*catalog.Mutation{localized} })

	item := one(t, pool, "select * from courier.item_status where account = 'acme' and item_id = 'a' and localization is null")
	require.Equal(t, "failed", item["status"])
	require.Equal(t, "UPDATE", item["last_succeeded_operation"])
	require.Equal(t, ledgertest.At.Add(2*time.Minute), item["last_succeeded_at"])
	require.Equal(t, []any{map[string]any{"message": "no"}}, item["last_error"])
	item = one(t, pool, "select * from courier.item_status where item_id = 'a' and localization = 'LANGUAGE/pl_PL'")
	require.Equal(t, "waiting", item["status"])
	require.Nil(t, item["last_succeeded_at"])
}

func TestInvalidInTheViews(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	hostile := ledgertest.Mutation(1, "a")
	hostile.Message.Data = []byte("{\xff\x00")
	hostile.Message.Headers = []catalog.Header{{Name: "x", Value: "\xfe"}, {Name: "x", Value: "2"}}
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Invalid = []ledger.InvalidMutation{{Mutation: hostile, Problem: catalog.Problem{Reason: catalog.WrongType, Field: "price", Text: "price must be text"}}}
	})
	m := one(t, pool, "select * from courier.mutation_status")
	require.Equal(t, "invalid", m["status"])
	require.Equal(t, []any{map[string]any{"code": "wrong_type", "attribute": "price", "message": "price must be text"}}, m["errors"])
	require.NotNil(t, m["finished_at"])
	d := one(t, pool, "select * from courier.dead_letters")
	require.Equal(t, `{\377\000`, d["body"])
	require.Equal(t, []any{map[string]any{"name": "x", "value": `\376`}, map[string]any{"name": "x", "value": "2"}}, d["headers"])

	letters, err := store.DeadLetters(t.Context(), persistence.DeadLetterFilter{Account: "acme", Reason: catalog.WrongType})
	require.NoError(t, err)
	require.Len(t, letters, 1)
	require.Equal(t, hostile.Message, letters[0].Message, "byte for byte")
	none, err := store.DeadLetters(t.Context(), persistence.DeadLetterFilter{Account: "other"})
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestAllProblemsAndWarningsInTheViews(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	warned := func(m *catalog.Mutation) *catalog.Mutation {
		m.Warnings = []catalog.Problem{{
			Reason: catalog.InvalidValue, Field: "price", Text: "is \x00 odd",
			Others: []catalog.Problem{{Reason: catalog.InvalidValue, Field: "link", Text: "is no address"}},
		}}
		return m
	}
	own := []any{
		map[string]any{"code": "invalid_value", "attribute": "price", "message": "is \uFFFD odd"},
		map[string]any{"code": "invalid_value", "attribute": "link", "message": "is no address"},
	}
	said := map[string]any{"message": "hm"}
	batch := ledgertest.Batch(
		ledgertest.Record(warned(ledgertest.Mutation(1, "a")), ledgertest.Mutation(2, "a")),
		ledgertest.Record(warned(ledgertest.Mutation(3, "b"))), ledgertest.Record(warned(ledgertest.Mutation(4, "c"))))
	kept := warned(ledgertest.Mutation(5, "d"))
	invalid, stray := warned(ledgertest.Mutation(6, "e")), ledgertest.Mutation(7, "f")
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Batches = []ledger.Batch{batch}
		tx.Waiting = []*catalog.Mutation{kept, stray}
		tx.Invalid = []ledger.InvalidMutation{{Mutation: invalid, Problem: catalog.Problem{
			Reason: catalog.WrongType, Field: "price", Text: "must be text",
			Others: []catalog.Problem{{Reason: catalog.MissingField, Field: "title", Text: "is required"}},
		}}}
		tx.Stale = []ledger.StaleVersion{{Mutation: warned(ledgertest.Mutation(8, "g")), SupersededBy: "m9"}}
	})
	// Read back they know nothing of their warnings, which stay; a mutation that had to
	// wait for its configuration gets them late.
	page, err := store.Waiting(t.Context(), ledgertest.Lane, catalog.Position{}, 10)
	require.NoError(t, err)
	require.Len(t, page.Mutations, 2)
	require.Empty(t, page.Mutations[0].Warnings)
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Batches = []ledger.Batch{ledgertest.Batch(ledgertest.Record(page.Mutations[0]), ledgertest.Record(warned(page.Mutations[1])))}
		tx.Outcomes = []ledger.BatchOutcome{{
			BatchID: batch.ID, Lane: batch.Lane, CreatedAt: batch.CreatedAt, State: ledger.BatchCompleted, FinishedAt: ledgertest.At,
			Exceptions: []ledger.RecordOutcome{
				{Index: 0, Result: ledger.Succeeded, Warnings: []ledger.Issue{{Message: "hm"}}, Constituents: batch.Records[0].Constituents},
				{Index: 2, Result: ledger.Failed, Reason: catalog.Refused, Constituents: batch.Records[2].Constituents},
			},
		}}
	})
	for id, want := range map[string]any{
		"m1": append(own, said), "m2": []any{said}, "m3": own, "m4": own, "m5": own, "m6": own, "m7": own, "m8": own,
	} {
		m := one(t, pool, "select * from courier.mutation_status where mutation_id = $1", id)
		require.Equal(t, want, m["warnings"], "%s, %s", id, m["status"])
	}
	m := one(t, pool, "select * from courier.mutation_status where mutation_id = 'm6'")
	require.Equal(t, []any{
		map[string]any{"code": "wrong_type", "attribute": "price", "message": "must be text"},
		map[string]any{"code": "missing_field", "attribute": "title", "message": "is required"},
	}, m["errors"])
	letter := one(t, pool, "select reason_code, reason_text from courier.dead_letters where mutation_id = 'm6'")
	require.Equal(t, "wrong_type", letter["reason_code"])
	require.Equal(t, "price: must be text; title: is required", letter["reason_text"])
}

// TestWarningsAreCopied: rows that are written by COPY have them too.
func TestWarningsAreCopied(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	commit(t, store, lease, func(tx *ledger.Transaction) {
		for i := range uint64(300) {
			m := ledgertest.Mutation(i+1, "a")
			if i%100 == 0 {
				m.Warnings = []catalog.Problem{{Reason: catalog.InvalidValue, Field: "price", Text: "is odd"}}
			}
			tx.Waiting = append(tx.Waiting, m)
		}
	})
	counted := one(t, pool, "select count(*) as rows, count(warnings) as warned from courier.mutation_status")
	require.EqualValues(t, 300, counted["rows"])
	require.EqualValues(t, 3, counted["warned"])
}

func TestReplay(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	problem := catalog.Problem{Reason: catalog.WrongType, Text: "x"}
	refuse := func(m *catalog.Mutation) {
		commit(t, store, lease, func(tx *ledger.Transaction) { tx.Invalid = []ledger.InvalidMutation{{Mutation: m, Problem: problem}} })
	}
	refuse(ledgertest.Mutation(1, "a"))
	refuse(ledgertest.Mutation(2, "b"))
	refuse(ledgertest.Mutation(3, "b")) // newer, but given up as well
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Batches = []ledger.Batch{ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(4, "a")))}
	})
	letters, err := store.DeadLetters(t.Context(), persistence.DeadLetterFilter{})
	require.NoError(t, err)
	require.Len(t, letters, 3)
	ids := []int64{letters[0].ID, letters[1].ID, letters[2].ID}
	newer, err := store.NewerChanges(t.Context(), ids)
	require.NoError(t, err)
	require.Equal(t, map[int64]bool{ids[0]: true}, newer)

	marked, err := store.MarkReplayed(t.Context(), ids[1:2], ledgertest.At)
	require.NoError(t, err)
	require.EqualValues(t, 1, marked)
	marked, err = store.MarkReplayed(t.Context(), ids[1:2], ledgertest.At.Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, marked)
	letters, err = store.DeadLetters(t.Context(), persistence.DeadLetterFilter{After: ids[0]})
	require.NoError(t, err)
	require.Len(t, letters, 1)
	require.Equal(t, ids[2], letters[0].ID)
}

// TestWhatAPlatformRefusedIsShownAsWaiting: batches that are certainly at no platform
// count as waiting, with the time since when their oldest mutation does.
func TestWhatAPlatformRefusedIsShownAsWaiting(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	require.NoError(t, store.RegisterAccounts(t.Context(), []persistence.Account{
		{Name: "acme", Platform: "meta", Scopes: []string{}}, {Name: "idle", Platform: "meta", Scopes: []string{}},
	}))
	shown := func(account string) (items int, oldest *time.Time) {
		require.NoError(t, pool.QueryRow(t.Context(),
			"select waiting_items, oldest_waiting_at from courier.account_status where account = $1", account).Scan(&items, &oldest))
		return items, oldest
	}
	first, second, sent, held, row := ledgertest.Mutation(1, "a"), ledgertest.Mutation(2, "a"), ledgertest.Mutation(3, "b"), ledgertest.Mutation(4, "c"), ledgertest.Mutation(5, "d")
	first.ReceivedAt = ledgertest.At.Add(-time.Hour)
	refused, sending, unsent := ledgertest.Batch(ledgertest.Record(first, second)), ledgertest.Batch(ledgertest.Record(sent)), ledgertest.Batch(ledgertest.Record(held))
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Batches = []ledger.Batch{refused, sending, unsent}
		tx.Waiting = []*catalog.Mutation{row}
	})
	items, _ := shown("acme")
	require.Equal(t, 1, items, "what is being sent does not wait")

	retryAt := ledgertest.At.Add(15 * time.Minute)
	require.NoError(t, store.AppendAttempts(t.Context(), []ledger.Attempt{
		{BatchID: refused.ID, Number: 1, Result: ledger.NotTaken, At: ledgertest.At, Error: "POST items_batch: HTTP 400, code 100, subcode 33: no such catalog", NextAt: retryAt},
		{BatchID: unsent.ID, Number: 1, Result: ledger.Unsent, At: ledgertest.At, Error: "not sent yet: the account is paused", NextAt: retryAt},
	}))
	require.Equal(t, map[string]string{"m1": "superseded", "m2": "waiting", "m3": "submitted", "m4": "waiting", "m5": "waiting"}, statuses(t, pool))
	items, oldest := shown("acme")
	require.Equal(t, 4, items, "merged ones wait as well")
	require.True(t, first.ReceivedAt.Equal(*oldest), "%s", oldest)
	items, oldest = shown("idle")
	require.Zero(t, items)
	require.Nil(t, oldest)
	b := one(t, pool, "select * from courier.batch_status where batch_id = $1", unsent.ID)
	require.Equal(t, "waiting", b["state"])
	require.EqualValues(t, 0, b["attempts"], "no POST was made")
	require.Equal(t, "not sent yet: the account is paused", b["last_error"])
	require.Equal(t, retryAt, b["next_attempt_at"])
	require.Nil(t, b["submitted_at"])
	require.Equal(t, "waiting", one(t, pool, "select * from courier.item_status where item_id = 'c'")["status"])

	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Intents = []ledger.Intent{{BatchID: refused.ID, Attempt: 2, At: ledgertest.At}, {BatchID: unsent.ID, Attempt: 2, At: ledgertest.At}}
	})
	require.NoError(t, store.AppendAttempts(t.Context(), []ledger.Attempt{
		{BatchID: refused.ID, Number: 2, Result: ledger.Ambiguous, At: ledgertest.At, Error: "no answer"},
		{BatchID: unsent.ID, Number: 2, Result: ledger.Accepted, Handles: []string{"h"}, At: ledgertest.At},
	}))
	require.Equal(t, map[string]string{"m1": "superseded", "m2": "submitted", "m3": "submitted", "m4": "submitted", "m5": "waiting"}, statuses(t, pool))
	items, oldest = shown("acme")
	require.Equal(t, 1, items)
	require.True(t, row.ReceivedAt.Equal(*oldest))
	m := one(t, pool, "select * from courier.mutation_status where mutation_id = 'm4'")
	require.EqualValues(t, 1, m["attempts"], "the one that was made")
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Outcomes = []ledger.BatchOutcome{{BatchID: unsent.ID, Lane: unsent.Lane, CreatedAt: unsent.CreatedAt, State: ledger.BatchCompleted, FinishedAt: ledgertest.At, Succeeded: 1}}
	})
	b = one(t, pool, "select * from courier.batch_status where batch_id = $1", unsent.ID)
	require.Nil(t, b["last_error"], "that it waited is not an error")
}

// TestAccountStatusReadsOpenBatchesByTheirIndex: those that are through are never
// looked at.
func TestAccountStatusReadsOpenBatchesByTheirIndex(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	require.NoError(t, store.RegisterAccounts(t.Context(), []persistence.Account{{Name: "acme", Platform: "meta", Scopes: []string{}}}))
	batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(1, "a")))
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
	_, err := pool.Exec(t.Context(), `insert into courier.batch (id, created_at, partition, lane, records, mutations, finished_at, state, payload)
		select (left($1::text, 18) || lpad(to_hex(i), 18, '-8000-000000000000'))::uuid, b.created_at, 0, b.lane, 1, 1, b.created_at, 'completed', ''
		from courier.batch b, generate_series(1, 20000) i where b.id = $1::uuid`, batch.ID.String())
	require.NoError(t, err, "many that are through")
	_, err = pool.Exec(t.Context(), "analyze courier.batch")
	require.NoError(t, err)
	rows, err := pool.Query(t.Context(), "explain select waiting_items, oldest_waiting_at from courier.account_status where account = 'acme'")
	require.NoError(t, err)
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	var day string
	require.NoError(t, pool.QueryRow(t.Context(), "select relname from pg_class where oid = (select tableoid from courier.batch where id = $1)", batch.ID).Scan(&day))
	require.NotContains(t, strings.Join(plan, "\n"), "Seq Scan on "+day)
	require.Contains(t, strings.Join(plan, "\n"), day+"_partition_idx", "the partial index")
}

func TestAccountStatus(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	require.NoError(t, store.RegisterAccounts(t.Context(), []persistence.Account{
		{Name: "acme", Platform: "pinterest", Scopes: []string{"s"}}, {Name: "idle", Platform: "meta"},
	}))
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Waiting = []*catalog.Mutation{ledgertest.Mutation(2, "a"), ledgertest.Mutation(1, "b")}
	})
	read := func(name string) map[string]any {
		return one(t, pool, "select * from courier.account_status where account = $1", name)
	}
	a := read("acme")
	require.Equal(t, "active", a["state"])
	require.EqualValues(t, 2, a["waiting_items"])
	require.Equal(t, ledgertest.Mutation(1, "b").ReceivedAt, a["oldest_waiting_at"])
	require.EqualValues(t, 0, read("idle")["waiting_items"])

	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	require.NoError(t, store.SaveScopes(t.Context(), []ledger.ScopeState{{Scope: "s", BlockedUntil: until, Quota: []byte(`{"remaining":0}`)}}))
	a = read("acme")
	require.Equal(t, "throttled", a["state"])
	require.Equal(t, until, a["resumes_at"])
	require.Equal(t, map[string]any{"s": map[string]any{"remaining": 0.0}}, a["quota"])

	require.NoError(t, store.PauseAccount(t.Context(), "acme", "Ann looks into it"))
	a = read("acme")
	require.Equal(t, "paused", a["state"])
	require.Equal(t, "Ann looks into it", a["reason"])
	require.Nil(t, a["resumes_at"])
	require.NoError(t, store.ResumeAccount(t.Context(), "acme"))
	require.Equal(t, "throttled", read("acme")["state"])
	require.ErrorIs(t, store.PauseAccount(t.Context(), "nobody", ""), persistence.ErrNoAccount)

	stats, err := store.Stats(t.Context())
	require.NoError(t, err)
	require.Len(t, stats.Waiting, 1)
	require.EqualValues(t, 2, stats.Waiting[0].Mutations)
}
