package rawjson_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

func TestMembersAreVisitedAsTheyStand(t *testing.T) {
	t.Parallel()
	var seen []string
	rawjson.Members([]byte(` { "a" : 1.50, "b\u0063":"x\n", "d":null, "e":{"a":1} } `), func(m rawjson.Member) bool {
		seen = append(seen, fmt.Sprintf("%s %s %d %s %q", m.Name, m.Head, m.Kind, m.Raw, m.Text))
		return true
	})
	require.Equal(t, []string{
		`a "a" 3 1.50 ""`, `bc "b\u0063" 4 "x\n" "x\n"`, `d "d" 1 null ""`, `e "e" 6 {"a":1} ""`,
	}, seen)
	rawjson.Members(nil, func(rawjson.Member) bool { t.Fatal("no members"); return false })
}

func TestFindSeesEscapedNamesAndNoNestedOnes(t *testing.T) {
	t.Parallel()
	for object, want := range map[string]bool{
		`{"id":"1"}`: true, `{"\u0069d":"1"}`: true, `{"a":{"id":"1"}}`: false, `{"a":"id"}`: false, `{}`: false, ``: false,
	} {
		_, found := rawjson.Find([]byte(object), "id")
		require.Equal(t, want, found, object)
	}
}

func TestInsideIsWhatStandsBetweenTheBraces(t *testing.T) {
	t.Parallel()
	for object, want := range map[string]string{
		`{}`: "", ` { } `: "", "\n{\t\"a\":1 \r}\n": `"a":1`, ``: "", `{"a":" "}`: `"a":" "`,
	} {
		require.Equal(t, want, string(rawjson.Inside([]byte(object))), object)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "SKU-1", `a"b\c`, "ü\u2028", "\x00\x1f", "\xff\xfe", "a\xc3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		written := rawjson.AppendString(nil, text)
		require.LessOrEqual(t, len(written), rawjson.StringSize(text))
		var read string
		require.NoError(t, json.Unmarshal(written, &read))
		require.Equal(t, string([]rune(text)), read) // each bad byte is replaced
	})
}
