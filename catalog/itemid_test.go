package catalog_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/catalog"
)

func TestItemIDParts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		id    string
		parts []string
	}{
		{"BOS/JFK", []string{"BOS", "JFK"}},
		{"a%2Fb/c", []string{"a/b", "c"}},
		{"a%2Fb/100%25", []string{"a/b", "100%"}},
		{"é/日本", []string{"é", "日本"}},
		{" / ", []string{" ", " "}},
	} {
		parts, problem := catalog.SplitItemID(test.id, []string{"origin", "destination"})
		require.Nil(t, problem, test.id)
		require.Equal(t, test.parts, parts)
	}
}

func TestItemIDProblemsNameThePart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ id, says string }{
		{"BOS", "must be origin/destination"},
		{"BOS/JFK/LAX", "must be origin/destination"},
		{"", "must be origin/destination"},
		{"/JFK", "the part origin"},
		{"BOS/", "the part destination"},
		{"BOS/J%K", "the part destination"},
		{"BOS/JFK%2", "the part destination"},
		{"BOS%/JFK", "the part origin"},
		{"B%20S/JFK", "the part origin"},
		{"B%2fS/JFK", "the part origin"},
		{strings.Repeat("x", 1000), "…"},
	} {
		_, problem := catalog.SplitItemID(test.id, []string{"origin", "destination"})
		require.NotNil(t, problem, test.id)
		require.Equal(t, catalog.BadKey, problem.Reason)
		require.Equal(t, "item_id", problem.Field)
		require.Contains(t, problem.Text, test.says)
		require.Less(t, len(problem.Text), 300)
	}
}

// TestItemIDsOfDifferentPartsDiffer: joining and splitting are inverse, so that two
// items never share an id.
func TestItemIDsOfDifferentPartsDiffer(t *testing.T) {
	t.Parallel()
	part := rapid.StringOfN(rapid.SampledFrom([]rune("a/%25Fé2f ")), 1, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(part, 1, 4).Draw(t, "parts")
		got, problem := catalog.SplitItemID(catalog.JoinItemID(parts...), make([]string, len(parts)))
		require.Nil(t, problem)
		require.Equal(t, parts, got)
	})
}

func FuzzSplitItemID(f *testing.F) {
	for _, seed := range []string{"BOS/JFK", "a%2Fb/c", "%", "/", "a%2/b", "%25%2f/%", "\xff/%2F"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		parts, problem := catalog.SplitItemID(id, []string{"a", "b"})
		if problem != nil {
			return
		}
		require.Equal(t, id, catalog.JoinItemID(parts...), "an item has one id")
	})
}
