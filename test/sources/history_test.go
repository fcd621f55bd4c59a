package sources_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/source/difference"
	"github.com/catalog-courier/catalog-courier/source/run"
)

// TestHistories makes up histories of a shop: items whose attributes come and go, that
// vanish, come back, enter and leave filters; snapshots, webhooks in between and late ones;
// mass deletes, other mappings and settings; crashes and two runners at once. After each step
// the platforms show what the shop said last.
func TestHistories(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	rapid.Check(t, func(rt *rapid.T) { newHistory(rt, store).tell(rt) })
}

// TestHistoriesOnAStream is a few of the same on a real stream, which drops the repeats.
func TestHistoriesOnAStream(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	broker := natstest.Start(t)
	js := broker.JetStream(t)
	made, err := queue.Ensure(t.Context(), js, queue.StreamConfig{})
	require.NoError(t, err)
	stream, err := js.Stream(t.Context(), made.Name())
	require.NoError(t, err)
	rapid.Check(t, func(rt *rapid.T) {
		if rapid.IntRange(0, 4).Draw(rt, "one of five") > 0 {
			return
		}
		h := newHistory(rt, store)
		info, err := stream.Info(t.Context())
		require.NoError(rt, err)
		h.stream, h.publish, h.sequence = stream, run.Publishing(publish.NewPublisher(js, publish.Options{})), info.State.LastSeq
		h.tell(rt)
	})
}

func openStore(t *testing.T) *persistence.Sources {
	t.Helper()
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: persistencetest.Database(t), MaxConns: 8})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return persistence.NewSources(pool, 0)
}

var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// histories counts them, to give each a source of its own.
var histories atomic.Int64

// history is a shop with two destinations, real ones and their models.
type history struct {
	*persistence.Sources

	source run.Source
	models [2]*destination
	sims   [2]sandbox.Platform

	// The shop.
	records  map[string]record
	hidden   map[string]bool // left out of the feed for a while, as they are
	extra    []record        // duplicates, and records without an id
	now      time.Time
	own      bool // items have their own times of change
	snapshot time.Time
	stopped  bool // the last run was, for a route: it is not noted as a snapshot

	// The stream: a real one, or what it would do.
	stream   jetstream.Stream
	publish  run.Publish
	mu       sync.Mutex
	seen     map[string]bool
	sequence uint64
	// What fails: after so many messages, or commits; negative is never.
	messagesLeft, commitsLeft int
}

var errCrash = errors.New("the process ends")

var (
	ids          = []string{"a", "b", "c", "d", "e", "f", "g"}
	historyLanes = [2]catalog.Lane{
		{Account: "acme-meta", Catalog: "products", Type: "PRODUCT_ITEM"}, {Account: "acme-pinterest", Catalog: "us", Type: "RETAIL"},
	}
)

const catalogKey = "1"

func newHistory(t *rapid.T, store *persistence.Sources) *history {
	h := &history{
		Sources: store, records: make(map[string]record), hidden: make(map[string]bool), now: start, seen: make(map[string]bool), messagesLeft: -1, commitsLeft: -1,
		own: rapid.Bool().Draw(t, "items have times"),
	}
	h.source = run.Source{Name: fmt.Sprint("shop", histories.Add(1)), ItemID: "{id}", Open: h.open}
	for i, name := range []string{"meta", "pinterest"} {
		descriptor, _ := platform.Find(builtin.Platforms(), name)
		overlay := descriptor.Overlay(historyLanes[i].Type)
		h.sims[i] = descriptor.Simulated(sandbox.Options{AllowIncomplete: true})
		t.Cleanup(h.sims[i].Close)
		model := &destination{replaces: overlay.Replaces, clears: overlay.Clears, takesAll: i == 0, items: make(map[string]*standing), runs: 1}
		if err := json.Unmarshal([]byte(overlay.OutOfStock), &model.outOfStock); err != nil {
			panic(err)
		}
		h.models[i] = model
		h.source.Routes = append(h.source.Routes, run.Route{
			Lane: historyLanes[i], Operation: catalog.Upsert, Replaces: overlay.Replaces, Clears: overlay.Clears,
			Unavailable: json.RawMessage(overlay.OutOfStock), Map: func(record map[string]any) run.Mapped { return h.mapRecord(model, record) },
		})
	}
	h.configure(t)
	return h
}

// configure draws the settings of the routes.
func (h *history) configure(t *rapid.T) {
	for i, model := range h.models {
		model.missing = rapid.SampledFrom([]difference.Missing{difference.Delete, difference.Delete, difference.OutOfStock, difference.Keep}).Draw(t, "missing")
		model.runs = rapid.SampledFrom([]int{1, 1, 2}).Draw(t, "missing_runs")
		model.guard = difference.Guard{Items: rapid.IntRange(0, 3).Draw(t, "items"), Percent: float64(rapid.IntRange(0, 60).Draw(t, "percent")), AllowEmpty: rapid.Bool().Draw(t, "allow_empty")}
		model.mapping = rapid.SampledFrom([]string{"", "v2"}).Draw(t, "mapping")
		route := &h.source.Routes[i]
		route.Missing, route.MissingRuns, route.Guard, route.Revision = model.missing, model.runs, model.guard, "mapping "+model.mapping
	}
}

// mapRecord is the mapping of a route.
func (h *history) mapRecord(model *destination, raw map[string]any) run.Mapped {
	r, _ := raw["record"].(record)
	if r.id == "" {
		return run.Mapped{}
	}
	mapped := run.Mapped{Item: difference.Item{ID: r.id}, Skipped: model.skips(r), Invalid: r.invalid}
	encoded, err := json.Marshal(model.mapped(r))
	if err != nil {
		panic(err)
	}
	mapped.Item.Attributes = encoded
	if h.own {
		mapped.Item.ChangedAt = r.edited
	}
	return mapped
}

// historySnapshot is a snapshot of the shop.
type historySnapshot struct {
	records []record
	at      time.Time
}

func (s *historySnapshot) Next() (run.Record, error) {
	if len(s.records) == 0 {
		return run.Record{}, io.EOF
	}
	next := s.records[0]
	s.records = s.records[1:]
	return run.Record{Item: map[string]any{"record": next}}, nil
}
func (s *historySnapshot) At() time.Time           { return s.at }
func (s *historySnapshot) Fingerprint() string     { return s.at.String() }
func (s *historySnapshot) Findings() []run.Finding { return nil }
func (s *historySnapshot) Unreadable() int64       { return 0 }
func (s *historySnapshot) Bytes() int64            { return 1 }
func (s *historySnapshot) Close() error            { return nil }

// all are the records of the shop in the order of its feed.
func (h *history) all() (records []record) {
	for _, id := range slices.Sorted(maps.Keys(h.records)) {
		if !h.hidden[id] {
			records = append(records, h.records[id])
		}
	}
	return append(records, h.extra...)
}

func (h *history) open(_ context.Context, former string) (run.Snapshot, error) {
	if former == h.now.String() {
		return nil, run.ErrUnchanged
	}
	return &historySnapshot{records: h.all(), at: h.now}, nil
}

func (h *history) runner(name string) *run.Runner {
	return &run.Runner{Store: h, Publish: h.send, Logger: slog.New(slog.DiscardHandler), Name: name}
}

func (h *history) later() { h.now = h.now.Add(time.Minute) }

// tell tells the history.
func (h *history) tell(t *rapid.T) {
	t.Repeat(map[string]func(*rapid.T){
		"":         h.check,
		"edit":     h.edit,
		"vanish":   h.vanish,
		"hide":     h.hide,
		"spoil":    h.spoil,
		"run":      h.anyRun,
		"again":    h.again,
		"old file": h.oldFile,
		"webhook":  h.webhook,
		"settings": h.configure,
		"crash":    h.crash,
		"two":      h.two,
	})
}

// check compares the platforms with the models.
func (h *history) check(t *rapid.T) {
	h.consume(t)
	for i, model := range h.models {
		have := make(map[string]map[string]any)
		for id, text := range h.sims[i].Items(catalogKey, historyLanes[i].Type) {
			var attributes map[string]any
			require.NoError(t, json.Unmarshal([]byte(text), &attributes))
			have[id] = attributes
		}
		require.Empty(t, differences(model.shows(), have), "%s", historyLanes[i])
	}
}

func drawRecord(t *rapid.T, id string, at time.Time) record {
	r := record{id: id, attributes: map[string]any{}, edited: at, metaOnly: rapid.IntRange(0, 4).Draw(t, "filter") == 0, invalid: rapid.IntRange(0, 6).Draw(t, "invalid") == 0}
	for _, choice := range []struct {
		name   string
		values []string
	}{
		{"title", []string{"A", "B", "C", ""}},
		{"sale_price", []string{"", "5.25 USD", "6.25 USD"}},
		{"brand", []string{"", "Acme"}},
		{"availability", []string{"in stock", "in stock", "preorder", ""}},
		{"custom_label_0", []string{"", "x"}},
	} {
		if value := rapid.SampledFrom(choice.values).Draw(t, choice.name); value != "" {
			r.attributes[choice.name] = value
		}
	}
	return r
}

func drawIDs(t *rapid.T) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 1, 4, rapid.ID[string]).Draw(t, "ids")
}

// edit has the shop add or change items.
func (h *history) edit(t *rapid.T) {
	h.later()
	for _, id := range drawIDs(t) {
		h.records[id] = drawRecord(t, id, h.now)
	}
}

// vanish has the shop lose items.
func (h *history) vanish(t *rapid.T) {
	h.later()
	for _, id := range drawIDs(t) {
		delete(h.records, id)
	}
}

// hide leaves items out of the feed, or has them back as they were.
func (h *history) hide(t *rapid.T) {
	for _, id := range drawIDs(t) {
		h.hidden[id] = !h.hidden[id]
	}
}

// spoil adds a duplicate of an item, which has another sale price, or a record without an id.
func (h *history) spoil(t *rapid.T) {
	h.later()
	h.extra = nil
	switch kind := rapid.SampledFrom([]string{"clean", "duplicate", "no id"}).Draw(t, "kind"); {
	case kind == "no id":
		h.extra = []record{{}}
	case kind == "duplicate" && len(h.records) > 0:
		id := rapid.SampledFrom(slices.Sorted(maps.Keys(h.records))).Draw(t, "of")
		twin := h.records[id]
		twin.attributes = maps.Clone(twin.attributes)
		twin.attributes["sale_price"], twin.edited = "7.25 USD", h.now
		h.extra = []record{twin}
	}
}

// says has the models hear of a snapshot, and returns how the run must end.
func (h *history) says(approved int) (persistence.RunState, [2]difference.Decision) {
	state, decisions := persistence.RunDone, [2]difference.Decision{}
	for i, model := range h.models {
		decisions[i] = model.snapshot(h.all(), h.now, h.own, approved)
		switch {
		case decisions[i] == difference.Stopped:
			state = persistence.RunStopped
		case decisions[i] == difference.Withheld && state != persistence.RunStopped:
			state = persistence.RunWithheld
		case model.mostBroken && state == persistence.RunDone:
			state = persistence.RunInvalid
		}
		if decisions[i] != difference.Stopped {
			model.held = model.heldNow
		}
		model.mostBroken = false
	}
	if h.stopped = state == persistence.RunStopped; !h.stopped {
		h.snapshot = h.now
	}
	return state, decisions
}

// run is a run without trouble.
func (h *history) run(t *rapid.T, approved int) (*run.Plan, run.Result) {
	plan, err := h.runner("first").Plan(context.Background(), h.source, run.Request{Trigger: "test", Approved: approved})
	require.NoError(t, err)
	result, err := plan.Apply(context.Background())
	require.NoError(t, err)
	state, decisions := h.says(approved)
	for i, route := range plan.Routes {
		require.Equal(t, decisions[i].String(), route.Decision, "%s: %s", route.Route, route.Reason)
	}
	require.Equal(t, state, result.State)
	return plan, result
}

// reported looks that a run says what stays on a platform and is no longer in the source.
func (h *history) reported(t *rapid.T, plan *run.Plan) {
	notCleared, want := 0, 0
	for _, kind := range plan.Findings {
		if kind.Kind == "NOT_CLEARED" {
			notCleared = kind.Count
		}
	}
	for i, model := range h.models {
		if plan.Routes[i].Decision != difference.Stopped.String() {
			want += model.notCleared
		}
	}
	if !plan.Stopped() && len(h.extra) == 0 {
		require.Equal(t, want, notCleared, "%+v", plan.Findings)
	}
}

func (h *history) anyRun(t *rapid.T) {
	h.later()
	plan, _ := h.run(t, rapid.SampledFrom([]int{0, 0, 100}).Draw(t, "approved"))
	h.reported(t, plan)
}

// again reads the same items once more, as another file: nothing is to be sent.
func (h *history) again(t *rapid.T) {
	h.later()
	if _, first := h.run(t, 100); first.State != persistence.RunDone || len(h.extra) > 0 {
		return
	}
	for _, model := range h.models {
		if model.runs > 1 {
			return
		}
	}
	h.check(t)
	h.later()
	_, second := h.run(t, 0)
	require.Zero(t, second.Published, "nothing changed")
}

// oldFile serves a former copy, which is refused.
func (h *history) oldFile(t *rapid.T) {
	if h.snapshot.IsZero() {
		return
	}
	now := h.now
	h.now = h.snapshot.Add(-time.Second)
	defer func() { h.now = now }()
	_, err := h.runner("first").Run(context.Background(), h.source, run.Request{Trigger: "test", Approved: 100})
	require.ErrorContains(t, err, "older than the last one")
}

// webhook tells of one item between snapshots: of now, or late. What it says is true at the
// time of the change; what is older than the last snapshot is in it.
func (h *history) webhook(t *rapid.T) {
	h.later()
	id := rapid.SampledFrom(ids).Draw(t, "id")
	at, deleted := h.now, rapid.IntRange(0, 3).Draw(t, "deleted") == 0
	changed := drawRecord(t, id, at)
	changed.invalid = false
	if late := rapid.IntRange(0, 3).Draw(t, "late") == 0; late {
		if h.stopped {
			return // what is unchanged since then has an older time, until the next run
		}
		at = h.now.Add(-time.Duration(rapid.IntRange(1, 10).Draw(t, "minutes")) * time.Minute).Add(-time.Second)
		changed.edited = at
	} else if delete(h.records, id); !deleted {
		h.records[id] = changed
	}
	row, err := h.Open(context.Background(), h.source.Name, h.source.ItemID, []catalog.Lane{historyLanes[0], historyLanes[1]})
	require.NoError(t, err)
	require.Equal(t, h.snapshot.UnixMicro(), max(row.SnapshotAt.UnixMicro(), h.snapshot.UnixMicro()))
	if at.Before(row.SnapshotAt) {
		return
	}
	for i, route := range h.source.Routes {
		ends := deleted || h.models[i].skips(changed)
		mapped := route.Map(map[string]any{"record": changed})
		mapped.Item.ChangedAt = at
		send := func() error {
			_, err := h.source.Change(context.Background(), h, h.send, route, row.Routes[i].ID, h.now, []difference.Item{mapped.Item},
				func(d difference.Route, item difference.Item, known difference.State) (difference.Change, error) {
					if ends {
						return d.Deleted(item.ID, known, at), nil
					}
					return d.Compare(item, known, at)
				})
			return err
		}
		if rapid.IntRange(0, 3).Draw(t, "crash") == 0 {
			h.commitsLeft = 0
			require.ErrorIs(t, send(), errCrash)
			h.commitsLeft = -1
		}
		require.NoError(t, send()) // the shop delivers it again
		if ends {
			h.models[i].ends(id, at)
		} else {
			h.models[i].says(id, h.models[i].mapped(changed), at, at)
		}
	}
}

// crash ends a run in between: the next one reads the same and sends the rest.
func (h *history) crash(t *rapid.T) {
	for _, model := range h.models {
		if model.runs > 1 {
			return // it would count the snapshot twice
		}
	}
	h.later()
	if rapid.Bool().Draw(t, "publishing fails") {
		h.messagesLeft = rapid.IntRange(0, 6).Draw(t, "messages")
	} else {
		h.commitsLeft = rapid.IntRange(0, 4).Draw(t, "commits")
	}
	// Approved: what the first run added is among what the second one's deletes are a share of.
	_, err := h.runner("first").Run(context.Background(), h.source, run.Request{Trigger: "test", Approved: 100})
	h.messagesLeft, h.commitsLeft = -1, -1
	if err == nil {
		h.says(100)
		return
	}
	require.ErrorIs(t, err, errCrash)
	h.run(t, 100)
}

// two has two programs run the source at once.
func (h *history) two(t *rapid.T) {
	for _, model := range h.models {
		if model.runs > 1 {
			return // the second may count the snapshot once more, where the first withheld
		}
	}
	h.later()
	var work sync.WaitGroup
	var failed [2]error
	for i, name := range []string{"first", "second"} {
		work.Go(func() {
			_, failed[i] = h.runner(name).Run(context.Background(), h.source, run.Request{Trigger: "test", Approved: 100})
		})
	}
	work.Wait()
	for i, err := range failed {
		if err != nil {
			require.ErrorIs(t, err, persistence.ErrSourceHeld)
			require.NoError(t, failed[1-i])
		}
	}
	h.says(100)
}
