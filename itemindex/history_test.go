package itemindex_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/itemindex"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

// world is a database whose partition 0 the test owns, with a second pool, the index's,
// that fails at a chosen statement.
type world struct {
	t      testing.TB
	rnd    *rand.Rand
	pool   *pgxpool.Pool
	store  *persistence.Store
	crash  *crash
	index  *itemindex.Index
	failed *afterwards
	lease  ledger.Lease

	began    time.Time // what the times of mutations are counted from
	sequence uint64
	open     []ledger.Batch
	waiting  []*catalog.Mutation
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	tracer := &crash{}
	w := newWorldIn(t, seed, ledger.OutboxLimit{Transactions: 3, Mutations: 50, Bytes: 1 << 20}, func(c *pgxpool.Config) { c.ConnConfig.Tracer = tracer })
	w.crash = tracer
	return w
}

func newWorldIn(tb testing.TB, seed uint64, limit ledger.OutboxLimit, change func(*pgxpool.Config)) *world {
	tb.Helper()
	pool, err := persistence.Open(tb.Context(), persistence.PoolConfig{URL: persistencetest.Database(tb), MaxConns: 6})
	require.NoError(tb, err)
	tb.Cleanup(pool.Close)
	w := &world{t: tb, rnd: rand.New(rand.NewPCG(seed, 1)), pool: pool, began: ledgertest.At}
	w.store, err = persistence.NewStore(pool, persistence.Config{})
	require.NoError(tb, err)
	tb.Cleanup(w.store.Close)
	require.NoError(tb, w.store.EnsurePartitions(tb.Context(), 1))
	config := pool.Config()
	change(config)
	failing, err := pgxpool.NewWithConfig(tb.Context(), config)
	require.NoError(tb, err)
	tb.Cleanup(failing.Close)
	store, err := persistence.NewStore(failing, persistence.Config{})
	require.NoError(tb, err)
	tb.Cleanup(store.Close)
	w.failed = &afterwards{Store: store}
	w.index = itemindex.New(w.failed, limit, slog.New(slog.DiscardHandler))
	w.takeOver()
	return w
}

// takeOver makes the test a new owner.
func (w *world) takeOver() (former ledger.Lease) {
	former = w.lease
	w.lease = ledger.Lease{Partition: 0, Token: uuid.New()}
	_, err := w.pool.Exec(w.t.Context(), "update courier.lease set token = $1, last_transaction = $1 where partition = 0", w.lease.Token)
	require.NoError(w.t, err)
	return former
}

// crash ends the connection at a statement: 1 is the next one.
type crash struct {
	mu  sync.Mutex
	in  int
	hit bool
}

func (c *crash) at(statement int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in, c.hit = statement, false
}

func (c *crash) happened() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hit
}

func (c *crash) start(ctx context.Context) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in == 0 {
		return ctx
	}
	if c.in--; c.in > 0 {
		return ctx
	}
	c.hit = true
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

func (c *crash) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return c.start(ctx)
}
func (*crash) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (c *crash) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return c.start(ctx)
}
func (*crash) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*crash) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

var errNoAnswer = errors.New("the commit had no answer")

// afterwards is a store whose commits may have no answer although they happened.
type afterwards struct {
	*persistence.Store

	silent bool
}

func (a *afterwards) IndexItems(ctx context.Context, oldest time.Time, update persistence.ItemUpdate, done func(context.Context, pgx.Tx) error) error {
	return a.lose(a.Store.IndexItems(ctx, oldest, update, done))
}

func (a *afterwards) WriteFilling(ctx context.Context, lease ledger.Lease, piece persistence.ItemFilling, update persistence.ItemUpdate) error {
	return a.lose(a.Store.WriteFilling(ctx, lease, piece, update))
}

func (a *afterwards) lose(err error) error {
	if err == nil && a.silent {
		a.silent = false
		return errNoAnswer
	}
	return err
}

// mutate makes a change of one of few items, so that each is changed often.
func (w *world) mutate() *catalog.Mutation {
	w.sequence++
	m := ledgertest.Mutation(w.sequence, fmt.Sprintf("item-%d", w.rnd.IntN(7)))
	m.Operation = []catalog.Operation{catalog.Upsert, catalog.Update, catalog.Delete}[w.rnd.IntN(3)]
	m.ReceivedAt = w.began.Add(time.Duration(w.sequence) * 7 * time.Second)
	if w.rnd.IntN(4) == 0 {
		m.Localization = catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}
	}
	return m
}

// record makes a record of one item: of a change that waits, or of new ones.
func (w *world) record() catalog.Record {
	if len(w.waiting) > 0 && w.rnd.IntN(2) == 0 {
		m := w.waiting[0]
		w.waiting = w.waiting[1:]
		return ledgertest.Record(m)
	}
	all := []*catalog.Mutation{w.mutate()}
	for w.rnd.IntN(3) == 0 {
		m := w.mutate()
		m.ItemID, m.Localization = all[0].ItemID, all[0].Localization
		all = append(all, m)
	}
	return ledgertest.Record(all...)
}

// write commits one random transaction.
func (w *world) write() {
	tx := ledgertest.Transaction(w.lease)
	switch w.rnd.IntN(5) {
	case 0, 1:
		records := make([]catalog.Record, 1+w.rnd.IntN(4))
		for i := range records {
			records[i] = w.record()
		}
		tx.Batches = []ledger.Batch{w.batch(records)}
		w.open = append(w.open, tx.Batches[0])
	case 2:
		m := w.mutate()
		tx.Invalid = []ledger.InvalidMutation{{Mutation: m, Problem: catalog.Problem{Reason: catalog.InvalidValue, Field: "price", Text: "it is not a price"}}}
	case 3:
		m := w.mutate()
		if w.rnd.IntN(3) == 0 {
			tx.Stale = []ledger.StaleVersion{{Mutation: m, SupersededBy: "m-1"}}
			break
		}
		tx.Waiting = []*catalog.Mutation{m}
		w.waiting = append(w.waiting, m)
	default:
		if len(w.open) == 0 {
			return
		}
		i := w.rnd.IntN(len(w.open))
		b := w.open[i]
		w.open = append(w.open[:i], w.open[i+1:]...)
		outcome, goOn := w.end(&b)
		tx.Outcomes = []ledger.BatchOutcome{outcome}
		if len(goOn) > 0 { // in another batch
			tx.Batches = []ledger.Batch{w.batch(goOn)}
			w.open = append(w.open, tx.Batches[0])
		}
	}
	require.NoError(w.t, w.store.Commit(w.t.Context(), w.lease, tx))
}

func (w *world) batch(records []catalog.Record) ledger.Batch {
	batch := ledgertest.Batch(records...)
	batch.ID = uuid.Must(uuid.NewV7())
	binary.BigEndian.PutUint64(batch.ID[:8], uint64(ledgertest.At.UnixMilli())<<16|0x7000|w.sequence&0xfff)
	return batch
}

// end ends a batch, some of whose records go on in another one.
func (w *world) end(b *ledger.Batch) (o ledger.BatchOutcome, goOn []catalog.Record) {
	o = ledger.BatchOutcome{
		BatchID: b.ID, Lane: b.Lane, CreatedAt: b.CreatedAt, State: ledger.BatchCompleted,
		FinishedAt: w.began.Add(time.Duration(w.sequence) * 11 * time.Second),
	}
	for i := range b.Records {
		x := ledger.RecordOutcome{Index: i, Constituents: b.Records[i].Constituents}
		switch w.rnd.IntN(7) {
		case 0:
			x.Result, x.Reason, x.Errors = ledger.Failed, catalog.Refused, []ledger.Issue{{Code: "2", Attribute: "price", Message: "no"}, {Code: "3"}}
		case 1:
			x.Result, x.Reason = ledger.Unconfirmed, catalog.Unconfirmed
		case 2:
			x.Result = ledger.Returned
			for _, m := range x.Constituents {
				m.Attempts++
			}
			if n := len(x.Constituents); n > 1 && w.rnd.IntN(2) == 0 { // the first was in all of its parts
				x.Settled, x.Constituents = x.Constituents[:1], x.Constituents[1:]
			}
			w.waiting = append(w.waiting, x.Constituents...)
		case 3:
			if w.rnd.IntN(2) == 0 {
				goOn = append(goOn, b.Records[i])
				continue
			}
			x.Result, x.Warnings = ledger.Succeeded, []ledger.Issue{{Message: "the image is small"}}
			o.Succeeded++
		default:
			o.Succeeded++
			continue
		}
		o.Exceptions = append(o.Exceptions, x)
	}
	return o, goOn
}

func (w *world) transaction() *ledger.Transaction { return ledgertest.Transaction(w.lease) }
