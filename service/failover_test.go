package service_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// pair is a Postgres with a standby, and an environment on whichever of them takes writes.
type pair struct {
	*rig.Env
	primary, standby *embedded.Postgres

	mu    sync.Mutex
	posts []madePost
}

type madePost struct {
	worker, path string
	at           time.Time
}

// startPair starts everything but workers. Requests take a second to be applied, and
// some longer.
func startPair(t *testing.T, synchronous bool, settings rig.Settings) *pair {
	t.Helper()
	primary, err := embedded.StartPostgres(t.Context(), embedded.PostgresOptions{NoDownload: true})
	require.NoError(t, err)
	p := &pair{primary: primary}
	t.Cleanup(func() {
		require.NoError(t, primary.Stop())
		require.NoError(t, p.standby.Stop())
	})
	// The standby is made of an empty server, so that it comes up at once.
	p.standby, err = primary.StartStandby(t.Context(), embedded.StandbyOptions{Synchronous: synchronous})
	require.NoError(t, err)
	address, err := embedded.URLOfAny(primary, p.standby)
	require.NoError(t, err)
	slow := sandbox.Options{Delay: time.Second, Jitter: time.Second, LateBy: 2 * time.Second, AllowIncomplete: true}
	p.Env = rig.Start(t, rig.Options{Database: address, Pinterest: slow, Meta: slow, Settings: rig.Settings{
		"nats.partitions": 4,
	}.With(settings)})
	look := func(a rig.Answered) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.posts = append(p.posts, madePost{a.Worker, a.Path, time.Now()})
		return true
	}
	p.PinterestInterceptor.OnAnswer(look)
	p.MetaInterceptor.OnAnswer(look)
	return p
}

// failOver loses the primary and promotes the standby.
func (p *pair) failOver(t *testing.T) (promoted time.Time) {
	t.Helper()
	require.NoError(t, p.primary.Kill())
	promoted = time.Now()
	require.NoError(t, p.standby.Promote(t.Context()))
	p.DB.Reset()
	p.Await("the database is back", patience, func() bool { return p.DB.Ping(t.Context()) == nil })
	p.DB.Reset()
	return promoted
}

// madeSince lists the POSTs after a moment.
func (p *pair) madeSince(since time.Time) (made []madePost) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, post := range p.posts {
		if post.at.After(since) {
			made = append(made, post)
		}
	}
	return made
}

var lanesOfPair = []catalog.Lane{rig.Retail, rig.Products, rig.Flights}

// round is a change of every item of all lanes, and one message that no platform has a
// type for.
func round(number int) (mutations []publish.Mutation) {
	for _, lane := range lanesOfPair {
		for i := range 20 {
			id := fmt.Sprintf("item-%d", i)
			if lane.Type == "FLIGHT" {
				id = fmt.Sprintf("A%02d/B%02d", i, i)
			}
			var attributes map[string]any
			whole, err := json.Marshal(rig.Whole(lane.Type, id))
			if err != nil {
				panic(err)
			}
			if err := json.Unmarshal(whole, &attributes); err != nil {
				panic(err)
			}
			attributes["description"] = fmt.Sprintf("round %d", number)
			mutations = append(mutations, rig.Mutation(lane, id, catalog.Upsert, attributes))
		}
		lane.Type = catalog.Type(fmt.Sprintf("NO_SUCH_TYPE_%d", number))
		mutations = append(mutations, rig.Mutation(lane, "x", catalog.Upsert, map[string]any{"title": "x"}))
	}
	return mutations
}

// A lost tail is known to every owner of the time after: the second change of owners
// within settle makes nobody send early, and what is read again is recorded again,
// valid or not.
func TestTheNextOwnerKnowsOfALostTail(t *testing.T) {
	t.Parallel()
	const settle = 8 * time.Second
	p := startPair(t, false, rig.Settings{"defaults.settle": settle.String()})
	a := p.StartWorker("a", rig.WorkerOptions{})
	b := p.StartWorker("b", rig.WorkerOptions{})
	p.Publish(round(0)...)
	published := len(round(0))
	p.AwaitFinal(published, patience)

	require.NoError(t, p.standby.Fall(t.Context()))
	sent := len(p.madeSince(time.Time{}))
	for number := range 3 {
		p.Publish(round(1 + number)...)
		published += len(round(1))
		p.Await("more is sent", patience, func() bool { return len(p.madeSince(time.Time{})) > sent+3*number })
	}
	p.Await("all is recorded", patience, func() bool {
		return p.Count(`SELECT count(*) FROM courier.mutation_status`) == published
	})
	promoted := p.failOver(t)
	p.Await("an owner notices", patience, func() bool {
		return a.Log.Contains("lost its last commits") || b.Log.Contains("lost its last commits")
	})
	p.Publish(round(4)...) // newer than what was sent and forgotten
	published += len(round(4))
	p.Await("half of settle is over", patience, func() bool { return time.Since(promoted) >= settle/2 })
	require.NoError(t, a.Stop())
	require.NoError(t, b.Stop())
	c := p.StartWorker("c", rig.WorkerOptions{})
	p.AwaitFinal(published, 2*patience)

	first := map[string]time.Duration{}
	for _, post := range p.madeSince(promoted) {
		if _, known := first[post.path]; !known {
			first[post.path] = post.at.Sub(promoted)
		}
	}
	require.Len(t, first, 3, "each catalog is sent to again")
	for path, after := range first {
		require.GreaterOrEqual(t, after, settle, path)
	}
	require.True(t, c.Log.Contains("lost its last commits"))
	require.Equal(t, 5*3, p.CheckInvariants()["invalid"])
	require.Equal(t, 5*3, p.Count(`SELECT count(*) FROM courier.dead_letters WHERE reason_code = 'unknown_catalog_type'`))
}

// The load has ended, and nobody has anything to do: what the lost tail had is
// recorded again all the same, by whom it was recorded before.
func TestALostTailIsNoticedWhenNothingGoesOn(t *testing.T) {
	t.Parallel()
	p := startPair(t, false, rig.Settings{"defaults.settle": "4s"})
	w := p.StartWorker("a", rig.WorkerOptions{})
	p.Publish(round(0)...)
	p.AwaitFinal(len(round(0)), patience)
	require.NoError(t, p.standby.Fall(t.Context()))
	p.Publish(round(1)...)
	p.AwaitFinal(2*len(round(0)), patience)
	p.failOver(t)
	p.AwaitFinal(2*len(round(0)), 2*patience)
	require.Equal(t, 6, p.CheckInvariants()["invalid"])
	require.NoError(t, w.Stop())
}

// With a synchronous standby nothing is lost, and nobody waits.
func TestASynchronousStandbyLosesNothing(t *testing.T) {
	t.Parallel()
	p := startPair(t, true, rig.Settings{"defaults.settle": "5m"})
	w := p.StartWorker("a", rig.WorkerOptions{})
	p.Publish(round(0)...)
	p.AwaitFinal(len(round(0)), patience)
	p.failOver(t)
	ids := p.Publish(round(1)...)
	p.AwaitStatus(ids[0], "succeeded", patience)
	p.AwaitFinal(2*len(round(0)), patience)
	p.CheckInvariants()
	require.False(t, w.Log.Contains("lost its last commits"))
	require.NoError(t, w.Stop())
}

// The old primary is alive with an old owner, and the new one has a new owner: only
// one of them sends at a time.
func TestTwoPrimariesAreNoticed(t *testing.T) {
	t.Parallel()
	p := startPair(t, false, rig.Settings{"defaults.settle": "4s"})
	old := p.StartWorker("old", rig.WorkerOptions{Settings: rig.Settings{"database.url": p.primary.URL()}})
	p.Publish(round(0)...)
	p.AwaitFinal(len(round(0)), patience)
	require.NoError(t, p.standby.Fall(t.Context()))
	p.Publish(round(1)...)
	p.AwaitFinal(2*len(round(0)), patience)
	require.NoError(t, p.standby.Promote(t.Context()))
	began := time.Now()
	fresh := p.StartWorker("fresh", rig.WorkerOptions{Settings: rig.Settings{"database.url": p.standby.URL()}})
	fresh.AwaitLog("lost its last commits", patience)
	fresh.AwaitLog("another database goes on with the partition", patience)
	p.Publish(round(2)...)
	p.Await("settle is over three times", patience, func() bool { return time.Since(began) >= 12*time.Second })
	for _, post := range p.madeSince(began) {
		require.Equal(t, "old", post.worker)
	}
	require.NoError(t, old.Stop())
	stopped := time.Now()
	p.Await("the other sends", patience, func() bool { return len(p.madeSince(stopped)) > 0 })
	for _, post := range p.madeSince(stopped) {
		require.GreaterOrEqual(t, post.at.Sub(stopped), 3*time.Second)
		require.True(t, strings.HasPrefix(post.worker, "fresh"))
	}
	require.NoError(t, p.primary.Kill())
	p.DB.Reset()
	p.Await("the database is the new one", patience, func() bool { return p.DB.Ping(t.Context()) == nil })
	p.AwaitFinal(3*len(round(0)), 2*patience)
	p.CheckInvariants()
	require.NoError(t, fresh.Stop())
}
