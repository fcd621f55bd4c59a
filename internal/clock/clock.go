// Package clock compares the wall clock of this process with the one that decides:
// the database's. A worker whose clock is wrong writes times that hurt others (until
// when a quota is blocked, when a batch is tried again, the day that a row belongs
// to), so it must know, and stop.
package clock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Limit is how far two clocks may differ. Below it nothing that is decided by a
// time goes wrong: pauses and retries are early or late by as much, a row near
// midnight belongs to the neighbouring day, and what is kept for days is kept as much
// longer or shorter. It is short because a pause that a platform told one worker, who
// writes down its end, is kept by another. Clocks that are kept by NTP differ by
// milliseconds.
const Limit = 5 * time.Second

// longestAnswer is how long a clock may take to answer. The answer tells the time
// within half of that.
const longestAnswer = 10 * time.Second

// ErrDiffers is returned while the clock of this process and the database's differ by
// more than Limit. Nothing tells from here which of the two is wrong.
var ErrDiffers = errors.New("the clocks of this worker and of the database differ")

// Source asks another clock for the time.
type Source func(ctx context.Context) (time.Time, error)

// Reading is one look at another clock.
type Reading struct {
	// Mine is the wall clock of this process in the middle of the look, and Theirs
	// what the other clock said.
	Mine, Theirs time.Time
	// Within is how exact Theirs is: half of the time that the answer took.
	Within time.Duration

	at time.Time // of Mine, with its monotonic reading
}

// Read looks at another clock. It is an error when the answer takes longer than 10 s:
// such an answer tells nothing.
func Read(ctx context.Context, source Source) (Reading, error) {
	ctx, cancel := context.WithTimeout(ctx, longestAnswer)
	defer cancel()
	asked := time.Now()
	theirs, err := source(ctx)
	if err != nil {
		return Reading{}, err
	}
	took := time.Since(asked)
	if took > longestAnswer {
		return Reading{}, fmt.Errorf("the clock took %s to answer", took.Round(time.Millisecond))
	}
	middle := time.Now().Add(-took / 2)
	return Reading{Mine: middle.Round(0), Theirs: theirs, Within: took / 2, at: middle}, nil
}

// Ahead is by how much the clock of this process is ahead of the other; negative when
// it is behind.
func (r Reading) Ahead() time.Duration { return r.Mine.Sub(r.Theirs) }

// Check is ErrDiffers with both times when the clocks certainly differ by more than
// Limit.
func (r Reading) Check() error {
	if r.Ahead().Abs()-r.Within <= Limit {
		return nil
	}
	return fmt.Errorf("%w by %s: this worker's says %s, the database's %s; one of them is wrong", ErrDiffers,
		r.Ahead().Abs().Round(time.Second), r.Mine.UTC().Format(time.RFC3339), r.Theirs.UTC().Format(time.RFC3339))
}

// Watch knows from its last look at another clock what that clock says now: the
// monotonic clock tells how long ago the look was, and nobody can set it. So a wall
// clock that is set is noticed at once, without asking anybody. It is safe for
// concurrent use.
type Watch struct {
	source Source

	mu    sync.Mutex
	last  Reading
	known bool
}

// NewWatch makes a watch that has not looked yet.
func NewWatch(source Source) *Watch { return &Watch{source: source} }

// Look looks at the other clock. A look that fails leaves what is known.
func (w *Watch) Look(ctx context.Context) (Reading, error) {
	reading, err := Read(ctx, w.source)
	if err != nil {
		return Reading{}, fmt.Errorf("asking the database for the time: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.known = reading, true
	return reading, nil
}

// Now is what both clocks say at this moment; ok is false before the first look.
func (w *Watch) Now() (reading Reading, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.known {
		return Reading{}, false
	}
	now := time.Now()
	theirs := w.last.Theirs.Add(now.Sub(w.last.at)) // monotonic
	return Reading{Mine: now.Round(0), Theirs: theirs, Within: w.last.Within, at: now}, true
}

// Check is ErrDiffers while the clocks differ. Before the first look nothing is known,
// and it is an ErrDiffers of its own.
func (w *Watch) Check() error {
	reading, ok := w.Now()
	if !ok {
		return fmt.Errorf("%w, as far as is known: the database was not asked for the time yet", ErrDiffers)
	}
	return reading.Check()
}

// Theirs is what the other clock says now, or the own clock before the first look.
func (w *Watch) Theirs() time.Time {
	if reading, ok := w.Now(); ok {
		return reading.Theirs
	}
	return time.Now()
}
