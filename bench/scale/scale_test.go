package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/test/evidence"
)

func TestFitFindsTheLineBehindScatter(t *testing.T) {
	t.Parallel()
	for _, slope := range []float64{-100, -0.5, 0, 0.5, 3, 100} {
		x, y := make([]float64, 0, 40), make([]float64, 0, 40)
		for i := range 40 {
			x = append(x, float64(i)/10)
			// As much above as below, and as often at the beginning as at the end.
			y = append(y, 1000+slope*x[i]+[]float64{1, -1, -1, 1}[i%4])
		}
		l := fit(x, y)
		require.InDelta(t, slope, l.slope, 2*l.doubt)
		require.True(t, l.grows(slope-1), "%+v", l)
		require.False(t, l.grows(slope), "%+v", l)
	}
}

func TestTooFewSamplesSayNothing(t *testing.T) {
	t.Parallel()
	l := fit([]float64{0, 1}, []float64{0, 100})
	require.InDelta(t, 50, l.mean, 0)
	require.False(t, l.grows(0))
	require.True(t, math.IsInf(l.doubt, 1))
}

func TestEven(t *testing.T) {
	t.Parallel()
	leases := func(owners string) (all []evidence.Lease) {
		for i, owner := range strings.Split(owners, " ") {
			all = append(all, evidence.Lease{Partition: i, Owner: strings.Trim(owner, "-")})
		}
		return all
	}
	for owners, want := range map[string]bool{
		"a a b b": true, "a a b": true, "a a a b": false, "a b -": false, "a b c": false, "a a": false,
	} {
		require.Equal(t, want, even(leases(owners), []string{"a", "b"}), owners)
	}
	require.False(t, even(nil, []string{"a"}), "no partitions are made yet")
}

// TestHandOvers: a partition that goes from one worker to another, with nobody in
// between for a while, is without an owner's transactions from the last one of the
// old to the first one of the new.
func TestHandOvers(t *testing.T) {
	t.Parallel()
	began := time.Unix(1000, 0)
	w := &watch{tenures: map[int][]tenure{}, commits: map[int]evidence.Lease{}}
	for at, seen := range []evidence.Lease{
		{Owner: "a", Commits: 7},
		{Owner: "a", Commits: 8},
		{Owner: "a", Commits: 8},
		{Owner: "", Commits: 8},
		{Owner: "b", Commits: 8},
		{Owner: "b", Commits: 8},
		{Owner: "b", Commits: 9},
		{Owner: "b", Commits: 10},
	} {
		w.note(began.Add(time.Duration(at)*time.Second), []evidence.Lease{seen}, nil)
	}
	require.Equal(t, []handOver{{from: "a", to: "b", owned: began.Add(4 * time.Second), gap: 5 * time.Second}}, w.handOvers(began))
	require.Empty(t, w.handOvers(began.Add(5*time.Second)), "before that")
}

func TestSilences(t *testing.T) {
	t.Parallel()
	began := time.Unix(1000, 0)
	after := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	rows := []evidence.Status{
		{Lane: catalog.Lane{Account: "a"}, Status: "succeeded", FinishedAt: after(1)},
		{Lane: catalog.Lane{Account: "a"}, Status: "succeeded", FinishedAt: after(9)},
		{Lane: catalog.Lane{Account: "a"}, Status: "failed", FinishedAt: after(5)},
		{Lane: catalog.Lane{Account: "b"}, Status: "succeeded", FinishedAt: after(4)},
		{Lane: catalog.Lane{Account: "b"}, Status: "succeeded", FinishedAt: after(60)},
	}
	require.Equal(t, []silence{
		{account: "a", from: after(1), lasted: 8 * time.Second}, {account: "b", from: after(4), lasted: 6 * time.Second},
	}, silencesOf(rows, began, after(10)), "what ends later, or is no delivery, does not count")
}

func TestSeriesOf(t *testing.T) {
	t.Parallel()
	const text = "# TYPE go_goroutine_count gauge\ngo_goroutine_count{otel_scope_name=\"runtime\"} 105\n" +
		"go_goroutine_count_of_another 3\ngo_memory_used_bytes{go_memory_type=\"other\"} 1.5e+07 1700000000\nplain 7\n"
	found, err := seriesOf(strings.NewReader(text), []string{"go_goroutine_count", "go_memory_used_bytes", "plain"})
	require.NoError(t, err)
	require.Equal(t, map[string]float64{
		`go_goroutine_count{otel_scope_name="runtime"}`: 105, `go_memory_used_bytes{go_memory_type="other"}`: 1.5e7, "plain": 7,
	}, found)
}
