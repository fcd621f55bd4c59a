package delivery_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// TestAnswersAreKept: those to the POSTs, and that to the last poll. Of one that told
// nothing less is kept, and a POST that was never answered has none.
func TestAnswersAreKept(t *testing.T) {
	scenario(t, func(w *world) {
		long := strings.Repeat("x", platform.MaxAnswer)
		w.platform.onPost = func(p *post) answer {
			switch p.number {
			case 1:
				return answer{err: &platform.Error{Scope: platform.ScopePlatform, Operation: "POST", Message: "no connection"}}
			case 2:
				return answer{said: long, err: &platform.Error{Scope: platform.ScopePlatform, Operation: "POST", Message: "busy"}}
			default:
				return answer{said: "taken: " + long}
			}
		}
		polls := 0
		w.platform.onPoll = func(*taken) *platform.Error {
			if polls++; polls == 1 {
				return &platform.Error{Scope: platform.ScopePlatform, Operation: "GET", Message: "busy"}
			}
			return nil
		}
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.finish(time.Minute)
		batches := w.store.Batches()
		require.Len(t, batches, 1)
		answers := w.store.Answers(batches[0].ID)
		require.Len(t, answers, 3)
		require.Equal(t, long[:platform.MaxShortAnswer-len("…")]+"…", answers[0])
		require.Equal(t, "taken: "+long, answers[1])
		require.Equal(t, "finished", answers[2])
		l.stop()
	})
}

// TestAnswersThatTheStoreRefuses cost nothing but themselves.
func TestAnswersThatTheStoreRefuses(t *testing.T) {
	scenario(t, func(w *world) {
		w.store.SetRule(refuseAnswers)
		w.platform.onPost = func(*post) answer { return answer{said: "odd"} }
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.finish(time.Minute)
		require.Equal(t, 1, w.posts())
		require.NotNil(t, w.store.Batches()[0].Outcome)
		require.Equal(t, []string{"odd"}, w.store.Answers(w.store.Batches()[0].ID))
		l.stop()
	})
}

func refuseAnswers(tx *ledger.Transaction) error {
	for i := range tx.Outcomes {
		if tx.Outcomes[i].Answer != "" {
			return ledger.ErrRejected
		}
	}
	return nil
}
