package catalog_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// FuzzMerge compares laying one object over another with doing the same on decoded
// maps.
func FuzzMerge(f *testing.F) {
	for _, seed := range [][2]string{
		{`{}`, `{}`},
		{`{"a":1}`, `{"a":null,"b":[{}]}`},
		{`{"\u0061":1, "a":2}`, ` { "a" : "\"}" } `},
		{`{"x":{"y":1}}`, `{"x":{"y":2}}`},
		{`{"":0,"\ud83d\ude00":1}`, `{"😀":2,"\n":"\n"}`},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, older, newer string) {
		var want, over map[string]any
		if json.Unmarshal([]byte(older), &want) != nil || json.Unmarshal([]byte(newer), &over) != nil ||
			want == nil || over == nil {
			t.Skip("not two objects")
		}
		if !utf8.ValidString(older+newer) || strings.Contains(strings.ToLower(older+newer), `\ud`) {
			t.Skip("decoders differ about broken text")
		}
		merged, ok := meta.Merge(
			catalog.Change{Operation: catalog.Update, Attributes: []byte(older)},
			catalog.Change{Operation: catalog.Update, Attributes: []byte(newer)})
		if !ok {
			return // in order is always right
		}
		require.True(t, json.Valid(merged.Attributes), "%s", merged.Attributes)
		hasNull := false
		maps.Copy(want, over)
		for _, value := range want {
			hasNull = hasNull || value == nil
		}
		require.Equal(t, want, decodeObject(string(merged.Attributes)))
		require.Equal(t, hasNull, merged.HasNull)
	})
}

// BenchmarkMerge lays one object of about 600 bytes over another, as hot items do.
func BenchmarkMerge(b *testing.B) {
	older, newer := typicalAttributes("older", 15), typicalAttributes("newer", 15)
	b.Logf("%d and %d bytes", len(older), len(newer))
	a := catalog.Change{Operation: catalog.Update, Attributes: older}
	c := catalog.Change{Operation: catalog.Update, Attributes: newer}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := meta.Merge(a, c); !ok {
			b.Fatal("did not merge")
		}
	}
}

func typicalAttributes(value string, count int) []byte {
	members := make([]string, 0, count)
	for i := range count {
		members = append(members, fmt.Sprintf(`"attribute_%d":"%s value %d"`, i, value, i*1000))
	}
	return []byte("{" + strings.Join(members, ",") + "}")
}
