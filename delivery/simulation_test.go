package delivery_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
)

var (
	oneSeed = flag.Uint64("seed", 0, "run this seed of the simulation alone")
	seeds   = flag.Int("seeds", 200, "how many seeds the simulation runs")
)

// TestSimulation lets several engines in a row work one partition while
// everything around them goes wrong, and compares the end with what the mutations
// mean one at a time. A failing seed is in the test's name: run it again with
// -args -seed N, several times (-count): the order of goroutines is not in the seed.
func TestSimulation(t *testing.T) {
	t.Parallel()
	first, last := uint64(1), uint64(*seeds)
	if *oneSeed > 0 {
		first, last = *oneSeed, *oneSeed
	}
	if testing.Short() {
		last = min(last, first+50)
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { simulate(t, seed) })
		})
	}
}

var errLost = errors.New("the connection broke")

// chaos decides what goes wrong.
type chaos struct {
	mu     sync.Mutex
	random *rand.Rand
	w      *world
	life   atomic.Pointer[life]
	calm   atomic.Bool             // nothing goes wrong any more
	retry  map[catalog.ItemKey]int // guarded by the platform's lock
}

// IntN is safe for all who take part.
func (c *chaos) IntN(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.IntN(n)
}

func simulate(t *testing.T, seed uint64) {
	t.Helper()
	c := &chaos{random: rand.New(rand.NewPCG(seed, 7)), retry: map[catalog.ItemKey]int{}}
	semantics := []catalog.Semantics{replacing, overlaid, {}}[c.IntN(3)]
	w := newWorld(t, semantics)
	c.w = w
	w.platform.limits = platform.Limits{MaxItems: 1 + c.IntN(12), MaxBytes: 400 + c.IntN(2000)}
	w.platform.onPost, w.platform.onPoll = c.post, c.poll
	w.platform.atOnce = seed%3 == 0
	p := &w.accounts["acme"].Policy
	p.MaxAttempts, p.Concurrency, p.MaxAge = 6, 1+c.IntN(6), time.Duration(c.IntN(2000))*time.Millisecond+time.Millisecond
	p.PollGiveUp = 30 * time.Minute
	w.account("beta", *p)
	if c.IntN(3) == 0 {
		w.budget = delivery.NewBudget(int64(2000 + c.IntN(60_000)))
	}
	w.store.SetHook(c.store)
	publishing := make(chan struct{})
	go func() {
		defer close(publishing)
		c.publish(20 + c.IntN(150))
	}()
	for range c.IntN(6) {
		l := w.start()
		c.life.Store(l)
		pass(time.Duration(c.IntN(40_000)) * time.Millisecond)
		if c.IntN(4) == 0 {
			close(l.drain)
			err := l.wait()
			require.True(t, err == nil || errors.Is(err, context.Canceled), "%v", err)
		}
		l.crash()
		pass(time.Duration(c.IntN(3)) * time.Second)
	}
	<-publishing
	c.calm.Store(true)
	l := w.start()
	w.finish(12 * time.Hour)
	w.requireState()
	c.requireRows()
	l.stop()
	require.Equal(t, uint64(len(w.expected)), w.store.Anchor(0).Position.Sequence, "the position follows")
	require.Zero(t, w.store.WaitingRows())
}

// publish makes mutations of a few items, so that many meet.
func (c *chaos) publish(n int) {
	for i := range n {
		item := fmt.Sprint("i", c.IntN(12))
		attributes := fmt.Sprintf(`{"a":%d}`, i)
		where := c.somewhere()
		switch c.IntN(12) {
		case 0, 1, 2:
			c.w.change(item, catalog.Upsert, attributes, where)
		case 3:
			c.w.change(item, catalog.Upsert, fmt.Sprintf(`{"a":%d,"bad%d":1}`, i, i), where)
		case 4:
			c.w.change(item, catalog.Create, attributes, where)
		case 5, 6:
			c.w.change(item, catalog.Update, fmt.Sprintf(`{"b":%d}`, i), where)
		case 7:
			c.w.change(item, catalog.Update, `{"a":null}`, where)
		case 8:
			c.w.change(item, catalog.Update, fmt.Sprintf(`{"b":null,"image":"%d"}`, i), where)
		case 9:
			c.w.change(item, catalog.Update, fmt.Sprintf(`{"poison%d":%d}`, i, i), where)
		default:
			c.w.change(item, catalog.Delete, "", where)
		}
		if c.IntN(3) == 0 {
			time.Sleep(time.Duration(c.IntN(3000)) * time.Millisecond)
		}
	}
}

// somewhere puts a mutation mostly into one lane, and now and then into another.
func (c *chaos) somewhere() func(*catalog.Mutation) {
	other := c.IntN(8)
	return func(m *catalog.Mutation) {
		switch other {
		case 0:
			m.Lane.Account = "beta"
		case 1:
			m.Lane.Type = "U"
		case 2, 3:
			localized(m)
		}
	}
}

// store fails calls, loses answers and ends lives in the middle of them.
func (c *chaos) store(_ context.Context, call ledgermodel.Call, stage ledgermodel.Stage) error {
	if c.calm.Load() || call == ledgermodel.CallResume {
		return nil
	}
	switch c.IntN(60) {
	case 0, 1, 2:
		return errLost
	case 3:
		if call == ledgermodel.CallCommit || call == ledgermodel.CallAppendAttempts {
			if l := c.life.Load(); l != nil {
				l.cancel()
			}
			if stage == ledgermodel.Before && c.IntN(2) == 0 {
				return errLost
			}
		}
	case 4:
		time.Sleep(time.Duration(c.IntN(5000)) * time.Millisecond)
	}
	return nil
}

// post decides how a POST goes. The lock of the platform is held.
func (c *chaos) post(p *post) answer {
	a := answer{late: time.Duration(c.IntN(20_000)) * time.Millisecond, latency: time.Duration(c.IntN(3000)) * time.Millisecond}
	if named, poisoned := c.poisoned(p); poisoned {
		return answer{err: &platform.Error{Scope: platform.ScopeBatch, Message: "poison", Named: named}}
	}
	a.judge = c.judge
	if c.calm.Load() {
		return a
	}
	switch c.IntN(24) {
	case 0, 1:
		a.err = &platform.Error{Scope: platform.ScopePlatform, Ambiguous: true, Message: "no answer"}
		a.take = c.IntN(2) == 0
		a.late += time.Duration(c.IntN(200)) * time.Second
	case 2:
		a.err = &platform.Error{Scope: platform.ScopePlatform, Message: "connection refused"}
	case 3:
		a.err = &platform.Error{Scope: platform.ScopeQuota, Message: "slow down", RetryAfter: time.Duration(c.IntN(60)) * time.Second}
	case 4:
		a.err = &platform.Error{Scope: platform.ScopeAccount, Message: "bad token"}
	case 5:
		a.lost = true
	case 6:
		a.stuck = c.IntN(4) == 0
	case 7:
		a.skip = p.variant < 2
	case 8:
		a.silent = func(int) bool { return c.IntN(3) == 0 }
		a.cut = true
	case 9:
		a.silent = func(int) bool { return c.IntN(3) == 0 }
	case 10:
		a.handles = 2
	case 11:
		a.err = &platform.Error{Scope: platform.ScopeBatch, TooLarge: true, Message: "too large"}
		if len(p.records) == 1 {
			a.err = nil
		}
	case 12:
		a.panic = true
	case 13:
		a.err = &platform.Error{Scope: platform.ScopeCaller, Message: "the lease no longer allows a write"}
	}
	return a
}

// poisoned batches are refused as a whole; sometimes the culprits are named.
func (c *chaos) poisoned(p *post) (named map[int]platform.Verdict, poisoned bool) {
	for i := range p.records {
		if containsPoison(p.records[i].Change.Attributes) {
			poisoned = true
			if p.number%2 == 0 {
				if named == nil {
					named = map[int]platform.Verdict{}
				}
				named[i] = platform.Verdict{Outcome: platform.Failed, Errors: []ledger.Issue{{Message: "poison"}}}
			}
		}
	}
	return named, poisoned
}

// judge refuses a record for now, not too often in a row.
func (c *chaos) judge(_ int, r *catalog.Record) *platform.Verdict {
	if !c.calm.Load() && c.IntN(15) == 0 && c.retry[r.Key] < 3 {
		c.retry[r.Key]++
		return &platform.Verdict{Outcome: platform.Retryable}
	}
	c.retry[r.Key] = 0
	return nil
}

func (c *chaos) poll(*taken) *platform.Error {
	if c.calm.Load() || c.IntN(6) > 0 {
		return nil
	}
	return &platform.Error{Scope: platform.ScopePlatform, Message: "bad gateway"}
}

// requireRows: one row for every mutation, and nothing says succeeded that the
// platform did not confirm.
func (c *chaos) requireRows() {
	rows := c.w.store.Mutations()
	require.Len(c.w.t, rows, len(c.w.expected))
	letters := map[string]int{}
	for _, letter := range c.w.store.DeadLetters() {
		letters[letter.Mutation.ID]++
	}
	for i, row := range rows {
		require.Equal(c.w.t, c.w.expected[i].ID, row.ID)
		dead := row.Status == ledgermodel.Failed || row.Status == ledgermodel.Invalid || row.Status == ledgermodel.Unconfirmed
		if dead {
			require.Equal(c.w.t, 1, letters[row.ID], "%s is %s", row.ID, row.Status)
		} else {
			require.Zero(c.w.t, letters[row.ID], "%s is %s", row.ID, row.Status)
		}
		if row.Status == ledgermodel.Succeeded {
			require.True(c.w.t, c.w.platform.confirmed(row.Key, c.w.store, row), "%s", row.ID)
		}
	}
}
