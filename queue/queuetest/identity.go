package queuetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/queue"
)

// bound binds the queue's stream to an installation and returns what is recorded of
// it from then on.
func (h Harness) bound(t *testing.T) ledger.StreamIdentity {
	t.Helper()
	found, err := h.Log.Identity(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, found.Stream, "a stream is made with an id")
	found.Installation = uuid.NewString()
	require.NoError(t, h.Bind(t.Context(), found))
	return found
}

// compare compares the stream with what is recorded of it. What is asked while a
// connection breaks may stay without an answer.
func (h Harness) compare(t *testing.T, recorded ledger.StreamIdentity) (err error) {
	t.Helper()
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = queue.CheckIdentity(ctx, h.Log, recorded)
		return err == nil || errors.Is(err, queue.ErrForeignStream)
	}, patience, time.Millisecond)
	return err
}

// openBound opens a reader that knows which stream is recorded.
func (h Harness) openBound(t *testing.T, identity ledger.StreamIdentity) Reader {
	t.Helper()
	config := h.config("acme", ledger.Anchor{})
	config.Identity = identity
	return h.openWith(t, config)
}

func ownIdentity(t *testing.T, h Harness) {
	t.Helper()
	made, err := h.Log.Identity(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, made.Stream)
	require.Empty(t, made.Installation, "whoever makes a stream need not work it")
	recorded := h.bound(t)
	require.Equal(t, made.Stream, recorded.Stream)
	h.Disconnect(t)
	require.NoError(t, h.compare(t, recorded), "it is kept")
	putBack := h.Copy(t)
	h.Publish(t, changes("acme", 0, 3)...)
	putBack()
	require.NoError(t, h.compare(t, recorded), "an older copy keeps it")
	h.Replace(t)
	err = h.compare(t, recorded)
	require.ErrorIs(t, err, queue.ErrForeignStream)
	found, askErr := h.Log.Identity(t.Context())
	require.NoError(t, askErr)
	require.ErrorContains(t, err, found.Stream, "both ids are named")
	require.ErrorContains(t, err, recorded.Stream)
}

func foreignNotOpened(t *testing.T, h Harness) {
	t.Helper()
	recorded := h.bound(t)
	for name, wrong := range map[string]ledger.StreamIdentity{
		"another stream":       {Stream: uuid.NewString(), Installation: recorded.Installation},
		"another installation": {Stream: recorded.Stream, Installation: uuid.NewString()},
	} {
		config := h.config("acme", ledger.Anchor{})
		config.Identity = wrong
		_, err := h.Open(t.Context(), config)
		require.ErrorIs(t, err, queue.ErrForeignStream, name)
	}
	h.Publish(t, changes("acme", 0, 5)...)
	take(t, h.openBound(t, recorded), 0, 5)
}

// foreign takes what the reader gives until it ends: nothing may come any more.
func foreign(t *testing.T, reader Reader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	arrivals, err := reader.Next(ctx)
	require.ErrorIs(t, err, queue.ErrForeignStream, "%d messages of another stream were returned", len(arrivals))
}

func foreignUnderReader(t *testing.T, h Harness) {
	t.Helper()
	untouched := h.openBound(t, h.bound(t))
	recorded, err := h.Log.Identity(t.Context())
	require.NoError(t, err)
	reader := h.openBound(t, recorded)
	h.Publish(t, changes("acme", 0, 10)...)
	take(t, reader, 0, 10)
	take(t, untouched, 0, 10)
	quiet := h.config("quiet", ledger.Anchor{})
	quiet.Identity = recorded
	beginning := h.openWith(t, quiet) // stands on no message that could be compared
	h.Replace(t, append(changes("acme", 0, 30), changes("quiet", 0, 5)...)...)
	for _, r := range []Reader{reader, untouched, beginning} {
		foreign(t, r)
	}
}

func emptyUnderReader(t *testing.T, h Harness) {
	t.Helper()
	reader := h.openBound(t, h.bound(t))
	h.Publish(t, changes("acme", 0, 10)...)
	take(t, reader, 0, 10)
	h.Replace(t)
	foreign(t, reader)
}

func idleIgnoresForeign(t *testing.T, h Harness) {
	t.Helper()
	recorded := h.bound(t)
	h.Replace(t, changes("other", 0, 20)...)
	require.ErrorIs(t, h.compare(t, recorded), queue.ErrForeignStream)
	config := h.config("acme", ledger.Anchor{})
	config.Identity = recorded
	_, ok, err := queue.IdleUpTo(t.Context(), h.Log, config, ledger.Anchor{}, 0)
	require.ErrorIs(t, err, queue.ErrForeignStream)
	require.False(t, ok)
}
