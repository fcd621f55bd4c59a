package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/source/difference"
	"github.com/catalog-courier/catalog-courier/source/run"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// shop is a source: what it has by id, as of a time.
type shop struct {
	items  map[string]map[string]any
	extra  []map[string]any // records besides
	at     time.Time
	broken error // instead of the end
	bad    int64
}

type place int

func (p place) String() string { return fmt.Sprint("record ", int(p)) }

type snapshot struct {
	records []map[string]any
	next    int
	shop    shop
}

func (s *snapshot) Next() (run.Record, error) {
	if s.next == len(s.records) {
		if s.shop.broken != nil {
			return run.Record{}, s.shop.broken
		}
		return run.Record{}, io.EOF
	}
	s.next++
	record := s.records[s.next-1]
	return run.Record{Item: record, Place: place(s.next), Damaged: record["damaged"] != nil}, nil
}
func (s *snapshot) At() time.Time           { return s.shop.at }
func (s *snapshot) Fingerprint() string     { return s.shop.at.Format(time.RFC3339Nano) }
func (s *snapshot) Findings() []run.Finding { return nil }
func (s *snapshot) Unreadable() int64       { return s.shop.bad }
func (s *snapshot) Bytes() int64            { return 1 }
func (s *snapshot) Close() error            { return nil }

func (s *shop) open(_ context.Context, former string) (run.Snapshot, error) {
	if former != "" && former == s.at.Format(time.RFC3339Nano) {
		return nil, run.ErrUnchanged
	}
	opened := &snapshot{shop: *s}
	for _, id := range slices.Sorted(maps.Keys(s.items)) {
		record := maps.Clone(s.items[id])
		record["id"] = id
		opened.records = append(opened.records, record)
	}
	opened.records = append(opened.records, s.extra...)
	return opened, nil
}

// destination is a platform that keeps what an UPSERT leaves out.
type destination struct {
	mu    sync.Mutex
	items map[string]map[string]any // by lane and id
	ids   []string                  // of mutations, as published
	fail  func(published int) error
	seen  map[string]bool
}

func (d *destination) publish(_ context.Context, mutations []publish.Mutation) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range mutations {
		if d.fail != nil {
			if err := d.fail(len(d.ids)); err != nil {
				return err
			}
		}
		d.ids = append(d.ids, m.ID)
		if d.seen[m.ID] {
			continue // the stream drops it
		}
		d.seen[m.ID] = true
		key := m.Account + "/" + m.ItemID
		if m.Operation == catalog.Delete {
			delete(d.items, key)
			continue
		}
		raw, _ := m.Attributes.(json.RawMessage)
		var members map[string]any
		if err := json.Unmarshal(raw, &members); err != nil {
			return err
		}
		if d.items[key] == nil {
			d.items[key] = map[string]any{}
		}
		for name, value := range members {
			if value == nil {
				delete(d.items[key], name)
			} else {
				d.items[key][name] = value
			}
		}
	}
	return nil
}

func (d *destination) of(account string) map[string]map[string]any {
	found := map[string]map[string]any{}
	for key, item := range d.items {
		if id, ok := strings.CutPrefix(key, account+"/"); ok {
			found[id] = item
		}
	}
	return found
}

type bench struct {
	t      *testing.T
	shop   *shop
	there  *destination
	source run.Source
	runner *run.Runner
	store  *persistence.Sources
}

var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func newBench(t *testing.T) *bench {
	t.Helper()
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: persistencetest.Database(t), MaxConns: 6})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	b := &bench{
		t: t, shop: &shop{items: map[string]map[string]any{}, at: start},
		there: &destination{items: map[string]map[string]any{}, seen: map[string]bool{}},
		store: persistence.NewSources(pool, 0),
	}
	b.source = run.Source{Name: "shop", ItemID: "{id}", Open: b.shop.open, Routes: []run.Route{b.route("meta", true), b.route("pinterest", true)}}
	b.runner = &run.Runner{
		Store: b.store, Publish: b.there.publish, Logger: slog.New(slog.DiscardHandler), Name: "test", Folder: t.TempDir(),
	}
	return b
}

func (b *bench) route(account string, keeps bool) run.Route {
	return run.Route{
		Lane: catalog.Lane{Account: account, Catalog: "products", Type: "PRODUCT_ITEM"}, Revision: "1",
		Operation: catalog.Upsert, Replaces: !keeps, Guard: difference.DefaultGuard,
		Map: func(record map[string]any) run.Mapped {
			id, _ := record["id"].(string)
			if record["invalid"] != nil {
				return run.Mapped{Item: difference.Item{ID: id}, Invalid: true, Findings: []run.Finding{{Kind: "PRICE", Severity: "error", ItemID: id, Rule: "no price"}}}
			}
			record = maps.Clone(record)
			delete(record, "id")
			encoded, err := json.Marshal(record)
			require.NoError(b.t, err)
			return run.Mapped{Item: difference.Item{ID: id, Attributes: encoded}, Skipped: account == "pinterest" && record["only"] == "meta"}
		},
	}
}

// fill gives the shop items 1 to n.
func (b *bench) fill(n int) {
	for i := range n {
		b.shop.items[fmt.Sprintf("%05d", i)] = map[string]any{"title": fmt.Sprint("item ", i), "price": "5 EUR"}
	}
}

func (b *bench) later() { b.shop.at = b.shop.at.Add(time.Hour) }

func (b *bench) plan(approved int) *run.Plan {
	b.t.Helper()
	plan, err := b.runner.Plan(b.t.Context(), b.source, run.Request{Trigger: "test", Approved: approved})
	require.NoError(b.t, err)
	return plan
}

func (b *bench) run(approved int) run.Result {
	b.t.Helper()
	plan := b.plan(approved)
	result, err := plan.Apply(b.t.Context())
	require.NoError(b.t, err)
	require.Equal(b.t, plan.Run, result.Run)
	if !plan.Unchanged {
		require.Equal(b.t, plan.Read, result.Read)
	}
	result.Run, result.Read = 0, 0
	return result
}

func (b *bench) requireTrue() {
	b.t.Helper()
	require.Equal(b.t, b.shop.items, b.there.of("meta"))
}

func TestRunSendsTheDifference(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fill(1200)
	result := b.run(0)
	require.Equal(t, run.Result{State: persistence.RunDone, Published: 2400}, result)
	b.requireTrue()

	require.Equal(t, run.Result{State: persistence.RunUnchanged}, b.run(0), "the same file is not read again")
	b.later()
	require.Equal(t, run.Result{State: persistence.RunDone}, b.run(0), "nothing changed, nothing is sent")

	b.later()
	b.shop.items["00007"] = map[string]any{"title": "other"}
	delete(b.shop.items, "00003")
	b.shop.items["new"] = map[string]any{"title": "new"}
	require.Equal(t, int64(6), b.run(0).Published)
	b.requireTrue()
	require.NotContains(t, b.there.of("meta")["00007"], "price", "a price that is gone is cleared")

	b.later()
	b.shop.items["00001"]["only"] = "meta"
	result = b.run(0)
	require.Equal(t, int64(2), result.Published, "a change there, and here a delete: it left the route's filter")
	require.NotContains(t, b.there.of("pinterest"), "00001")
}

// TestARouteThatWasAway is true again when it comes back, though the file did not change
// since the other routes got it.
func TestARouteThatWasAway(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fill(10)
	b.run(0)
	both := b.source.Routes
	b.source.Routes = both[1:]
	b.later()
	b.shop.items["00001"]["title"] = "other"
	delete(b.shop.items, "00002")
	b.run(0)
	b.source.Routes = both
	require.Equal(t, run.Result{State: persistence.RunDone, Published: 2}, b.run(0))
	b.requireTrue()
	require.Equal(t, persistence.RunUnchanged, b.run(0).State)
}

// TestAnotherPolicyIsFollowed though nothing changes in the file any more.
func TestAnotherPolicyIsFollowed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fill(10)
	for i := range b.source.Routes {
		b.source.Routes[i].Missing = difference.Keep
	}
	b.run(0)
	b.later()
	delete(b.shop.items, "00003")
	require.Zero(t, b.run(0).Published)
	require.Equal(t, persistence.RunUnchanged, b.run(0).State)
	for i := range b.source.Routes {
		b.source.Routes[i].Missing, b.source.Routes[i].MissingRuns = difference.Delete, 3
	}
	require.Zero(t, b.run(0).Published)
	for i := range b.source.Routes {
		b.source.Routes[i].MissingRuns = 1
	}
	require.Equal(t, run.Result{State: persistence.RunDone, Published: 2}, b.run(0))
	b.requireTrue()
}

// TestEndARoute: a filter that leaves out all items is approved, however few they are.
func TestEndARoute(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fill(5)
	b.run(0)
	for _, item := range b.shop.items {
		item["only"] = "meta"
	}
	b.later()
	result := b.run(0)
	require.Equal(t, persistence.RunWithheld, result.State)
	require.Equal(t, int64(5), result.Published, "the other route goes on")
	require.Len(t, b.there.of("pinterest"), 5)
	require.Equal(t, persistence.RunDone, b.run(5).State)
	require.Empty(t, b.there.of("pinterest"))
	b.requireTrue()
}

// TestUnknownRecordsWithholdDeletes: each of them may be the item that is missing. Records
// that a filter leaves out need no id, and somebody who looked may approve.
func TestUnknownRecordsWithholdDeletes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		shop     func(s *shop)
		withheld bool
	}{
		"unreadable":               {func(s *shop) { s.bad = 1 }, true},
		"without id":               {func(s *shop) { s.extra = []map[string]any{{"title": "no id"}} }, true},
		"without id, and left out": {func(s *shop) { s.extra = []map[string]any{{"title": "no id", "draft": true}} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			for i := range b.source.Routes {
				of := b.source.Routes[i].Map
				b.source.Routes[i].Map = func(record map[string]any) run.Mapped {
					mapped := of(record)
					mapped.Skipped = mapped.Skipped || record["draft"] != nil
					return mapped
				}
			}
			b.fill(10)
			b.run(0)
			b.later()
			delete(b.shop.items, "00003")
			test.shop(b.shop)
			if test.withheld {
				require.Equal(t, persistence.RunWithheld, b.run(0).State)
				require.Len(t, b.there.of("meta"), 10)
			}
			require.Equal(t, persistence.RunDone, b.run(1).State)
			b.requireTrue()
		})
	}
}

// TestMassDelete shows what would have been deleted, and that nothing was.
func TestMassDelete(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fill(600)
	b.run(0)
	b.later()
	for i := range 100 {
		delete(b.shop.items, fmt.Sprintf("%05d", i))
	}
	b.shop.items["00500"]["title"] = "other"
	plan := b.plan(0)
	require.Equal(t, "withheld", plan.Routes[0].Decision)
	require.Equal(t, 100, plan.Routes[0].Counts.Removed)
	require.Equal(t, "removed", plan.Routes[0].Samples[1].Kind)
	result, err := plan.Apply(t.Context())
	require.NoError(t, err)
	require.Contains(t, result.Reason, "100 of 600 items (16.7 %) are missing")
	result.Reason = ""
	require.Equal(t, run.Result{Run: plan.Run, Read: plan.Read, State: persistence.RunWithheld, Published: 2, Withheld: 200}, result)
	require.Len(t, b.there.of("meta"), 600, "nothing is deleted")
	require.Equal(t, "other", b.there.of("meta")["00500"]["title"], "what was changed goes")

	require.Equal(t, persistence.RunWithheld, b.run(99).State, "approved is a limit")
	require.Equal(t, run.Result{State: persistence.RunDone, Published: 200}, b.run(100))
	b.requireTrue()
}

func TestAbsoluteStops(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		shop  func(b *bench)
		state persistence.RunState
		err   string
	}{
		"a read that fails": {func(b *bench) { b.shop.broken = errors.New("unexpected EOF") }, persistence.RunFailed, "unexpected EOF"},
		"no items":          {func(b *bench) { b.shop.items = nil }, persistence.RunStopped, ""},
		"other ids": {func(b *bench) {
			items := map[string]map[string]any{}
			for id, item := range b.shop.items {
				items["sku-"+id] = item
			}
			b.shop.items = items
		}, persistence.RunStopped, ""},
		"one id for all": {func(b *bench) {
			for range 30 {
				b.shop.extra = append(b.shop.extra, map[string]any{"id": "00001", "title": "same"})
			}
		}, persistence.RunStopped, ""},
		"an older file": {func(b *bench) { b.shop.at = start.Add(-time.Hour) }, persistence.RunFailed, "older than the last one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.fill(20)
			b.run(0)
			before := len(b.there.ids)
			b.later()
			test.shop(b)
			plan, err := b.runner.Plan(t.Context(), b.source, run.Request{Trigger: "test", Approved: 1000})
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
			} else {
				require.NoError(t, err)
				result, err := plan.Apply(t.Context())
				require.NoError(t, err)
				require.Equal(t, test.state, result.State)
				require.NotEmpty(t, plan.Routes[0].Reason)
			}
			require.Len(t, b.there.ids, before, "nothing is sent")
			row, err := b.store.Run(t.Context(), 2)
			require.NoError(t, err)
			require.Equal(t, test.state, row.State)
		})
	}
}

func TestBadItemsAreNeitherSentNorDeleted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fill(10)
	b.run(0)
	b.later()
	before := len(b.there.ids)
	b.shop.items["00001"]["invalid"] = "yes"
	plan := b.plan(0)
	require.Equal(t, 1, plan.Routes[0].Counts.Invalid)
	require.Equal(t, "PRICE", plan.Findings[0].Kind)
	result, err := plan.Apply(t.Context())
	require.NoError(t, err)
	require.Equal(t, persistence.RunDone, result.State)
	require.Len(t, b.there.ids, before)

	same := b.plan(0)
	require.True(t, same.Unchanged)
	require.Equal(t, plan.Run, same.LastRead, "whose findings are still true")
	require.Equal(t, []int{10, 9, 1}, []int{same.Routes[0].Counts.Read, same.Routes[0].Counts.Unchanged, same.Routes[0].Counts.Invalid})
	require.Equal(t, plan.Findings, same.Findings)
	require.EqualValues(t, 10, same.Read)
	require.Equal(t, plan.SnapshotAt, same.SnapshotAt)
	result, err = same.Apply(t.Context())
	require.NoError(t, err)
	require.Equal(t, persistence.RunUnchanged, result.State)
	after := b.plan(0)
	require.Equal(t, plan.Run, after.LastRead, "not the run that read nothing")
	require.NoError(t, after.Close())

	b.later()
	delete(b.shop.items, "00002")
	b.shop.extra = []map[string]any{{"title": "no id"}}
	require.Equal(t, persistence.RunWithheld, b.run(0).State, "the one without id may be the one that is missing")
	require.Contains(t, b.there.of("meta"), "00002")
	b.shop.extra = nil
	b.later()
	require.Equal(t, persistence.RunDone, b.run(0).State)
	require.NotContains(t, b.there.of("meta"), "00002")
}

func TestTheLastOfEqualIDsCounts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fill(20)
	b.shop.extra = []map[string]any{{"id": "00003", "title": "last"}}
	plan := b.plan(0)
	require.Len(t, plan.Findings, 1)
	require.Len(t, plan.Findings[0].Samples, 2, "one for each route")
	for _, finding := range plan.Findings[0].Samples {
		require.Equal(t, "DUPLICATE_ID", finding.Kind)
		require.NotEqual(t, finding.Place, regexp.MustCompile("record [0-9]+").FindString(finding.Rule), "another record has the id")
	}
	_, err := plan.Apply(t.Context())
	require.NoError(t, err)
	require.Equal(t, "last", b.there.of("meta")["00003"]["title"])
	for range 3 {
		b.later()
		b.run(0)
		require.Equal(t, "last", b.there.of("meta")["00003"]["title"], "and stays, run after run")
	}
}

func TestAPlanSendsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fill(3)
	plan := b.plan(0)
	sent, withheld := plan.Changes()
	require.Equal(t, []int{6, 0}, []int{sent, withheld})
	_, err := b.runner.Plan(t.Context(), b.source, run.Request{Trigger: "test"})
	require.NoError(t, err, "the same runner's name holds it")
	other := *b.runner
	other.Name = "other"
	_, err = other.Plan(t.Context(), b.source, run.Request{Trigger: "test"})
	require.ErrorIs(t, err, persistence.ErrSourceHeld)
	require.NoError(t, plan.Close())
	require.Empty(t, b.there.ids)
}

// TestARunThatEndsAnywhereIsCompleted: the stream fails, or the process ends, at each point of a run in
// turn. The next run sends the rest; what is sent twice has the same id.
func TestARunThatEndsAnywhereIsCompleted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fill(40)
	b.run(0)
	want := 0
	for at := range 12 {
		b.later()
		for i := range 5 {
			b.shop.items[fmt.Sprintf("%05d", (at+i)%40)] = map[string]any{"title": fmt.Sprint(at, i)}
		}
		b.shop.items[fmt.Sprint("new", at)] = map[string]any{"title": "new"}
		began := len(b.there.ids)
		b.there.fail = func(published int) error {
			if published-began >= at {
				return errors.New("the stream is away")
			}
			return nil
		}
		_, err := b.plan(0).Apply(t.Context())
		require.ErrorContains(t, err, "the stream is away")
		b.there.fail = nil
		b.later()
		require.Equal(t, persistence.RunDone, b.run(0).State)
		b.requireTrue()
		want += 12
	}
	require.Len(t, b.there.seen, 80+want, "each change has one id, however often it was sent")
}

// TestAdditionsDoNotLiftTheGuard: what is added while deletes are withheld does not make them
// a smaller part of the catalog.
func TestAdditionsDoNotLiftTheGuard(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fill(500)
	b.run(0)
	b.later()
	for i := range 60 {
		delete(b.shop.items, fmt.Sprintf("%05d", i))
	}
	for i := range 300 {
		b.shop.items[fmt.Sprintf("new-%03d", i)] = map[string]any{"title": "new", "price": "5 EUR"}
	}
	require.Equal(t, persistence.RunWithheld, b.run(0).State, "60 of 500 are 12 %")
	require.Equal(t, persistence.RunWithheld, b.run(0).State, "60 of 740 would be 8.1 %")
	require.Equal(t, persistence.RunDone, b.run(60).State)
	require.Len(t, b.there.of("meta"), 740)
	b.later()
	for i := range 55 {
		delete(b.shop.items, fmt.Sprintf("new-%03d", i))
	}
	require.Equal(t, persistence.RunDone, b.run(0).State, "55 of 740 are 7.4 %: what was withheld is over")
}

// TestTheLastOfSeveralRecordsCounts: whatever the earlier ones say.
func TestTheLastOfSeveralRecordsCounts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fill(20)
	b.shop.extra = []map[string]any{{"id": "00001", "title": "last", "price": "6 EUR"}}
	require.EqualValues(t, 40, b.run(0).Published, "each item once for each route")
	require.Equal(t, "last", b.there.of("meta")["00001"]["title"])
	b.later()
	again := b.plan(0)
	require.Zero(t, again.Routes[0].Counts.Changed)
	require.Equal(t, 20, again.Routes[0].Counts.Unchanged)
	require.Empty(t, again.Routes[0].Samples)
	result, err := again.Apply(t.Context())
	require.NoError(t, err)
	require.Zero(t, result.Published)
	b.later()
	b.shop.extra = append(b.shop.extra, map[string]any{"id": "00001", "invalid": "true"})
	plan := b.plan(0)
	require.Equal(t, 1, plan.Routes[0].Counts.Invalid, "%+v", plan.Routes[0].Counts)
	result, err = plan.Apply(t.Context())
	require.NoError(t, err)
	require.Zero(t, result.Published, "the last one cannot be sent, and the item is not missing")
}

// TestMostItemsWithErrors: what has none is sent, deletes wait, and the run is not a good one.
func TestMostItemsWithErrors(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fill(10)
	b.run(0)
	b.later()
	for i := range 7 {
		b.shop.items[fmt.Sprintf("%05d", i)]["invalid"] = "true"
	}
	b.shop.items["00008"]["title"] = "other"
	delete(b.shop.items, "00009")
	result := b.run(0)
	require.Equal(t, persistence.RunWithheld, result.State)
	require.Contains(t, result.Reason, "7 of 9 items have errors")
	require.Equal(t, "other", b.there.of("meta")["00008"]["title"])
	require.Len(t, b.there.of("meta"), 10)
	result = b.run(1)
	require.Equal(t, persistence.RunInvalid, result.State, "somebody looked and approved")
	require.Len(t, b.there.of("meta"), 9)
	require.Equal(t, persistence.RunInvalid, b.run(0).State, "the same file is looked at again")
}

// TestDamagedRecordsAreNotMissing whatever their values say, which nobody can rely on: a
// filter and a language are decided by such values.
func TestDamagedRecordsAreNotMissing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fill(3)
	b.run(0)
	before := len(b.there.ids)
	b.later()
	b.shop.items["00001"]["only"], b.shop.items["00001"]["damaged"] = "meta", "yes"
	plan := b.plan(0)
	require.Equal(t, 1, plan.Routes[1].Counts.Invalid)
	require.Zero(t, plan.Routes[1].Counts.FilteredOut)
	result, err := plan.Apply(t.Context())
	require.NoError(t, err)
	require.Zero(t, result.Published)
	require.Len(t, b.there.ids, before)
	require.Contains(t, b.there.of("pinterest"), "00001")

	reading, err := run.Read(t.Context(), b.source, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, reading.Routes[1].Invalid)
	require.Zero(t, reading.Routes[1].FilteredOut)

	// Without an id it may be any item, also where a filter leaves it out.
	b.later()
	delete(b.shop.items["00001"], "damaged")
	delete(b.shop.items["00001"], "only")
	delete(b.shop.items, "00002")
	b.shop.extra = []map[string]any{{"only": "meta", "damaged": "yes"}}
	b.source.Routes = b.source.Routes[1:]
	require.Equal(t, persistence.RunWithheld, b.run(0).State)
	require.Contains(t, b.there.of("pinterest"), "00002")
}

// speaking makes a route take the records of a language.
func speaking(route run.Route, language string) run.Route {
	of := route.Map
	route.Language = language
	route.Map = func(record map[string]any) run.Mapped {
		mapped := of(record)
		mapped.Foreign = record["language"] != language
		mapped.Skipped = mapped.Skipped || mapped.Foreign
		return mapped
	}
	return route
}

// TestLanguagesShareIDs: a record of another language says nothing about the item of its id
// here, wherever it is in the file.
func TestLanguagesShareIDs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.source.Routes[0], b.source.Routes[1] = speaking(b.source.Routes[0], "de"), speaking(b.source.Routes[1], "en")
	german, english := map[string]any{"id": "1", "language": "de", "title": "Tasse"}, map[string]any{"id": "1", "language": "en", "title": "Cup"}
	b.shop.extra = []map[string]any{german, english, {"id": "2", "language": "en", "title": "Jug"}, {"id": "2", "language": "de", "title": "Krug"}}
	plan := b.plan(0)
	for _, route := range plan.Routes {
		require.Equal(t, 2, route.Counts.Added)
		require.Equal(t, 2, route.Counts.FilteredOut)
		require.Len(t, route.Samples, 2)
		require.Zero(t, route.Duplicates)
	}
	result, err := plan.Apply(t.Context())
	require.NoError(t, err)
	require.Equal(t, run.Result{Run: result.Run, Read: 4, State: persistence.RunDone, Published: 4}, result)
	require.Equal(t, "Tasse", b.there.of("meta")["1"]["title"])
	require.Equal(t, "Cup", b.there.of("pinterest")["1"]["title"])
	b.later()
	require.Zero(t, b.run(0).Published)

	b.later()
	german["title"] = "Becher"
	require.EqualValues(t, 1, b.run(0).Published)
	require.Equal(t, "Becher", b.there.of("meta")["1"]["title"])

	// An item that is there in the other language only is missing here.
	b.later()
	b.shop.extra = b.shop.extra[1:]
	require.EqualValues(t, 1, b.run(0).Published)
	require.NotContains(t, b.there.of("meta"), "1")
	require.Contains(t, b.there.of("pinterest"), "1")
}

// TestMissingRunsAreInARow: a file that has the item ends the row, though the item cannot be
// sent or is older than what a webhook sent.
func TestMissingRunsAreInARow(t *testing.T) {
	t.Parallel()
	for _, present := range []string{"invalid", "damaged", "older"} {
		t.Run(present, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			for i := range b.source.Routes {
				of := b.source.Routes[i].Map
				b.source.Routes[i].MissingRuns = 3
				b.source.Routes[i].Map = func(record map[string]any) run.Mapped {
					mapped := of(record)
					mapped.Item.ChangedAt = start
					if record["older"] != nil {
						mapped.Item.ChangedAt = start.Add(-time.Hour)
					}
					return mapped
				}
			}
			b.fill(2)
			b.run(0)
			item := b.shop.items["00001"]
			b.later()
			delete(b.shop.items, "00001")
			for range 2 {
				require.Zero(t, b.run(0).Published)
				b.later()
			}
			b.shop.items["00001"] = map[string]any{"title": item["title"], present: "yes"}
			require.Zero(t, b.run(0).Published)
			delete(b.shop.items, "00001")
			for range 2 {
				b.later()
				require.Zero(t, b.run(0).Published)
				require.Contains(t, b.there.of("meta"), "00001")
			}
			b.later()
			require.EqualValues(t, 2, b.run(0).Published)
			require.NotContains(t, b.there.of("meta"), "00001")
		})
	}
}
