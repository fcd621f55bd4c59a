package main

import (
	"testing"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/stretchr/testify/require"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"-entrants", "naive,courier-plain", "-rounds", "2", "-max-age", "1ms"})
	require.NoError(t, err)
	require.Equal(t, time.Millisecond, o.maxAge)
	require.Equal(t, []string{"naive", "courier-plain"}, namesIn(o.entrants))
	o, err = parseOptions(nil)
	require.NoError(t, err)
	require.Equal(t, entrantNames(), namesIn(o.entrants))

	for _, arguments := range [][]string{
		{"-entrants", "nobody"},
		{"-entrants", ""},
		{"-rounds", "0"},
		{"-mutations", "0"},
		{"-few", "-1"},
		{"-max-age", "0s"},
		{"-latency", "-1s"},
		{"-timeout", "0s"},
		{"more"},
	} {
		_, err := parseOptions(arguments)
		require.Errorf(t, err, "%q", arguments)
	}
}

func TestRoundsAlternate(t *testing.T) {
	t.Parallel()
	all := []entrant{{name: "a"}, {name: "b"}, {name: "c"}}
	require.Equal(t, []string{"a", "b", "c"}, namesIn(inTurn(all, 0)))
	require.Equal(t, []string{"c", "b", "a"}, namesIn(inTurn(all, 1)))
	require.Equal(t, []string{"a", "b", "c"}, namesIn(inTurn(all, 2)))
}

// TestEntrants: each has all that a run uses, and a name of its own.
func TestEntrants(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, e := range entrants {
		require.NotNil(t, e.prepare, e.name)
		require.NotNil(t, e.open, e.name)
		require.NotEmpty(t, e.program(&apart.Servers{}, options{worker: "worker"}), e.name)
		require.NotEmpty(t, e.finished, e.name)
		require.False(t, seen[e.name], e.name)
		seen[e.name] = true
	}
}

func namesIn(all []entrant) []string {
	names := make([]string, len(all))
	for i, e := range all {
		names[i] = e.name
	}
	return names
}
