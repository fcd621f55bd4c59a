package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
)

// refusing makes a rule by which the store refuses transactions in which a mutation is
// written that is bad, wherever it is written.
func refusing(bad func(section string, m *catalog.Mutation) bool) func(*ledger.Transaction) error {
	return func(tx *ledger.Transaction) error {
		see := func(section string, ms ...*catalog.Mutation) error {
			for _, m := range ms {
				if bad(section, m) {
					return fmt.Errorf("%w: no %s in %s", ledger.ErrRejected, m.ItemID, section)
				}
			}
			return nil
		}
		for _, b := range tx.Batches {
			for _, r := range b.Records {
				if err := see("batch", r.Constituents...); err != nil {
					return err
				}
			}
		}
		for _, r := range tx.Invalid {
			if err := see("refused", r.Mutation); err != nil {
				return err
			}
		}
		for _, o := range tx.Outcomes {
			for _, x := range o.Exceptions {
				if err := see("outcome", x.Constituents...); err != nil {
					return err
				}
			}
		}
		return see("waiting", tx.Waiting...)
	}
}

func item(name string, sections ...string) func(string, *catalog.Mutation) bool {
	return func(section string, m *catalog.Mutation) bool {
		return m.ItemID == name && (len(sections) == 0 || slices.Contains(sections, section))
	}
}

func (w *world) letterOf(id string) *ledgermodel.DeadLetter {
	for _, l := range w.store.DeadLetters() {
		if l.Mutation.ID == id {
			return &l
		}
	}
	return nil
}

// TestARowThatIsRefused becomes a dead letter, wherever it stands among others, and
// nothing else of the partition is lost or stopped.
func TestARowThatIsRefused(t *testing.T) {
	t.Parallel()
	for _, count := range []int{1, 2, 7, 100} {
		for _, at := range []int{0, count / 2, count - 1} {
			t.Run(fmt.Sprintf("%d of %d", at, count), func(t *testing.T) {
				scenario(t, func(w *world) {
					w.store.SetRule(refusing(item("bad", "batch", "waiting")))
					l := w.start()
					for i := range count {
						if i == at {
							w.upsert("bad", `{"a":1}`)
						} else {
							w.upsert(fmt.Sprint("good", i), `{"a":1}`)
						}
					}
					w.finish(time.Hour)
					l.stop()
					status := w.status()
					bad := fmt.Sprint("m", at+1)
					require.Equal(t, ledgermodel.Invalid, status[bad])
					letter := w.letterOf(bad)
					require.NotNil(t, letter)
					require.Equal(t, catalog.Unrecordable, letter.Reason)
					require.Contains(t, letter.Text, "no bad in batch")
					require.Zero(t, letter.Mutation.Message.Lost, "the store took all of it")
					for i := range count {
						if i != at {
							require.Equal(t, ledgermodel.Succeeded, status[fmt.Sprint("m", i+1)])
						}
					}
				})
			})
		}
	}
}

// TestARowThatIsRefusedInEveryForm is noted without what is refused of it.
func TestARowThatIsRefusedInEveryForm(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		refused func(string, *catalog.Mutation) bool
		check   func(t *testing.T, l *ledgermodel.DeadLetter)
	}{
		"not ASCII": {
			refused: func(_ string, m *catalog.Mutation) bool { return strings.Contains(m.ItemID, "żółw") },
			check: func(t *testing.T, l *ledgermodel.DeadLetter) {
				t.Helper()
				require.Equal(t, `\u017c\u00f3\u0142w`, l.Mutation.ItemID)
				require.NotEmpty(t, l.Mutation.Message.Data)
			},
		},
		"the item by any name": {
			refused: func(_ string, m *catalog.Mutation) bool {
				return strings.Contains(m.ItemID, "żółw") || strings.Contains(m.ItemID, `\u`)
			},
			check: func(t *testing.T, l *ledgermodel.DeadLetter) {
				t.Helper()
				require.True(t, strings.HasPrefix(l.Mutation.ItemID, "sha256:"))
				require.NotEmpty(t, l.Mutation.Message.Data, "it can still be replayed")
			},
		},
		"the message": {
			refused: func(_ string, m *catalog.Mutation) bool { return len(m.Message.Data) > 10 },
			check: func(t *testing.T, l *ledgermodel.DeadLetter) {
				t.Helper()
				require.Empty(t, l.Mutation.Message.Data)
				require.Positive(t, l.Mutation.Message.Lost)
				require.Contains(t, l.Text, "message 1 of the stream has all of it until it is trimmed")
			},
		},
		"the whole lane": {
			refused: func(_ string, m *catalog.Mutation) bool { return m.Lane.Account == "acme" },
			check: func(t *testing.T, l *ledgermodel.DeadLetter) {
				t.Helper()
				require.Equal(t, "unrecordable", l.Mutation.Lane.Account)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				w.store.SetRule(refusing(test.refused))
				l := w.start()
				w.upsert("żółw", `{"a":1,"b":"something long enough"}`)
				w.finish(time.Hour)
				w.store.SetRule(nil)
				w.upsert("other", `{"a":1}`)
				w.finish(time.Hour)
				l.stop()
				letters := w.store.DeadLetters()
				require.Len(t, letters, 1)
				require.Equal(t, catalog.Unrecordable, letters[0].Reason)
				test.check(t, &letters[0])
				require.Equal(t, ledgermodel.Succeeded, w.status()["m2"])
			})
		})
	}
}

// TestAMergedRecordThatIsRefused loses only the mutation that cannot be written.
func TestAMergedRecordThatIsRefused(t *testing.T) {
	scenario(t, func(w *world) {
		w.store.SetRule(refusing(func(section string, m *catalog.Mutation) bool { return section != "refused" && m.ID == "m2" }))
		l := w.start()
		for i := range 3 {
			w.upsert("x", fmt.Sprintf(`{"a%d":1}`, i))
		}
		w.upsert("y", `{"a":1}`)
		w.finish(time.Hour)
		l.stop()
		status := w.status()
		require.Equal(t, ledgermodel.Invalid, status["m2"])
		require.Equal(t, []string{"m2"}, letterIDs(w))
		for _, id := range []string{"m1", "m3", "m4"} {
			require.Contains(t, []ledgermodel.Status{ledgermodel.Succeeded, ledgermodel.Superseded}, status[id], id)
		}
	})
}

func (w *world) pauseByHand() {
	_, err := w.store.SaveAccount(w.t.Context(), ledger.AccountState{Account: "acme", State: "paused", ByHand: true})
	require.NoError(w.t, err)
}

func letterIDs(w *world) (ids []string) {
	for _, l := range w.store.DeadLetters() {
		ids = append(ids, l.Mutation.ID)
	}
	return ids
}

// TestAWaitingRowThatIsRefused is let go of in memory too.
func TestAWaitingRowThatIsRefused(t *testing.T) {
	scenario(t, func(w *world) {
		w.store.SetRule(refusing(item("bad", "waiting")))
		w.pauseByHand()
		l := w.start()
		w.upsert("good", `{"a":1}`)
		w.upsert("bad", `{"a":1}`)
		w.upsert("bad", `{"a":2}`)
		time.Sleep(30 * time.Second)
		require.Equal(t, []string{"m2", "m3"}, letterIDs(w))
		w.store.ResumeAccount("acme")
		w.finish(time.Hour)
		l.stop()
		status := w.status()
		require.Equal(t, ledgermodel.Succeeded, status["m1"])
		require.Equal(t, ledgermodel.Invalid, status["m2"])
		require.Equal(t, ledgermodel.Invalid, status["m3"])
	})
}

// TestTheEndOfABatchThatIsRefused: a dead letter of a failed record that cannot be
// written is written in another form.
func TestTheEndOfABatchThatIsRefused(t *testing.T) {
	scenario(t, func(w *world) {
		w.store.SetRule(refusing(item("bad", "outcome")))
		l := w.start()
		w.upsert("good", `{"a":1}`)
		w.upsert("bad", `{"bad":1}`)
		w.finish(time.Hour)
		l.stop()
		status := w.status()
		require.Equal(t, ledgermodel.Succeeded, status["m1"])
		require.Equal(t, ledgermodel.Failed, status["m2"])
		require.Len(t, w.store.DeadLetters(), 1)
	})
}

// TestAStoreThatRefusesEverything makes no dead letters: the fault is not in the rows.
func TestAStoreThatRefusesEverything(t *testing.T) {
	t.Parallel()
	for name, section := range map[string]string{"everything": "", "waiting rows": "waiting", "batches": "batch"} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				w.store.SetRule(refusing(func(in string, _ *catalog.Mutation) bool { return section == "" || in == section }))
				if section == "waiting" {
					w.pauseByHand()
				}
				l := w.start()
				w.upsert("x", `{"a":1}`)
				require.ErrorIs(t, l.wait(), ledger.ErrRejected)
				require.Empty(t, w.store.DeadLetters())
				w.store.SetRule(nil)
				w.store.ResumeAccount("acme")
				l = w.start()
				w.finish(time.Hour)
				require.Equal(t, ledgermodel.Succeeded, w.status()["m1"])
				l.stop()
			})
		})
	}
}

// TestAStoreThatRefusesToEndBatches stops the partition as one that refuses everything does: no end
// is left for later, nor tried alone.
func TestAStoreThatRefusesToEndBatches(t *testing.T) {
	scenario(t, func(w *world) {
		probes := 0
		w.store.SetHook(func(_ context.Context, made ledgermodel.Call, stage ledgermodel.Stage) error {
			if made == ledgermodel.CallProbe && stage == ledgermodel.Before {
				probes++
			}
			return nil
		})
		w.store.SetRule(func(tx *ledger.Transaction) error {
			if len(tx.Outcomes) > 0 {
				return fmt.Errorf("%w: batches are read-only", ledger.ErrRejected)
			}
			return nil
		})
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.upsert("y", `{"bad":1}`)
		require.ErrorIs(t, l.wait(), ledger.ErrRejected)
		require.Equal(t, 1, probes)
		require.Empty(t, w.store.DeadLetters())
		w.store.SetRule(nil)
		l = w.start()
		w.finish(time.Hour)
		require.Equal(t, ledgermodel.Succeeded, w.status()["m1"])
		require.Equal(t, ledgermodel.Failed, w.status()["m2"])
		require.Equal(t, 1, w.posts())
		l.stop()
	})
}

// TestAnItemThatCannotBeAskedFor has no known version and goes on.
func TestAnItemThatCannotBeAskedFor(t *testing.T) {
	scenario(t, func(w *world) {
		tries := 0
		w.store.SetHook(func(_ context.Context, made ledgermodel.Call, stage ledgermodel.Stage) error {
			if made == ledgermodel.CallNewestVersions && stage == ledgermodel.Before {
				if tries++; tries < 6 { // the sixth is the trial
					return fmt.Errorf("%w: no such character", ledger.ErrRejected)
				}
			}
			return nil
		})
		l := w.start()
		w.change("x", catalog.Upsert, `{"a":1}`, version(1))
		w.finish(time.Hour)
		require.Equal(t, ledgermodel.Succeeded, w.status()["m1"])
		l.stop()
	})
}
