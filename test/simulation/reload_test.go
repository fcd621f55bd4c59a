package simulation

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/config"
)

// reloads are what happens to the configuration file of a history: workers read it again, each
// in its own time, while they work. An account is changed, or taken out and put in again before
// its mutations would become invalid.
type reloads struct {
	random  *rand.Rand // of its own: other histories stay what they are
	removed map[string]bool
	changed map[string]config.Account
}

// newReloads plans them for a part of the histories. An account in trouble is judged by how
// it is served, and a copy of the ledger by all that was sent.
func (w *world) newReloads(p *plan) *reloads {
	r := rand.New(rand.NewPCG(w.seed, 13))
	if r.IntN(3) > 0 || p.ailment.name != "" {
		return nil
	}
	return &reloads{random: r, removed: map[string]bool{}, changed: map[string]config.Account{}}
}

// planReloads spreads them over the history's mutations.
func (w *world) planReloads(acts [][]func()) {
	if w.plan.reloads == nil {
		return
	}
	r := w.plan.reloads.random
	for range 1 + r.IntN(4) {
		at := r.IntN(len(acts))
		account, _ := w.account(r.IntN(w.plan.accounts))
		if r.IntN(2) == 0 {
			acts[at] = append(acts[at], func() { w.changeAccount(account) })
			continue
		}
		again := min(at+1+r.IntN(3), len(acts)-1)
		acts[at] = append(acts[at], func() { w.removeAccount(account, true) })
		acts[again] = append(acts[again], func() { w.removeAccount(account, false) })
	}
}

// changeAccount gives an account other limits. None is wider than at first, as what is sent is
// held against those.
func (w *world) changeAccount(account string) {
	r := w.plan.reloads.random
	settings := w.config.Accounts[account]
	settings.Batch.MaxItems = 1 + r.IntN(settings.Batch.MaxItems)
	settings.Batch.MaxAge = time.Duration(1 + r.Int64N(int64(2*time.Second)))
	settings.Concurrency = 1 + r.IntN(4)
	settings.Poll.Min = time.Duration(100+r.IntN(900)) * time.Millisecond
	w.plan.reloads.changed[account] = settings
	w.reload(fmt.Sprintf("%s: %d items, %d at a time", account, settings.Batch.MaxItems, settings.Concurrency))
}

func (w *world) removeAccount(account string, removed bool) {
	w.plan.reloads.removed[account] = removed
	w.reload(fmt.Sprintf("%s removed: %t", account, removed))
}

// keepConfiguration ends all of it: every worker has the configuration of the beginning.
func (w *world) keepConfiguration() {
	if w.plan.reloads != nil {
		clear(w.plan.reloads.removed)
		clear(w.plan.reloads.changed)
		w.reload("as at first")
	}
}

// reload writes the file, and asks the workers to read it, one after another.
func (w *world) reload(what string) {
	w.log.add("world", "writes the configuration", what)
	w.disturb()
	present := *w.config
	present.Accounts = maps.Clone(w.config.Accounts)
	maps.Copy(present.Accounts, w.plan.reloads.changed)
	maps.DeleteFunc(present.Accounts, func(account string, _ config.Account) bool { return w.plan.reloads.removed[account] })
	w.mu.Lock()
	w.file = &present
	w.mu.Unlock()
	for _, p := range w.processes {
		w.pass(time.Duration(w.plan.reloads.random.Int64N(int64(100 * time.Millisecond))))
		select {
		case p.asked <- struct{}{}:
		default: // it has not read the last one yet
		}
	}
}

// configuration is what the file says.
func (w *world) configuration() *config.Config {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.file
}
