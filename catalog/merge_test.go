package catalog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// The two readings of an UPSERT, see catalog.Semantics.
var (
	replacing = catalog.Semantics{Merges: true, UpsertReplaces: true}
	overlaid  = catalog.Semantics{Merges: true}
)

var (
	pinterest = catalog.MergeRules{Semantics: replacing}
	meta      = catalog.MergeRules{Semantics: overlaid}
)

// change makes a change the way intake does: HasNull follows from the attributes.
func change(op catalog.Operation, attributes string) catalog.Change {
	made := catalog.Change{Operation: op}
	if attributes != "" {
		made.Attributes = []byte(attributes)
		for _, value := range decodeObject(attributes) {
			made.HasNull = made.HasNull || value == nil
		}
	}
	return made
}

func create(attributes string) catalog.Change { return change(catalog.Create, attributes) }
func upsert(attributes string) catalog.Change { return change(catalog.Upsert, attributes) }
func update(attributes string) catalog.Change { return change(catalog.Update, attributes) }

var (
	remove      = change(catalog.Delete, "")
	discontinue = change(catalog.DeleteDiscontinued, "")
	inOrder     = catalog.Change{}
)

// TestMergeTable is the merge table of docs/design.md, cell by cell.
func TestMergeTable(t *testing.T) {
	t.Parallel()
	const (
		a1    = `{"a":1}`
		b2    = `{"b":2}`
		both  = `{"a":1,"b":2}`
		null  = `{"b":null}`
		a1nul = `{"a":1,"b":null}`
	)
	for _, test := range []struct {
		name            string
		older, newer    catalog.Change
		pinterest, meta catalog.Change
	}{
		{"CREATE CREATE", create(a1), create(b2), inOrder, inOrder},
		{"UPSERT CREATE", upsert(a1), create(b2), inOrder, inOrder},
		{"UPDATE CREATE", update(a1), create(b2), inOrder, inOrder},
		{"DELETE CREATE", remove, create(b2), inOrder, inOrder},
		{"DISCONTINUED CREATE", discontinue, create(b2), inOrder, inOrder},

		{"CREATE UPSERT", create(a1), upsert(b2), upsert(b2), create(both)},
		{"UPSERT UPSERT", upsert(a1), upsert(b2), upsert(b2), upsert(both)},
		{"UPDATE UPSERT", update(a1), upsert(b2), upsert(b2), inOrder},
		{"DELETE UPSERT", remove, upsert(b2), inOrder, inOrder},
		{"DISCONTINUED UPSERT", discontinue, upsert(b2), upsert(b2), inOrder},
		{"CREATE UPSERT with null", create(a1), upsert(null), upsert(null), inOrder},
		{"UPSERT UPSERT with null", upsert(a1), upsert(null), upsert(null), upsert(a1nul)},

		{"CREATE UPDATE", create(a1), update(b2), create(both), create(both)},
		{"UPSERT UPDATE", upsert(a1), update(b2), upsert(both), upsert(both)},
		{"UPDATE UPDATE", update(a1), update(b2), update(both), update(both)},
		{"DELETE UPDATE", remove, update(b2), inOrder, inOrder},
		{"DISCONTINUED UPDATE", discontinue, update(b2), inOrder, inOrder},
		{"CREATE UPDATE with null", create(a1), update(null), inOrder, inOrder},
		{"UPSERT UPDATE with null", upsert(a1), update(null), upsert(a1), upsert(a1nul)},
		{"UPDATE UPDATE with null", update(a1), update(null), update(a1nul), update(a1nul)},
		{"UPDATE with null UPDATE", update(null), update(b2), update(b2), update(b2)},
		{"UPSERT with null UPDATE", upsert(a1nul), update(a1), upsert(a1), upsert(a1nul)},
		{"CREATE with null UPDATE", create(a1nul), update(a1), create(a1nul), create(a1nul)},
		{"UPSERT UPDATE to nothing", upsert(a1), update(`{"a":null}`), upsert(`{}`), upsert(`{"a":null}`)},

		{"CREATE DELETE", create(a1), remove, remove, remove},
		{"UPSERT DELETE", upsert(a1), remove, remove, remove},
		{"UPDATE DELETE", update(a1), remove, remove, remove},
		{"DELETE DELETE", remove, remove, remove, remove},
		{"DISCONTINUED DELETE", discontinue, remove, remove, remove},

		{"CREATE DISCONTINUED", create(a1), discontinue, inOrder, inOrder},
		{"UPSERT DISCONTINUED", upsert(a1), discontinue, inOrder, inOrder},
		{"UPDATE DISCONTINUED", update(a1), discontinue, inOrder, inOrder},
		{"DELETE DISCONTINUED", remove, discontinue, inOrder, inOrder},
		{"DISCONTINUED DISCONTINUED", discontinue, discontinue, discontinue, discontinue},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			requireMerge(t, pinterest, test.older, test.newer, test.pinterest)
			requireMerge(t, meta, test.older, test.newer, test.meta)
			requireMerge(t, catalog.MergeRules{}, test.older, test.newer, inOrder)
		})
	}
}

func requireMerge(t *testing.T, rules catalog.MergeRules, older, newer, want catalog.Change) {
	t.Helper()
	merged, ok := rules.Merge(older, newer)
	require.Equal(t, want.Operation != 0, ok)
	require.Equal(t, want.Operation, merged.Operation)
	require.Equal(t, string(want.Attributes), string(merged.Attributes))
	require.Equal(t, want.HasNull, merged.HasNull)
}

func TestMergeRefusesAnUnknownOperation(t *testing.T) {
	t.Parallel()
	for _, rules := range []catalog.MergeRules{pinterest, meta} {
		for _, op := range catalog.Operations() {
			requireMerge(t, rules, change(op, `{}`), catalog.Change{}, inOrder)
			requireMerge(t, rules, catalog.Change{}, change(op, `{}`), inOrder)
		}
	}
}

// TestMergeKeepsRawText holds merging to the producers' own bytes: values are not
// encoded again, order is stable, and names are compared decoded.
func TestMergeKeepsRawText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, older, newer, want string }{
		{"numbers as written", `{"a":1.50,"b":1e3}`, `{"c":100000000000000000001}`, `{"a":1.50,"b":1e3,"c":100000000000000000001}`},
		{"replaced in place, added at the end", `{"a":1,"b":2,"c":3}`, `{"z":0,"b":9}`, `{"a":1,"b":9,"c":3,"z":0}`},
		{"escapes in values stay", `{"a":"\u00e9\/"}`, `{"b":"é/"}`, `{"a":"\u00e9\/","b":"é/"}`},
		{"escaped name is the same name", `{"pric\u0065":1}`, `{"price":2}`, `{"price":2}`},
		{"plain name is the escaped one", `{"a/b":1}`, `{"a\/b":2}`, `{"a\/b":2}`},
		{"names with dots and wildcards", `{"a.b":1,"a*":2,"@c":3}`, `{"a.b":4,"a?":5}`, `{"a.b":4,"a*":2,"@c":3,"a?":5}`},
		{"empty name", `{"":1}`, `{"":2}`, `{"":2}`},
		{"white space between members goes", "{ \"a\" : 1 ,\n\"b\": [ 1, 2 ] }", `{"c": 3}`, `{"a":1,"b":[ 1, 2 ],"c":3}`},
		{"last of a repeated name counts", `{"a":1,"b":2,"a":3}`, `{"c":1,"c":2}`, `{"a":3,"b":2,"c":2}`},
		{"empty objects", `{}`, `{}`, `{}`},
		{"no attributes at all", ``, `{"a":1}`, `{"a":1}`},
		{"arrays are replaced whole", `{"a":[1,2]}`, `{"a":[3]}`, `{"a":[3]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			older := catalog.Change{Operation: catalog.Update, Attributes: []byte(test.older)}
			merged, ok := meta.Merge(older, update(test.newer))
			require.True(t, ok)
			require.Equal(t, test.want, string(merged.Attributes))
			require.False(t, merged.HasNull)
		})
	}
}

// TestMergeObjectAttributes: platforms may merge an object member by member, so
// that two values of one object attribute are sent in order.
func TestMergeObjectAttributes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, older, newer string
		merges             bool
	}{
		{"two objects", `{"addr":{"city":"A"}}`, `{"addr":{"zip":"1"}}`, false},
		{"equal objects", `{"addr":{"city":"A"}}`, `{"addr":{"city":"A"}}`, true},
		{"equal but for space, order and escapes", `{"addr":{"city":"A","n":[1]}}`, `{"addr":{ "n":[1 ], "cit\u0079":"\u0041"}}`, true},
		{"numbers written differently", `{"addr":{"n":1}}`, `{"addr":{"n":1.0}}`, false},
		{"null, then an object", `{"addr":null}`, `{"addr":{"city":"A"}}`, false},
		{"text, then an object", `{"addr":"A"}`, `{"addr":{"city":"A"}}`, false},
		{"object, then null", `{"addr":{"city":"A"}}`, `{"addr":null}`, true},
		{"object, then text", `{"addr":{"city":"A"}}`, `{"addr":"A"}`, true},
		{"object only in the newer", `{"a":1}`, `{"addr":{"city":"A"}}`, true},
		{"object only in the older", `{"addr":{"city":"A"}}`, `{"a":1}`, true},
		{"nested deeply", `{"a":{"b":{"c":1}}}`, `{"a":{"b":{"c":2}}}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, rules := range []catalog.MergeRules{pinterest, meta} {
				_, ok := rules.Merge(update(test.older), update(test.newer))
				require.Equal(t, test.merges, ok)
			}
		})
	}
	// An UPSERT that replaces the item replaces its objects too.
	requireMerge(t, pinterest, upsert(`{"addr":{"city":"A"}}`), upsert(`{"addr":{"zip":"1"}}`), upsert(`{"addr":{"zip":"1"}}`))
}

func TestMergeRefusesWhatIsNoObject(t *testing.T) {
	t.Parallel()
	array := catalog.Change{Operation: catalog.Update, Attributes: []byte(`[1]`)}
	requireMerge(t, meta, array, update(`{"a":1}`), inOrder)
	requireMerge(t, meta, update(`{"a":1}`), array, inOrder)
}

// TestMergeLargeObjects crosses the size from which names are indexed.
func TestMergeLargeObjects(t *testing.T) {
	t.Parallel()
	older, newer := map[string]any{}, map[string]any{}
	for i := range 300 {
		older[attributeName(i)] = i
		newer[attributeName(i+150)] = -i
	}
	merged, ok := meta.Merge(update(encodeObject(older)), update(encodeObject(newer)))
	require.True(t, ok)
	got := decodeObject(string(merged.Attributes))
	require.Len(t, got, 450)
	for i := range 450 {
		if i < 150 {
			require.EqualValues(t, i, got[attributeName(i)])
		} else {
			require.EqualValues(t, 150-i, got[attributeName(i)])
		}
	}
}
