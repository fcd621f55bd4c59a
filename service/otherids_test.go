package service_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestUnconfirmedSaysWhatTheAnswerNamed: an answer about another form of an item's id
// confirms nothing. The row, the item and the dead letter say what it named.
func TestUnconfirmedSaysWhatTheAnswerNamed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, item, answer, says string }{
		{"white space is gone", "  lamp 7", `[{"item_id":"lamp 7","status":"SUCCESS"}]`, `does not name the item; it names "lamp 7"`},
		{"lower case", "LAMP-7", `[{"item_id":"lamp-7","status":"SUCCESS"}]`, `it names "lamp-7"`},
		{"a prefix", "LAMP-7", `[{"item_id":"us:LAMP-7","status":"FAILURE","errors":[{"code":106,"message":"no"}]}]`, `it names "us:LAMP-7"`},
		{"without the id", "LAMP-7", `[{"status":"SUCCESS"}]`, `it names an item without an id`},
		{"nobody", "LAMP-7", `[]`, "does not name the item"},
		{"no list", "LAMP-7", `null`, "does not name the item"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			env := rig.Start(t, rig.Options{Settings: rig.Settings{"defaults.retry.max_attempts": 2}})
			answer := sandbox.Answer{Body: `{"created_time":"2026-01-01T00:00:00","status":"COMPLETED","items":` + test.answer + `}`}
			for range 2 {
				env.Pinterest.InjectNext(sandbox.Poll, sandbox.Fault{Kind: sandbox.AnswerWith, Answer: &answer})
			}
			env.StartWorker("a", rig.WorkerOptions{})
			ids := env.Publish(rig.Mutation(rig.Retail, test.item, catalog.Upsert, rig.Whole("RETAIL", "x")))
			row := env.AwaitStatus(ids[0], "unconfirmed", patience)
			require.NotEmpty(t, row.Errors)
			require.Contains(t, row.Errors[0].Message, test.says)
			letters := deadLetters(t, env)
			require.Len(t, letters, 1)
			require.Contains(t, letters[0].Text, test.says)
		})
	}
}
