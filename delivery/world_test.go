package delivery_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/quota"
)

// The two readings of an UPSERT, see catalog.Semantics.
var (
	replacing = catalog.Semantics{Merges: true, UpsertReplaces: true}
	overlaid  = catalog.Semantics{Merges: true}
)

// stream is one partition of a stream, kept whole.
type stream struct {
	mu       sync.Mutex
	arrivals []catalog.Arrival
	grown    chan struct{}
	chunk    int
	slow     time.Duration // before the first chunk of a reader
	families bool          // something localized is among them
}

func newStream() *stream { return &stream{grown: make(chan struct{}), chunk: 100} }

func (s *stream) add(arrival catalog.Arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := arrival.Mutation
	m.Position = catalog.Position{Generation: 1, Sequence: uint64(len(s.arrivals) + 1)}
	m.PublishedAt = time.Now()
	s.arrivals = append(s.arrivals, arrival)
	s.families = s.families || !m.Localization.IsZero()
	close(s.grown)
	s.grown = make(chan struct{})
}

// reader reads a stream from a resumption on.
type reader struct {
	stream *stream
	next   int
	skip   []ledger.Range
	only   string    // the account of the partition; "" for all
	ready  time.Time // for the first chunk
}

func (s *stream) read(r *ledger.Resumption) *reader {
	return &reader{stream: s, next: int(r.Anchor.Position.Sequence), skip: r.Recorded, ready: time.Now().Add(s.slow)}
}

func (r *reader) Next(ctx context.Context) ([]catalog.Arrival, error) {
	select {
	case <-time.After(time.Until(r.ready)):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		r.stream.mu.Lock()
		var chunk []catalog.Arrival
		for r.next < len(r.stream.arrivals) && len(chunk) < r.stream.chunk {
			arrival := r.stream.arrivals[r.next]
			r.next++
			if r.skipped(arrival.Mutation.Position.Sequence) || r.only != "" && r.only != arrival.Mutation.Lane.Account {
				continue
			}
			m := *arrival.Mutation
			m.ReceivedAt = time.Now()
			arrival.Mutation = &m
			chunk = append(chunk, arrival)
		}
		grown := r.stream.grown
		r.stream.mu.Unlock()
		if len(chunk) > 0 {
			return chunk, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *reader) skipped(sequence uint64) bool {
	for _, known := range r.skip {
		if sequence >= known.First && sequence <= known.Last {
			return true
		}
	}
	return false
}

func (r *reader) Idle(context.Context) (ledger.Anchor, bool, error) {
	r.stream.mu.Lock()
	defer r.stream.mu.Unlock()
	last := len(r.stream.arrivals)
	if r.next < last || last == 0 {
		return ledger.Anchor{}, false, nil
	}
	m := r.stream.arrivals[last-1].Mutation
	return ledger.Anchor{Position: m.Position, Time: m.PublishedAt, MessageID: m.ID}, true, nil
}

func (r *reader) Pending(context.Context) (uint64, error) { return 0, nil }

// world is everything around an engine.
type world struct {
	t        testing.TB
	store    *ledgermodel.Store
	stream   *stream
	platform *simulated
	accounts map[string]*delivery.Account
	budget   *delivery.Budget
	saved    *savedStates
	grace    time.Duration
	expected []catalog.Mutation
	logger   *slog.Logger
}

// savedStates is the store, and remembers how the states of accounts changed.
type savedStates struct {
	*ledgermodel.Store
	mu   sync.Mutex
	all  []ledger.AccountState
	last map[string]string // by account
}

func (s *savedStates) SaveAccount(ctx context.Context, state ledger.AccountState) (ledger.AccountState, error) {
	saved, err := s.Store.SaveAccount(ctx, state)
	s.mu.Lock()
	defer s.mu.Unlock()
	if former := cmp.Or(s.last[state.Account], "active"); err == nil && state.State != former {
		s.all, s.last[state.Account] = append(s.all, state), state.State
	}
	return saved, err
}

// changes lists them: the account and what it is from then on.
func (s *savedStates) changes() (changes []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, state := range s.all {
		changes = append(changes, state.Account+" "+state.State)
	}
	return changes
}

// policy is a patient account's.
func policy() delivery.Policy {
	return delivery.Policy{
		MaxAge: 100 * time.Millisecond, PollMin: time.Second, PollMax: 10 * time.Second, PollGiveUp: time.Hour,
		MaxAttempts: 3, RetryMin: time.Second, RetryMax: time.Minute, Settle: 5 * time.Minute, Concurrency: 4,
	}
}

func newWorld(tb testing.TB, semantics catalog.Semantics) *world {
	tb.Helper()
	w := &world{
		t: tb, store: ledgermodel.New(), stream: newStream(), platform: newSimulated(semantics),
		accounts: map[string]*delivery.Account{}, budget: delivery.NewBudget(1 << 30),
		grace: 10 * time.Minute, logger: slog.New(slog.DiscardHandler),
	}
	w.saved = &savedStates{Store: w.store, last: map[string]string{}}
	w.account("acme", policy())
	w.platform.watch = w.watchFamilies
	return w
}

func (w *world) account(name string, p delivery.Policy) *delivery.Account {
	a := &delivery.Account{Name: name, Platform: "simulated", Client: w.platform, Policy: p}
	w.accounts[name] = a
	return a
}

// life is one engine from start to end.
type life struct {
	w      *world
	cancel context.CancelFunc
	drain  chan struct{}
	done   chan error
	scopes *quota.Scopes
	ended  bool
	err    error
}

// start takes the partition over and runs an engine.
func (w *world) start() *life { return w.startWith(quota.NewScopes(w.store, w.logger)) }

func (w *world) startWith(scopes *quota.Scopes, options ...func(*delivery.Config)) *life {
	return w.startPartition(0, "", scopes, options...)
}

// startPartition works the partition of one account, or of all.
func (w *world) startPartition(number int, account string, scopes *quota.Scopes, options ...func(*delivery.Config)) *life {
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{w: w, cancel: cancel, drain: make(chan struct{}), done: make(chan error, 1), scopes: scopes}
	w.t.Cleanup(cancel)
	lease := w.store.Acquire(number)
	r, err := w.store.Resume(ctx, lease)
	if err != nil {
		require.NoError(w.t, err)
	}
	if r.Anchor.Position.Generation == 0 {
		r.Anchor.Position.Generation = 1
	}
	source := w.stream.read(r)
	source.only = account
	config := delivery.Config{
		Lease: lease, Store: w.saved, Source: source,
		Accounts: func(name string) (*delivery.Account, bool) {
			a, ok := w.accounts[name]
			return a, ok
		},
		Scopes: scopes, Budget: w.budget, Observer: delivery.NopObserver{}, Tracer: noop.NewTracerProvider().Tracer(""),
		Logger: w.logger, RecordWithin: 5 * time.Second, UnknownAccountGrace: w.grace, DrainTimeout: time.Minute,
	}
	for _, option := range options {
		option(&config)
	}
	engine := delivery.New(config, r)
	go func() {
		var running sync.WaitGroup
		running.Go(func() { scopes.Run(ctx) })
		err := engine.Run(ctx, l.drain)
		cancel()
		running.Wait()
		l.done <- err
	}()
	return l
}

// crash ends the engine as a kill would: nothing is settled.
func (l *life) crash() {
	l.cancel()
	l.wait()
}

// stop drains the engine.
func (l *life) stop() {
	close(l.drain)
	require.NoError(l.w.t, l.wait())
}

func (l *life) wait() error {
	if !l.ended {
		l.ended, l.err = true, <-l.done
	}
	return l.err
}

// change publishes one mutation.
func (w *world) change(item string, op catalog.Operation, attributes string, options ...func(*catalog.Mutation)) string {
	m := &catalog.Mutation{
		Lane: laneOf("acme"), ItemID: item, Operation: op, ID: fmt.Sprintf("m%d", len(w.expected)+1),
	}
	m.Message = catalog.Message{Subject: "catalog.mutations.acme.c.T", Data: []byte(attributes), Headers: []catalog.Header{{Name: "Nats-Msg-Id", Value: m.ID}}}
	if attributes != "" {
		m.Attributes = m.Message.Data
	}
	gjson.Parse(attributes).ForEach(func(_, value gjson.Result) bool {
		m.HasNull = m.HasNull || value.Type == gjson.Null
		return true
	})
	for _, option := range options {
		option(m)
	}
	w.stream.add(catalog.Arrival{Mutation: m})
	w.expected = append(w.expected, *m)
	return m.ID
}

func of(account string) func(*catalog.Mutation) {
	return func(m *catalog.Mutation) { m.Lane.Account = account }
}

func version(n int64) func(*catalog.Mutation) {
	return func(m *catalog.Mutation) { m.Version, m.HasVersion = n, true }
}

func (w *world) upsert(item, attributes string) string {
	return w.change(item, catalog.Upsert, attributes)
}

// status is what became of each mutation, by id.
func (w *world) status() map[string]ledgermodel.Status {
	found := map[string]ledgermodel.Status{}
	for _, m := range w.store.Mutations() {
		found[m.ID] = m.Status
	}
	return found
}

func (w *world) row(id string) ledgermodel.Mutation {
	for _, m := range w.store.Mutations() {
		if m.ID == id {
			return m
		}
	}
	return ledgermodel.Mutation{}
}

// until lets time pass until the condition holds.
func (w *world) until(limit time.Duration, what string, condition func() bool) {
	for deadline := time.Now().Add(limit); ; {
		synctest.Wait()
		if condition() {
			return
		}
		if time.Now().After(deadline) {
			require.Failf(w.t, "it did not happen in time", "%s; POSTs %q; statuses %v", what, w.platform.sent(), w.status())
		}
		time.Sleep(max(50*time.Millisecond, limit/10_000))
	}
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func final(s ledgermodel.Status) bool {
	return s == ledgermodel.Succeeded || s == ledgermodel.Failed || s == ledgermodel.Invalid || s == ledgermodel.Unconfirmed || s == ledgermodel.Superseded
}

// done reports that all published mutations are final and no batch is open.
func (w *world) done() bool {
	rows := w.store.Mutations()
	if len(rows) < len(w.expected) {
		return false
	}
	for _, row := range rows {
		if !final(row.Status) {
			return false
		}
	}
	for _, batch := range w.store.Batches() {
		if batch.Outcome == nil {
			return false
		}
	}
	return true
}

// finish waits until all is final and checks what must always hold.
func (w *world) finish(limit time.Duration) {
	w.until(limit, "all mutations become final", w.done)
	w.check()
}

// check asserts the invariants that hold at any time, and the state of the items
// where nothing ended unconfirmed.
func (w *world) check() {
	require.NoError(w.t, w.store.Check())
	w.platform.mu.Lock()
	defer w.platform.mu.Unlock()
	require.Empty(w.t, w.platform.faults)
}

// state is what the platform should have: the mutations one at a time, but those
// that ended failed, invalid or overtaken. Items with an unconfirmed one are left
// out: nobody knows.
func (w *world) state() (want map[catalog.ItemKey]map[string]string, unsure map[catalog.ItemKey]bool) {
	want, unsure = map[catalog.ItemKey]map[string]string{}, map[catalog.ItemKey]bool{}
	rows := map[string]ledgermodel.Mutation{}
	for _, row := range w.store.Mutations() {
		rows[row.ID] = row
	}
	for i := range w.expected {
		m := &w.expected[i]
		row := rows[m.ID]
		carrier := row
		if row.Status == ledgermodel.Superseded {
			carrier = rows[row.SupersededBy]
		}
		switch {
		case carrier.Status == ledgermodel.Unconfirmed:
			unsure[m.Key()] = true
		case row.Status == ledgermodel.Failed, row.Status == ledgermodel.Invalid, row.Overtaken:
		default:
			w.platform.applyTo(want, m.Key(), m.Change())
		}
	}
	return want, unsure
}

// requireState compares the platform with the expected state.
func (w *world) requireState() {
	want, unsure := w.state()
	w.platform.mu.Lock()
	defer w.platform.mu.Unlock()
	for key := range unsure {
		delete(want, key)
	}
	have := map[catalog.ItemKey]map[string]string{}
	for key, attributes := range w.platform.items {
		if !unsure[key] {
			have[key] = attributes
		}
	}
	for key := range want {
		require.Equal(w.t, want[key], have[key], "item %s\n%s", key.ItemID, w.story(key))
		delete(have, key)
	}
	for key := range have {
		require.Fail(w.t, "an item should not exist", "%s\n%s", key.ItemID, w.story(key))
	}
}

// story tells of an item's mutations and of the POSTs that carried it.
func (w *world) story(key catalog.ItemKey) string {
	var text strings.Builder
	for _, row := range w.store.Mutations() {
		if row.Key == key {
			m := w.expected[row.Position.Sequence-1]
			fmt.Fprintf(&text, "%s %v %s: %s %s %s %s\n", row.ID, row.Operation, m.Attributes, row.Status, row.SupersededBy, row.Reason, row.BatchID)
		}
	}
	for _, p := range w.platform.posts {
		for i := range p.records {
			if p.records[i].Key == key {
				fmt.Fprintf(&text, "POST %d at %s: %s\n", p.number, p.at.Format(time.TimeOnly), contentOf(&p.records[i]))
			}
		}
	}
	return text.String()
}
