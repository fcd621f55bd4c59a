package persistence_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

// history writes the same random transactions into any store: the mutations are the
// caller's own, so that what one store notes on them does not reach another.
type history struct {
	t     *testing.T
	store ledger.Store
	lease ledger.Lease
	rnd   *rand.Rand

	sequence uint64
	waiting  []*catalog.Mutation
	returned []*catalog.Mutation // by the transaction that is being made
	open     []ledger.Batch
	last     bool // only ends what is open
}

func (h *history) mutation() *catalog.Mutation {
	h.sequence++
	m := ledgertest.Mutation(h.sequence, fmt.Sprintf("item-%d", h.sequence))
	// Some come from the day before.
	m.ReceivedAt = m.ReceivedAt.Add(-time.Duration(h.rnd.IntN(3)) * 12 * time.Hour)
	if h.rnd.IntN(5) == 0 {
		m.Warnings = []catalog.Problem{{Reason: catalog.UnknownAttribute, Field: "color", Text: "nobody knows it"}}
	}
	return m
}

func (h *history) id() uuid.UUID {
	id := idOn(ledgertest.At.Add(time.Duration(h.sequence) * time.Second))
	for i := 8; i < 16; i++ {
		id[i] = byte(h.rnd.UintN(256))
	}
	id[6], id[7] = 0x70, byte(h.rnd.UintN(256))
	return id
}

func (h *history) batch(records []catalog.Record) ledger.Batch {
	b := ledgertest.Batch(records...)
	b.ID = h.id()
	return b
}

// records takes waiting mutations and new ones into records.
func (h *history) records() (records []catalog.Record) {
	for range 1 + h.rnd.IntN(4) {
		var constituents []*catalog.Mutation
		for range 1 + h.rnd.IntN(3) {
			if len(h.waiting) > 0 && h.rnd.IntN(2) == 0 {
				constituents = append(constituents, h.waiting[0])
				h.waiting = h.waiting[1:]
			} else {
				constituents = append(constituents, h.mutation())
			}
		}
		records = append(records, ledgertest.Record(constituents...))
	}
	return records
}

// end makes the outcome of a batch; next are the halves that go again at once.
func (h *history) end(b *ledger.Batch) (o ledger.BatchOutcome, next []ledger.Batch) {
	o = ledger.BatchOutcome{
		BatchID: b.ID, Lane: b.Lane, CreatedAt: b.CreatedAt, State: ledger.BatchCompleted, FinishedAt: ledgertest.At.Add(time.Duration(h.sequence) * time.Minute),
	}
	said := []ledger.Issue{{Code: "2", Message: "no"}}
	for i := range b.Records {
		ms := b.Records[i].Constituents
		x := ledger.RecordOutcome{Index: i, Constituents: ms, Errors: said}
		switch h.rnd.IntN(8) {
		case 0:
			x.Result, x.Reason = ledger.Failed, catalog.Refused
		case 1:
			x.Result, x.Reason = ledger.Unconfirmed, catalog.Unconfirmed
		case 2:
			x.Result, x.Errors, x.Warnings = ledger.Succeeded, nil, []ledger.Issue{{Message: "hm"}}
		case 3:
			x.Result = ledger.Returned
			if len(ms) > 1 && h.rnd.IntN(2) == 0 {
				x.Settled = ms[:1]
			}
			for _, m := range ms[len(x.Settled):] {
				m.Attempts++
				h.returned = append(h.returned, m)
			}
		case 4:
			if h.last {
				continue
			}
			next = append(next, h.batch([]catalog.Record{b.Records[i]}))
			continue
		default:
			continue
		}
		o.Exceptions = append(o.Exceptions, x)
	}
	return o, next
}

// step commits one random transaction.
func (h *history) step() {
	tx := &ledger.Transaction{Partition: h.lease.Partition}
	tx.ID = h.id()
	for range 1 + h.rnd.IntN(2) {
		kind := h.rnd.IntN(6)
		if h.last {
			kind = 2
		}
		switch kind {
		case 0, 1:
			tx.Batches = append(tx.Batches, h.batch(h.records()))
		case 2, 3:
			if len(h.open) > 0 {
				o, next := h.end(&h.open[0])
				h.open = h.open[1:]
				tx.Outcomes, tx.Batches = append(tx.Outcomes, o), append(tx.Batches, next...)
			}
		case 4:
			tx.Invalid = append(tx.Invalid, ledger.InvalidMutation{Mutation: h.mutation(), Problem: catalog.Problem{Reason: catalog.BadKey, Text: "a bad key"}})
		case 5:
			tx.Stale = append(tx.Stale, ledger.StaleVersion{Mutation: h.mutation(), SupersededBy: "newer"})
		}
	}
	require.NoError(h.t, h.store.Commit(h.t.Context(), h.lease, tx))
	for _, m := range h.returned {
		m.HasWaitingRow = true
	}
	h.waiting, h.returned = append(h.waiting, h.returned...), nil
	h.open = append(h.open, tx.Batches...)
	for i := range tx.Batches {
		for _, record := range tx.Batches[i].Records {
			for _, m := range record.Constituents {
				m.HasWaitingRow = false
			}
		}
	}
	var attempts []ledger.Attempt
	for i := range tx.Batches {
		for number := 1; number <= 1+h.rnd.IntN(2); number++ {
			attempts = append(attempts, ledger.Attempt{
				BatchID: tx.Batches[i].ID, Number: number, Result: ledger.AttemptResult(1 + h.rnd.IntN(4)), At: ledgertest.At,
				Handles: []string{fmt.Sprintf("h%d", number)},
			})
		}
	}
	require.NoError(h.t, h.store.AppendAttempts(h.t.Context(), attempts))
}

// TestOutboxAgainstTheModel: random histories, read at random moments, unfold to the same
// outcomes as in the model; and each mutation that the view calls final has one outcome,
// with the status of the view.
func TestOutboxAgainstTheModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			store, pool := newDatabase(t)
			model := ledgermodel.New()
			model.EnsurePartitions(partitions)
			both := []*history{
				{t: t, store: store, lease: acquire(t, pool, 3), rnd: rand.New(rand.NewPCG(seed, 1))},
				{t: t, store: model, lease: model.Acquire(3), rnd: rand.New(rand.NewPCG(seed, 1))},
			}
			var after int64
			told := map[string]string{}
			look := rand.New(rand.NewPCG(seed, 2))
			read := func(limit ledger.OutboxLimit) {
				got, err := store.Outcomes(t.Context(), 3, after, limit)
				require.NoError(t, err)
				want, err := model.Outcomes(t.Context(), 3, after, limit)
				require.NoError(t, err)
				for i := range got.Outcomes {
					if got.Outcomes[i].Status == ledger.OutcomeInvalid {
						got.Outcomes[i].FinishedAt = want.Outcomes[i].FinishedAt // the database's clock
					}
				}
				require.Equal(t, want.Outcomes, got.Outcomes)
				require.Equal(t, want.To, got.To)
				after = got.To
				for _, o := range got.Outcomes {
					require.NotContains(t, told, o.MutationID)
					told[o.MutationID] = string(o.Status)
				}
			}
			for range 60 {
				both[0].step()
				both[1].step()
				if look.IntN(8) == 0 {
					read(ledger.OutboxLimit{Transactions: 3})
				}
			}
			for i := range both {
				both[i].last = true
				for len(both[i].open) > 0 {
					both[i].step()
				}
			}
			read(ledger.OutboxLimit{})
			require.NoError(t, model.Check())
			final := statuses(t, pool)
			for id, status := range final {
				if status == "waiting" {
					delete(final, id)
				}
			}
			require.Equal(t, final, told)
			require.Greater(t, len(told), 50)
		})
	}
}

// statements notes what is sent to the server.
type statements struct {
	mu   sync.Mutex
	sent []pgx.QueuedQuery
}

func (s *statements) note(sql string, arguments []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, pgx.QueuedQuery{SQL: sql, Arguments: arguments})
}

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s.note(data.SQL, data.Args)
	return ctx
}
func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (s *statements) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	s.note(data.SQL, data.Args)
}
func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// manyOutcomes ends batches of 2,500 mutations, each merged of two in every tenth record,
// with a failed record in a hundred.
func manyOutcomes(t *testing.T, store *persistence.Store, lease ledger.Lease, batches int) {
	t.Helper()
	sequence := uint64(0)
	for range batches {
		records := make([]catalog.Record, 0, 2_300)
		for i := range 2_300 {
			sequence++
			m := ledgertest.Mutation(sequence, fmt.Sprintf("SKU-%d", i))
			m.ID = uuid.Must(uuid.NewV7()).String()
			ms := []*catalog.Mutation{m}
			if i%10 == 0 {
				sequence++
				second := ledgertest.Mutation(sequence, fmt.Sprintf("SKU-%d", i))
				second.ID = uuid.Must(uuid.NewV7()).String()
				ms = append(ms, second)
			}
			records = append(records, ledgertest.Record(ms...))
		}
		batch := ledgertest.Batch(records...)
		commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
		o := ledger.BatchOutcome{BatchID: batch.ID, State: ledger.BatchCompleted, FinishedAt: ledgertest.At.Add(time.Hour)}
		for i := 0; i < len(records); i += 100 {
			o.Exceptions = append(o.Exceptions, ledger.RecordOutcome{
				Index: i, Result: ledger.Failed, Constituents: records[i].Constituents, Reason: catalog.Refused, Errors: []ledger.Issue{{Message: "no"}},
			})
		}
		commit(t, store, lease, func(tx *ledger.Transaction) { tx.Outcomes = []ledger.BatchOutcome{o} })
	}
}

// TestOutboxIsReadByIndexes: with and without statistics, and whether or not the server
// plans for the values at hand.
func TestOutboxIsReadByIndexes(t *testing.T) {
	t.Parallel()
	url := persistencetest.Database(t)
	config, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)
	sent := &statements{}
	config.ConnConfig.Tracer = sent
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	store := newStore(t, pool)
	lease := acquire(t, pool, 0)
	manyOutcomes(t, store, lease, 12)
	_, err = pool.Exec(t.Context(), `select brin_summarize_new_values(c.oid) from pg_class c join pg_am a on a.oid = c.relam where a.amname = 'brin' and c.relkind = 'i'`)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), "update courier.batch set payload = 'x' where id = (select max(id::text)::uuid from courier.batch)")
	require.NoError(t, err, "a payload that cannot be read")
	sent.mu.Lock()
	sent.sent = nil
	sent.mu.Unlock()
	page, err := store.Outcomes(t.Context(), 0, 0, ledger.OutboxLimit{Mutations: 100_000})
	require.NoError(t, err)
	require.Len(t, page.Outcomes, 12*2_530, "also those of the batch whose payload cannot be read")
	for i := range page.Outcomes {
		require.NotEmpty(t, page.Outcomes[i].BatchID)
	}
	number, err := store.OpenCursor(t.Context(), lease, "events")
	require.NoError(t, err)
	require.NoError(t, store.MoveCursor(t.Context(), lease, "events", number, number))
	_, err = store.OutboxLag(t.Context(), "events", []int{0})
	require.NoError(t, err)
	sent.mu.Lock()
	read := slices.Clone(sent.sent)
	sent.mu.Unlock()
	require.GreaterOrEqual(t, len(read), 9)

	for _, analyzed := range []bool{false, true} {
		if analyzed {
			_, err = pool.Exec(t.Context(), "analyze courier.mutation, courier.batch, courier.attempt, courier.record_outcome, courier.outcome, courier.dead_letter")
			require.NoError(t, err)
		}
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			for _, query := range read {
				requireNoScan(t, pool, mode, query)
			}
		}
	}
}

// requireNoScan looks at the server's plan of a statement. The tables of mutations, which
// are large, are never read whole; of the others, and of a batch whose payload cannot be
// read, it is enough that an index serves: the test's are too small to need one.
func requireNoScan(t *testing.T, pool *pgxpool.Pool, mode string, query pgx.QueuedQuery) {
	t.Helper()
	large := []string{"mutation_"}
	if strings.Contains(query.SQL, "m.batch_id = $1") {
		large = nil
	}
	for setting, tables := range map[string][]string{
		"on": large, "off": {"mutation_", "batch_", "attempt_", "record_outcome_", "outcome ", "dead_letter"},
	} {
		require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "set local plan_cache_mode = "+mode+"; set local enable_seqscan = "+setting, pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
			rows, err := tx.Query(t.Context(), "explain (costs off) "+query.SQL, query.Arguments...)
			require.NoError(t, err)
			plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			for _, line := range plan {
				for _, table := range tables {
					require.NotContains(t, line, "Seq Scan on "+table, "%s\n%s\n%s", mode, query.SQL, strings.Join(plan, "\n"))
				}
			}
			return nil
		}))
	}
}
