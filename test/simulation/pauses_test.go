package simulation

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/queue"
)

// pause is what a platform has asked one account for: no more calls of a kind for a
// while.
type pause struct {
	account string
	method  string
	heardBy *process
	at      time.Time // when it was heard
	until   time.Time
	// scope is what the worker calls what is paused, "" until it begins to save it, which
	// it must at the very moment when it has heard of it.
	scope string
	// known is when the store knew of it; zero: not yet.
	known time.Time
}

// taking is how a process came to a partition.
type taking struct {
	by *process
	at time.Time
}

// makePauses has platforms ask for pauses that are longer than a worker's life.
func (w *world) makePauses(p *plan) {
	r := w.random
	p.pauses, p.workers, p.actions = true, 2, p.actions+6
	fault := sandbox.Fault{Kind: sandbox.RateLimited, Duration: time.Duration(10+r.IntN(40)) * time.Second}
	planned := []sandbox.PlannedFault{
		{Call: sandbox.Submit, Fault: fault, Rate: 0.05 + 0.2*r.Float64()}, {Call: sandbox.Poll, Fault: fault, Rate: 0.1 * r.Float64()},
	}
	p.pinterestFaults = append(planned, p.pinterestFaults...)
	p.metaFaults = append(planned, p.metaFaults...)
}

// asked is how long an answer asks to be left alone.
func asked(response *http.Response) time.Duration {
	header := response.Header
	wait, _ := strconv.ParseFloat(header.Get("Retry-After"), 64)
	if strings.TrimSpace(header.Get("X-Ratelimit-Remaining")) == "0" {
		reset, _ := strconv.ParseFloat(header.Get("X-Ratelimit-Reset"), 64)
		wait = max(wait, reset)
	}
	gjson.Parse(header.Get("X-Business-Use-Case-Usage")).ForEach(func(_, entries gjson.Result) bool {
		const secondsPerMinute = 60
		wait = max(wait, secondsPerMinute*entries.Get("0.estimated_time_to_regain_access").Float())
		return true
	})
	return time.Duration(wait * float64(time.Second))
}

// told notes the pause that an answer asks for, if it does, when the process hears of
// it. Soon afterwards that one may be gone.
func (w *world) told(p *process, request *http.Request, response *http.Response) {
	wait := asked(response)
	if wait <= 0 {
		return
	}
	now := time.Now()
	fresh := &pause{account: accountOf(request), method: request.Method, heardBy: p, at: now, until: now.Add(wait)}
	w.mu.Lock()
	for _, known := range w.pauses {
		if known.account == fresh.account && known.method == fresh.method && known.heardBy == p && !known.until.Before(fresh.until) {
			w.mu.Unlock()
			return // it has heard of a longer one
		}
	}
	w.pauses = append(w.pauses, fresh)
	calm := w.calm
	w.mu.Unlock()
	w.log.add(p.name, "is told to pause", fresh.account+" "+fresh.method+" "+wait.String())
	if calm || !w.plan.pauses {
		return
	}
	soon := time.Duration(1 + w.hash("goes", p.name)%uint64(2*time.Second))
	switch how := w.hash("how", p.name) % 4; {
	case how == 0:
		if w.mayLose() {
			time.AfterFunc(soon, p.kill)
		}
	case how == 1, p.number > w.plan.workers: // one that joined gives back what it has taken from those that know the scope
		time.AfterFunc(soon/2, p.stop)
	}
}

// saving notes that a process begins to save scopes, which tells what those are called
// of whose pauses it has heard at this moment.
func (w *world) saving(p *process, states []ledger.ScopeState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, pause := range w.pauses {
		if pause.scope != "" || pause.heardBy != p || !pause.at.Equal(time.Now()) {
			continue
		}
		for _, state := range states {
			if !state.BlockedUntil.Before(pause.until) {
				pause.scope = state.Scope
			}
		}
	}
}

// saved notes what the store has come to know.
func (w *world) saved(states []ledger.ScopeState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, pause := range w.pauses {
		for _, state := range states {
			if pause.known.IsZero() && pause.scope == state.Scope && !state.BlockedUntil.Before(pause.until) {
				pause.known = time.Now()
			}
		}
	}
}

// takes notes that a process comes to a partition.
func (w *world) takes(p *process, partition int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken[partition] = taking{by: p, at: time.Now()}
}

// begins looks whether a process may begin a call: not within a pause that it has heard
// of, nor within one that the store knew of when it took the partition over. A process
// that heard of a pause and did not begin to save it has no excuse: the store counts as
// knowing.
func (w *world) begins(p *process, request *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, account := time.Now(), accountOf(request)
	taken := w.taken[queue.PartitionOf(account, w.plan.partitions)]
	for _, pause := range w.pauses {
		if pause.account != account || pause.method != request.Method || !now.Before(pause.until) {
			continue
		}
		known := pause.known
		if pause.scope == "" {
			known = pause.at
		}
		switch {
		case pause.heardBy == p && pause.at.Before(now):
			w.pushesf("%s calls for %s %s before the end of a pause that it was told of %s before", p.name, account,
				pause.until.Sub(now), now.Sub(pause.at))
		case taken.by == p && !known.IsZero() && known.Before(taken.at) && !w.plan.restoresLedger:
			w.pushesf("%s calls for %s %s before the end of a pause that %s was told of %s before", p.name, account,
				pause.until.Sub(now), pause.heardBy.name, now.Sub(pause.at))
		}
	}
}

// pushesf notes a call within a pause. w.mu must be held.
func (w *world) pushesf(format string, values ...any) {
	w.pushy = append(w.pushy, fmt.Sprintf(format, values...))
}

func scopesOf(states []ledger.ScopeState) string {
	names := make([]string, len(states))
	for i, state := range states {
		names[i] = state.Scope
	}
	return strings.Join(names, " ")
}
