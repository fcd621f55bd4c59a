package batcher_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/batcher"
	"github.com/catalog-courier/catalog-courier/catalog"
)

// machine drives a batcher the way the engine does, beside the simplest reference
// there is: per item, the list of mutations that are not final. A batch must carry
// the oldest of that list, of no item that is in flight. Store transactions run
// first in, first out, and so do their results, some time later.
type machine struct {
	batcher  *batcher.Batcher
	producer producer
	now      time.Time
	paused   bool

	unfinished map[catalog.ItemKey][]*catalog.Mutation
	flying     map[catalog.ItemKey][]uint64 // positions
	open       []*openBatch
	published  int
	finished   int

	// ledger is what the store holds: waiting rows by position, and the positions
	// it has a record of, in whatever state.
	rows     map[uint64]*catalog.Mutation
	recorded map[uint64]bool
	queue    []transaction // not executed yet
	results  []func(*rapid.T)
	loading  map[catalog.Lane]bool
}

// transaction is a store call: execute changes the ledger, result tells the engine.
type transaction struct {
	execute func()
	result  func(*rapid.T)
}

type openBatch struct {
	records  []catalog.Record
	recorded bool // in the ledger
	ending   bool // its outcome is on the way
}

var (
	localizedLane = catalog.Lane{Account: "acme", Catalog: "products-pl", Type: "PRODUCT_ITEM"}
	machineLanes  = []catalog.Lane{products, flights, localizedLane}
)

const (
	machineMaxItems = 3
	machineMaxBytes = 120
	machineOverhead = 10
)

func newMachine() *machine {
	m := &machine{
		now:        start,
		unfinished: make(map[catalog.ItemKey][]*catalog.Mutation),
		flying:     make(map[catalog.ItemKey][]uint64),
		rows:       make(map[uint64]*catalog.Mutation),
		recorded:   make(map[uint64]bool),
	}
	m.start()
	return m
}

// start makes a batcher without content.
func (m *machine) start() {
	m.batcher = batcher.New(batcher.Config{MaxConstituents: 4})
	m.loading = make(map[catalog.Lane]bool)
	for _, key := range machineLanes {
		lane := testLane(key, machineMaxItems)
		lane.MaxBytes, lane.Overhead, lane.FullItems = machineMaxBytes, machineOverhead, 2
		switch key {
		case localizedLane:
			lane.BaseLane = products
		case flights:
			lane.Rules = catalog.MergeRules{Semantics: replacing}
			lane.Group = catalog.Operation.String
		}
		m.batcher.AddLane(lane)
	}
}

func (m *machine) publish(t *rapid.T) {
	lane := rapid.SampledFrom(machineLanes).Draw(t, "lane")
	op := rapid.SampledFrom(catalog.Operations()[:4]).Draw(t, "operation")
	id := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "item")
	attributes := ""
	if op != catalog.Delete {
		attributes = rapid.SampledFrom([]string{`{"a":1}`, `{"a":null}`, `{"b":{"c":1}}`, `{"b":{"c":2}}`, `{"b":3}`, `{"long":"` + fmt.Sprintf("%050d", 0) + `"}`, `{"also":"` + fmt.Sprintf("%050d", 0) + `"}`}).Draw(t, "attributes")
	}
	added := m.producer.mutation(lane, id, op, attributes, m.now)
	if lane == localizedLane {
		added.Localization = polish
	}
	m.unfinished[added.Key()] = append(m.unfinished[added.Key()], added)
	m.published++
	require.Nil(t, m.batcher.Add(added, m.now))
}

func (m *machine) cut(t *rapid.T) {
	batch, ok := m.batcher.Cut(account, m.now)
	if !ok {
		require.Empty(t, m.batcher.Due(m.now))
		return
	}
	m.checkBatch(t, batch)
	opened := &openBatch{records: batch.Records}
	m.open = append(m.open, opened)
	m.queue = append(m.queue, transaction{
		execute: func() {
			opened.recorded = true
			for _, r := range opened.records {
				for _, c := range r.Constituents {
					require.Equal(t, c.HasWaitingRow, m.rows[c.Position.Sequence] != nil, "HasWaitingRow says whether there is a row")
					delete(m.rows, c.Position.Sequence)
					m.recorded[c.Position.Sequence] = true
				}
			}
		},
		result: func(*rapid.T) {},
	})
}

func (m *machine) checkBatch(t *rapid.T, batch *batcher.Batch) {
	require.NotEmpty(t, batch.Records)
	require.LessOrEqual(t, len(batch.Records), machineMaxItems)
	require.LessOrEqual(t, batch.Bytes, machineMaxBytes)
	size := machineOverhead
	for _, r := range batch.Records {
		size += len(r.Key.ItemID) + len(r.Change.Attributes)
		require.Equal(t, batch.Lane, r.Key.Lane)
		require.NotContains(t, m.flying, r.Key, "one in flight per item")
		want := m.unfinished[r.Key]
		require.LessOrEqual(t, len(r.Constituents), len(want), "nothing twice")
		require.Equal(t, positions(want[:len(r.Constituents)]), positions(r.Constituents), "the oldest first, none left out")
		for _, c := range r.Constituents {
			require.False(t, c.NotBefore.After(m.now), "not before its time")
			require.True(t, len(r.Constituents) == 1 || !c.NoMerge)
		}
		checkChange(t, r)
		m.checkFamily(t, r)
		m.flying[r.Key] = positions(r.Constituents)
	}
	require.Equal(t, size, batch.Bytes)
}

// checkChange: a record says what its constituents say, merged one by one from the
// oldest, byte for byte: a new owner makes the body again from them.
func checkChange(t *rapid.T, r catalog.Record) {
	rules := metaRules
	if r.Key.Lane == flights {
		rules.Semantics = replacing
	}
	want := r.Constituents[0].Change()
	for _, c := range r.Constituents[1:] {
		var ok bool
		want, ok = rules.Merge(want, c.Change())
		require.True(t, ok)
	}
	require.Equal(t, want.Operation, r.Change.Operation)
	require.Equal(t, want.HasNull, r.Change.HasNull)
	require.Equal(t, string(want.Attributes), string(r.Change.Attributes))
}

// checkFamily: an item and its localizations go in the order they were published,
// whatever was merged: nothing of the other side that is not final is older.
func (m *machine) checkFamily(t *rapid.T, r catalog.Record) {
	other := catalog.ItemKey{Lane: products, ItemID: r.Key.ItemID}
	switch r.Key.Lane {
	case products:
		other.Lane, other.Localization = localizedLane, polish
	case localizedLane:
	default:
		return
	}
	newest := r.Newest().Position
	for _, u := range m.unfinished[other] {
		require.Positive(t, u.Position.Compare(newest), "%v before %v", r.Key, other)
	}
}

// finish ends an open batch whose record is committed: each record succeeds, is
// returned, or is returned as parts.
func (m *machine) finish(t *rapid.T) {
	var ending *openBatch
	for _, opened := range m.open {
		if opened.recorded && !opened.ending {
			ending = opened
			break
		}
	}
	if ending == nil {
		t.Skip("no batch to end")
	}
	ending.ending = true
	returned := make([][]*catalog.Mutation, len(ending.records))
	for i, r := range ending.records {
		fate := rapid.IntRange(0, 3).Draw(t, "fate")
		if fate < 2 {
			continue
		}
		returned[i] = r.Constituents
		for _, c := range r.Constituents {
			c.HasWaitingRow, c.NoMerge = true, fate == 3
			c.NotBefore = m.now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "back-off")) * time.Second)
		}
	}
	m.queue = append(m.queue, transaction{
		execute: func() {
			m.open = slices.DeleteFunc(m.open, func(o *openBatch) bool { return o == ending })
			for i, r := range ending.records {
				for _, c := range returned[i] {
					m.rows[c.Position.Sequence] = reread(c)
				}
				if returned[i] == nil {
					m.finished += len(r.Constituents)
					m.unfinished[r.Key] = m.unfinished[r.Key][len(r.Constituents):]
				}
			}
		},
		result: func(*rapid.T) {
			for i, r := range ending.records {
				delete(m.flying, r.Key)
				m.batcher.Release(r.Key, returned[i], m.now)
			}
		},
	})
}

// write stores waiting rows.
func (m *machine) write(ms []*catalog.Mutation) {
	if len(ms) == 0 {
		return
	}
	m.queue = append(m.queue, transaction{
		execute: func() {
			for _, written := range ms {
				m.rows[written.Position.Sequence] = reread(written)
				m.recorded[written.Position.Sequence] = true
			}
		},
		result: func(*rapid.T) { m.batcher.MarkPersisted(ms) },
	})
}

func (m *machine) takeUnstored(t *rapid.T) {
	age := time.Duration(rapid.IntRange(-1, 3).Draw(t, "age")) * time.Second
	taken := m.batcher.TakeUnpersisted(m.now.Add(-age), rapid.IntRange(1, 10).Draw(t, "limit"))
	require.True(t, slices.IsSortedFunc(taken, func(a, b *catalog.Mutation) int { return a.Position.Compare(b.Position) }))
	for _, c := range taken {
		require.True(t, c.HasWaitingRow)
	}
	m.write(taken)
}

func (m *machine) spill(t *rapid.T) {
	m.write(m.batcher.Spill(rapid.SampledFrom(machineLanes).Draw(t, "lane")))
}

func (m *machine) load(t *rapid.T) {
	spilled := m.batcher.SpilledLanes()
	if len(spilled) == 0 {
		t.Skip("nothing spilled")
	}
	lane := rapid.SampledFrom(spilled).Draw(t, "lane")
	if m.loading[lane] {
		t.Skip("being loaded")
	}
	m.requestLoad(lane, rapid.IntRange(1, 4).Draw(t, "limit"))
}

func (m *machine) requestLoad(lane catalog.Lane, limit int) {
	m.loading[lane] = true
	after := m.batcher.LoadCursor(lane)
	var page []*catalog.Mutation
	var more bool
	m.queue = append(m.queue, transaction{
		execute: func() {
			for sequence := after.Sequence + 1; sequence <= m.producer.last; sequence++ {
				if row := m.rows[sequence]; row != nil && row.Lane == lane {
					if len(page) == limit {
						more = true
						return
					}
					page = append(page, reread(row))
				}
			}
		},
		result: func(t *rapid.T) {
			m.loading[lane] = false
			require.Empty(t, m.batcher.Load(lane, after, page, more, m.now))
		},
	})
}

// execute lets the store run the oldest transaction; its result comes later.
func (m *machine) execute(t *rapid.T) {
	if len(m.queue) == 0 {
		t.Skip("nothing to execute")
	}
	first := m.queue[0]
	m.queue = m.queue[1:]
	first.execute()
	m.results = append(m.results, first.result)
}

func (m *machine) deliver(t *rapid.T) {
	if len(m.results) == 0 {
		t.Skip("no result")
	}
	first := m.results[0]
	m.results = m.results[1:]
	first(t)
}

func (m *machine) sleep(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 2500).Draw(t, "ms")) * time.Millisecond)
}

func (m *machine) pause(*rapid.T) {
	m.paused = !m.paused
	m.batcher.SetPaused(products, m.paused)
}

// takeOver is a crash: what the store did not execute is lost, and a new owner
// begins with the ledger and the part of the stream that is not recorded.
func (m *machine) takeOver(t *rapid.T) {
	m.queue, m.results, m.paused = nil, nil, false
	m.start()
	m.open = slices.DeleteFunc(m.open, func(o *openBatch) bool { return !o.recorded })
	m.flying = make(map[catalog.ItemKey][]uint64)
	for _, opened := range m.open {
		opened.ending = false
		for i := range opened.records {
			r := &opened.records[i]
			own := make([]*catalog.Mutation, len(r.Constituents))
			for j, c := range r.Constituents {
				own[j] = reread(c)
				own[j].HasWaitingRow = false
			}
			r.Constituents = own
			m.flying[r.Key] = positions(own)
		}
		m.batcher.MarkInFlight(opened.records)
	}
	for _, row := range m.rows {
		m.batcher.SpilledAtStart(row.Lane)
	}
	m.replay(t)
}

// replay adds what the stream has and the ledger does not.
func (m *machine) replay(t *rapid.T) {
	var missing []*catalog.Mutation
	for _, ms := range m.unfinished {
		for i, u := range ms {
			again := reread(u)
			again.HasWaitingRow, again.NoMerge, again.NotBefore = false, false, time.Time{}
			if row := m.rows[u.Position.Sequence]; row != nil {
				*again = *row
			}
			ms[i] = again
			if !m.recorded[u.Position.Sequence] {
				missing = append(missing, again)
			}
		}
	}
	slices.SortFunc(missing, func(a, b *catalog.Mutation) int { return a.Position.Compare(b.Position) })
	for _, again := range missing {
		require.Nil(t, m.batcher.Add(again, m.now))
	}
}

func (m *machine) check(t *rapid.T) {
	stats := m.batcher.Stats()
	waiting, bytes, unpersisted := 0, 0, 0
	for _, lane := range m.batcher.LaneStats() {
		laneUnpersisted, laneBytes := m.batcher.InMemory(lane.Lane)
		require.Equal(t, lane.Bytes, laneBytes)
		unpersisted += laneUnpersisted
		waiting += lane.Waiting + lane.Buffered
		bytes += lane.Bytes
		require.Equal(t, lane.Waiting+lane.Buffered == 0, lane.Oldest.IsZero())
	}
	require.Equal(t, waiting, stats.Waiting)
	require.Equal(t, bytes, stats.Bytes)
	require.Equal(t, unpersisted, stats.Unpersisted)
	require.GreaterOrEqual(t, stats.Items, stats.InFlight)
}

// drain lets everything come to its end.
func (m *machine) drain(t *rapid.T) {
	if m.paused {
		m.pause(t)
	}
	for range 100 * (m.published + 10) {
		for len(m.queue) > 0 {
			m.execute(t)
		}
		for len(m.results) > 0 {
			m.deliver(t)
		}
		for _, lane := range m.batcher.SpilledLanes() {
			m.requestLoad(lane, 3)
		}
		m.cut(t)
		for i := range m.open {
			m.succeed(m.open[i])
		}
		if m.finished == m.published && len(m.queue) == 0 && len(m.results) == 0 {
			break
		}
		m.now = m.now.Add(time.Second)
	}
	require.Equal(t, m.published, m.finished, "all come to their end")
	require.Empty(t, m.rows)
	require.Equal(t, batcher.Stats{}, m.batcher.Stats(), "nothing is left over")
	_, ok := m.batcher.NextDue()
	require.False(t, ok)
}

func (m *machine) succeed(ending *openBatch) {
	if ending.ending {
		return
	}
	ending.ending = true
	m.queue = append(m.queue, transaction{
		execute: func() {
			m.open = slices.DeleteFunc(m.open, func(o *openBatch) bool { return o == ending })
			for _, r := range ending.records {
				m.finished += len(r.Constituents)
				m.unfinished[r.Key] = m.unfinished[r.Key][len(r.Constituents):]
			}
		},
		result: func(*rapid.T) {
			for _, r := range ending.records {
				delete(m.flying, r.Key)
				m.batcher.Release(r.Key, nil, m.now)
			}
		},
	})
}

// TestOrderAndNothingLostOrTwice is the batcher against its reference, under any
// interleaving of arrivals, batches, retries, spilling, loading and take-over.
func TestOrderAndNothingLostOrTwice(t *testing.T) {
	t.Parallel()
	for range 10 { // of 100 runs each, unless a flag says otherwise
		rapid.Check(t, runMachine)
	}
}

func runMachine(t *rapid.T) {
	m := newMachine()
	t.Repeat(map[string]func(*rapid.T){
		"":             m.check,
		"publish":      m.publish,
		"publish more": m.publish,
		"cut":          m.cut,
		"finish":       m.finish,
		"unpersisted":  m.takeUnstored,
		"spill":        m.spill,
		"load":         m.load,
		"execute":      m.execute,
		"deliver":      m.deliver,
		"sleep":        m.sleep,
		"pause":        m.pause,
		"take over":    m.takeOver,
	})
	m.drain(t)
}
