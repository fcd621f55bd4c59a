package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/evidence"
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
	settings, err := config.Load(path, config.Options{Platforms: platform.Configs(builtin.Platforms())})
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
	publication, err := publish.Mutation{
		Account: lane.Account, Catalog: lane.Catalog, Type: lane.Type, ItemID: item, Operation: operation,
		Attributes: attributes, ID: fmt.Sprint("m", sequence),
	}.Publication()
	require.NoError(s.t, err)
	at := sceneBegan.Add(time.Duration(sequence) * time.Second)
	s.acks = append(s.acks, published{Publication: publication, result: publish.Result{Sequence: sequence}, at: at})
	arrival := message.Decode(message.Raw{
		Subject: publication.Subject, Data: publication.Data, Time: at, Position: catalog.Position{Sequence: sequence},
	})
	s.stream = append(s.stream, arrival)
	s.rows = append(s.rows, evidence.Status{
		MutationID: publication.ID, Lane: lane, ItemID: item, Status: "succeeded", InBatch: true,
		Position: catalog.Position{Sequence: sequence}, PublishedAt: at, FinishedAt: at.Add(time.Second),
	})
	s.apply(lane, arrival.Mutation)
}

// apply changes the platform.
func (s *scene) apply(lane catalog.Lane, m *catalog.Mutation) {
	s.t.Helper()
	name := map[string]string{"acme-meta": metaSite, "quiet-meta": quietMetaSite}[lane.Account]
	for _, site := range s.sites {
		if site.name == name {
			require.NoError(s.t, site.Apply(evidence.CatalogKey(s.settings, lane), lane.Type, m))
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
	verdict := judge(newScene(t).history)
	require.Empty(t, verdict.Violations)
	require.Equal(t, map[string]int{"succeeded": 8}, verdict.Statuses)
}

// TestTheOracleSeesTheRun: what the run knows reaches the oracle, which is tested with a
// history for each violation.
func TestTheOracleSeesTheRun(t *testing.T) {
	t.Parallel()
	count := func(c sandbox.Counters) func(*scene) {
		return func(s *scene) { s.sites[0].simulated = counted{s.sites[0].simulated, c} }
	}
	for name, test := range map[string]struct {
		invariant string
		spoil     func(s *scene)
	}{
		"a row is missing":            {"I1", func(s *scene) { s.rows = s.rows[:len(s.rows)-1] }},
		"a message has two rows":      {"I1", func(s *scene) { s.rows = append(s.rows, s.rows[0]) }},
		"a row of no message":         {"I1", func(s *scene) { s.rows = append(s.rows, evidence.Status{MutationID: "none", Status: "invalid"}) }},
		"the stream lost a message":   {"I1", func(s *scene) { s.stream = s.stream[1:] }},
		"superseded by another item":  {"I1", func(s *scene) { s.rows[1].Status, s.rows[1].SupersededBy = "superseded", "m1" }},
		"a deleted item is back":      {"I2", func(s *scene) { s.apply(sceneLane, s.stream[2].Mutation) }},
		"two batches of an item":      {"I3", count(sandbox.Counters{Overlaps: 1})},
		"too many records":            {"I4", count(sandbox.Counters{MaxItems: maxItems + 1})},
		"success of a refused item":   {"I5", func(s *scene) { s.publish(sceneLane, "SKU-00070", catalog.Create, workload.Whole(sceneLane.Type, "x")) }},
		"a quiet account had to wait": {"I6", func(s *scene) { s.rows[7].FinishedAt = s.rows[7].PublishedAt.Add(time.Minute) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			test.spoil(s)
			verdict := judge(s.history)
			require.NotEmpty(t, verdict.Violations)
			require.Equal(t, test.invariant, verdict.Violations[0].Invariant, "%v", verdict.Violations)
		})
	}
}

// What an older copy of a store does not hold is accounted for, and no more.
func TestOlderCopies(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.rewound = true
	s.stream = s.stream[:6] // the deletion of A2 was recorded, and Q
	require.Empty(t, judge(s.history).Violations)
	s.rows = s.rows[:7] // Q was not recorded: it was not sent either
	verdict := judge(s.history)
	require.Len(t, verdict.Violations, 1, "the platform has Q all the same")
	require.Equal(t, 1, verdict.Unrecorded)

	s = newScene(t)
	s.rows[5].Status, s.rows[5].Errors = "failed", []ledger.Issue{{Message: "This item cannot be read"}}
	verdict = judge(s.history)
	require.Empty(t, verdict.Violations, "a platform may blame an item for no reason")
	require.Equal(t, 1, verdict.Doubtful)

	s = newScene(t)
	s.rows[5].Status = "failed"
	s.restored = sceneBegan.Add(time.Hour)
	verdict = judge(s.history)
	require.Empty(t, verdict.Violations)
	require.Equal(t, 1, verdict.Replayed)
}
