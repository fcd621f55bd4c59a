package worker_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform/sandbox"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/worker/internal/testbed"
)

// TestWhateverFailsSaysWhy: through a whole worker, each way to end without success leaves
// a reason in words, also when the dead letter is gone.
func TestWhateverFailsSaysWhy(t *testing.T) {
	t.Parallel()
	few := testbed.Settings{"defaults.retry.max_attempts": 2, "defaults.poll.give_up": "1s"}
	always := func(call sandbox.CallKind, kind sandbox.FaultKind) []sandbox.PlannedFault {
		return []sandbox.PlannedFault{{Call: call, Fault: sandbox.Fault{Kind: kind}, Rate: 1}}
	}
	answered := func(body string) []sandbox.PlannedFault {
		return []sandbox.PlannedFault{{
			Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.AnswerWith, Answer: &sandbox.Answer{Body: body}}, Rate: 1,
		}}
	}
	broken := testbed.Mutation(testbed.Products, "X", catalog.Update, map[string]any{"price": nil})
	for name, c := range map[string]struct {
		plan      []sandbox.PlannedFault
		lane      catalog.Lane
		mutations []queue.Mutation
		status    string
	}{
		"an item refused without words":              {plan: answered(`{"validation_status":[{"retailer_id":"A","errors":[{"message":""}]},{"retailer_id":"B","errors":[{}]}]}`), lane: testbed.Products, status: "failed"},
		"Pinterest fails the batch":                  {plan: always(sandbox.Submit, sandbox.FailBatch), lane: testbed.Retail, status: "failed"},
		"Meta's handle is lost":                      {plan: always(sandbox.Poll, sandbox.LostHandle), lane: testbed.Products, status: "unconfirmed"},
		"Pinterest's handle is lost":                 {plan: always(sandbox.Poll, sandbox.LostHandle), lane: testbed.Retail, status: "unconfirmed"},
		"polls say nothing":                          {plan: always(sandbox.Poll, sandbox.EmptyData), lane: testbed.Products, status: "unconfirmed"},
		"items are missing":                          {plan: always(sandbox.Poll, sandbox.OmitAll), lane: testbed.Retail, status: "unconfirmed"},
		"all attempts are answered without a handle": {plan: answered(`{"success":true}`), lane: testbed.Products, status: "unconfirmed"},
		"not valid":                                  {lane: testbed.Products, mutations: []queue.Mutation{broken}, status: "invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bed := testbed.Start(t, testbed.Options{Settings: batched(few)})
			if c.lane.Account == testbed.PinterestAccount {
				bed.Pinterest.SetPlan(c.plan)
			} else {
				bed.Meta.SetPlan(c.plan)
			}
			if c.mutations == nil {
				c.mutations = together(c.lane, "A", "B")
			}
			bed.StartWorker("a", testbed.WorkerOptions{})
			ids := bed.Publish(c.mutations...)
			for _, id := range ids {
				bed.AwaitStatus(id, c.status, patience)
			}
			bed.CheckReasons()
			// Retention, or the limit of what the messages take, leaves no letter.
			_, err := bed.DB.Exec(t.Context(), "DELETE FROM courier.dead_letter")
			require.NoError(t, err)
			bed.CheckReasons()
		})
	}
}
