package service

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
)

// TestTheOutboxIsReadWhereSomethingEnded: a transaction that only records wakes nobody.
func TestTheOutboxIsReadWhereSomethingEnded(t *testing.T) {
	t.Parallel()
	o := newObserver(&config.Config{}, nil)
	var woken []int
	o.committed = func(partition int) { woken = append(woken, partition) }
	o.Committed(1, 5, false, time.Second)
	require.Empty(t, woken)
	o.Committed(2, 0, true, time.Second)
	require.Equal(t, []int{2}, woken)
}
