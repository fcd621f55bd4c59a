package simulation

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/message"
)

// TestMain leaves all goroutines one processor, where each runs until it waits:
// what happens at one instant happens in one order then. To use more processors, run
// more processes.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	// What packs are compressed with outlives a history, and so must begin before the first.
	new(message.Decoder).DecodeAll(nil, message.Raw{
		Headers: map[string][]string{"Content-Type": {message.PackContentType}, "Content-Encoding": {message.PackEncoding}},
		Data:    message.CompressPack([]byte("{}")),
	})
	goleak.VerifyTestMain(m)
}

var (
	oneSeed    = flag.Uint64("seed", 0, "tell this history alone, with its journal")
	histories  = flag.Int("histories", 100, "how many histories to tell")
	firstSeed  = flag.Uint64("first", 1, "the seed of the first history")
	replays    = flag.Int("replays", 40, "how many histories to tell twice")
	digestFile = flag.String("digests", "", "write a digest of each replayed journal into this file")
	stopAt     = flag.Bool("stop", false, "stop at the first history that breaks a promise")
	compile    = flag.Bool("compile", false, "compile the broken variants that need it")
)

// TestHistories lets workers live through many histories. A failing one names its
// seed; -args -seed N tells it again, exactly, with its journal.
func TestHistories(t *testing.T) {
	t.Parallel()
	if *oneSeed > 0 {
		log := &journal{kept: true, logs: true}
		found := tell(t, *oneSeed, variant{}, log)
		t.Log("\n" + log.String())
		require.Empty(t, found, "seed %d", *oneSeed)
		return
	}
	if testing.Short() {
		*histories = min(*histories, 40)
	}
	for _, bad := range many(t, *firstSeed, *histories, variant{}, *stopAt) {
		log := &journal{kept: true}
		tell(t, bad.seed, variant{}, log)
		t.Errorf("seed %d: %v\nits journal ends with\n%s", bad.seed, bad.found, tail(log.String()))
	}
}

// failure is a history that broke a promise.
type failure struct {
	seed  uint64
	found findings
}

// many tells histories. It returns those that broke a promise, or stops at the first.
func many(t *testing.T, first uint64, count int, broken variant, firstOnly bool) []failure {
	t.Helper()
	var failures []failure
	for seed := first; seed < first+uint64(count); seed++ {
		if found := tell(t, seed, broken, &journal{}); len(found) > 0 {
			failures = append(failures, failure{seed, found})
		}
		if len(failures) >= 3 || firstOnly && len(failures) > 0 {
			break
		}
	}
	return failures
}

func tail(text string) string {
	const most = 2000
	return text[max(0, len(text)-most):]
}

// tell1 tells one history in a bubble of its own.
func tell(t *testing.T, seed uint64, broken variant, log *journal) (found findings) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed, broken, log)
		found = w.live()
	})
	return found
}

// live is a history: some workers, some mutations, some trouble; then calm, but for
// an account in trouble until all others are through, and a look at what came of it.
func (w *world) live() findings {
	for range w.plan.workers {
		w.start()
		w.pass(time.Duration(w.random.Int64N(int64(time.Second))))
	}
	w.trouble()
	w.keepConfiguration()
	w.calmDown()
	for _, p := range w.processes {
		if p != w.sleeper {
			p.thaw()
			w.pass(0)
		}
	}
	w.start()
	found := w.outlast()
	w.heal()
	if len(found) == 0 {
		found = w.finish()
	}
	w.end()
	return found
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	<-time.After(d + time.Duration(1+w.random.Int64N(1000)))
	synctest.Wait()
	if time.Since(w.looked) > lookEvery {
		w.look()
	}
}

// trouble publishes the history's mutations, and does things to the world between
// them.
func (w *world) trouble() {
	r := w.random
	acts := make([][]func(), w.plan.mutations)
	for range w.plan.actions {
		at := r.IntN(w.plan.mutations)
		acts[at] = append(acts[at], w.act)
	}
	for i, times := 0, w.plan.restoresStream; i < times; i++ { // one after the other
		w.restore(acts[i*len(acts)/times:(i+1)*len(acts)/times], len(acts), w.restoreStream)
	}
	if w.plan.restoresLedger {
		longest, changes, within := len(acts), r.IntN(4), 6
		if w.plan.lagging {
			longest, changes, within = 3, 1+r.IntN(3), 12 // as a standby is that is some seconds behind
		}
		again := w.restore(acts, longest, w.ledger.Copy)
		// The lost tail must be known to every owner of the time after.
		for range changes {
			at := min(again+3+r.IntN(within), len(acts)-1)
			acts[at] = append(acts[at], w.changeOwner)
		}
	}
	if w.plan.replacesStream {
		at := r.IntN(len(acts))
		acts[at] = append(acts[at], w.replaceStream)
	}
	w.planReloads(acts)
	floodAt := -1
	if w.plan.ailment.floods {
		floodAt = r.IntN(w.plan.mutations)
	}
	for i := range w.plan.mutations {
		if i == floodAt {
			w.flood()
		}
		w.publish(w.draft())
		w.pass(0) // nothing happens at the very same instant
		for _, act := range acts[i] {
			act()
			w.pass(0)
		}
		switch r.IntN(4) {
		case 0:
			w.pass(time.Duration(r.Int64N(int64(3 * time.Second))))
		case 1:
			w.pass(time.Duration(r.Int64N(int64(100 * time.Millisecond))))
		}
	}
	w.flush()
	w.pass(0)
}

// restore plans a copy, and that it is restored later, after longest mutations at most.
func (w *world) restore(acts [][]func(), longest int, keep func() (putBack func())) (again int) {
	taken := w.random.IntN(len(acts) - 1)
	again = taken + 1 + w.random.IntN(min(len(acts)-taken-1, longest))
	var putBack func()
	acts[taken] = append(acts[taken], func() {
		w.log.add("world", "keeps a copy", "")
		putBack = keep()
	})
	acts[again] = append(acts[again], func() {
		w.log.add("world", "puts the copy back", "")
		w.disturb()
		putBack()
	})
	return again
}

// changeOwner ends a worker, well or badly, and starts another.
func (w *world) changeOwner() {
	r := w.random
	p := w.processes[r.IntN(len(w.processes))]
	w.pass(time.Duration(r.Int64N(int64(settle / 8))))
	if r.IntN(3) == 0 {
		p.kill()
	} else {
		p.stop()
	}
	w.pass(time.Duration(r.Int64N(int64(leaseTTL))))
	if len(w.processes) < 2*maxWorkers {
		w.start()
	}
}

// restoreStream keeps a copy of the stream. What is published after it vanishes with
// the copy restored, unless it was recorded.
func (w *world) restoreStream() (putBack func()) {
	kept, put := len(w.published), w.stream.Copy()
	return func() {
		put()
		for _, c := range w.published[kept:] {
			c.vanished = true
		}
	}
}

// act does something to one of the workers, or to all connections.
func (w *world) act() {
	r := w.random
	p := w.processes[r.IntN(len(w.processes))]
	switch r.IntN(6) {
	case 0:
		p.kill()
	case 1:
		p.stop()
	case 2:
		p.freeze(time.Duration(1 + r.Int64N(int64(4*leaseTTL))))
	case 3:
		w.log.add("world", "breaks all connections to the stream", "")
		w.disturb()
		w.stream.Disconnect()
	default:
		if len(w.processes) < maxWorkers {
			w.start()
		}
	}
}

// maxWorkers bounds the workers of one history.
const maxWorkers = 6

// putToSleep freezes a worker until all is done.
func (w *world) putToSleep(p *process) {
	w.mu.Lock()
	w.sleeper = p
	w.mu.Unlock()
	p.freeze(0)
}

// patience is how long a calm world may take to come to an end.
const patience = 30 * time.Minute

// finish waits until all is done and looks at it. Then a sleeper wakes up, which
// must change nothing.
func (w *world) finish() findings {
	if !w.await(w.done) {
		found := w.check()
		found.addf("I6", "not all is final after %s: %s", patience, w.unfinished())
		return found
	}
	if found := w.check(); len(found) > 0 {
		return found
	}
	if w.sleeper != nil {
		w.sleeper.thaw()
		w.pass(settle)
	}
	if !w.await(w.followed) {
		var found findings
		found.addf("I6", "the positions do not follow the stream")
		return found
	}
	return w.check()
}

func (w *world) await(condition func() bool) bool {
	for waited := time.Duration(0); waited < patience; waited += time.Second {
		if condition() {
			return true
		}
		w.pass(time.Second)
	}
	return false
}

func (w *world) unfinished() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d open batches, %d waiting rows;", w.ledger.Open(), w.ledger.WaitingRows())
	recorded := map[string]bool{}
	for _, row := range w.ledger.Mutations() {
		recorded[row.ID] = true
		if !final(row.Status) {
			fmt.Fprintf(&text, " %s %s", row.ID, row.Status)
		}
	}
	for _, c := range w.published {
		if !recorded[c.mutation.ID] && !c.vanished {
			fmt.Fprintf(&text, " %s without a row", c.mutation.ID)
		}
	}
	return text.String()
}

// end stops everything.
func (w *world) end() {
	for _, p := range w.processes {
		p.thaw()
		w.pass(0)
		p.stop()
		w.pass(0)
	}
	for _, p := range w.processes {
		<-p.ended
		if p.err != nil && !p.isDead() {
			w.log.add(p.name, "ends with", p.err.Error())
		}
	}
	w.close()
}
