package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/test/workload"
)

// scene is a history in which all went well; tests spoil it.
type scene struct {
	*history
	t *testing.T
}

var (
	sceneBegan = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	sceneLane  = catalog.Lane{Account: "acme-meta", Catalog: "products", Type: "PRODUCT_ITEM"}
	quietLane  = catalog.Lane{Account: "quiet-meta", Catalog: "products", Type: "PRODUCT_ITEM"}
)

func newScene(t *testing.T) *scene {
	t.Helper()
	path, err := writeSettings(t.TempDir(), "a", addresses{"127.0.0.1:1", "postgres://x@127.0.0.1:2/x", "127.0.0.1:3", "127.0.0.1:4"})
	require.NoError(t, err)
	settings, err := config.Load(path, config.Options{})
	require.NoError(t, err)
	s := &scene{t: t, history: &history{
		settings: settings, sites: newSites(1, nil), calm: span{sceneBegan, sceneBegan.Add(time.Minute)},
	}}
	for _, site := range s.sites {
		t.Cleanup(site.Close)
	}
	for i := range 5 {
		s.publish(sceneLane, fmt.Sprint("A", i), catalog.Create, workload.Whole(sceneLane.Type, fmt.Sprint("a", i)))
	}
	s.publish(sceneLane, "A1", catalog.Update, map[string]any{"title": "later"})
	s.publish(sceneLane, "A2", catalog.Delete, nil)
	s.publish(quietLane, "Q", catalog.Create, workload.Whole(quietLane.Type, "q"))
	return s
}

// publish adds a change that everybody dealt with as they should.
func (s *scene) publish(lane catalog.Lane, item string, operation catalog.Operation, attributes any) {
	s.t.Helper()
	sequence := uint64(len(s.acks) + 1)
	publication, err := queue.Mutation{
		Account: lane.Account, Catalog: lane.Catalog, Type: lane.Type, ItemID: item, Operation: operation,
		Attributes: attributes, ID: fmt.Sprint("m", sequence),
	}.Publication()
	require.NoError(s.t, err)
	at := sceneBegan.Add(time.Duration(sequence) * time.Second)
	s.acks = append(s.acks, published{Publication: publication, sequence: sequence, at: at})
	arrival := queue.Decode(queue.RawMessage{
		Subject: publication.Subject, Data: publication.Data, Time: at, Position: catalog.Position{Sequence: sequence},
	})
	s.stream = append(s.stream, arrival)
	s.rows = append(s.rows, row{
		id: publication.ID, lane: lane, itemID: item, status: "succeeded", inBatch: true,
		position: catalog.Position{Sequence: sequence}, publishedAt: at, finishedAt: at.Add(time.Second),
	})
	s.apply(lane, arrival.Mutation)
}

// apply changes the platform.
func (s *scene) apply(lane catalog.Lane, m *catalog.Mutation) {
	s.t.Helper()
	name := map[string]string{"acme-meta": metaSite, "quiet-meta": quietMetaSite}[lane.Account]
	for _, site := range s.sites {
		if site.name == name {
			require.NoError(s.t, site.Apply(catalogKey(s.settings, lane), lane.Type, m))
		}
	}
}

// counted is a platform that has seen other things.
type counted struct {
	simulated
	counters sandbox.Counters
}

func (c counted) Counters() sandbox.Counters { return c.counters }

func TestNothingIsWrongWithAGoodHistory(t *testing.T) {
	t.Parallel()
	judged := judge(newScene(t).history)
	require.Empty(t, judged.violations)
	require.Equal(t, map[string]int{"succeeded": 8}, judged.statuses)
}

func TestEveryViolationIsFound(t *testing.T) {
	t.Parallel()
	count := func(c sandbox.Counters) func(*scene) {
		return func(s *scene) { s.sites[0].simulated = counted{s.sites[0].simulated, c} }
	}
	for name, test := range map[string]struct {
		rule  string
		spoil func(s *scene)
	}{
		"a row is missing":            {"I1", func(s *scene) { s.rows = s.rows[:len(s.rows)-1] }},
		"a row stands twice":          {"I1", func(s *scene) { s.rows = append(s.rows, s.rows[0]) }},
		"a row of nothing":            {"I1", func(s *scene) { s.rows = append(s.rows, row{id: "none", status: "invalid"}) }},
		"a mutation is not final":     {"I1", func(s *scene) { s.rows[3].status = "submitted" }},
		"the stream lost a message":   {"I1", func(s *scene) { s.stream = s.stream[1:] }},
		"superseded by nothing":       {"I1", func(s *scene) { s.rows[1].status, s.rows[1].supersededBy = "superseded", "none" }},
		"superseded by another item":  {"I1", func(s *scene) { s.rows[1].status, s.rows[1].supersededBy = "superseded", "m1" }},
		"a change was overtaken":      {"I2", func(s *scene) { s.apply(sceneLane, s.stream[1].Mutation) }},
		"a deleted item is back":      {"I2", func(s *scene) { s.apply(sceneLane, s.stream[2].Mutation) }},
		"a change is not there":       {"I2", func(s *scene) { s.publishOnly("A3", catalog.Delete) }},
		"it failed without a reason":  {"I2", func(s *scene) { s.rows[0].status = "failed" }},
		"two batches of an item":      {"I3", count(sandbox.Counters{Overlaps: 1})},
		"two records of an item":      {"I4", count(sandbox.Counters{DuplicateItems: 1})},
		"too many records":            {"I4", count(sandbox.Counters{MaxItems: maxItems + 1})},
		"success of a refused item":   {"I5", func(s *scene) { s.publish(sceneLane, "SKU-00070", catalog.Create, workload.Whole(sceneLane.Type, "x")) }},
		"a quiet account had to wait": {"I6", func(s *scene) { s.rows[7].finishedAt = s.rows[7].publishedAt.Add(time.Minute) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			test.spoil(s)
			judged := judge(s.history)
			require.NotEmpty(t, judged.violations)
			require.Equal(t, test.rule, judged.violations[0].rule, "%v", judged.violations)
		})
	}
}

// publishOnly adds a change that is said to have succeeded and never reached the
// platform.
func (s *scene) publishOnly(item string, operation catalog.Operation) {
	s.t.Helper()
	key := catalogKey(s.settings, sceneLane)
	before := s.sites[1].Items(key, sceneLane.Type)[item]
	s.publish(sceneLane, item, operation, nil)
	require.NotEmpty(s.t, before)
	s.apply(sceneLane, s.stream[3].Mutation) // its creation once more
	require.Equal(s.t, before, s.sites[1].Items(key, sceneLane.Type)[item])
}

// What an older copy of a store does not hold is accounted for, and no more.
func TestOlderCopies(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.rewound = true
	s.stream = s.stream[:6] // the deletion of A2 was recorded, and Q
	require.Empty(t, judge(s.history).violations)
	s.rows = s.rows[:7] // Q was not recorded: it was not sent either
	judged := judge(s.history)
	require.Len(t, judged.violations, 1, "the platform has Q all the same")
	require.Equal(t, 1, judged.unrecorded)

	s = newScene(t)
	s.rows[5].status, s.rows[5].errors = "failed", `[{"message":"This item cannot be read"}]`
	judged = judge(s.history)
	require.Empty(t, judged.violations, "a platform may blame an item for no reason")
	require.Equal(t, 1, judged.blamed)

	s = newScene(t)
	s.rows[5].status = "failed"
	s.restored = sceneBegan.Add(time.Hour)
	judged = judge(s.history)
	require.Empty(t, judged.violations)
	require.Equal(t, 1, judged.replayed)
}
