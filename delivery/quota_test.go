package delivery_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
	"github.com/catalog-courier/catalog-courier/quota"
)

const metaItem = `{"title":"A lamp","description":"Gives light","availability":"in stock","condition":"new",` +
	`"price":"24.99 USD","link":"https://example.com/lamp","image_link":"https://example.com/lamp.jpg","brand":"Acme"}`

const pinterestItem = `{"title":"A lamp","description":"Gives light","link":"https://example.com/lamp",` +
	`"image_link":["https://example.com/lamp.jpg"],"price":"24.99 USD","availability":"in stock"}`

// quotaPolicy sends small batches, so that there are many.
func quotaPolicy(items int) delivery.Policy {
	p := policy()
	p.MaxItems = items
	return p
}

// simulateQuota lets an engine work against real clients in a bubble.
func simulateQuota(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	synctest.Test(t, func(t *testing.T) { test(newWorld(t, overlaid)) })
}

// publish makes new items of an account.
func (w *world) publish(account string, kind catalog.Type, attributes string, items int) {
	for i := range items {
		w.change(fmt.Sprintf("%s-%d", account, i), catalog.Upsert, attributes, func(m *catalog.Mutation) {
			m.Lane.Account, m.Lane.Type = account, kind
		})
	}
}

// delivered lets time pass until everything published is final, and returns how long
// that took. It looks once a minute: looking at a hundred thousand rows takes time.
func (w *world) delivered(limit time.Duration) time.Duration {
	began := time.Now()
	for time.Since(began) < limit {
		pass(time.Minute)
		if w.quiet() {
			break
		}
	}
	took := time.Since(began)
	require.Less(w.t, took, limit)
	rows := w.store.Mutations()
	require.Len(w.t, rows, len(w.expected))
	for _, row := range rows {
		require.Equal(w.t, ledgermodel.Succeeded, row.Status, "%s: %v", row.ID, row.Errors)
		require.Zero(w.t, row.Attempts)
	}
	w.check()
	return took
}

// quiet reports that all messages are in batches, and all batches final.
func (w *world) quiet() bool {
	records := 0
	for _, b := range w.store.Batches() {
		if b.Outcome == nil {
			return false
		}
		records += len(b.Records)
	}
	return records == len(w.expected)
}

// fullness is the mean share of a full batch.
func (w *world) fullness(full int) float64 {
	batches := w.store.Batches()
	return float64(len(w.expected)) / float64(len(batches)*full)
}

// TestPaceOfMetaPOSTs: 200 POSTs in a rolling hour, and a hundred thousand changes.
func TestPaceOfMetaPOSTs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		items   int // of a full batch; there are a thousand of them
		tell    func(g *gate, header http.Header, post bool, now time.Time)
		fixed   bool
		refused bool // once, as nothing else says that there is a limit
	}{
		"told in percent, rolling":              {items: 100, tell: tellMeta},
		"told in percent, beginning again":      {items: 20, tell: tellMeta, fixed: true},
		"told by errors alone, rolling":         {items: 20, refused: true},
		"told by errors alone, beginning again": {items: 20, refused: true, fixed: true},
		"told only when it is used up": {items: 20, tell: func(g *gate, header http.Header, post bool, now time.Time) {
			if left, _ := g.limits[0].left(now); post && left <= 0 {
				tellMeta(g, header, post, now)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			simulateQuota(t, func(w *world) {
				platform := metasim.New(sandbox.Options{Delay: 2 * time.Second, SkipValidation: true})
				defer platform.Close()
				g := &gate{handler: platform, refuse: refuseMeta, tell: c.tell, limits: []*limit{
					{posts: true, calls: 200, window: time.Hour, fixed: c.fixed}, {reads: true, calls: 20_000, window: time.Hour},
				}}
				w.withMeta("acme", "1", quotaPolicy(c.items), g)
				w.publish("acme", "PRODUCT_ITEM", metaItem, 1000*c.items)
				began := time.Now()
				l := w.start()
				took := w.delivered(7 * time.Hour)
				t.Log("took", took, "POSTs", len(g.posts), "polls", len(g.polls), "refused", len(g.refused), "fullness", w.fullness(c.items))
				for hour := range 4 {
					posts := within(g.posts, began.Add(time.Duration(hour)*time.Hour), time.Hour)
					t.Log("hour", hour, "POSTs", posts)
					require.GreaterOrEqual(t, posts, 180, "hour %d", hour)
					require.LessOrEqual(t, posts, 200, "hour %d", hour)
				}
				require.Less(t, took, 5*time.Hour+20*time.Minute)
				require.GreaterOrEqual(t, w.fullness(c.items), 0.98)
				if c.refused {
					require.NotEmpty(t, g.refused)
					require.LessOrEqual(t, g.refused[len(g.refused)-1].Sub(g.refused[0]), 5*time.Second, "all at the first time")
				} else {
					require.Empty(t, g.refused)
				}
				l.stop()
			})
		})
	}
}

// TestPaceOfAFewPOSTs: where a quota is of a few calls, each of which takes a good part
// of it, that is seen at once.
func TestPaceOfAFewPOSTs(t *testing.T) {
	t.Parallel()
	for name, fixed := range map[string]bool{"rolling": false, "beginning again": true} {
		t.Run(name, func(t *testing.T) {
			simulateQuota(t, func(w *world) {
				platform := metasim.New(sandbox.Options{Delay: 2 * time.Second, SkipValidation: true})
				defer platform.Close()
				g := &gate{handler: platform, refuse: refuseMeta, tell: tellMeta, limits: []*limit{
					{posts: true, calls: 3, window: time.Hour, fixed: fixed}, {reads: true, calls: 20_000, window: time.Hour},
				}}
				w.withMeta("acme", "1", quotaPolicy(20), g)
				w.publish("acme", "PRODUCT_ITEM", metaItem, 60*20)
				l := w.start()
				took := w.delivered(40 * time.Hour)
				t.Log("took", took, "POSTs", len(g.posts), "refused", len(g.refused))
				require.LessOrEqual(t, len(g.refused), 3)
				require.LessOrEqual(t, took, 24*time.Hour, "twenty at best")
				l.stop()
			})
		})
	}
}

// pinterestGate stands before a Pinterest that applies batches after two seconds.
func (w *world) pinterestGate(limits ...*limit) *gate {
	platform := pinterestsim.New(sandbox.Options{Delay: 2 * time.Second, SkipValidation: true})
	w.t.Cleanup(platform.Close)
	return &gate{handler: platform, refuse: refusePinterest, tell: tellPinterest, limits: limits}
}

// TestPaceOfPinterestPOSTs: policies of a second and of a minute, the narrower one
// told first.
func TestPaceOfPinterestPOSTs(t *testing.T) {
	t.Parallel()
	for name, fixed := range map[string]bool{"rolling": false, "beginning again": true} {
		t.Run(name, func(t *testing.T) {
			simulateQuota(t, func(w *world) {
				g := w.pinterestGate(
					&limit{posts: true, calls: 100, window: time.Second, fixed: fixed}, &limit{posts: true, calls: 100, window: time.Minute, fixed: fixed},
					&limit{reads: true, calls: 1000, window: time.Minute, fixed: fixed})
				w.withPinterest(quotaPolicy(10), g)
				w.publish("acme", "RETAIL", pinterestItem, 10_000)
				began := time.Now()
				l := w.start()
				took := w.delivered(time.Hour)
				t.Log("took", took, "POSTs", len(g.posts), "polls", len(g.polls), "refused", len(g.refused))
				require.Empty(t, g.refused)
				for minute := range 8 {
					posts := within(g.posts, began.Add(time.Duration(minute)*time.Minute), time.Minute)
					require.GreaterOrEqual(t, posts, 85, "minute %d", minute)
				}
				require.LessOrEqual(t, took, 13*time.Minute)
				l.stop()
			})
		})
	}
}

// TestPollsWithLittleReadQuota: what is sent is bounded by what can be followed, and
// polls never run into the wall.
func TestPollsWithLittleReadQuota(t *testing.T) {
	simulateQuota(t, func(w *world) {
		g := w.pinterestGate(&limit{posts: true, calls: 1000, window: time.Minute}, &limit{reads: true, calls: 12, window: time.Minute, others: 4})
		w.withPinterest(quotaPolicy(10), g)
		w.publish("acme", "RETAIL", pinterestItem, 2000)
		l := w.start()
		most := 0
		began := time.Now()
		for !w.quiet() {
			pass(time.Second)
			most = max(most, w.open())
			require.Less(t, time.Since(began), time.Hour)
		}
		w.delivered(2 * time.Minute)
		t.Log("took", time.Since(began), "POSTs", len(g.posts), "polls", len(g.polls), "refused", len(g.refused), "open at most", most)
		require.Empty(t, g.refused)
		require.Less(t, most, 70, "no more than can be followed")
		require.Less(t, time.Since(began), 30*time.Minute, "two hundred and some polls of 12 a minute")
		l.stop()
	})
}

// open counts the batches that are not final.
func (w *world) open() (n int) {
	for _, b := range w.store.Batches() {
		if b.Outcome == nil {
			n++
		}
	}
	return n
}

// TestDailyQuotaOfATrial: used up, it is left alone until it begins again, hours later.
func TestDailyQuotaOfATrial(t *testing.T) {
	simulateQuota(t, func(w *world) {
		day := &limit{posts: true, reads: true, calls: 1000, window: 24 * time.Hour, fixed: true, others: 900, began: time.Now().Add(67_150*time.Second - 24*time.Hour)}
		g := w.pinterestGate(day)
		w.withPinterest(quotaPolicy(10), g)
		w.publish("acme", "RETAIL", pinterestItem, 1000)
		began := time.Now()
		l := w.start()
		took := w.delivered(30 * time.Hour)
		t.Log("took", took, "POSTs", len(g.posts), "polls", len(g.polls), "refused", len(g.refused))
		today := 67_150 * time.Second
		require.InDelta(t, 100, within(g.posts, began, today)+within(g.polls, began, today), 5, "what was left of the day")
		// POSTs and polls are counted together, and told of apart: at the end of the day
		// each may run into the wall once.
		require.LessOrEqual(t, len(g.refused), 2)
		require.Greater(t, took, today)
		require.Less(t, took, today+time.Hour)
		l.stop()
	})
}

// TestAccountsOfOneApp share its quota evenly.
func TestAccountsOfOneApp(t *testing.T) {
	simulateQuota(t, func(w *world) {
		platform := metasim.New(sandbox.Options{Delay: 2 * time.Second, SkipValidation: true})
		defer platform.Close()
		app := &limit{posts: true, reads: true, app: true, calls: 600, window: time.Hour}
		gates := map[string]*gate{}
		for catalogID, account := range []string{"acme", "beta"} {
			g := &gate{handler: platform, refuse: refuseMeta, tell: tellMeta, limits: []*limit{app}}
			gates[account] = g
			w.withMeta(account, strconv.Itoa(catalogID+1), quotaPolicy(20), g)
			w.publish(account, "PRODUCT_ITEM", metaItem, 8000)
		}
		began := time.Now()
		l := w.start()
		took := w.delivered(7 * time.Hour)
		total := 0
		for account, g := range gates {
			posts, polls := within(g.posts, began, time.Hour), within(g.polls, began, time.Hour)
			t.Log(account, "POSTs", posts, "polls", polls, "refused", len(g.refused), "took", took)
			total += posts + polls
			require.Empty(t, g.refused)
			require.GreaterOrEqual(t, posts, 60)
		}
		require.GreaterOrEqual(t, total, 540)
		require.LessOrEqual(t, total, 600)
		l.stop()
	})
}

// TestWorkersOfOneScope: two workers, each with an account that writes to the same
// catalog, know of each other only through the store and what the platform tells.
func TestWorkersOfOneScope(t *testing.T) {
	simulateQuota(t, func(w *world) {
		platform := metasim.New(sandbox.Options{Delay: 2 * time.Second, SkipValidation: true})
		defer platform.Close()
		shared := []*limit{{posts: true, calls: 200, window: time.Hour}, {reads: true, calls: 20_000, window: time.Hour}}
		accounts := []string{"acme", "beta"}
		gates := make([]*gate, len(accounts))
		lives := make([]*life, 0, len(accounts))
		for i, account := range accounts {
			gates[i] = &gate{handler: platform, refuse: refuseMeta, tell: tellMeta, limits: shared}
			w.withMeta(account, "1", quotaPolicy(20), gates[i])
			w.publish(account, "PRODUCT_ITEM", metaItem, 6000)
		}
		began := time.Now()
		for i, account := range accounts {
			lives = append(lives, w.startPartition(i, account, quota.NewScopes(w.store, w.logger)))
		}
		took := w.delivered(7 * time.Hour)
		for hour := range 2 {
			total := 0
			for i, g := range gates {
				posts := within(g.posts, began.Add(time.Duration(hour)*time.Hour), time.Hour)
				t.Log("hour", hour, accounts[i], "POSTs", posts, "refused", len(g.refused), "took", took)
				total += posts
				require.Empty(t, g.refused)
				require.GreaterOrEqual(t, posts, 25, "neither starves; nothing makes them share evenly")
			}
			require.GreaterOrEqual(t, total, 160)
			require.LessOrEqual(t, total, 200)
		}
		for _, l := range lives {
			l.stop()
		}
	})
}

// TestNewOwnerKeepsThePace: what is told of a quota outlives the worker it was told.
func TestNewOwnerKeepsThePace(t *testing.T) {
	simulateQuota(t, func(w *world) {
		platform := metasim.New(sandbox.Options{Delay: 2 * time.Second, SkipValidation: true})
		defer platform.Close()
		g := &gate{handler: platform, refuse: refuseMeta, tell: tellMeta, limits: []*limit{{posts: true, calls: 200, window: time.Hour}}}
		w.withMeta("acme", "1", quotaPolicy(20), g)
		w.publish("acme", "PRODUCT_ITEM", metaItem, 6000)
		began := time.Now()
		for range 20 {
			l := w.start()
			pass(3 * time.Minute)
			l.crash()
		}
		require.Empty(t, g.refused)
		posts := within(g.posts, began, time.Hour)
		t.Log("POSTs", posts)
		require.GreaterOrEqual(t, posts, 120)
		require.LessOrEqual(t, posts, 200)
	})
}
