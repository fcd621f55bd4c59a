package delivery

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
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

// TestEveryBoundCountsHeaders: of what waits, leaves, is open and is recorded.
func TestEveryBoundCountsHeaders(t *testing.T) {
	t.Parallel()
	const headers = 500_000
	m := &catalog.Mutation{Message: catalog.Message{Headers: []catalog.Header{{Name: "note", Value: strings.Repeat("x", headers)}}}}
	records := []catalog.Record{{Constituents: []*catalog.Mutation{m, m}}}
	open := newOpenBatch(&Config{}, uuid.New(), &lane{account: &Account{}}, "", records, time.Now())
	require.Greater(t, open.bytes, 2*headers)
	mem := memory{budget: NewBudget(1 << 30)}
	mem.leave([]*catalog.Mutation{m})
	require.Greater(t, mem.budget.leaving.Load(), int64(headers))
	var j job
	j.note(m)
	require.Greater(t, j.bytes, int64(headers))
}
