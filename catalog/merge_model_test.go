package catalog_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// smallChanges are all operations with all attribute sets over two names, absent,
// null or with a value.
func smallChanges() []catalog.Change {
	changes := make([]catalog.Change, 0, 38)
	changes = append(changes, remove, discontinue)
	for _, op := range []catalog.Operation{catalog.Create, catalog.Upsert, catalog.Update} {
		for _, a := range []string{"", "null", "1", "2"} {
			for _, b := range []string{"", "null", "1"} {
				changes = append(changes, change(op, smallObject(a, b)))
			}
		}
	}
	return changes
}

// objectChanges vary one attribute whose value is an object.
func objectChanges() []catalog.Change {
	values := []string{"", "null", "1", `{"x":1}`, `{"x":2}`, `{"y":1}`}
	changes := make([]catalog.Change, 0, 2+3*len(values))
	changes = append(changes, remove, discontinue)
	for _, op := range []catalog.Operation{catalog.Create, catalog.Upsert, catalog.Update} {
		for _, a := range values {
			changes = append(changes, change(op, smallObject(a, "")))
		}
	}
	return changes
}

func smallObject(a, b string) string {
	object := "{"
	if a != "" {
		object += `"a":` + a
	}
	if b != "" {
		if a != "" {
			object += ","
		}
		object += `"b":` + b
	}
	return object + "}"
}

func startStates() []state {
	return []state{
		nil,
		{},
		{"a": 1.0},
		{"a": 2.0, "b": 1.0, "availability": "in stock"},
		{"a": map[string]any{"x": 9.0, "y": 9.0}},
	}
}

// TestMergeLeavesTheRightState applies all triples (with that, all pairs) of small
// changes once one by one and once as a batcher folds them, from items that exist
// and do not, under every reading of the platforms.
func TestMergeLeavesTheRightState(t *testing.T) {
	t.Parallel()
	for _, m := range models() {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			changes := smallChanges()
			if m.nested {
				changes = objectChanges()
			}
			for _, a := range changes {
				for _, b := range changes {
					for _, c := range changes {
						requireSameEnd(t, m, []catalog.Change{a, b, c})
					}
				}
			}
		})
	}
}

func requireSameEnd(t require.TestingT, m model, changes []catalog.Change) {
	records := fold(m.rules, changes)
	if len(records) == len(changes) {
		return // nothing merged
	}
	for _, start := range startStates() {
		want := start
		for _, c := range changes {
			want, _ = m.apply(want, c)
		}
		if got := m.send(start, records); !sameState(got, want) {
			require.Equal(t, want, got, "%s: %v sent as %v from %v", m, changes, records, start)
		}
	}
}

func sameState(a, b state) bool {
	return len(a) == len(b) && reflect.DeepEqual(a, b)
}

// TestMergeIsAssociative: where both ways of merging three changes into one work,
// they come to the same, and HasNull is what the attributes say.
func TestMergeIsAssociative(t *testing.T) {
	t.Parallel()
	for _, rules := range []catalog.MergeRules{pinterest, meta} {
		for _, changes := range [][]catalog.Change{smallChanges(), objectChanges()} {
			for _, a := range changes {
				for _, b := range changes {
					ab, okAB := rules.Merge(a, b)
					requireExactNull(t, ab)
					for _, c := range changes {
						bc, okBC := rules.Merge(b, c)
						if !okAB || !okBC {
							continue
						}
						left, okLeft := rules.Merge(ab, c)
						right, okRight := rules.Merge(a, bc)
						if okLeft && okRight && !sameChange(left, right) {
							require.Equal(t, left, right, "%v %v %v", a, b, c)
						}
					}
				}
			}
		}
	}
}

func requireExactNull(t require.TestingT, c catalog.Change) {
	hasNull := bytes.Contains(c.Attributes, []byte(":null"))
	if hasNull != c.HasNull {
		require.Equal(t, hasNull, c.HasNull, "%s", c.Attributes)
	}
}

func sameChange(a, b catalog.Change) bool {
	return a.Operation == b.Operation && a.HasNull == b.HasNull &&
		sameState(decodeObject(string(a.Attributes)), decodeObject(string(b.Attributes)))
}

// TestMergeLongHistories draws longer histories than can be tried exhaustively, and
// cuts them at random places, as batches going out do.
func TestMergeLongHistories(t *testing.T) {
	t.Parallel()
	all := append(smallChanges(), objectChanges()...)
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom(models()).Draw(t, "platform")
		item := rapid.SampledFrom(startStates()).Draw(t, "start")
		want := item
		for range rapid.IntRange(1, 4).Draw(t, "batches") {
			changes := rapid.SliceOfN(rapid.SampledFrom(all), 1, 12).Draw(t, "changes")
			for _, c := range changes {
				want, _ = m.apply(want, c)
			}
			item = m.send(item, fold(m.rules, changes))
			if !sameState(want, item) {
				require.Equal(t, want, item)
			}
		}
	})
}

// TestMergeLeavesItsInputAlone: the inputs belong to messages that are stored and
// replayed byte for byte.
func TestMergeLeavesItsInputAlone(t *testing.T) {
	t.Parallel()
	older, newer := upsert(`{"a":1, "b":null}`), update(`{"a":2, "c":3}`)
	_, ok := meta.Merge(older, newer)
	require.True(t, ok)
	require.Equal(t, upsert(`{"a":1, "b":null}`), older)
	require.Equal(t, update(`{"a":2, "c":3}`), newer)
}
