package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
)

// TestWatchRedrawsInOnePlace: on a terminal the page is cleared and drawn again, and what it
// shows can do nothing to the terminal.
func TestWatchRedrawsInOnePlace(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{streams: cli.Streams{Out: &out}.Legible()}
	reason := "stock\x1b[2Jtaking"
	seen := &overview{Accounts: []accountRow{{Account: "acme", Platform: "meta", State: "paused", Reason: &reason}}}
	require.NoError(t, a.redraw(seen, nil, 2*time.Second))
	require.True(t, strings.HasPrefix(out.String(), clearScreen))
	require.Equal(t, 2, strings.Count(out.String(), "\x1b"), "those that clear the screen")
	require.Contains(t, out.String(), `stock\x1b[2Jtaking`)
	out.Reset()
	require.NoError(t, a.redraw(nil, errors.New("the database does not answer"), 2*time.Second))
	require.Contains(t, out.String(), "the database does not answer")
}

// TestWatchAppendsWhatChanged: a line for what is not as it was, once.
func TestWatchAppendsWhatChanged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{streams: cli.Streams{Out: &out}.Legible()}
	told := map[string]string{}
	state := func(state string) *overview {
		return &overview{Accounts: []accountRow{{Account: "acme", State: state}}}
	}
	require.NoError(t, a.appendChanges(state("active"), nil, told))
	require.NoError(t, a.appendChanges(state("active"), nil, told))
	require.NoError(t, a.appendChanges(nil, errors.New("gone"), told))
	require.NoError(t, a.appendChanges(state("active"), nil, told))
	require.NoError(t, a.appendChanges(state("paused"), nil, told))
	var said []string
	for line := range strings.Lines(out.String()) {
		_, what, _ := strings.Cut(strings.TrimSpace(line), "  ")
		said = append(said, what)
	}
	require.Equal(t, []string{"account acme: active, 0 items waiting", "database: gone", "account acme: paused, 0 items waiting"}, said)
}
