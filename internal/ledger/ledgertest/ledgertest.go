// Package ledgertest is the conformance suite of ledger.Store: every store that
// passes it may stand in for the one on Postgres.
package ledgertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// Harness is an empty store with what a test needs around it.
type Harness struct {
	Store ledger.Store
	// Acquire makes the caller the owner of a partition, under a fresh token,
	// whoever owned it before.
	Acquire func(t *testing.T, partition int) ledger.Lease
	// Outbox is the store's own.
	Outbox ledger.Outbox
	// Statuses reads mutation_status: the status by mutation id.
	Statuses func(t *testing.T) map[string]string
	// Answers reads batch_answers: the answers to the POSTs of a batch in the order of
	// their numbers, then that to its last poll, "" where there is none.
	Answers func(t *testing.T, batch uuid.UUID) []string
	// Positions are what a worker needs besides, and Leases the same database's lease
	// table. It has Partitions rows.
	Positions  Positions
	Leases     ledger.LeaseTable
	Partitions int
	// People are those who look at the store.
	People func(t *testing.T) People
}

// Positions is how positions are read and restored.
type Positions interface {
	Positions(ctx context.Context) ([]ledger.Anchor, error)
	RecordedAtOrBefore(ctx context.Context, partition int, generation int64, sequence uint64) (ledger.Anchor, bool, error)
	Rewind(ctx context.Context, lease ledger.Lease, to ledger.Anchor, recorded []ledger.Range) (generation int64, err error)
}

// Run runs the suite: with plain messages, with packs, and with both mixed. newHarness is
// called once for each test.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	t.Helper()
	for name, line := range map[string]func(sequence uint64) int{
		"plain messages": func(uint64) int { return 0 },
		"packs":          func(sequence uint64) int { return 1 + int(sequence%9999) },
		"both":           func(sequence uint64) int { return int(sequence % 2 * sequence) }, //nolint:gosec // the tests count to thousands
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, func(t *testing.T) Harness {
				t.Helper()
				return newHarness(t).packs(line)
			})
		})
	}
	for name, test := range map[string]func(t *testing.T, h Harness){
		"the lines of a pack go their own ways":    partsOfAPack,
		"lines with one id are told apart":         oneIDInAllLines,
		"versions of lines are told by their line": versionsOfLines,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newHarness(t))
		})
	}
}

func run(t *testing.T, newHarness func(t *testing.T) Harness) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(t *testing.T, h Harness)
	}{
		{"the answers of a platform are kept", answers},
		{"a fresh partition begins at the beginning", freshPartition},
		{"a batch is recorded, resumed and finished", recordedAndFinished},
		{"only the lease's owner commits", staleLease},
		{"a transaction that is repeated is applied once", repeated},
		{"a transaction that is tried out writes nothing", probed},
		{"what became of a transaction can be found out", foundOut},
		{"what was sent last is known, and what is noted of it", sentAndMirrored},
		{"an owner without anything to commit learns that it lost the lease", verify},
		{"the position never goes back", positionGreatest},
		{"what is above the position is kept as ranges", ranges},
		{"waiting rows come in order and page by page", waitingPages},
		{"a waiting mutation moves into a batch and back", waitingAndBack},
		{"a merged record that is returned falls apart", partsOfMerged},
		{"refused and overtaken mutations are final", refusedAndOvertaken},
		{"failed and unconfirmed records", failedRecords},
		{"versions grow, and a delete resets them", versions},
		{"attempts without an answer are ambiguous", attempts},
		{"handles are never forgotten", handles},
		{"a final answer has no handle", finalAnswers},
		{"what is at no platform waits", atNoPlatform},
		{"a later block of a scope wins", scopes},
		{"a pause by hand wins", accounts},
		{"how calls go is said by the owner", health},
		{"lanes that are not configured are named by the owner", strays},
		{"an account is removed once nothing of it is open", removal},
		{"a partition is rewound to an anchor in a new generation", rewind},
		{"one sequence of two histories is two messages", twoHistories},
		{"the end of a batch is in the outbox", outboxOfBatches},
		{"what was returned is not final", outboxOfReturned},
		{"what ends without a batch is in the outbox", outboxWithoutBatch},
		{"the outbox is read page by page", outboxPages},
		{"cursors of the outbox are moved by the owner", outboxCursors},
		{"the outbox has what was committed, once", outboxRefused},
		{"a free partition is taken once", takeFree},
		{"a partition is taken from an owner that stands still", takeExpired},
		{"a partition of a forgotten worker is taken", takeOrphan},
		{"a partition is handed to who asked for it", handOver},
		{"a draining worker is handed nothing", handNothing},
		{"a leaving worker leaves nothing behind", leave},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, newHarness(t))
		})
	}
}

// Lane is where the suite's mutations live.
var Lane = catalog.Lane{Account: "acme", Catalog: "us", Type: "RETAIL"}

// At is when the suite's mutations were received.
var At = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// Mutation makes a whole mutation of an item, id m<sequence>.
func Mutation(sequence uint64, item string) *catalog.Mutation {
	id := fmt.Sprintf("m%d", sequence)
	data := fmt.Appendf(nil, `{"id":%q,"item_id":%q,"operation":"UPSERT","attributes":{"title":"number %d"}}`, id, item, sequence)
	start := len(data) - len(fmt.Sprintf(`{"title":"number %d"}}`, sequence))
	published := At.Add(time.Duration(sequence)*time.Millisecond + 123*time.Nanosecond) //nolint:gosec // the tests count to thousands
	return &catalog.Mutation{
		ID: id, Lane: Lane, ItemID: item, Operation: catalog.Upsert,
		Attributes:  data[start : len(data)-1],
		PublishedAt: published, ReceivedAt: published.Add(time.Millisecond).Truncate(time.Microsecond),
		Position: catalog.Position{Sequence: sequence},
		Message: catalog.Message{
			Subject: "catalog.mutations.acme.us.RETAIL",
			Headers: []catalog.Header{{Name: "Nats-Msg-Id", Value: id}},
			Data:    data,
		},
	}
}

// Record merges mutations of one item into a record.
func Record(constituents ...*catalog.Mutation) catalog.Record {
	newest := constituents[len(constituents)-1]
	return catalog.Record{Key: newest.Key(), Change: newest.Change(), Constituents: constituents}
}

// Batch makes a batch of records.
func Batch(records ...catalog.Record) ledger.Batch {
	return ledger.Batch{ID: uuid.Must(uuid.NewV7()), Lane: Lane, Group: "g", Records: records, CreatedAt: At.Add(time.Second)}
}

// Transaction makes an empty transaction.
func Transaction(lease ledger.Lease) *ledger.Transaction {
	return &ledger.Transaction{ID: uuid.New(), Partition: lease.Partition}
}

// Anchor makes an anchor that stands on the suite's mutation of that sequence.
func Anchor(sequence uint64) *ledger.Anchor {
	m := Mutation(sequence, "x")
	return &ledger.Anchor{Position: m.Position, Time: m.PublishedAt, MessageID: m.ID}
}

func commit(t *testing.T, h Harness, lease ledger.Lease, tx *ledger.Transaction) {
	t.Helper()
	require.NoError(t, h.Store.Commit(t.Context(), lease, tx))
}

func resume(t *testing.T, h Harness, lease ledger.Lease) *ledger.Resumption {
	t.Helper()
	resumption, err := h.Store.Resume(t.Context(), lease)
	require.NoError(t, err)
	return resumption
}

func record(t *testing.T, h Harness, lease ledger.Lease, records ...catalog.Record) ledger.Batch {
	t.Helper()
	batch := Batch(records...)
	tx := Transaction(lease)
	tx.Batches = []ledger.Batch{batch}
	commit(t, h, lease, tx)
	return batch
}

func outcome(batch ledger.Batch, exceptions ...ledger.RecordOutcome) ledger.BatchOutcome {
	return ledger.BatchOutcome{
		BatchID: batch.ID, Lane: batch.Lane, CreatedAt: batch.CreatedAt, State: ledger.BatchCompleted,
		FinishedAt: At.Add(time.Minute), Succeeded: len(batch.Records) - len(exceptions), Failed: len(exceptions), Exceptions: exceptions,
	}
}

func finish(t *testing.T, h Harness, lease ledger.Lease, batch ledger.Batch, exceptions ...ledger.RecordOutcome) {
	t.Helper()
	tx := Transaction(lease)
	tx.Outcomes = []ledger.BatchOutcome{outcome(batch, exceptions...)}
	commit(t, h, lease, tx)
}

// same compares mutations as they come back, with what the store notes on them.
func same(t *testing.T, want, got *catalog.Mutation, stored bool) {
	t.Helper()
	expected := *want
	expected.HasWaitingRow = stored
	expected.RecordedOn = want.ReceivedAt.UTC().Truncate(24 * time.Hour)
	if !want.RecordedOn.IsZero() {
		expected.RecordedOn = want.RecordedOn
	}
	require.Equal(t, &expected, got)
}
