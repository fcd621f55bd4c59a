package difference

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/catalog"
)

var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }

func route() Route {
	return Route{
		Source: "shop", Lane: catalog.Lane{Account: "acme-meta", Catalog: "products", Type: "PRODUCT_ITEM"},
		Operation: catalog.Upsert, Unavailable: json.RawMessage(`{"availability":"out of stock"}`),
	}
}

func item(attributes string) Item { return Item{ID: "1", Attributes: json.RawMessage(attributes)} }

func compare(t *testing.T, r Route, i Item, known State, snapshot time.Time) Change {
	t.Helper()
	change, err := r.Compare(i, known, snapshot)
	require.NoError(t, err)
	return change
}

func TestCompare(t *testing.T) {
	t.Parallel()
	r := route()
	added := compare(t, r, item(`{"price":"5 EUR","title":"Lamp"}`), State{}, at(1))
	require.Equal(t, Added, added.Kind)
	require.Equal(t, catalog.Upsert, added.Operation)
	require.JSONEq(t, `{"price":"5 EUR","title":"Lamp"}`, string(added.Attributes))
	require.Equal(t, []string{"price", "title"}, added.State.Names)

	same := compare(t, r, item(`{"price":"5 EUR","title":"Lamp"}`), added.State, at(2))
	require.Equal(t, Unchanged, same.Kind)
	require.False(t, same.Publishes())

	changed := compare(t, r, item(`{"price":"4 EUR","title":"Lamp"}`), added.State, at(3))
	require.Equal(t, Changed, changed.Kind)
	require.NotEqual(t, added.MutationID, changed.MutationID)
	require.Equal(t, changed.MutationID, compare(t, r, item(`{"price":"4 EUR","title":"Lamp"}`), added.State, at(4)).MutationID,
		"the same change found again has the same id")

	back := compare(t, r, item(`{"price":"5 EUR","title":"Lamp"}`), changed.State, at(5))
	require.Equal(t, Changed, back.Kind)
	require.NotEqual(t, added.MutationID, back.MutationID, "the stream must not take a change back for a repeat")
}

// TestAnEndedSalePriceIsCleared: what was sent and is gone is sent as null where the platform
// keeps what is left out, once.
func TestAnEndedSalePriceIsCleared(t *testing.T) {
	t.Parallel()
	r := route()
	sale := compare(t, r, item(`{"price":"5 EUR","sale_price":"4 EUR"}`), State{}, at(1))
	ended := compare(t, r, item(`{"price":"5 EUR"}`), sale.State, at(2))
	require.JSONEq(t, `{"price":"5 EUR","sale_price":null}`, string(ended.Attributes))
	require.Equal(t, []string{"price"}, ended.State.Names)
	next := compare(t, r, item(`{"price":"6 EUR"}`), ended.State, at(3))
	require.JSONEq(t, `{"price":"6 EUR"}`, string(next.Attributes), "cleared once is enough")

	require.JSONEq(t, `{"sale_price":null}`, string(compare(t, r, item(`{}`), State{Revision: 1, Names: []string{"sale_price"}}, at(2)).Attributes))
	require.JSONEq(t, `{"sale_price":null}`, string(compare(t, r, item(`{"sale_price":null}`), sale.State, at(2)).Attributes)[:len(`{"sale_price":null`)]+"}",
		"a null of the mapping's own is not doubled")

	r.Replaces = true
	require.JSONEq(t, `{"price":"5 EUR"}`, string(compare(t, r, item(`{"price":"5 EUR"}`), sale.State, at(2)).Attributes),
		"an UPSERT that replaces needs no null")
}

func TestASnapshotUndoesNoNewerChange(t *testing.T) {
	t.Parallel()
	r := route()
	hook := item(`{"price":"4 EUR"}`)
	hook.ChangedAt = at(10)
	sent := compare(t, r, hook, State{}, at(11))
	require.Equal(t, Older, compare(t, r, item(`{"price":"5 EUR"}`), sent.State, at(9)).Kind)
	require.Equal(t, Older, r.Absent("1", sent.State, at(9)).Kind, "nor deletes what came later")
	require.Equal(t, Changed, compare(t, r, item(`{"price":"5 EUR"}`), sent.State, at(12)).Kind)

	own := item(`{"price":"5 EUR"}`)
	own.ChangedAt = at(9)
	require.Equal(t, Older, compare(t, r, own, sent.State, at(12)).Kind, "the item's own time beats the file's")

	deleted := r.Deleted("1", sent.State, at(20))
	require.Equal(t, Removed, deleted.Kind)
	require.Equal(t, Older, compare(t, r, item(`{"price":"5 EUR"}`), deleted.State, at(19)).Kind, "an old file brings nothing back")
	again := compare(t, r, item(`{"price":"5 EUR"}`), deleted.State, at(21))
	require.Equal(t, Added, again.Kind)
	require.NotEqual(t, compare(t, r, item(`{"price":"5 EUR"}`), State{}, at(21)).MutationID, again.MutationID)
}

func TestMissing(t *testing.T) {
	t.Parallel()
	r := route()
	known := compare(t, r, item(`{"price":"5 EUR"}`), State{}, at(1)).State

	removed := r.Absent("1", known, at(2))
	require.Equal(t, Removed, removed.Kind)
	require.Equal(t, catalog.Delete, removed.Operation)
	require.Nil(t, removed.Attributes)
	require.Equal(t, Unchanged, r.Absent("1", removed.State, at(3)).Kind, "once")

	r.Runs = 3
	first := r.Absent("1", known, at(2))
	require.Equal(t, Awaited, first.Kind)
	require.False(t, first.Publishes())
	second := r.Absent("1", first.State, at(3))
	require.Equal(t, Awaited, second.Kind)
	require.Equal(t, Removed, r.Absent("1", second.State, at(4)).Kind)
	seen := compare(t, r, item(`{"price":"5 EUR"}`), second.State, at(4))
	require.Equal(t, Unchanged, seen.Kind)
	require.Zero(t, seen.State.Missing, "seen again, it counts from the beginning")

	r.Runs, r.Missing = 0, OutOfStock
	unavailable := r.Absent("1", known, at(2))
	require.Equal(t, catalog.Update, unavailable.Operation)
	require.JSONEq(t, `{"availability":"out of stock"}`, string(unavailable.Attributes))
	require.Equal(t, Added, compare(t, r, item(`{"price":"5 EUR"}`), unavailable.State, at(3)).Kind, "back with what it had")

	r.Missing = Keep
	require.Equal(t, Unchanged, r.Absent("1", known, at(2)).Kind)
}

func TestGuard(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		counts   Counts
		approved int
		want     Decision
	}{
		{"nothing known", Counts{Read: 1000, Added: 1000}, 0, Allowed},
		{"a few of few", Counts{Known: 60, Read: 10, Unchanged: 10, Removed: 50}, 0, Allowed},
		{"one too many of few", Counts{Known: 61, Read: 10, Unchanged: 10, Removed: 51}, 0, Withheld},
		{"ten percent of many", Counts{Known: 100_000, Read: 90_000, Unchanged: 90_000, Removed: 10_000}, 0, Allowed},
		{"more than ten percent", Counts{Known: 100_000, Read: 89_999, Unchanged: 89_999, Removed: 10_001}, 0, Withheld},
		{"approved", Counts{Known: 100_000, Read: 50_000, Unchanged: 50_000, Removed: 50_000}, 50_000, Allowed},
		{"more than approved", Counts{Known: 100_000, Read: 49_999, Unchanged: 49_999, Removed: 50_001}, 50_000, Withheld},
		{"empty", Counts{Known: 1, Removed: 1}, 1000, Stopped},
		{"other ids", Counts{Known: 10, Read: 10, Added: 6, Unchanged: 4, Removed: 6}, 1000, Stopped},
		{"other ids, not missing long enough", Counts{Known: 10, Read: 10, Added: 6, Unchanged: 4, Awaited: 6}, 0, Stopped},
		{"half new, few gone", Counts{Known: 10, Read: 30, Added: 21, Unchanged: 9, Removed: 1}, 0, Allowed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			decision, why := DefaultGuard.Check(test.counts, test.approved)
			require.Equal(t, test.want, decision, why)
			require.Equal(t, test.want != Allowed, why != "", "whoever is stopped is told why")
		})
	}
	decision, _ := Guard{Items: 50, Percent: 10, AllowEmpty: true}.Check(Counts{Known: 40, Removed: 40}, 0)
	require.Equal(t, Allowed, decision)
}

// platform is a destination that keeps what an UPSERT leaves out and clears what is null.
type platform map[string]map[string]string

func (p platform) apply(t *rapid.T, c Change) {
	if c.Operation == catalog.Delete {
		delete(p, c.ItemID)
		return
	}
	var members map[string]*string
	require.NoError(t, json.Unmarshal(c.Attributes, &members))
	if p[c.ItemID] == nil {
		p[c.ItemID] = map[string]string{}
	}
	for name, value := range members {
		if value == nil {
			delete(p[c.ItemID], name)
		} else {
			p[c.ItemID][name] = *value
		}
	}
}

// TestDestinationFollowsTheSource: files and webhooks of a source arrive late and in any
// order. After each, every item at the platform is what the source said at the newest time
// that it told of the item, never what it said before.
func TestDestinationFollowsTheSource(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, ids, names := route(), []string{"a", "b", "c"}, []string{"price", "sale", "color"}
		minutes := rapid.IntRange(2, 12).Draw(t, "minutes")
		history := make([]map[string]map[string]string, 0, minutes) // by minute
		current := map[string]map[string]string{}
		for minute := range minutes {
			id := rapid.SampledFrom(ids).Draw(t, "id")
			next := maps.Clone(current)
			delete(next, id)
			if rapid.IntRange(0, 3).Draw(t, "there") > 0 {
				attributes := map[string]string{"at": strconv.Itoa(minute)}
				for _, name := range names {
					if rapid.Bool().Draw(t, name) {
						attributes[name] = strconv.Itoa(rapid.IntRange(0, 2).Draw(t, "value"))
					}
				}
				next[id] = attributes
			}
			current = next
			history = append(history, current)
		}
		states, there := map[string]State{}, platform{}
		told := map[string]int{} // the newest minute that was told of an item
		lastFile := -1
		tell := func(id string, minute int, file bool) {
			known, attributes := states[id], history[minute][id]
			var change Change
			switch {
			case attributes == nil && file:
				change = r.Absent(id, known, at(minute))
			case attributes == nil:
				change = r.Deleted(id, known, at(minute))
			default:
				encoded, err := json.Marshal(attributes)
				require.NoError(t, err)
				item := Item{ID: id, Attributes: encoded}
				if !file {
					item.ChangedAt = at(minute)
				}
				change, err = r.Compare(item, known, at(minute))
				require.NoError(t, err)
			}
			if change.Publishes() {
				there.apply(t, change)
				if rapid.IntRange(0, 4).Draw(t, "repeat") == 0 { // stopped before the state was kept
					there.apply(t, change)
				}
			}
			if change.Keeps(known) {
				states[id] = change.State
			}
			// A file that changes nothing leaves no time behind.
			if newest, ok := told[id]; (!ok || minute > newest) && (!file || change.Publishes()) {
				told[id] = minute
			}
		}
		for range rapid.IntRange(1, 20).Draw(t, "deliveries") {
			minute := rapid.IntRange(0, len(history)-1).Draw(t, "minute")
			if rapid.Bool().Draw(t, "file") {
				if minute < lastFile {
					continue // refused: see Compare
				}
				lastFile = minute
				for _, id := range ids {
					tell(id, minute, true)
				}
			} else {
				tell(rapid.SampledFrom(ids).Draw(t, "item"), minute, false)
			}
			for id, newest := range told {
				require.Equalf(t, history[newest][id], there[id], "%s as told of minute %d", id, newest)
			}
		}
		for _, id := range ids {
			tell(id, len(history)-1, true)
		}
		require.Equal(t, current, map[string]map[string]string(there), "the newest file makes everything true")
	})
}

func FuzzCompare(f *testing.F) {
	f.Add([]byte(`{"a":1}`), []byte(`{"a":2,"b":null}`))
	f.Add([]byte(`[]`), []byte(` { } `))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		r := route()
		sent, err := r.Compare(Item{ID: "1", Attributes: first}, State{}, at(1))
		if err != nil {
			require.ErrorIs(t, err, ErrAttributes)
			return
		}
		change, err := r.Compare(Item{ID: "1", Attributes: second}, sent.State, at(2))
		if err != nil || !change.Publishes() {
			return
		}
		var members map[string]json.RawMessage
		require.NoErrorf(t, json.Unmarshal(change.Attributes, &members), "%s", change.Attributes)
		for _, name := range sent.State.Names {
			require.Contains(t, members, name)
		}
		require.True(t, slices.IsSorted(change.State.Names))
	})
}

// TestAnItemThatIsBackAsItWas: an item that was missing for a while has the time of a change
// before that. What a newer deletion says is not undone by an older snapshot.
func TestAnItemThatIsBackAsItWas(t *testing.T) {
	t.Parallel()
	r := route()
	lamp := item(`{"title":"Lamp"}`)
	lamp.ChangedAt = at(1)
	added := compare(t, r, lamp, State{}, at(2))
	removed := r.Absent("1", added.State, at(3))
	require.Equal(t, Removed, removed.Kind)
	back := compare(t, r, lamp, removed.State, at(4))
	require.Equal(t, Added, back.Kind)
	require.Equal(t, Unchanged, compare(t, r, lamp, back.State, at(5)).Kind)

	deleted := r.Deleted("1", added.State, at(6))
	require.Equal(t, Older, compare(t, r, lamp, deleted.State, at(5)).Kind)
}

// TestWhatWasOnlyIntended: after a process ended between publishing and keeping the state,
// the same change has the same id, and any other one counts with what may have been sent.
func TestWhatWasOnlyIntended(t *testing.T) {
	t.Parallel()
	r := route()
	plain, sale := item(`{"title":"Lamp"}`), item(`{"sale_price":"4 EUR","title":"Lamp"}`)
	added := compare(t, r, sale, State{}, at(1))
	intended := added.Intended(State{})
	require.Equal(t, added.MutationID, compare(t, r, sale, intended, at(1)).MutationID)
	other := compare(t, r, plain, intended, at(2))
	require.JSONEq(t, `{"title":"Lamp","sale_price":null}`, string(other.Attributes))
	require.NotEqual(t, added.MutationID, other.MutationID)
	require.Equal(t, catalog.Delete, r.Absent("1", intended, at(2)).Operation, "it may be there")

	known := compare(t, r, sale, State{}, at(1)).State
	removed := r.Absent("1", known, at(2))
	intended = removed.Intended(known)
	require.Equal(t, removed.MutationID, r.Absent("1", intended, at(2)).MutationID)
	back := compare(t, r, plain, intended, at(3))
	require.Equal(t, Added, back.Kind)
	require.JSONEq(t, `{"title":"Lamp","sale_price":null}`, string(back.Attributes), "it may be there still")
	require.False(t, back.State.Doubtful)
}

// TestOutOfStockIsReportedWhenItStays: an item without an availability of its own keeps that
// of its absence, where nothing clears it.
func TestOutOfStockIsReportedWhenItStays(t *testing.T) {
	t.Parallel()
	r := route()
	r.Missing = OutOfStock
	r.Clears = func(name string) bool { return name != "availability" }
	plain := item(`{"title":"Lamp"}`)
	removed := r.Absent("1", compare(t, r, plain, State{}, at(1)).State, at(2))
	require.Equal(t, []string{"availability"}, compare(t, r, plain, removed.State, at(3)).Left)
}
