package batcher_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/batcher"
	"github.com/catalog-courier/catalog-courier/catalog"
)

// flush is a batch with the time it was cut.
type flush struct {
	*batcher.Batch
	at time.Time
}

// run owns a batcher as the engine does: it adds what arrives, sleeps until
// something is due, cuts what is due and lets it succeed at once. It ends when
// arrivals is closed and nothing waits.
func run(b *batcher.Batcher, arrivals <-chan *catalog.Mutation) []flush {
	var flushes []flush
	for {
		for batch, ok := b.Cut(account, time.Now()); ok; batch, ok = b.Cut(account, time.Now()) {
			flushes = append(flushes, flush{batch, time.Now()})
			release(b, batch, time.Now())
		}
		var due <-chan time.Time
		if next, ok := b.NextDue(); ok {
			due = time.After(time.Until(next))
		} else if arrivals == nil {
			return flushes
		}
		select {
		case m, ok := <-arrivals:
			if !ok {
				arrivals = nil
				continue
			}
			b.Add(m, time.Now())
		case <-due:
		}
	}
}

func TestAgeCountsFromTheOldest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		b := newBatcher(testLane(products, 100))
		var p producer
		arrivals := make(chan *catalog.Mutation)
		go func() {
			defer close(arrivals)
			arrivals <- p.update(products, "old", time.Now())
			time.Sleep(1900 * time.Millisecond)
			arrivals <- p.update(products, "new", time.Now())
		}()
		flushes := run(b, arrivals)
		require.Len(t, flushes, 1)
		require.Equal(t, 2*time.Second, flushes[0].at.Sub(begin))
		require.Equal(t, []string{"old", "new"}, ids(flushes[0].Batch))
		require.Equal(t, batcher.FlushAge, flushes[0].Reason)
	})
}

func TestSteadyTrickleCannotPostponeAFlush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBatcher(testLane(products, 1000))
		arrivals := make(chan *catalog.Mutation)
		go func() {
			defer close(arrivals)
			var p producer
			for i := range 200 { // 20 s; every arrival well within MaxAge of the last
				arrivals <- p.update(products, fmt.Sprint("item", i%150), time.Now())
				time.Sleep(100 * time.Millisecond)
			}
		}()
		flushes := run(b, arrivals)
		total := 0
		for _, f := range flushes {
			require.Equal(t, 2*time.Second, f.at.Sub(f.Records[0].Constituents[0].ReceivedAt), "after its oldest arrival")
			for _, r := range f.Records {
				total += len(r.Constituents)
			}
		}
		require.Equal(t, 200, total)
	})
}

func TestRareKeysFlush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		b := newBatcher(testLane(products, 10), testLane(flights, 10))
		arrivals := make(chan *catalog.Mutation)
		go func() {
			defer close(arrivals)
			var p producer
			arrivals <- p.update(flights, "BOS/JFK", time.Now())
			for i := range 1000 { // the busy lane is full every 10 ms
				arrivals <- p.update(products, fmt.Sprint("item", i), time.Now())
				time.Sleep(time.Millisecond)
			}
			time.Sleep(10 * time.Second)
			arrivals <- p.update(flights, "BOS/LAX", time.Now())
		}()
		var rare []time.Duration
		for _, f := range run(b, arrivals) {
			if f.Lane == flights {
				rare = append(rare, f.at.Sub(begin))
			} else {
				require.Equal(t, batcher.FlushCount, f.Reason)
				require.Len(t, f.Records, 10)
			}
		}
		require.Equal(t, []time.Duration{2 * time.Second, 13 * time.Second}, rare)
	})
}

// TestWaitingBehindAFlightCountsAsAge: what waited for its item's record to become
// final has waited all the same.
func TestWaitingBehindAFlightCountsAsAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBatcher(testLane(products, 100))
		var p producer
		add(t, b, time.Now(), p.update(products, "x", time.Now()))
		time.Sleep(2 * time.Second)
		cut(t, b, time.Now())

		add(t, b, time.Now(), p.update(products, "x", time.Now()))
		time.Sleep(time.Second)
		add(t, b, time.Now(), p.update(products, "y", time.Now()))
		b.Release(catalog.ItemKey{Lane: products, ItemID: "x"}, nil, time.Now())
		requireNothingDue(t, b, time.Now())
		next, ok := b.NextDue()
		require.True(t, ok)
		require.Equal(t, time.Second, time.Until(next), "x has waited one of two seconds")
		time.Sleep(time.Until(next))
		require.Equal(t, []string{account}, b.Due(time.Now()))
		require.Equal(t, []string{"x", "y"}, ids(cut(t, b, time.Now())))
	})
}

func TestNotBeforeDelaysTheItemAndAllBehindIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBatcher(testLane(products, 1))
		var p producer
		first := p.update(products, "x", time.Now())
		add(t, b, time.Now(), first)
		cut(t, b, time.Now())
		add(t, b, time.Now(), p.remove(products, "x", time.Now()), p.mutation(products, "x", catalog.Create, `{"a":1}`, time.Now()))

		first.NotBefore = time.Now().Add(5 * time.Second)
		first.NoMerge = true
		b.Release(first.Key(), []*catalog.Mutation{first}, time.Now())
		requireNothingDue(t, b, time.Now())
		add(t, b, time.Now(), p.update(products, "y", time.Now()))
		require.Equal(t, []string{"y"}, ids(cut(t, b, time.Now())), "others go on")

		next, ok := b.NextDue()
		require.True(t, ok)
		require.Equal(t, 5*time.Second, time.Until(next))
		time.Sleep(5*time.Second - time.Nanosecond)
		requireNothingDue(t, b, time.Now())
		time.Sleep(time.Nanosecond)
		for want := range 3 {
			batch := cut(t, b, time.Now())
			require.Equal(t, [][]uint64{{uint64(want) + 1}}, constituents(batch), "one after the other")
			requireNothingDue(t, b, time.Now())
			release(b, batch, time.Now())
		}
	})
}
