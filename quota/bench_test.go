package quota_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"

	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/quota"
)

// BenchmarkCall is a call that a platform takes, from its slot to what is heard, in a worker with so
// many scopes.
func BenchmarkCall(b *testing.B) {
	for _, count := range []int{10, 3000} {
		b.Run(fmt.Sprint(count, " scopes"), func(b *testing.B) {
			scopes := quota.NewScopes(ledgermodel.New(), slog.New(slog.DiscardHandler))
			ctx, cancel := context.WithCancel(b.Context())
			var running sync.WaitGroup
			running.Go(func() { scopes.Run(ctx) })
			defer running.Wait()
			defer cancel()
			wake := make(chan struct{}, 1)
			for number := range count {
				for {
					slot, _ := scopes.Acquire("shop", []string{strconv.Itoa(number)}, 8, wake)
					if slot != nil {
						slot.Cancel()
						break
					}
					<-wake
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				slot, _ := scopes.Acquire("shop", []string{"1"}, 8, wake)
				slot.Heard(ctx, nil, nil)
				slot.Release(nil, nil)
			}
		})
	}
}
