//nolint:thelper // these are tests, not helpers: a failure is where it happens
package ledgertest

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

func freshPartition(t *testing.T, h Harness) {
	r := resume(t, h, h.Acquire(t, 0))
	require.Zero(t, r.Anchor)
	require.Empty(t, r.Recorded)
	require.Empty(t, r.Open)
	require.Empty(t, r.WaitingLanes)
}

func recordedAndFinished(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	older, newer, other := Mutation(1, "a"), Mutation(2, "a"), Mutation(3, "b")
	older.Attempts, older.SplitStep, older.NoMerge, older.NotBefore = 2, 1, true, At.Add(time.Hour)
	older.MaybeApplied = true
	newer.TraceParent, newer.Version, newer.HasVersion = "00-aa-bb-01", 7, true
	batch := record(t, h, lease, Record(older, newer), Record(other))
	require.False(t, older.RecordedOn.IsZero(), "the store notes where the row is")
	require.Equal(t, map[string]string{"m1": "superseded", "m2": "submitted", "m3": "submitted"}, h.Statuses(t))

	lease = h.Acquire(t, 0)
	r := resume(t, h, lease)
	require.Len(t, r.Open, 1)
	open := r.Open[0]
	require.Equal(t, batch.ID, open.ID)
	require.Equal(t, batch.Group, open.Group)
	require.Equal(t, batch.Lane, open.Lane)
	require.True(t, batch.CreatedAt.Equal(open.CreatedAt))
	require.Len(t, open.Records, 2)
	require.Equal(t, batch.Records[0].Key, open.Records[0].Key)
	require.Zero(t, open.Records[0].Change, "the engine merges again")
	same(t, older, open.Records[0].Constituents[0], false)
	same(t, newer, open.Records[0].Constituents[1], false)

	finish(t, h, lease, batch)
	require.Equal(t, map[string]string{"m1": "superseded", "m2": "succeeded", "m3": "succeeded"}, h.Statuses(t))
	require.Empty(t, resume(t, h, lease).Open)
}

func staleLease(t *testing.T, h Harness) {
	old := h.Acquire(t, 0)
	fresh := h.Acquire(t, 0)
	tx := Transaction(old)
	tx.Batches = []ledger.Batch{Batch(Record(Mutation(1, "a")))}
	require.ErrorIs(t, h.Store.Commit(t.Context(), old, tx), ledger.ErrLeaseLost)
	require.Empty(t, h.Statuses(t), "nothing of it was written")
	_, err := h.Store.Resume(t.Context(), old)
	require.ErrorIs(t, err, ledger.ErrLeaseLost)
	commit(t, h, fresh, Transaction(fresh))
	require.ErrorIs(t, h.Store.Commit(t.Context(), old, Transaction(old)), ledger.ErrLeaseLost)
	commit(t, h, fresh, Transaction(fresh))
}

func repeated(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	tx := Transaction(lease)
	tx.Invalid = []ledger.InvalidMutation{{Mutation: Mutation(1, "a"), Problem: catalog.Problem{Reason: catalog.InvalidJSON, Text: "x"}}}
	commit(t, h, lease, tx)
	commit(t, h, lease, tx)
	require.Equal(t, map[string]string{"m1": "invalid"}, h.Statuses(t))
}

func positionGreatest(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	for _, sequence := range []uint64{5, 3, 9, 7} {
		tx := Transaction(lease)
		tx.Anchor = Anchor(sequence)
		commit(t, h, lease, tx)
	}
	lease = h.Acquire(t, 0)
	require.Equal(t, *Anchor(9), resume(t, h, lease).Anchor, "to the nanosecond")
	require.Zero(t, resume(t, h, h.Acquire(t, 1)).Anchor, "the other partition's is its own")
}

func ranges(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	write := func(anchor uint64, recorded ...ledger.Range) {
		tx := Transaction(lease)
		tx.Recorded = recorded
		if anchor > 0 {
			tx.Anchor = Anchor(anchor)
		}
		commit(t, h, lease, tx)
	}
	write(0, ledger.Range{First: 4, Last: 6}, ledger.Range{First: 10, Last: 12})
	write(2, ledger.Range{First: 1, Last: 2}, ledger.Range{First: 7, Last: 7})
	require.Equal(t, []ledger.Range{{First: 4, Last: 7}, {First: 10, Last: 12}}, resume(t, h, lease).Recorded)
	write(5, ledger.Range{First: 3, Last: 3})
	require.Equal(t, []ledger.Range{{First: 6, Last: 7}, {First: 10, Last: 12}}, resume(t, h, lease).Recorded)
	write(12, ledger.Range{First: 8, Last: 9})
	require.Empty(t, resume(t, h, lease).Recorded)
}

func waitingPages(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	want := make([]*catalog.Mutation, 5)
	for i := range want {
		want[i] = Mutation(uint64(i+1), "a")
	}
	want[4].Position.Generation = 1
	tx := Transaction(lease)
	tx.Waiting = []*catalog.Mutation{want[4], want[2], want[0]}
	commit(t, h, lease, tx)
	tx = Transaction(lease)
	tx.Waiting = []*catalog.Mutation{want[3], want[1]}
	commit(t, h, lease, tx)
	require.Equal(t, []catalog.Lane{Lane}, resume(t, h, lease).WaitingLanes)

	var got []*catalog.Mutation
	after := catalog.Position{}
	for range want {
		page, err := h.Store.Waiting(t.Context(), Lane, after, 2)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Mutations), 2)
		got = append(got, page.Mutations...)
		if !page.More {
			break
		}
		after = page.Mutations[len(page.Mutations)-1].Position
	}
	require.Len(t, got, len(want))
	for i := range want {
		same(t, want[i], got[i], true)
	}
	none, err := h.Store.Waiting(t.Context(), catalog.Lane{Account: "nobody", Catalog: "x", Type: "Y"}, catalog.Position{}, 10)
	require.NoError(t, err)
	require.Empty(t, none.Mutations)
}

func waitingAndBack(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	m := Mutation(1, "a")
	tx := Transaction(lease)
	tx.Waiting = []*catalog.Mutation{m}
	commit(t, h, lease, tx)
	m.HasWaitingRow = true
	require.Equal(t, map[string]string{"m1": "waiting"}, h.Statuses(t))

	batch := record(t, h, lease, Record(m))
	require.Equal(t, map[string]string{"m1": "submitted"}, h.Statuses(t))
	require.Empty(t, waiting(t, h), "the waiting row is used up")
	require.Empty(t, resume(t, h, lease).WaitingLanes)

	back := *m
	back.Attempts, back.NotBefore = 1, At.Add(time.Hour)
	finish(t, h, lease, batch, ledger.RecordOutcome{
		Index: 0, Result: ledger.Returned, Constituents: []*catalog.Mutation{&back},
		Errors: []ledger.Issue{{Code: "1", Message: "later"}},
	})
	require.Equal(t, map[string]string{"m1": "waiting"}, h.Statuses(t))
	rows := waiting(t, h)
	require.Len(t, rows, 1)
	same(t, &back, rows[0], true)

	batch = record(t, h, lease, Record(rows[0]))
	finish(t, h, lease, batch)
	require.Equal(t, map[string]string{"m1": "succeeded"}, h.Statuses(t))
	require.Empty(t, waiting(t, h))
}

func waiting(t *testing.T, h Harness) []*catalog.Mutation {
	t.Helper()
	page, err := h.Store.Waiting(t.Context(), Lane, catalog.Position{}, 1000)
	require.NoError(t, err)
	return page.Mutations
}

func partsOfMerged(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	first, second, third := Mutation(1, "a"), Mutation(2, "a"), Mutation(3, "a")
	batch := record(t, h, lease, Record(first, second, third))
	require.Equal(t, map[string]string{"m1": "superseded", "m2": "superseded", "m3": "submitted"}, h.Statuses(t))
	for _, m := range []*catalog.Mutation{second, third} {
		m.NoMerge = true
	}
	finish(t, h, lease, batch, ledger.RecordOutcome{
		Result: ledger.Returned, Constituents: []*catalog.Mutation{second, third}, Settled: []*catalog.Mutation{first},
	})
	require.Equal(t, map[string]string{"m1": "succeeded", "m2": "waiting", "m3": "waiting"}, h.Statuses(t))
	require.Len(t, waiting(t, h), 2)
}

func refusedAndOvertaken(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	stored := Mutation(3, "a")
	tx := Transaction(lease)
	tx.Waiting = []*catalog.Mutation{stored}
	commit(t, h, lease, tx)
	stored.HasWaitingRow = true
	// Whatever a producer sends must be written down.
	hostile := &catalog.Mutation{
		ID: "m1\x00\xff", ItemID: "a\x00", PublishedAt: At, ReceivedAt: At, Position: catalog.Position{Sequence: 1},
		Lane:    catalog.Lane{Account: "acme\xff", Catalog: "\x00"},
		Message: catalog.Message{Subject: "catalog.mutations.\xff", Headers: []catalog.Header{{Name: "x", Value: "\x00\xfe"}}, Data: []byte("\x00\xff{")},
	}
	tx = Transaction(lease)
	problem := catalog.Problem{Reason: catalog.InvalidJSON, Field: "attributes", Text: "must be an object"}
	tx.Invalid = []ledger.InvalidMutation{{Mutation: hostile, Problem: problem}, {Mutation: stored, Problem: problem}}
	tx.Stale = []ledger.StaleVersion{{Mutation: Mutation(2, "a"), SupersededBy: "m9"}}
	commit(t, h, lease, tx)
	require.Equal(t, map[string]string{"m1\uFFFD\uFFFD": "invalid", "m2": "superseded", "m3": "invalid"}, h.Statuses(t))
	require.Empty(t, waiting(t, h))
}

func failedRecords(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	batch := record(t, h, lease, Record(Mutation(1, "a")), Record(Mutation(2, "b")),
		Record(Mutation(3, "c"), Mutation(5, "c")), Record(Mutation(4, "d")))
	finish(t, h, lease, batch,
		ledger.RecordOutcome{
			Index: 0, Result: ledger.Failed, Constituents: batch.Records[0].Constituents, Reason: catalog.Refused,
			Errors: []ledger.Issue{{Code: "2", Attribute: "price", Message: "too\x00low"}},
		},
		ledger.RecordOutcome{Index: 2, Result: ledger.Unconfirmed, Constituents: batch.Records[2].Constituents, Reason: catalog.Unconfirmed},
		ledger.RecordOutcome{Index: 3, Result: ledger.Succeeded, Warnings: []ledger.Issue{{Message: "hm"}}},
	)
	require.Equal(t, map[string]string{
		"m1": "failed", "m2": "succeeded", "m3": "unconfirmed", "m4": "succeeded", "m5": "unconfirmed",
	}, h.Statuses(t), "of a merged record that nobody knows of, each mutation is unconfirmed")
}

func attempts(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	batch := record(t, h, lease, Record(Mutation(1, "a")))
	read := func() []ledger.Attempt {
		open := resume(t, h, lease).Open
		require.Len(t, open, 1)
		return open[0].Attempts
	}
	first := read()
	require.Len(t, first, 1, "the batch row implies its first POST")
	require.Equal(t, 1, first[0].Number)
	require.Zero(t, first[0].Result)

	tx := Transaction(lease)
	tx.Intents = []ledger.Intent{{BatchID: batch.ID, Attempt: 2, At: At, Reason: "no answer"}}
	commit(t, h, lease, tx)
	require.Len(t, read(), 2)
	require.Zero(t, read()[1].Result)

	answered := ledger.Attempt{
		BatchID: batch.ID, Number: 2, Result: ledger.Accepted, Handles: []string{"h1", "h2"}, At: At.Add(time.Second), Notes: []byte{0, 1},
	}
	failed := ledger.Attempt{BatchID: batch.ID, Number: 1, Result: ledger.NotTaken, At: At, Error: "429", NextAt: At.Add(time.Minute)}
	require.NoError(t, h.Store.AppendAttempts(t.Context(), []ledger.Attempt{answered, failed}))
	require.NoError(t, h.Store.AppendAttempts(t.Context(), []ledger.Attempt{answered}))
	require.Equal(t, []ledger.Attempt{failed, answered}, read())
}

func handles(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	batch := record(t, h, lease, Record(Mutation(1, "a")))
	accepted := ledger.Attempt{BatchID: batch.ID, Number: 1, Result: ledger.Accepted, Handles: []string{"h"}, At: At}
	require.NoError(t, h.Store.AppendAttempts(t.Context(), []ledger.Attempt{accepted}))
	// A frozen owner that wakes up late knows less.
	late := ledger.Attempt{BatchID: batch.ID, Number: 1, Result: ledger.Ambiguous, At: At.Add(time.Hour)}
	require.NoError(t, h.Store.AppendAttempts(t.Context(), []ledger.Attempt{late}))
	require.Equal(t, []ledger.Attempt{accepted}, resume(t, h, lease).Open[0].Attempts)
	require.NoError(t, h.Store.AppendAttempts(t.Context(), nil))
}

// finalAnswers: a POST may be taken without a handle. What its answer said of the records
// is all that a new owner has.
func finalAnswers(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	batch := record(t, h, lease, Record(Mutation(1, "a")))
	accepted := ledger.Attempt{BatchID: batch.ID, Number: 1, Result: ledger.Accepted, At: At, Notes: []byte(`[{"i":0,"o":1}]`)}
	require.NoError(t, h.Store.AppendAttempts(t.Context(), []ledger.Attempt{accepted}))
	late := ledger.Attempt{BatchID: batch.ID, Number: 1, Result: ledger.Ambiguous, At: At.Add(time.Hour)}
	require.NoError(t, h.Store.AppendAttempts(t.Context(), []ledger.Attempt{late}))
	require.Equal(t, []ledger.Attempt{accepted}, resume(t, h, lease).Open[0].Attempts)
	require.Equal(t, map[string]string{"m1": "submitted"}, h.Statuses(t))
}

func atNoPlatform(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	older, newer := Mutation(1, "a"), Mutation(2, "a")
	batch := record(t, h, lease, Record(older, newer), Record(Mutation(3, "b")))
	says := func(result ledger.AttemptResult, number int, want string) {
		require.NoError(t, h.Store.AppendAttempts(t.Context(), []ledger.Attempt{{BatchID: batch.ID, Number: number, Result: result, At: At, Handles: nil}}))
		require.Equal(t, map[string]string{"m1": "superseded", "m2": want, "m3": want}, h.Statuses(t))
	}
	says(ledger.Unsent, 1, "waiting")
	intend := func(number int) {
		tx := Transaction(lease)
		tx.Intents = []ledger.Intent{{BatchID: batch.ID, Attempt: number, At: At}}
		commit(t, h, lease, tx)
		require.Equal(t, map[string]string{"m1": "superseded", "m2": "submitted", "m3": "submitted"}, h.Statuses(t), "it is being sent")
	}
	intend(2)
	says(ledger.NotTaken, 2, "waiting")
	intend(3)
	says(ledger.Ambiguous, 3, "submitted")
	intend(4)
	says(ledger.Accepted, 4, "submitted")
	results := make([]ledger.AttemptResult, 0, 4)
	for _, attempt := range resume(t, h, lease).Open[0].Attempts {
		results = append(results, attempt.Result)
	}
	require.Equal(t, []ledger.AttemptResult{ledger.Unsent, ledger.NotTaken, ledger.Ambiguous, ledger.Accepted}, results)
	finish(t, h, lease, batch)
	require.Equal(t, map[string]string{"m1": "superseded", "m2": "succeeded", "m3": "succeeded"}, h.Statuses(t))
}

func scopes(t *testing.T, h Harness) {
	save := func(scope ledger.ScopeState) {
		require.NoError(t, h.Store.SaveScopes(t.Context(), []ledger.ScopeState{scope}))
	}
	save(ledger.ScopeState{Scope: "s", BlockedUntil: At.Add(time.Hour), Quota: []byte(`{"left": 1}`), UpdatedAt: At})
	save(ledger.ScopeState{Scope: "s", BlockedUntil: At.Add(time.Minute), UpdatedAt: At.Add(time.Second), Patience: time.Minute})
	save(ledger.ScopeState{Scope: "s", BlockedUntil: At.Add(2 * time.Minute), UpdatedAt: At.Add(-time.Second), Quota: []byte(`{"left": 2}`)})
	save(ledger.ScopeState{Scope: "t", UpdatedAt: At})
	known, err := h.Store.Scopes(t.Context(), []string{"s", "u"})
	require.NoError(t, err)
	require.Len(t, known, 1)
	require.Equal(t, "s", known[0].Scope)
	require.True(t, At.Add(time.Hour).Equal(known[0].BlockedUntil))
	require.JSONEq(t, `{"left": 1}`, string(known[0].Quota))
	require.Equal(t, time.Minute, known[0].Patience, "what was updated last")
	save(ledger.ScopeState{Scope: "s", UpdatedAt: At.Add(time.Minute)})
	known, err = h.Store.Scopes(t.Context(), []string{"s"})
	require.NoError(t, err)
	require.Zero(t, known[0].Patience)
	require.True(t, At.Add(time.Hour).Equal(known[0].BlockedUntil), "a block that was told ends when it was told")
}

func accounts(t *testing.T, h Harness) {
	name := "acme-" + uuid.NewString()
	save := func(state ledger.AccountState) ledger.AccountState {
		stands, err := h.Store.SaveAccount(t.Context(), state)
		require.NoError(t, err)
		return stands
	}
	refused := ledger.AccountState{Account: name, State: "paused", Reason: "401", ResumesAt: At.Add(time.Hour), Pause: 8 * time.Minute}
	require.Equal(t, refused, save(refused))
	sooner := refused
	sooner.ResumesAt, sooner.Reason = At, "403"
	stands := refused
	stands.Reason = "403"
	require.Equal(t, stands, save(sooner), "of two pauses the one that ends later stays")
	require.Equal(t, ledger.AccountState{Account: name, State: "active"}, save(ledger.AccountState{Account: name, State: "active"}))
	require.Equal(t, sooner, save(sooner))
	throttled := ledger.AccountState{Account: name, State: "throttled", Reason: "429", ResumesAt: At.Add(time.Hour)}
	require.Equal(t, throttled, save(throttled))
	paused := ledger.AccountState{Account: name, State: "paused", Reason: "by Ann", ByHand: true}
	require.Equal(t, paused, save(paused))
	require.Equal(t, paused, save(ledger.AccountState{Account: name, State: "active"}))
	known, err := h.Store.Accounts(t.Context(), []string{name, "unknown"})
	require.NoError(t, err)
	require.Equal(t, map[string]ledger.AccountState{name: paused}, known)
}

// answers are kept as they are told, and a later word about a POST that has none leaves
// what is known.
func answers(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	batch := record(t, h, lease, Record(Mutation(1, "a")))
	require.Empty(t, h.Answers(t, batch.ID))
	failed := ledger.Attempt{BatchID: batch.ID, Number: 1, Result: ledger.NotTaken, At: At, Error: "429", Answer: `{"code": 429}`}
	accepted := ledger.Attempt{BatchID: batch.ID, Number: 2, Result: ledger.Accepted, Handles: []string{"h"}, At: At, Answer: `{"batch_id": "h"}`}
	require.NoError(t, h.Store.AppendAttempts(t.Context(), []ledger.Attempt{failed, accepted}))
	failed.Answer, accepted.Answer = "", ""
	require.Equal(t, []ledger.Attempt{failed, accepted}, resume(t, h, lease).Open[0].Attempts, "they are for people alone")
	accepted.Error = "polls fail"
	require.NoError(t, h.Store.AppendAttempts(t.Context(), []ledger.Attempt{accepted}))
	require.Equal(t, []string{`{"code": 429}`, `{"batch_id": "h"}`}, h.Answers(t, batch.ID))
	tx := Transaction(lease)
	end := outcome(batch)
	end.Answer = "{\"status\": \"COMPLETED\", \"bad\": \"\x00\"}"
	tx.Outcomes = []ledger.BatchOutcome{end}
	commit(t, h, lease, tx)
	require.Equal(t, []string{`{"code": 429}`, `{"batch_id": "h"}`, "{\"status\": \"COMPLETED\", \"bad\": \"\uFFFD\"}"}, h.Answers(t, batch.ID))
}
