package delivery

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// Mirror is the partition's note outside the store: see queue.PartitionMirror. The
// engine makes one call at a time.
type Mirror interface {
	// Put notes what is about to be sent. ledger.ErrOtherHistory says that somebody of
	// another history has noted something meanwhile; any other error says that the
	// mirror cannot be reached.
	Put(ctx context.Context, sent ledger.Sent) error
	// Moved reports whether anybody has written the note since it was read or put last.
	Moved(ctx context.Context) (bool, error)
}

const (
	// mirrorPause is how long the mirror is left alone after it failed, so that a
	// broker that is away does not slow every transaction down.
	mirrorPause = 5 * time.Second
	// mirrorPatience is for how long batches are sent without a note in the mirror. A
	// store that loses its last commits then would not be found out.
	mirrorPatience = time.Minute
	// longestSign is the longest time between two signs of life in the mirror, see
	// signEvery.
	longestSign = 30 * time.Second
	// maxTries bounds the notes without an answer that are remembered. Beyond it a note
	// that did arrive looks like one of another history: nothing is sent for a while.
	maxTries = 32
	// historyWatch is how often an owner that has nothing to commit looks whether its
	// last commit is still there.
	historyWatch = 5 * time.Second
)

// ShortestQuiet is the least time for which nothing is sent after a store lost its last
// commits: an owner of another history that is alive shows it meanwhile.
const ShortestQuiet = 3 * time.Second

// witness is what was noted in the mirror. The recorder notes what is sent, a goroutine of
// its own shows that this owner is alive.
type witness struct {
	cfg   *Config
	log   *slog.Logger
	calls *calls
	turn  chan struct{} // holds one token while a call of the mirror is under way

	mu      sync.Mutex
	sent    ledger.Sent
	noted   []uuid.UUID // what may be in the mirror: what is known to be, and tries without an answer
	failing time.Time   // since when it cannot be reached; zero: it can
	again   time.Time   // when the recorder tries again after a failure
	// blind is set while it could not be reached for mirrorPatience.
	blind atomic.Bool
}

// shut reports that nothing may be sent for the whole partition.
func (e *Engine) shut() bool { return e.life.quiet || e.recorder.mirror.blind.Load() }

// signEvery is the time between two signs of life in the mirror. An owner of another
// history that waits for Quiet sees at least three of them.
func (w *witness) signEvery() time.Duration {
	if w.cfg.Quiet <= 0 {
		return longestSign
	}
	return min(w.cfg.Quiet/4, longestSign)
}

// nextSign is how long to wait before the next sign of life.
func (w *witness) nextSign() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.failing.IsZero() {
		return min(w.signEvery(), mirrorPause)
	}
	return w.signEvery()
}

// noteSent notes a committed transaction before anything of it is sent. Only
// ledger.ErrOtherHistory is an error; with strict it tries until it is noted.
func (w *witness) noteSent(ctx context.Context, sent ledger.Sent, strict bool) error {
	if w.cfg.Mirror == nil {
		return nil
	}
	w.mu.Lock()
	sent.Slowest = max(sent.Slowest, w.sent.Slowest)
	w.sent = sent
	resting := time.Now().Before(w.again)
	w.mu.Unlock()
	if !strict {
		if resting {
			return nil
		}
		err := w.putNote(ctx)
		if errors.Is(err, ledger.ErrOtherHistory) {
			return err
		}
		return nil
	}
	policy := backoff.WithContext(w.cfg.backOff(50*time.Millisecond, mirrorPause), ctx)
	return backoff.Retry(func() error {
		err := w.putNote(ctx)
		if errors.Is(err, ledger.ErrOtherHistory) {
			return backoff.Permanent(err)
		}
		return err
	}, policy)
}

// putNote writes the newest note.
func (w *witness) putNote(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-w.turn }()
	w.mu.Lock()
	sent := w.sent
	if n := len(w.noted); sent.Transaction != uuid.Nil && !slices.Contains(w.noted, sent.Transaction) {
		// The first is known to be there; few follow, as the mirror is tried seldom.
		w.noted = append(w.noted[:min(n, maxTries):min(n, maxTries)], sent.Transaction)
	}
	w.mu.Unlock()
	if sent.Transaction == uuid.Nil {
		return nil // nothing was ever sent
	}
	err := w.cfg.Mirror.Put(ctx, sent)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.noted, w.failing, w.again = []uuid.UUID{sent.Transaction}, time.Time{}, time.Time{}
		if w.blind.Swap(false) {
			w.log.InfoContext(ctx, "the mirror is back: batches are sent again")
			w.calls.wakeUp()
		}
		return nil
	case errors.Is(err, ledger.ErrOtherHistory), ctx.Err() != nil:
		return err
	}
	now := time.Now()
	w.again = now.Add(mirrorPause)
	if w.failing.IsZero() {
		w.failing = now
		w.log.WarnContext(ctx, "what is sent cannot be noted in the mirror: a database that loses its last commits now would not be noticed",
			slog.Duration("nothing_is_sent_after", mirrorPatience), slog.Any("error", err))
	}
	if now.Sub(w.failing) >= mirrorPatience && !w.blind.Swap(true) {
		w.log.ErrorContext(ctx, "the mirror cannot be reached: nothing is sent until it is back", slog.Any("error", err))
	}
	return err
}

// known are the transactions that may be in the mirror.
func (w *witness) known() []uuid.UUID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.noted
}

// keepMirror waits out a lost tail, and shows then from time to time that this owner
// is alive, so that one of another history waits.
func (e *Engine) keepMirror(ctx context.Context) {
	if e.cfg.LostTail {
		if !e.recorder.mirror.sitOut(ctx, e.life.began) {
			return
		}
		e.calls.report(ctx, e.claim)
	}
	for e.cfg.Mirror != nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(e.recorder.mirror.nextSign()):
		}
		if err := e.recorder.mirror.putNote(ctx); errors.Is(err, ledger.ErrOtherHistory) {
			e.calls.report(ctx, func() { e.fail(err) })
			return
		}
	}
}

// sitOut waits until nothing that was sent and forgotten can still be applied, and
// nobody of another history has shown a sign of life meanwhile. It only looks: what
// the mirror has stays there, so that every later owner finds it and waits as well.
func (w *witness) sitOut(ctx context.Context, since time.Time) bool {
	for alone := false; ; {
		wait := min(w.signEvery(), max(time.Until(since.Add(w.cfg.Quiet)), 0))
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
		moved, err := false, error(nil)
		if w.cfg.Mirror != nil {
			moved, err = w.cfg.Mirror.Moved(ctx)
		}
		switch now := time.Now(); {
		case err != nil:
			// Without an answer nobody knows; the last look must have one.
			if !now.Before(since.Add(w.cfg.Quiet)) {
				since = now.Add(mirrorPause - w.cfg.Quiet)
			}
		case moved:
			since = now
			if !alone {
				alone = true
				w.log.ErrorContext(ctx, "another database goes on with the partition: two primaries are in use, and this one waits until the other is silent")
			}
		case !now.Before(since.Add(w.cfg.Quiet)):
			return true
		}
	}
}

// claim has it committed and noted that this history is the one that goes on.
func (e *Engine) claim() {
	e.jobs.next.tx.Claims = true
	e.jobs.next.after(e.onClaimed)
}

// onClaimed lets batches be sent.
func (e *Engine) onClaimed() {
	e.life.quiet = false
	e.log.InfoContext(e.calls.ctx, "what was sent and forgotten can no longer be applied: batches are sent again")
}

// proveHistory has an owner that commits nothing look whether its last commit is still
// there: after a failover that lost it, what it recorded must be read again.
func (e *Engine) proveHistory(now time.Time) {
	if !e.jobs.recording && e.jobs.next.empty() && !e.life.draining && now.Sub(e.jobs.lastProof) >= historyWatch {
		e.jobs.next.verify = true
	}
}
