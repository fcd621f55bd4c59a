package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
)

// TestRefusalThatAnotherCopyMayHaveCaused: a CREATE is refused because the item is
// there, a DELETE because it is gone, and both may be the work of a copy that nobody
// answered for. Nobody knows then, also after a crash.
func TestRefusalThatAnotherCopyMayHaveCaused(t *testing.T) {
	t.Parallel()
	refuse := func(int, *catalog.Record) *platform.Verdict {
		return &platform.Verdict{Outcome: platform.Failed, Errors: []ledger.Issue{{Message: "exists, or does not"}}}
	}
	for _, test := range []struct {
		op    catalog.Operation
		first answer
		want  ledgermodel.Status
		posts int
	}{
		{catalog.Create, answer{err: ambiguous, take: true}, ledgermodel.Unconfirmed, 4},
		{catalog.Delete, answer{err: ambiguous, take: true}, ledgermodel.Unconfirmed, 4},
		{catalog.Upsert, answer{err: ambiguous, take: true}, ledgermodel.Failed, 2},
		{catalog.Update, answer{err: ambiguous, take: true}, ledgermodel.Failed, 2},
		{catalog.Create, answer{lost: true}, ledgermodel.Unconfirmed, 3},
		{catalog.Create, answer{err: &platform.Error{Scope: platform.ScopePlatform, Message: "connection refused"}}, ledgermodel.Failed, 2},
		{catalog.Create, answer{judge: func(int, *catalog.Record) *platform.Verdict {
			return &platform.Verdict{Outcome: platform.Retryable}
		}}, ledgermodel.Failed, 2},
	} {
		for _, crash := range []bool{false, true} {
			t.Run(fmt.Sprint(test.op, " ", test.posts, " ", test.want, " crash ", crash), func(t *testing.T) {
				scenario(t, func(w *world) {
					w.platform.onPost = func(p *post) answer {
						if p.number == 1 {
							return test.first
						}
						return answer{judge: refuse}
					}
					l := w.start()
					attributes := `{"a":1}`
					if test.op == catalog.Delete {
						attributes = ""
					}
					w.change("x", test.op, attributes)
					if crash {
						w.until(time.Hour, "the second POST has its end", func() bool {
							return w.posts() == 2 && w.store.WaitingRows() > 0 || w.done()
						})
						l.crash()
						l = w.start()
					}
					w.finish(12 * time.Hour)
					require.Equal(t, test.want, w.status()["m1"])
					require.Equal(t, test.posts, w.posts())
					require.Equal(t, "exists, or does not", w.row("m1").Errors[0].Message)
					l.stop()
				})
			})
		}
	}
}

// TestDoubtOutlivesTheBatch: what a refused batch gives back, whole or in halves, may
// have been applied by an earlier copy of it.
func TestDoubtOutlivesTheBatch(t *testing.T) {
	t.Parallel()
	for _, named := range []map[int]platform.Verdict{nil, {0: {Outcome: platform.Failed}}} {
		t.Run(fmt.Sprint("named ", len(named)), func(t *testing.T) {
			scenario(t, func(w *world) {
				w.platform.onPost = func(p *post) answer {
					switch p.number {
					case 1:
						return answer{err: ambiguous, take: true}
					case 2:
						return answer{err: refusal(named)}
					default:
						return answer{err: refusal(map[int]platform.Verdict{0: {Outcome: platform.Failed}, 1: {Outcome: platform.Failed}})}
					}
				}
				l := w.start()
				w.change("x", catalog.Create, `{"a":1}`)
				w.change("y", catalog.Create, `{"a":1}`)
				w.finish(12 * time.Hour)
				require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Unconfirmed, "m2": ledgermodel.Unconfirmed}, w.status())
				l.stop()
			})
		})
	}
}
