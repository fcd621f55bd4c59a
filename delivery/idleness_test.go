package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// TestASlowStreamIsFollowedLessOften: and one that moves fast as often as ever.
func TestASlowStreamIsFollowedLessOften(t *testing.T) {
	t.Parallel()
	var idle idleness
	last := uint64(1000)
	found := func(messages uint64) time.Duration {
		last += messages
		idle.found(&ledger.Anchor{Position: catalog.Position{Sequence: last}})
		return idle.next()
	}
	require.Equal(t, idleFollow, idle.next())
	require.Equal(t, idleFollow, found(5), "how fast it moves is not known yet")
	require.Equal(t, 2*idleFollow, found(5))
	idle.found(nil)
	require.Equal(t, 2*idleFollow, idle.next(), "nothing new says nothing")
	require.Equal(t, idleLongest, found(5))
	require.Equal(t, idleLongest, found(slowStream-1))
	require.Equal(t, idleFollow, found(slowStream))
	require.Equal(t, idleFollow, found(1_000_000))
	require.Equal(t, 2*idleFollow, found(1))
}
