package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
)

func TestDifferenceOfSnapshots(t *testing.T) {
	t.Parallel()
	known := world{cities: map[string]string{"BOS": "Boston", "JFK": "New York"}}
	kept, gone, fresh, other := route{"AAA", "BBB"}, route{"BOS", "JFK"}, route{"JFK", "BOS"}, route{"ZZZ", "AAA"}
	before := snapshot{kept: {"A"}, gone: {"B"}, other: {"A", "B"}}
	now := snapshot{kept: {"A"}, fresh: {"C", "D"}, other: {"B"}}

	changes := difference(before, now, known)
	got := make([]string, 0, len(changes))
	for _, m := range changes {
		got = append(got, m.Operation.String()+" "+m.ItemID)
	}
	require.Equal(t, []string{"DELETE BOS/JFK", "CREATE JFK/BOS", "UPDATE ZZZ/AAA"}, got)

	whole := wholeFlight(fresh, now[fresh], known)
	require.Equal(t, "JFK to BOS with C, D", whole.Description)
	require.Equal(t, "New York", whole.OriginCity)
	require.Regexp(t, `^[0-9]+\.[0-9]{2} USD$`, whole.Price)
	require.Equal(t, whole.Price, changedFlight(fresh, now[fresh]).Price, "a price follows from the route")
}

// TestRealDataMakesValidMutations reads the real data where it is at hand.
func TestRealDataMakesValidMutations(t *testing.T) {
	t.Parallel()
	const folder = "../../../shared/data"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("the data is not at ", folder)
	}
	streams, err := readStreams(folder, 0)
	require.NoError(t, err)
	operations := map[catalog.Operation]int{}
	for _, s := range streams {
		require.NotEmpty(t, s.mutations)
		for _, m := range s.mutations {
			operations[m.Operation]++
		}
	}
	for _, op := range []catalog.Operation{catalog.Create, catalog.Upsert, catalog.Update, catalog.Delete} {
		require.Positive(t, operations[op], op)
	}
	t.Log(operations)
}
