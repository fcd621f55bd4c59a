package sources_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/process"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/test/evidence"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestKilledRuns ends runs with SIGKILL between any two messages that the program exchanges
// with Postgres and NATS: the hold, the row of the run, each chunk's lock, publishing, the
// commit of the states, the end. The next run sends the rest. Nothing is lost, nothing
// contradicts the feed, and the states are those of what was sent.
func TestKilledRuns(t *testing.T) {
	t.Parallel()
	s := newKilled(t)
	s.change()
	s.write()
	whole := &gate{at: step{"never", 0}, seen: make(map[string]int)}
	s.killAt(whole)
	s.check(step{"never", 0})
	points := chosen(whole.steps())
	require.GreaterOrEqual(t, len(points), len(lasting), "all kinds of steps are seen")
	t.Logf("%d of %d steps", len(points), len(whole.steps()))
	reached := 0
	for _, at := range points {
		s.change()
		s.write()
		g := &gate{at: at, seen: make(map[string]int)}
		s.killAt(g)
		if g.killed() {
			reached++
		}
		s.check(at)
	}
	require.True(t, s.refused)
	require.GreaterOrEqual(t, reached, len(points)*9/10, "how many steps there are hardly varies")
}

// lasting are the steps behind which something is kept that was not there before. What comes
// between two of them changes nothing outside of the program.
var lasting = []string{
	"after HoldSource", "after StartSourceRun", "after UpdateSourceRun", "after SaveSourceItems", "before publishing",
	"after an answer of the stream", "after commit", "after FinishSource", "after SaveSourceRoute", "after ReleaseSource",
}

// chosen are the steps to try: one in the middle of each kind that lasts, or all. Of the
// messages to the stream, which are as many as items, it is some.
func chosen(all []step) (points []step) {
	const most = 40
	kinds := make(map[string]int)
	for _, at := range all {
		kinds[at.what]++
	}
	for _, what := range slices.Sorted(maps.Keys(kinds)) {
		count := kinds[what]
		switch {
		case *everyStep:
			for part := range min(count, most) {
				points = append(points, step{what, part * count / min(count, most)})
			}
		case slices.Contains(lasting, what):
			points = append(points, step{what, count / 2})
		}
	}
	return points
}

// killed is a shop whose runs are killed.
type killed struct {
	*shop

	store   *persistence.Sources
	version int
	before  map[string]product   // at the last check
	sent    map[string]sentState // by account and item
	refused bool                 // a second program was, while the hold of a killed one lasted
}

type sentState struct {
	revision int
	gone     bool
}

func newKilled(t *testing.T) *killed {
	t.Helper()
	s := &killed{shop: newShop(t), sent: make(map[string]sentState), before: make(map[string]product)}
	s.store = persistence.NewSources(s.DB, 0)
	for i := range 620 {
		s.items[fmt.Sprintf("item-%04d", i)] = product{title: fmt.Sprint("Item ", i), price: 100 + i, sale: i % 3 * 10}
	}
	s.write()
	got := s.apply()
	require.Equal(t, "done", got.Result.State)
	s.settle(step{"the first run", 0})
	return s
}

// change makes another version of the shop: prices change, sales begin and end, a few items
// come and go.
func (s *killed) change() {
	s.version++
	for i, id := range slices.Sorted(maps.Keys(s.items)) {
		item := s.items[id]
		item.price = 100 + (i+s.version)%500
		item.sale = (i + s.version) % 3 * 10
		s.items[id] = item
	}
	for i := range 10 {
		delete(s.items, fmt.Sprintf("new-%d-%d", s.version-1, i))
		s.items[fmt.Sprintf("new-%d-%d", s.version, i)] = product{title: "New", price: 5}
	}
}

// killAt runs the program, which the gate kills.
func (s *killed) killAt(g *gate) {
	s.t.Helper()
	command, heard := s.command(natsThrough(s.t, g, s.NATS.URL()), postgresThrough(s.t, g, s.Database), "apply", "shop")
	started := make(chan *process.Child, 1)
	g.mu.Lock()
	g.kill = func() {
		child := <-started
		started <- child
		child.Kill()
	}
	g.mu.Unlock()
	child, err := process.Start(command, process.Options{})
	require.NoError(s.t, err)
	started <- child
	s.t.Cleanup(child.Kill)
	err = child.Await(patience)
	require.NotErrorIs(s.t, err, process.ErrStays)
	if !g.killed() {
		require.NoError(s.t, err, heard.err.String())
	}
}

// check runs the source to its end after a kill and looks at all that is left.
func (s *killed) check(at step) {
	s.t.Helper()
	former := s.newestRun()
	if !s.refused && s.Count(`SELECT count(*) FROM courier.source WHERE runner_until > now()`) > 0 {
		s.refused = true
		got := s.run("apply", "shop")
		require.Equal(s.t, 1, got.code)
		require.Contains(s.t, got.err, "another process runs the source")
	}
	// The hold of a process that ended is over after 30 s.
	_, err := s.DB.Exec(s.Context(), `UPDATE courier.source SET runner_until = now() - interval '1 second' WHERE runner IS NOT NULL`)
	require.NoError(s.t, err)
	got := s.apply()
	last := s.newestRun()
	require.Equal(s.t, got.Result.State, string(last.State), at)
	if former.FinishedAt == nil {
		row, err := s.store.Run(s.Context(), former.Run)
		require.NoError(s.t, err)
		require.Equal(s.t, persistence.RunAbandoned, row.State, at)
		require.NotNil(s.t, row.FinishedAt, at)
	} else {
		require.Contains(s.t, []persistence.RunState{persistence.RunDone, persistence.RunFailed}, former.State, at)
	}
	require.Contains(s.t, []persistence.RunState{persistence.RunDone, persistence.RunUnchanged}, last.State, at)
	s.settle(at)
	s.rewrite()
	again := s.apply()
	require.Equal(s.t, "done", again.Result.State, at)
	require.Zero(s.t, again.Result.Published, at)
	require.Empty(s.t, s.Published(), at)
}

func (s *killed) newestRun() persistence.RunRow {
	s.t.Helper()
	rows, err := s.store.Runs(s.Context(), "shop", 1)
	require.NoError(s.t, err)
	require.Len(s.t, rows, 1)
	return rows[0]
}

// settle has the platforms take what was published since the last time, and compares.
func (s *killed) settle(at step) {
	s.t.Helper()
	settings := s.Config("", nil)
	arrivals := s.Published()
	seen := make(map[string]bool, len(arrivals))
	for _, arrival := range arrivals {
		m := arrival.Mutation
		require.Nil(s.t, arrival.Problem, at)
		key := m.Lane.Account + "/" + m.ItemID
		require.False(s.t, seen[key], "%s: item %s of %s changes once, and is sent twice", at, m.ItemID, m.Lane)
		seen[key] = true
		s.agrees(at, m)
		platform := map[string]evidence.Simulated{rig.MetaAccount: s.Meta, rig.PinterestAccount: s.Pinterest}[m.Lane.Account]
		require.NoError(s.t, platform.Apply(evidence.CatalogKey(settings, m.Lane), m.Lane.Type, m), at)
		s.sent[key] = sentState{revision: s.sent[key].revision + 1, gone: m.Operation == catalog.Delete}
	}
	for route, lane := range []catalog.Lane{rig.Products, rig.Retail} {
		require.Empty(s.t, differences(s.wantedItems(), s.platform(lane)), "%s: %s", at, lane)
		s.checkStates(at, int32(route+1), lane)
	}
	s.before = maps.Clone(s.items)
	stream, err := s.JetStream().Stream(s.Context(), settings.NATS.Stream.Name)
	require.NoError(s.t, err)
	require.NoError(s.t, stream.Purge(s.Context()))
}

// agrees looks that a mutation says what the feed says.
func (s *killed) agrees(at step, m *catalog.Mutation) {
	s.t.Helper()
	item, there := s.items[m.ItemID]
	if !there {
		require.Equal(s.t, catalog.Delete, m.Operation, "%s: %s", at, m.ItemID)
		return
	}
	require.Equal(s.t, catalog.Upsert, m.Operation, "%s: %s", at, m.ItemID)
	want := wanted(m.ItemID, item)
	if m.Lane.Account == rig.MetaAccount && item.sale == 0 && s.before[m.ItemID].sale > 0 {
		want["sale_price"] = nil // the sale is over, and Meta keeps what is left out
	}
	require.Equal(s.t, want, attributesOf(s.t, m.Attributes), "%s: %s", at, m.ItemID)
}

// checkStates compares what is kept of a route with what was sent.
func (s *killed) checkStates(at step, route int32, lane catalog.Lane) {
	s.t.Helper()
	var ids []string
	for key := range s.sent {
		if account := lane.Account + "/"; len(key) > len(account) && key[:len(account)] == account {
			ids = append(ids, key[len(account):])
		}
	}
	kept, err := s.store.Items(s.Context(), route, ids)
	require.NoError(s.t, err)
	require.Len(s.t, kept, len(ids), at)
	for id, row := range kept {
		want := s.sent[lane.Account+"/"+id]
		require.Equal(s.t, want, sentState{row.Revision, row.Gone}, "%s: %s of %s", at, id, lane)
		require.False(s.t, row.Doubtful, "%s: %s of %s", at, id, lane)
		if row.Gone {
			continue
		}
		attributes := wanted(id, s.items[id])
		encoded, err := json.Marshal(attributes)
		require.NoError(s.t, err)
		hash := sha256.Sum256(encoded)
		require.Equal(s.t, [16]byte(hash[:16]), row.Hash, "%s: %s of %s", at, id, lane)
		require.Equal(s.t, slices.Sorted(maps.Keys(attributes)), row.Names, "%s: %s of %s", at, id, lane)
	}
}
