package delivery_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/quota"
)

// board is a mirror that an engine writes to, and a test as well.
type board struct {
	mu    sync.Mutex
	notes []ledger.Sent
	moved bool
	err   error
	puts  int // tried
}

func (b *board) Put(_ context.Context, sent ledger.Sent) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.puts++
	if b.err == nil {
		b.notes = append(b.notes, sent)
	}
	return b.err
}

func (b *board) Moved(context.Context) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	moved := b.moved
	b.moved = false
	return moved, b.err
}

func (b *board) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// touch is a sign of life of another history.
func (b *board) touch() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved = true
}

func (b *board) all() []ledger.Sent {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]ledger.Sent(nil), b.notes...)
}

// resumption is what the next owner finds; the present one has lost its lease.
func (w *world) resumption() *ledger.Resumption {
	r, err := w.store.Resume(context.Background(), w.store.Acquire(0))
	require.NoError(w.t, err)
	return r
}

func (w *world) startMirrored(b *board, lostTail bool) *life {
	return w.startWith(quota.NewScopes(w.store, w.logger), func(c *delivery.Config) {
		c.LostTail, c.Quiet = lostTail, policy().Settle
		if b != nil {
			c.Mirror = b
		}
	})
}

// After a database lost its last commits, batches may be under way that nobody
// knows of: nothing is sent until they can no longer be applied.
func TestNothingIsSentAfterTheDatabaseLostItsTail(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]*board{"without a mirror": nil, "with a mirror": {}} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				began := time.Now()
				l := w.startMirrored(b, true)
				id := w.upsert("x", `{"a":1}`)
				pass(policy().Settle - time.Second)
				require.Zero(t, w.posts())
				require.Equal(t, ledgermodel.Waiting, w.status()[id], "it is recorded meanwhile")
				if b != nil {
					require.Empty(t, b.all(), "what the mirror has stays there for the next owner")
				}
				w.finish(time.Minute)
				require.Equal(t, 1, w.posts())
				require.Less(t, time.Since(began), policy().Settle+time.Minute)
				l.stop()
			})
		})
	}
}

// Batches that the surviving history knows of are followed meanwhile, and sent again
// only afterwards.
func TestOpenBatchesWaitAfterALostTail(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPost = func(*post) answer { return answer{stuck: true} }
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.until(time.Minute, "sent", func() bool { return w.posts() == 1 })
		l.crash()
		w.platform.onPost = nil
		began := time.Now()
		l = w.startMirrored(&board{}, true)
		w.upsert("x", `{"a":2}`)
		w.upsert("y", `{"a":2}`)
		w.until(20*time.Second, "people are told", func() bool { return w.store.Health("acme").Withheld != "" })
		require.WithinDuration(t, began.Add(policy().Settle), w.store.Health("acme").PacedUntil, time.Second)
		pass(time.Until(began.Add(policy().Settle - time.Second)))
		require.Equal(t, 1, w.posts())
		w.until(time.Hour, "sent", func() bool { return w.posts() >= 2 })
		w.until(20*time.Second, "people are told that it is over", func() bool { return !w.store.Health("acme").PacedUntil.After(time.Now()) })
		require.GreaterOrEqual(t, time.Since(began), policy().Settle)
		l.crash()
	})
}

// Each owner waits for itself, however many there are.
func TestAnotherOwnerWaitsAsWell(t *testing.T) {
	scenario(t, func(w *world) {
		b := &board{}
		w.upsert("x", `{"a":1}`)
		for range 5 {
			l := w.startMirrored(b, true)
			pass(policy().Settle * 3 / 4)
			l.stop()
			require.Zero(t, w.posts())
			require.Empty(t, b.all())
		}
		l := w.startMirrored(b, true)
		w.finish(policy().Settle + time.Minute)
		require.Len(t, b.all(), 2, "the claim, then what is sent")
		l.stop()
	})
}

// An owner of another history that is alive is waited for.
func TestTheSignsOfLifeOfAnotherHistoryProlongTheQuiet(t *testing.T) {
	scenario(t, func(w *world) {
		b := &board{}
		l := w.startMirrored(b, true)
		w.upsert("x", `{"a":1}`)
		for range 20 {
			pass(policy().Settle / 2)
			b.touch()
		}
		pass(policy().Settle * 3 / 4)
		require.Zero(t, w.posts())
		require.Empty(t, b.all())
		w.finish(policy().Settle + time.Minute)
		require.Equal(t, 1, w.posts())
		l.stop()
	})
}

// While the mirror does not answer nobody knows whether another history is alive.
func TestTheQuietEndsOnlyWhenTheMirrorAnswers(t *testing.T) {
	scenario(t, func(w *world) {
		b := &board{err: errAway}
		l := w.startMirrored(b, true)
		w.upsert("x", `{"a":1}`)
		pass(3 * policy().Settle)
		require.Zero(t, w.posts())
		b.fail(nil)
		w.finish(time.Minute)
		l.stop()
	})
}

var errAway = errors.New("the broker is away")

// What is sent is noted outside the database before.
func TestWhatIsSentIsNotedBeforeThePOST(t *testing.T) {
	scenario(t, func(w *world) {
		b := &board{}
		w.platform.onPost = func(*post) answer {
			require.NotEmpty(t, b.all(), "noted before it is sent")
			return answer{}
		}
		l := w.startMirrored(b, false)
		for range 3 {
			w.upsert("x", `{"a":1}`)
			w.finish(time.Minute)
		}
		l.stop()
		notes := b.all()
		r := w.resumption()
		require.Equal(t, notes[len(notes)-1].Transaction, r.Sent)
	})
}

// A further POST of a batch is announced, and so noted, as well.
func TestAFurtherPOSTIsNoted(t *testing.T) {
	scenario(t, func(w *world) {
		b := &board{}
		noted := map[uuid.UUID]bool{}
		w.platform.onPost = func(*post) answer {
			notes := b.all()
			require.NotEmpty(t, notes)
			last := notes[len(notes)-1].Transaction
			require.False(t, noted[last], "each POST has a transaction of its own")
			noted[last] = true
			if len(noted) < 3 {
				return answer{err: &platform.Error{Scope: platform.ScopePlatform, HTTPStatus: 503, Message: "unavailable"}}
			}
			return answer{}
		}
		l := w.startMirrored(b, false)
		w.upsert("x", `{"a":1}`)
		w.finish(time.Hour)
		require.GreaterOrEqual(t, len(noted), 3)
		l.stop()
	})
}

// Somebody of another history has noted something: nothing may be sent, not even
// what is committed.
func TestAnotherHistoryStopsTheEngine(t *testing.T) {
	scenario(t, func(w *world) {
		b := &board{err: ledger.ErrOtherHistory}
		l := w.startMirrored(b, false)
		w.upsert("x", `{"a":1}`)
		require.ErrorIs(t, <-l.done, ledger.ErrOtherHistory)
		require.Zero(t, w.posts())
	})
}

// An owner that has nothing to send shows all the same that it is alive, and so
// notices another one.
func TestAnIdleEngineShowsThatItIsAlive(t *testing.T) {
	scenario(t, func(w *world) {
		b := &board{}
		l := w.startMirrored(b, false)
		pass(10 * policy().Settle)
		require.Empty(t, b.all(), "nothing was ever sent: there is nothing to show")
		w.upsert("x", `{"a":1}`)
		w.finish(time.Minute)
		sent := len(b.all())
		for range 3 {
			pass(policy().Settle / 3)
			require.Greater(t, len(b.all()), sent, "three times in the quiet time of another")
			sent = len(b.all())
		}
		b.fail(ledger.ErrOtherHistory)
		require.ErrorIs(t, <-l.done, ledger.ErrOtherHistory)
	})
}

// A mirror that is away for a while holds nothing up; for longer, nothing is sent, as
// a lost tail would not be found out.
func TestAMirrorThatIsAwayStopsTheSendingAfterAWhile(t *testing.T) {
	scenario(t, func(w *world) {
		b := &board{}
		l := w.startMirrored(b, false)
		w.upsert("x", `{"a":1}`)
		w.finish(time.Minute)
		b.fail(errAway)
		w.upsert("x", `{"a":2}`)
		w.finish(30 * time.Second)
		require.Equal(t, 2, w.posts())
		pass(2 * time.Minute)
		id := w.upsert("x", `{"a":3}`)
		pass(10 * time.Minute)
		require.Equal(t, 2, w.posts())
		require.Equal(t, ledgermodel.Waiting, w.status()[id], "recorded and visible")
		b.fail(nil)
		w.finish(time.Minute)
		require.Equal(t, 3, w.posts())
		l.stop()
	})
}

// A database that lost its last commits while its owner has nothing to do: the owner
// notices, and what it recorded is read again.
func TestAnIdleOwnerNoticesALostTail(t *testing.T) {
	scenario(t, func(w *world) {
		l := w.startMirrored(&board{}, false)
		w.upsert("kept", `{"a":1}`)
		w.finish(time.Minute)
		restore := w.store.Copy()
		pass(time.Minute)
		w.upsert("lost", `{"a":1}`)
		w.finish(time.Minute)
		restore()
		began := time.Now()
		require.ErrorIs(t, <-l.done, ledger.ErrLeaseLost)
		require.Less(t, time.Since(began), 15*time.Second)
	})
}
