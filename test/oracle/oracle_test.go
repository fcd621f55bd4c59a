package oracle_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/test/oracle"
	"github.com/catalog-courier/catalog-courier/test/workload"
)

var (
	began     = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	products  = catalog.Lane{Account: "acme", Catalog: "products", Type: "PRODUCT_ITEM"}
	languages = catalog.Lane{Account: "acme", Catalog: "languages", Type: "PRODUCT_ITEM"}
	quiet     = catalog.Lane{Account: "quiet", Catalog: "products", Type: "PRODUCT_ITEM"}
	polish    = catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}
)

// scene is a history in which all went well; tests spoil it.
type scene struct {
	*oracle.History
	t *testing.T
}

func newScene(t *testing.T) *scene {
	t.Helper()
	platform := func(name string) *oracle.Platform {
		holds, fresh := metasim.New(sandbox.Options{}), metasim.New(sandbox.Options{})
		t.Cleanup(holds.Close)
		t.Cleanup(fresh.Close)
		return &oracle.Platform{Name: name, Holds: holds, Fresh: fresh, MaxItems: 100, MaxBytes: 10_000}
	}
	acme, quietSite := platform("acme's"), platform("the quiet one")
	s := &scene{t: t, History: &oracle.History{
		Platforms: []*oracle.Platform{acme, quietSite},
		// The languages are of the products' catalog.
		Places: map[catalog.Lane]oracle.Place{products: {acme, "1"}, languages: {acme, "1"}, quiet: {quietSite, "2"}},
		Calm: oracle.Calm{
			From: began, Until: began.Add(time.Minute), Accounts: map[string]bool{"quiet": true}, Most: 5 * time.Second,
		},
	}}
	for i := range 5 {
		s.publish(products, fmt.Sprint("A", i), catalog.Create, fmt.Sprint("a", i))
	}
	s.publish(products, "A1", catalog.Update, "later")
	s.publish(products, "A2", catalog.Delete, "")
	s.publish(quiet, "Q", catalog.Create, "q")
	return s
}

// publish adds a mutation that everybody dealt with as they should.
func (s *scene) publish(lane catalog.Lane, item string, operation catalog.Operation, mark string) {
	s.t.Helper()
	attributes := map[catalog.Operation]string{
		catalog.Create: whole(lane.Type, mark), catalog.Upsert: whole(lane.Type, mark),
		catalog.Update: `{"title":"` + mark + `"}`,
	}[operation]
	s.add(&catalog.Mutation{Lane: lane, ItemID: item, Operation: operation, Attributes: []byte(attributes)})
	s.apply(len(s.Messages) - 1)
}

// add publishes a mutation that succeeded, and no platform has taken yet.
func (s *scene) add(m *catalog.Mutation) {
	number := len(s.Messages) + 1
	m.ID = fmt.Sprint("m", number)
	key, at := oracle.Key{Sequence: uint64(number), ID: m.ID}, began.Add(time.Duration(number)*time.Second)
	s.Messages = append(s.Messages, oracle.Message{Key: key, Mutation: m})
	s.Rows = append(s.Rows, oracle.Row{
		Key: key, ID: m.ID, Item: m.Key(), Status: "succeeded", InBatch: true, PublishedAt: at, FinishedAt: at.Add(time.Second),
	})
}

// apply has the platform take a message.
func (s *scene) apply(message int) {
	s.t.Helper()
	m := s.Messages[message].Mutation
	place := s.Places[m.Lane]
	require.NoError(s.t, place.Platform.Holds.Apply(place.Catalog, m.Lane.Type, m))
}

func (s *scene) supersede(row, by int) {
	s.Rows[row].Status, s.Rows[row].SupersededBy = "superseded", fmt.Sprint("m", by+1)
}

func TestNothingIsWrongWithAGoodHistory(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.Strict = true
	verdict := oracle.Check(s.History)
	require.Empty(t, verdict.Violations)
	require.Equal(t, map[string]int{"succeeded": 8}, verdict.Statuses)
}

// TestAnIdThatWasPublishedTwice: a producer may publish a mutation again in another pack, which is
// a second mutation under the id. What names the id may mean either.
func TestAnIdThatWasPublishedTwice(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for range 3 {
		s.publish(products, "A3", catalog.Update, "newer")
	}
	again := &s.Messages[9]
	again.Key.ID, again.Mutation.ID = "m9", "m9"
	s.Rows[9].Key.ID, s.Rows[9].ID = "m9", "m9"
	s.supersede(3, 8)  // by the first of the two, which succeeded
	s.supersede(9, 10) // the second
	require.Empty(t, oracle.Check(s.History).Violations)
	s.supersede(8, 10)
	require.NotEmpty(t, oracle.Check(s.History).Violations)
}

// TestEveryViolationIsFound has a history for each way to break an invariant. Each was a
// check of its own in the worker tests, the chaos run, the benchmarks or the demo.
func TestEveryViolationIsFound(t *testing.T) {
	t.Parallel()
	received := func(c sandbox.Counters) func(*scene) {
		return func(s *scene) { s.Platforms[0].Received = c }
	}
	for name, test := range map[string]struct {
		invariant string
		spoil     func(s *scene)
	}{
		"a row is missing":                 {"I1", func(s *scene) { s.Rows = s.Rows[:len(s.Rows)-1] }},
		"a message has two rows":           {"I1", func(s *scene) { s.Rows = append(s.Rows, s.Rows[0]) }},
		"a row of no message":              {"I1", func(s *scene) { s.Rows = append(s.Rows, oracle.Row{ID: "none", Status: "invalid"}) }},
		"a mutation waits":                 {"I1", func(s *scene) { s.Rows[3].Status = "waiting" }},
		"a mutation is submitted":          {"I1", func(s *scene) { s.Rows[3].Status = "submitted" }},
		"an unknown status":                {"I1", func(s *scene) { s.Rows[3].Status = "done" }},
		"no reason":                        {"I1", func(s *scene) { s.Rows[3].Silent = true }},
		"the stream lost a message":        {"I1", func(s *scene) { s.Messages[0].Lost = true }},
		"superseded by nothing":            {"I1", func(s *scene) { s.supersede(1, 98) }},
		"superseded by another item":       {"I1", func(s *scene) { s.supersede(1, 0) }},
		"superseded by one that is, too":   {"I1", func(s *scene) { s.supersede(1, 5); s.supersede(5, 1) }},
		"stale by another item":            {"I1", func(s *scene) { s.supersede(7, 0); s.Rows[7].InBatch = false }},
		"a batch is not applied yet":       {"I1", func(s *scene) { s.Platforms[0].Pending = 1 }},
		"an older mutation won":            {"I2", func(s *scene) { s.reset(1) }},
		"a deleted item is back":           {"I2", func(s *scene) { s.apply(2) }},
		"a mutation never arrived":         {"I2", func(s *scene) { s.add(&catalog.Mutation{Lane: products, ItemID: "A3", Operation: catalog.Delete}) }},
		"a localization never arrived":     {"I2", func(s *scene) { s.add(localization("A3")) }},
		"an item that nobody published":    {"I2", func(s *scene) { s.Messages, s.Rows = s.Messages[:7], s.Rows[:7] }},
		"failed though the platform takes": {"I2", func(s *scene) { s.Rows[0].Status = "failed" }},
		"invalid and sent all the same":    {"I2", func(s *scene) { s.Rows[0].Status = "invalid" }},
		"stale and sent all the same":      {"I2", func(s *scene) { s.stale() }},
		"two open batches of an item":      {"I3", received(sandbox.Counters{Overlaps: 1})},
		"two records of an item in a body": {"I4", received(sandbox.Counters{DuplicateItems: 1})},
		"too many records in a body":       {"I4", received(sandbox.Counters{MaxItems: 101})},
		"too many bytes in a body":         {"I4", received(sandbox.Counters{MaxBytes: 10_001})},
		"success of a refused item":        {"I5", func(s *scene) { s.Messages[4].Refused = true }},
		"more successes than records":      {"I5", func(s *scene) { said := 8; s.Platforms[0].Succeeded = &said }},
		"success of what is refused alone": {"I5", func(s *scene) { s.Strict = true; s.unmatched() }},
		"a quiet account had to wait":      {"I6", func(s *scene) { s.Rows[7].FinishedAt = s.Rows[7].PublishedAt.Add(time.Minute) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			test.spoil(s)
			verdict := oracle.Check(s.History)
			require.NotEmpty(t, verdict.Violations)
			require.Equal(t, test.invariant, verdict.Violations[0].Invariant, "%v", verdict.Violations)
		})
	}
}

func localization(item string) *catalog.Mutation {
	return &catalog.Mutation{
		Lane: languages, ItemID: item, Operation: catalog.Upsert, Localization: polish, Attributes: []byte(`{"title":"po polsku"}`),
	}
}

// reset has the platform take a message again after all others: its item is deleted first.
func (s *scene) reset(message int) {
	s.t.Helper()
	m := *s.Messages[message].Mutation
	m.Operation, m.Attributes = catalog.Delete, nil
	place := s.Places[m.Lane]
	require.NoError(s.t, place.Platform.Holds.Apply(place.Catalog, m.Lane.Type, &m))
	s.apply(message)
}

// stale has the platform take a mutation that is said to be stale.
func (s *scene) stale() {
	s.publish(products, "A3", catalog.Update, "stale")
	s.supersede(8, 3)
	s.Rows[8].InBatch = false
}

// unmatched is a success that changes nothing: of an item that is not there.
func (s *scene) unmatched() {
	s.add(&catalog.Mutation{Lane: products, ItemID: "A2", Operation: catalog.Update, Attributes: []byte(`{"title":"gone"}`)})
}

// TestWhatNobodyKnowsIsLeftOut: an item is not compared where nobody can know of it, and
// neither are its localizations. All others are.
func TestWhatNobodyKnowsIsLeftOut(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(s *scene){
		"unconfirmed": func(s *scene) { s.Rows[8].Status = "unconfirmed" },
		"merged into such": func(s *scene) {
			s.publish(products, "A3", catalog.Update, "newer")
			s.supersede(8, 9)
			s.Rows[9].Status = "unconfirmed"
		},
		"doubtful":              func(s *scene) { s.Rows[8].Status, s.Messages[8].Doubtful = "failed", true },
		"its base, unconfirmed": func(s *scene) { s.Rows[3].Status = "unconfirmed"; s.apply(8); s.add(localization("A3")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.add(&catalog.Mutation{Lane: products, ItemID: "A3", Operation: catalog.Update, Attributes: []byte(`{"title":"perhaps"}`)})
			spoil(s)
			require.Empty(t, oracle.Check(s.History).Violations)
			s.Platforms[0].Fresh, s.Platforms[1].Fresh = metasim.New(sandbox.Options{}), metasim.New(sandbox.Options{})
			s.apply(2)
			require.NotEmpty(t, oracle.Check(s.History).Violations, "of another item")
		})
	}
}

// TestOlderCopies: what an older copy of a store does not hold is accounted for, and no more.
func TestOlderCopies(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.Rewound, s.Messages[7].Lost = true, true
	require.Empty(t, oracle.Check(s.History).Violations, "it was recorded")

	s = newScene(t)
	s.Rewound, s.Messages[7].Lost, s.Rows = true, true, s.Rows[:7]
	verdict := oracle.Check(s.History)
	require.Len(t, verdict.Violations, 1, "it was not recorded, and the platform has it all the same")
	require.Equal(t, 1, verdict.Unrecorded)

	s = newScene(t)
	s.Rows[5].Status, s.Restored = "failed", began.Add(time.Hour)
	verdict = oracle.Check(s.History)
	require.Empty(t, verdict.Violations, "it was applied, and refused when it was applied again")
	require.Equal(t, 1, verdict.Replayed)
	s.Restored = began
	s.Platforms[0].Fresh, s.Platforms[1].Fresh = metasim.New(sandbox.Options{}), metasim.New(sandbox.Options{})
	require.NotEmpty(t, oracle.Check(s.History).Violations, "it was published after that")

	s = newScene(t)
	s.unmatched()
	s.apply(2)
	s.Restored = began.Add(time.Hour)
	require.Empty(t, oracle.Check(s.History).Violations, "refused at first, and worked when newer ones were applied again")
}

func TestSecretsAreFound(t *testing.T) {
	t.Parallel()
	secrets := []string{"canary-a", "", "canary-b"}
	require.Empty(t, oracle.SearchSecrets("the log", []byte("a canary sings"), secrets))
	found := oracle.SearchSecrets("the log", []byte(`{"token":"canary-b"}`), secrets)
	require.Len(t, found, 1)
	require.Equal(t, "I7", found[0].Invariant)
	require.NotContains(t, found[0].String(), "canary-b")
	require.Contains(t, found[0].String(), "the log")
}

func whole(itemType catalog.Type, mark string) string {
	text, err := json.Marshal(workload.Whole(itemType, mark))
	if err != nil {
		panic(err)
	}
	return string(text)
}
