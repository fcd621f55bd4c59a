package delivery

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAnAccountMayOpenOneBatchWhateverIsUnsent: what waits for Postgres and for answers bounds the
// further batches of an account, and never the first.
func TestAnAccountMayOpenOneBatchWhateverIsUnsent(t *testing.T) {
	t.Parallel()
	m := memory{budget: NewBudget(512 << 20)}
	busy, idle, sent := &accountState{open: 1, unsent: 1}, &accountState{}, &accountState{open: 1}
	require.True(t, m.mayOpen(busy))
	m.budget.unsent.Store(20 << 20)
	require.False(t, m.mayOpen(busy))
	require.True(t, m.mayOpen(idle))
	require.True(t, m.mayOpen(sent), "the platform works on it, however long that takes")
}
