package delivery

import (
	"time"

	"github.com/sony/gobreaker/v2"
)

// Gauges is an engine's state at one moment.
type Gauges struct {
	Position    uint64 // stream sequence up to which all is recorded or about to be
	Groups      int
	Waiting     int // mutations in memory, waiting
	WaitingSize int // their bytes
	OpenBatches int
	OpenSize    int // bytes of open batches
	Spilled     int // lanes
	Unrecorded  int // messages read and not yet recorded
	Accounts    []AccountGauges
	// TroubleSince is since when every transaction has failed, zero when the last one
	// did not; Trouble says why, for people.
	TroubleSince time.Time
	Trouble      string
}

// AccountGauges is the state of one account.
type AccountGauges struct {
	Account       string
	Platform      string
	Paused        bool
	OpenBatches   int
	Ambiguous     int // batches held because a POST's end is not known
	Waiting       int // mutations in memory that are at no platform: those in batches that are held or were refused, too
	OldestHandle  time.Duration
	OldestWaiting time.Duration
	Breaker       gobreaker.State
	Calls         int     // under way
	Concurrency   float64 // calls at a time, adapted
	Held          int     // lanes of which nothing is taken, as far as is known
}

func (e *Engine) gauges(now time.Time) {
	if now.Sub(e.life.lastGauge) < gaugeInterval {
		return
	}
	e.life.lastGauge = now
	stats := e.batcher.Stats()
	g := Gauges{
		Position: e.tracker.anchor.Position.Sequence,
		Groups:   stats.Groups, Waiting: stats.Waiting, WaitingSize: stats.Bytes,
		OpenBatches: len(e.batches.byID), Spilled: len(e.batcher.SpilledLanes()), Unrecorded: e.tracker.unrecorded(),
	}
	g.TroubleSince, g.Trouble = e.recorder.trouble.now()
	g.Accounts = make([]AccountGauges, 0, len(e.accounts.byName)) // one block for all: there may be thousands, each second
	for name, state := range e.accounts.byName {
		state.gauge = len(g.Accounts)
		calls := e.cfg.Scopes.Calls(name)
		g.Accounts = append(g.Accounts, AccountGauges{
			Account: name, Platform: state.account.Platform, Paused: state.paused || state.state.ByHand, OpenBatches: state.open,
			Breaker: calls.Breaker, Calls: calls.UnderWay, Concurrency: calls.Concurrency,
		})
	}
	of := func(name string) *AccountGauges { return &g.Accounts[e.accounts.byName[name].gauge] }
	for _, l := range e.lanes.watched {
		if l.breaker.told {
			of(l.key.Account).Held++
		}
	}
	for _, f := range e.batches.byID {
		g.OpenSize += f.bytes
		f.measure(of(f.batch.Lane.Account), now)
	}
	for _, lane := range e.batcher.LaneStats() {
		if lane.Waiting == 0 && lane.Oldest.IsZero() {
			continue
		}
		account := of(lane.Lane.Account)
		account.Waiting += lane.Waiting
		if !lane.Oldest.IsZero() {
			account.OldestWaiting = max(account.OldestWaiting, now.Sub(lane.Oldest))
		}
	}
	e.cfg.Observer.Gauges(e.cfg.Lease.Partition, g)
}

// measure adds the open batch to its account's gauges.
func (f *openBatch) measure(account *AccountGauges, now time.Time) {
	if f.holdUntil.After(now) {
		account.Ambiguous++
	}
	if f.waits() {
		oldest, mutations := f.oldest()
		account.Waiting += mutations
		account.OldestWaiting = max(account.OldestWaiting, now.Sub(oldest))
	}
	for _, h := range f.handles {
		if !h.final {
			account.OldestHandle = max(account.OldestHandle, now.Sub(h.since))
		}
	}
}
