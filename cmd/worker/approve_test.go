package main

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestApprovalsEndWithTheConsole: a run outlasts the request that began it, and not the console.
func TestApprovalsEndWithTheConsole(t *testing.T) {
	t.Parallel()
	a := newApprovals(t.Context(), nil, nil, nil, slog.New(slog.DiscardHandler))
	request, gone := context.WithCancel(t.Context())
	first, done, err := a.begin(request)
	require.NoError(t, err)
	second, secondDone, err := a.begin(request)
	require.NoError(t, err)
	gone()
	require.NoError(t, first.Err())
	done()
	require.Error(t, first.Err())
	require.NoError(t, second.Err(), "the end of one run is not that of another")
	go func() {
		<-second.Done()
		secondDone()
	}()
	a.close()
	require.Error(t, second.Err())
	_, _, err = a.begin(t.Context())
	require.ErrorIs(t, err, errConsoleEnds)
}
