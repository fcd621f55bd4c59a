package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
)

// sizes notes what transactions carry, and refuses nothing.
type sizes struct {
	mu     sync.Mutex
	bytes  []int
	counts []int
}

func (s *sizes) rule(tx *ledger.Transaction) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	bytes := 0
	add := func(m *catalog.Mutation) { bytes += len(m.Message.Data) }
	for i := range tx.Invalid {
		add(tx.Invalid[i].Mutation)
	}
	for _, m := range tx.Waiting {
		add(m)
	}
	for _, o := range tx.Outcomes {
		for _, x := range o.Exceptions {
			for _, issue := range x.Errors {
				bytes += len(issue.Message)
			}
		}
	}
	s.bytes, s.counts = append(s.bytes, bytes), append(s.counts, len(tx.Invalid)+len(tx.Waiting))
	return nil
}

func (s *sizes) largest() (bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.bytes {
		bytes = max(bytes, b)
	}
	return bytes
}

func bulky(m *catalog.Mutation) {
	m.Message.Data = append(make([]byte, 1<<20), m.Message.Data...)
}

// TestTransactionsAreBoundedInBytes whatever it is that is large.
func TestTransactionsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	const limit = 64 << 20 // of the worker: transactions of 4 MiB, and a chunk of what is read
	for name, publish := range map[string]func(w *world){
		"bad messages": func(w *world) {
			for range 100 {
				w.bad(bulky)
			}
		},
		"headers": func(w *world) {
			for range 100 {
				w.bad(func(m *catalog.Mutation) {
					m.Message.Headers = append(m.Message.Headers, catalog.Header{Name: "X", Value: string(make([]byte, 1<<20))})
				})
			}
		},
		"an unknown account": func(w *world) {
			for i := range 100 {
				w.change(fmt.Sprint("x", i), catalog.Upsert, `{"a":1}`, of("nobody"), bulky)
			}
		},
		"a paused account": func(w *world) {
			w.pauseByHand()
			for i := range 100 {
				w.change(fmt.Sprint("x", i), catalog.Upsert, `{"a":1}`, bulky)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				w.budget = delivery.NewBudget(limit)
				w.stream.chunk = 4
				var seen sizes
				w.store.SetRule(seen.rule)
				publish(w)
				l := w.start()
				w.until(time.Hour, "all are recorded", func() bool { return len(w.store.Mutations()) == 100 })
				require.LessOrEqual(t, seen.largest(), 13<<20)
				l.cancel()
				_ = l.wait()
			})
		})
	}
}

// bad publishes a message that breaks a rule.
func (w *world) bad(option func(*catalog.Mutation)) {
	m := &catalog.Mutation{Lane: laneOf("acme"), ID: fmt.Sprintf("m%d", len(w.expected)+1)}
	m.Message = catalog.Message{Subject: "catalog.mutations.acme.c.T", Data: []byte("{")}
	option(m)
	w.stream.add(catalog.Arrival{Mutation: m, Problem: &catalog.Problem{Reason: catalog.InvalidJSON, Text: "no JSON"}})
	w.expected = append(w.expected, *m)
}

// TestATransactionThatTakesTooLongIsWrittenInPieces, until each is done in its time.
func TestATransactionThatTakesTooLongIsWrittenInPieces(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]bool{"and is not committed": false, "though it is committed": true} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				w.stream.chunk = 64
				var seen sizes
				tooLong := func(tx *ledger.Transaction) error {
					_ = seen.rule(tx)
					if len(tx.Invalid) > 5 && !lost {
						return fmt.Errorf("%w: %d rows", ledger.ErrSlow, len(tx.Invalid))
					}
					return nil
				}
				w.store.SetRule(tooLong)
				if lost {
					first := true
					w.store.SetHook(func(_ context.Context, made ledgermodel.Call, stage ledgermodel.Stage) error {
						if made == ledgermodel.CallCommit && stage == ledgermodel.After && first {
							first = false
							return fmt.Errorf("%w: no answer", ledger.ErrSlow)
						}
						return nil
					})
				}
				for range 64 {
					w.bad(func(*catalog.Mutation) {})
				}
				l := w.start()
				w.finish(time.Minute)
				require.Len(t, w.store.DeadLetters(), 64, "each once")
				require.Equal(t, uint64(64), w.store.Anchor(0).Position.Sequence)
				l.stop()
			})
		})
	}
}

// TestAPieceIsAllThatWasRecorded: who takes over between two pieces finds no newer
// change of an item recorded before an older one, and none twice.
func TestAPieceIsAllThatWasRecorded(t *testing.T) {
	t.Parallel()
	for after := range 8 {
		t.Run(strconv.Itoa(after), func(t *testing.T) {
			scenario(t, func(w *world) {
				w.stream.chunk = 100
				w.pauseByHand()
				pieces, dead := 0, errors.New("the worker is gone")
				w.store.SetRule(func(tx *ledger.Transaction) error {
					switch {
					case len(tx.Waiting)+len(tx.Invalid) > 9:
						return fmt.Errorf("%w: too much", ledger.ErrSlow)
					case len(tx.Waiting)+len(tx.Invalid) > 0:
						if pieces++; pieces > after {
							return dead
						}
					}
					return nil
				})
				for i := range 60 {
					if i%7 == 3 {
						w.bad(func(*catalog.Mutation) {})
					} else {
						w.upsert(fmt.Sprint("x", i%5), fmt.Sprintf(`{"a":%d}`, i))
					}
				}
				l := w.start()
				pass(30 * time.Second)
				l.crash()
				w.store.SetRule(nil)
				w.store.ResumeAccount("acme")
				l = w.start()
				w.finish(time.Hour)
				w.requireState()
				l.stop()
			})
		})
	}
}

// TestTheEndsOfBatchesAreBoundedInBytes: long errors of many records.
func TestTheEndsOfBatchesAreBoundedInBytes(t *testing.T) {
	scenario(t, func(w *world) {
		w.budget = delivery.NewBudget(64 << 20)
		var seen sizes
		w.store.SetRule(seen.rule)
		long := string(make([]byte, 100<<10))
		w.platform.onPost = func(*post) answer {
			return answer{judge: refuseWith(long)}
		}
		for i := range 500 {
			w.upsert(fmt.Sprint("x", i), `{"a":1}`)
		}
		l := w.start()
		w.finish(time.Hour)
		require.LessOrEqual(t, seen.largest(), 11<<20, "one batch of 100 records at a time")
		l.stop()
	})
}

func refuseWith(words string) func(int, *catalog.Record) *platform.Verdict {
	return func(int, *catalog.Record) *platform.Verdict {
		return &platform.Verdict{Outcome: platform.Failed, Errors: []ledger.Issue{{Message: words}}}
	}
}
