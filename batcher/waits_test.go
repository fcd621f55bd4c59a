package batcher_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/batcher"
)

func TestWaits(t *testing.T) {
	t.Parallel()
	b := newBatcher(testLane(products, 1))
	var p producer
	m := p.update(products, "x", start)
	require.False(t, b.Waits(m.Key()))
	add(t, b, start, m)
	require.True(t, b.Waits(m.Key()))
	cut(t, b, start)
	require.False(t, b.Waits(m.Key()), "in flight, with nothing behind it")
	add(t, b, start, p.update(products, "x", start))
	require.True(t, b.Waits(m.Key()))

	unknown := m.Key()
	unknown.Lane = flights
	require.False(t, b.Waits(unknown))
}

func TestFlushReasonNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"age", "count", "bytes", "unknown"}, []string{
		batcher.FlushAge.String(), batcher.FlushCount.String(), batcher.FlushBytes.String(), batcher.FlushReason(0).String(),
	})
}
