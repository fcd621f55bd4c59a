package persistence_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// side is a database with its store, and what it was told so far.
type side struct {
	store  *persistence.Store
	pool   *pgxpool.Pool
	leases []ledger.Lease
	open   []*ledger.Batch // by partition
	next   []uint64        // sequence, by partition
}

func newSide(t *testing.T, n int) *side {
	t.Helper()
	store, pool := newDatabase(t)
	_, err := pool.Exec(t.Context(), "alter table courier.mutation add constraint odd check (item_id <> 'odd')")
	require.NoError(t, err)
	return &side{store: store, pool: pool, open: make([]*ledger.Batch, n), next: make([]uint64, n), leases: make([]ledger.Lease, n)}
}

// begin empties the ledger and makes the test the owner of all partitions.
func (s *side) begin(t require.TestingT, tokens []uuid.UUID) {
	for _, table := range []string{"mutation", "batch", "attempt", "recorded", "waiting", "outcome"} {
		_, err := s.pool.Exec(context.Background(), "delete from courier."+table)
		require.NoError(t, err)
	}
	for p, token := range tokens {
		_, err := s.pool.Exec(context.Background(), `update courier.lease set token = $2, last_transaction = $2, commits = 0, generation = 0, sequence = 0,
			message_id = '', sent = null where partition = $1`, p, token)
		require.NoError(t, err)
		s.leases[p], s.open[p], s.next[p] = ledger.Lease{Partition: p, Token: token}, nil, 0
	}
}

// action is what a partition asks for.
type action struct {
	partition int
	kind      string
	rows      int
	batch     uuid.UUID
	tx        uuid.UUID
}

var kinds = []string{"record", "record", "wait", "refused", "finish", "attempt", "position"}

// call makes what an action asks for of a side: the same on each.
func (s *side) call(a action) (do func() error, done func(err error)) {
	lease, p := s.leases[a.partition], a.partition
	tx := &ledger.Transaction{ID: a.tx, Partition: p}
	done = func(error) {}
	sequence := s.next[p] + 1
	records := func(odd bool) []catalog.Record {
		records := make([]catalog.Record, a.rows)
		for i := range records {
			m := mutationOf(p, sequence+uint64(i))
			if odd && i == 0 {
				m.ItemID = "odd"
			}
			records[i] = ledgertest.Record(m)
		}
		return records
	}
	advance := func(err error) {
		if err == nil {
			s.next[p] += uint64(a.rows)
		}
	}
	last := sequence + uint64(a.rows) - 1
	switch a.kind {
	case "record", "refused":
		batch := ledgertest.Batch(records(a.kind == "refused")...)
		batch.ID, batch.Lane = a.batch, batch.Records[0].Key.Lane
		tx.Batches, tx.Recorded, tx.Anchor = []ledger.Batch{batch}, []ledger.Range{{First: sequence, Last: last}}, ledgertest.Anchor(last)
		done = func(err error) {
			advance(err)
			if err == nil {
				s.open[p] = &batch
			}
		}
	case "wait":
		for _, record := range records(false) {
			tx.Waiting = append(tx.Waiting, record.Newest())
		}
		tx.Recorded = []ledger.Range{{First: sequence, Last: last}} // above the position
		done = advance
	case "finish", "attempt":
		batch := s.open[p]
		switch {
		case batch == nil:
			tx.Anchor = ledgertest.Anchor(sequence)
			done = func(err error) {
				if err == nil {
					s.next[p]++
				}
			}
		case a.kind == "attempt":
			attempt := ledger.Attempt{BatchID: batch.ID, Number: 1 + a.rows%2, Result: ledger.Accepted, Handles: []string{"h"}, At: ledgertest.At}
			return func() error { return s.store.AppendAttempts(context.Background(), []ledger.Attempt{attempt}) }, done
		default:
			tx.Outcomes = []ledger.BatchOutcome{{
				BatchID: batch.ID, Lane: batch.Lane, CreatedAt: batch.CreatedAt, State: ledger.BatchCompleted, FinishedAt: ledgertest.At, Succeeded: len(batch.Records),
			}}
			done = func(err error) {
				if err == nil {
					s.open[p] = nil
				}
			}
		}
	case "position":
		tx.Anchor = ledgertest.Anchor(sequence)
		done = func(err error) {
			if err == nil {
				s.next[p]++
			}
		}
	}
	return func() error { return s.store.Commit(context.Background(), lease, tx) }, done
}

// dump is all that the requests wrote.
func (s *side) dump(t require.TestingT) []string {
	rows, err := s.pool.Query(context.Background(), `
		select 'lease ' || (partition, last_transaction, commits, generation, sequence, message_id, sent)::text from courier.lease
		union all select 'mutation ' || (sequence, mutation_id, item_id, state, batch_id, record)::text from courier.mutation
		union all select 'batch ' || (id, partition, records, state, finished_at, succeeded)::text from courier.batch
		union all select 'attempt ' || (batch_id, number, result, handles)::text from courier.attempt
		union all select 'recorded ' || (partition, generation, last, first_each, last_each)::text from courier.recorded
		union all select 'waiting ' || (l.account, w.sequence)::text from courier.waiting w join courier.lane l on l.id = w.lane
		union all select 'outcome ' || (partition, number, batches)::text from courier.outcome`)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	slices.Sort(lines)
	return lines
}

func kindOf(err error) string {
	switch {
	case err == nil:
		return "written"
	case errors.Is(err, ledger.ErrLeaseLost):
		return "lease lost"
	case errors.Is(err, ledger.ErrRejected):
		return "refused"
	default:
		return err.Error()
	}
}

// TestSharedIsAsAlone: whatever partitions ask for, and whichever lost their leases, what they
// are told and what is written is what each would have been told and have written alone.
func TestSharedIsAsAlone(t *testing.T) {
	t.Parallel()
	const n = 5
	together, alone := newSide(t, n), newSide(t, n)
	rapid.Check(t, func(rt *rapid.T) {
		tokens := make([]uuid.UUID, n)
		for p := range tokens {
			tokens[p] = uuid.New()
		}
		together.begin(rt, tokens)
		alone.begin(rt, tokens)
		for step := range rapid.IntRange(1, 4).Draw(rt, "steps") {
			asking := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 2, n, rapid.ID).Draw(rt, "asking")
			m := len(asking)
			calls, ended := make([]func() error, 0, m), make([]func(error), 0, m)
			kindsAsked, told, toldAlone := make([]string, 0, m), make([]string, 0, m), make([]string, 0, m)
			for _, p := range asking {
				a := action{
					partition: p, kind: rapid.SampledFrom(kinds).Draw(rt, "kind"),
					rows:  rapid.SampledFrom([]int{1, 2, 60}).Draw(rt, "rows"),
					batch: uuid.Must(uuid.NewV7()), tx: uuid.New(),
				}
				if step > 0 && rapid.IntRange(0, 9).Draw(rt, "loses its lease") == 0 {
					for _, s := range []*side{together, alone} {
						_, err := s.pool.Exec(context.Background(), "update courier.lease set token = $2 where partition = $1", p, uuid.Nil)
						require.NoError(rt, err)
					}
				}
				do, done := together.call(a)
				calls, ended = append(calls, do), append(ended, done)
				do, done = alone.call(a)
				err := do()
				done(err)
				kindsAsked, toldAlone = append(kindsAsked, a.kind), append(toldAlone, kindOf(err))
			}
			for i, err := range inOneGroup(rt, together.store, calls...) {
				ended[i](err)
				told = append(told, kindOf(err))
			}
			require.Equal(rt, toldAlone, told, kindsAsked)
			require.Equal(rt, alone.dump(rt), together.dump(rt))
		}
	})
}
