package delivery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
)

// refusesBad are ways to say of a record with a bad value, and of none without, that
// it is refused. They are definite, whatever became of an earlier copy.
var refusesBad = map[string]func(p *post) answer{
	"when it is applied": func(*post) answer { return answer{} }, // see simulated.applyTo
	"by name": func(p *post) answer {
		named := map[int]platform.Verdict{}
		for i := range p.records {
			if strings.Contains(string(p.records[i].Change.Attributes), "bad") {
				named[i] = platform.Verdict{Outcome: platform.Failed, Errors: []ledger.Issue{{Message: "bad is refused"}}}
			}
		}
		if len(named) == 0 {
			return answer{}
		}
		return answer{err: &platform.Error{Scope: platform.ScopeBatch, HTTPStatus: 400, Message: "bad is refused", Named: named}}
	},
	"as a whole": func(p *post) answer {
		if strings.Contains(p.body, "bad") {
			return answer{err: &platform.Error{Scope: platform.ScopeBatch, HTTPStatus: 400, Code: 100, OfRecords: true, Message: "bad is refused"}}
		}
		return answer{}
	},
	"for its size": func(p *post) answer {
		if strings.Contains(p.body, "bad") {
			return answer{err: &platform.Error{Scope: platform.ScopeBatch, HTTPStatus: 413, TooLarge: true, Message: "bad is refused"}}
		}
		return answer{}
	},
}

// TestMergedRecordInDoubtIsParted: one that was sent without an answer and is refused
// from then on goes as its parts, each with its own end.
func TestMergedRecordInDoubtIsParted(t *testing.T) {
	t.Parallel()
	for how, refuses := range refusesBad {
		for _, first := range []answer{{err: ambiguous}, {err: unclear()}, {lost: true}, {stuck: true}} {
			for _, crash := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, first %v lost %v stuck %v, crash %v", how, first.err != nil && first.err.Unclear, first.lost, first.stuck, crash), func(t *testing.T) {
					scenario(t, func(w *world) {
						w.platform.onPost = func(p *post) answer {
							if p.number == 1 {
								return first
							}
							return refuses(p)
						}
						l := w.start()
						w.change("x", catalog.Create, `{"a":1}`)
						w.change("x", catalog.Update, `{"b":2}`)
						w.change("x", catalog.Update, `{"bad":3}`)
						w.change("x", catalog.Update, `{"c":4}`)
						if crash {
							w.until(3*time.Hour, "the second POST has its end", func() bool { return w.posts() >= 2 })
							l.crash()
							l = w.start()
						}
						w.finish(24 * time.Hour)
						require.Equal(t, map[string]ledgermodel.Status{
							"m1": ledgermodel.Succeeded, "m2": ledgermodel.Succeeded, "m3": ledgermodel.Failed, "m4": ledgermodel.Succeeded,
						}, w.status(), "%q", w.platform.sent())
						require.Equal(t, "bad is refused", w.row("m3").Errors[0].Message)
						w.requireState()
						l.stop()
					})
				})
			}
		}
	}
}

// TestMergedRecordInDoubtIsPartedWhateverRefusesIt: also where the refusal may be the
// account's. The part that is bad waits then, until others are taken.
func TestMergedRecordInDoubtIsPartedWhateverRefusesIt(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPost = func(p *post) answer {
			switch {
			case p.number == 1:
				return answer{err: ambiguous}
			case strings.Contains(p.body, "bad"):
				return answer{err: &platform.Error{Scope: platform.ScopeBatch, HTTPStatus: 400, Code: 100, Message: "no"}}
			default:
				return answer{}
			}
		}
		l := w.start()
		w.change("x", catalog.Create, `{"a":1}`)
		w.change("x", catalog.Update, `{"bad":2}`)
		w.until(time.Hour, "the good part is there", func() bool { return w.status()["m1"] == ledgermodel.Succeeded })
		w.change("y", catalog.Upsert, `{"a":1}`)
		w.finish(3 * time.Hour)
		require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Succeeded, "m2": ledgermodel.Failed, "m3": ledgermodel.Succeeded}, w.status(), "%q", w.platform.sent())
		l.stop()
	})
}

// TestCreationInDoubtDoesNotTakeItsUpdateWithIt: the platform has the item from the
// copy that nobody answered for, and refuses to create it again: of that part nobody
// knows, and the others are refused or taken as what they are.
func TestCreationInDoubtDoesNotTakeItsUpdateWithIt(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPost = func(p *post) answer {
			a := answer{judge: func(_ int, r *catalog.Record) *platform.Verdict {
				if _, there := w.platform.items[r.Key]; there && r.Change.Operation == catalog.Create {
					return &platform.Verdict{Outcome: platform.Failed, Errors: []ledger.Issue{{Message: "exists"}}}
				}
				return nil
			}}
			if p.number == 1 {
				a.err, a.take = ambiguous, true
			}
			return a
		}
		l := w.start()
		w.change("x", catalog.Create, `{"a":1}`)
		w.change("x", catalog.Update, `{"b":2}`)
		w.finish(24 * time.Hour)
		require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Unconfirmed, "m2": ledgermodel.Succeeded}, w.status())
		require.Equal(t, map[string]string{"a": "1", "b": "2"}, w.platform.itemX())
		require.Len(t, w.store.DeadLetters(), 1)
		l.stop()
	})
}

// TestDeletionInDoubtIsParted: the deletion worked the first time, and is refused since.
func TestDeletionInDoubtIsParted(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPost = func(p *post) answer {
			a := answer{judge: func(_ int, r *catalog.Record) *platform.Verdict {
				if _, there := w.platform.items[r.Key]; !there && r.Change.Operation == catalog.Delete {
					return &platform.Verdict{Outcome: platform.Failed, Errors: []ledger.Issue{{Message: "no such item"}}}
				}
				return nil
			}}
			if p.number == 2 {
				a.err, a.take = ambiguous, true
			}
			return a
		}
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.finish(time.Minute)
		w.upsert("x", `{"a":2}`)
		w.change("x", catalog.Delete, "")
		w.finish(24 * time.Hour)
		require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Succeeded, "m2": ledgermodel.Succeeded, "m3": ledgermodel.Succeeded}, w.status())
		require.Nil(t, w.platform.itemX())
		l.stop()
	})
}

// TestPartsOfARecordThatCannotBeEncoded in doubt: the part that cannot be is found.
func TestPartsOfARecordThatCannotBeEncoded(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.encode = func(records []catalog.Record) {
			if w.posts() > 0 && containsPoison(records[0].Change.Attributes) {
				panic("odd")
			}
		}
		w.answers(answer{err: ambiguous})
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.change("x", catalog.Update, `{"poison":2}`)
		w.finish(24 * time.Hour)
		require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Succeeded, "m2": ledgermodel.Failed}, w.status())
		require.Equal(t, catalog.InternalError, w.row("m2").Reason)
		l.stop()
	})
}

// TestMergedRecordThatNobodySpeaksOf makes each of its mutations unconfirmed.
func TestMergedRecordThatNobodySpeaksOf(t *testing.T) {
	t.Parallel()
	for name, each := range map[string]answer{
		"no handle": {err: unclear()}, "lost": {lost: true}, "left out": {silent: func(int) bool { return true }},
		"perhaps refused": {err: &platform.Error{Scope: platform.ScopeBatch, Ambiguous: true, HTTPStatus: 400, Message: "perhaps not"}},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				w.platform.onPost = func(*post) answer { return each }
				l := w.start()
				w.change("x", catalog.Create, `{"a":1}`)
				w.change("x", catalog.Update, `{"b":2}`)
				w.finish(24 * time.Hour)
				require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Unconfirmed, "m2": ledgermodel.Unconfirmed}, w.status())
				for _, line := range w.platform.sent() {
					require.Equal(t, `x CREATE {"a":1,"b":2}`, line)
				}
				require.Len(t, w.store.DeadLetters(), 2)
				l.stop()
			})
		})
	}
}

// TestMergeThatCannotBeRepeated: the next owner reads changes in another way than the
// one that merged them. What it cannot put together again goes as it merges it, and
// nothing counts as sent that was not.
func TestMergeThatCannotBeRepeated(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]answer{"no answer": {err: ambiguous}, "away": {err: &platform.Error{Scope: platform.ScopePlatform, Message: "connection refused"}}} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				w.answers(first)
				l := w.start()
				w.upsert("x", `{"a":1}`)
				w.change("x", catalog.Update, `{"b":2}`)
				w.until(time.Second, "it is sent", func() bool { return w.posts() == 1 })
				l.crash()
				w.platform.mu.Lock()
				w.platform.semantics = catalog.Semantics{}
				w.platform.mu.Unlock()
				l = w.start()
				w.finish(time.Hour)
				require.Equal(t, []string{`x UPSERT {"a":1,"b":2}`, `x UPSERT {"a":1}`, `x UPDATE {"b":2}`}, w.platform.sent())
				require.Equal(t, map[string]string{"a": "1", "b": "2"}, w.platform.itemX())
				require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Succeeded, "m2": ledgermodel.Succeeded}, w.status())
				l.stop()
			})
		})
	}
}
