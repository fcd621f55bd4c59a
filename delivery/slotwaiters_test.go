package delivery

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/quota"
)

// TestBatchesThatWaitForASlotKeepTheirOrder: an open batch that is tried and finds no slot again
// stays at the head of the line, however often it is tried, and one that came to its
// end meanwhile holds nobody up.
func TestBatchesThatWaitForASlotKeepTheirOrder(t *testing.T) {
	t.Parallel()
	scopes := quota.NewScopes(ledgermodel.New(), slog.New(slog.DiscardHandler))
	e := &Engine{
		cfg: &Config{Scopes: scopes, Budget: NewBudget(1 << 20)}, batches: openBatches{slotWaiters: map[string][]*openBatch{}}, calls: newCalls(), jobs: jobs{next: &job{}},
		recorder: &recorder{},
	}
	account := &Account{Name: "acme", Policy: Policy{Concurrency: 1}}
	l := &lane{
		key: catalog.Lane{Account: account.Name}, account: account,
		sender: &sender{scopes: []string{"batch", "app"}, account: &accountState{account: account, loaded: true}},
	}
	batches := make([]*openBatch, 4)
	for i := range batches {
		batches[i] = &openBatch{lane: l, attempt: 2, phase: phaseReady, handles: []*handle{}, posts: []post{{}}}
		e.step(batches[i], time.Now()) // the scopes are not read yet: there is no slot
	}
	key := batches[0].slotScopes
	require.NotEmpty(t, key)
	for range 3 {
		e.wakeSlotWaiters()
		require.Equal(t, batches, e.batches.slotWaiters[key])
	}
	batches[0].phase = phaseConcluding
	e.wakeSlotWaiters()
	require.Equal(t, batches[1:], e.batches.slotWaiters[key])

	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { scopes.Run(ctx) })
	<-e.calls.wake // the scopes are read
	cancel()
	running.Wait()
	e.wakeSlotWaiters()
	require.NotNil(t, batches[1].slot, "the first in line has the only slot")
	require.Equal(t, batches[2:], e.batches.slotWaiters[key])
	for _, waiting := range batches[2:] {
		require.Nil(t, waiting.slot)
	}
}
