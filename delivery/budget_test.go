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
	busy, idle, sent := &accountState{open: 1, unsent: 20 << 20}, &accountState{}, &accountState{open: 1}
	require.True(t, m.mayOpen(busy))
	m.budget.unsent.Store(20 << 20)
	require.False(t, m.mayOpen(busy))
	require.True(t, m.mayOpen(idle))
	require.True(t, m.mayOpen(sent), "the platform works on it, however long that takes")
}

// TestASlowAccountLeavesOthersTheirPart: one whose POSTs take long has all that may be unsent.
func TestASlowAccountLeavesOthersTheirPart(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	m := memory{budget: NewBudget(512 * mib)}
	slow, other := &accountState{open: 1}, &accountState{open: 1}
	m.budget.addUnsent(slow, 20*mib)
	require.False(t, m.mayOpen(slow))
	m.budget.addUnsent(other, 2*mib)
	require.True(t, m.mayOpen(other), "eight are its part of sixteen")
	require.False(t, m.mayOpen(slow))
	m.budget.addUnsent(other, 7*mib)
	require.False(t, m.mayOpen(other))
	m.budget.addUnsent(slow, -20*mib)
	require.True(t, m.mayOpen(slow))
	require.True(t, m.mayOpen(other))
	m.budget.addUnsent(other, -9*mib)
	require.Zero(t, m.budget.unsent.Load())
	require.Zero(t, m.budget.unsending.Load())
}
