package service_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestWhateverFailsSaysWhy: through a whole worker, each way to end without success leaves
// a reason in words, also when the dead letter is gone.
func TestWhateverFailsSaysWhy(t *testing.T) {
	t.Parallel()
	few := rig.Settings{"defaults.retry.max_attempts": 2, "defaults.poll.give_up": "1s"}
	always := func(call sandbox.CallKind, kind sandbox.FaultKind) []sandbox.PlannedFault {
		return []sandbox.PlannedFault{{Call: call, Fault: sandbox.Fault{Kind: kind}, Rate: 1}}
	}
	answered := func(body string) []sandbox.PlannedFault {
		return []sandbox.PlannedFault{{
			Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.AnswerWith, Answer: &sandbox.Answer{Body: body}}, Rate: 1,
		}}
	}
	broken := rig.Mutation(rig.Products, "X", catalog.Update, map[string]any{"price": nil})
	for name, c := range map[string]struct {
		plan      []sandbox.PlannedFault
		lane      catalog.Lane
		mutations []publish.Mutation
		status    string
	}{
		"an item refused without words":              {plan: answered(`{"validation_status":[{"retailer_id":"A","errors":[{"message":""}]},{"retailer_id":"B","errors":[{}]}]}`), lane: rig.Products, status: "failed"},
		"Pinterest fails the batch":                  {plan: always(sandbox.Submit, sandbox.FailBatch), lane: rig.Retail, status: "failed"},
		"Meta's handle is lost":                      {plan: always(sandbox.Poll, sandbox.LostHandle), lane: rig.Products, status: "unconfirmed"},
		"Pinterest's handle is lost":                 {plan: always(sandbox.Poll, sandbox.LostHandle), lane: rig.Retail, status: "unconfirmed"},
		"polls say nothing":                          {plan: always(sandbox.Poll, sandbox.EmptyData), lane: rig.Products, status: "unconfirmed"},
		"items are missing":                          {plan: always(sandbox.Poll, sandbox.OmitAll), lane: rig.Retail, status: "unconfirmed"},
		"all attempts are answered without a handle": {plan: answered(`{"success":true}`), lane: rig.Products, status: "unconfirmed"},
		"not valid":                                  {lane: rig.Products, mutations: []publish.Mutation{broken}, status: "invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := rig.Start(t, rig.Options{Settings: batched(few)})
			if c.lane.Account == rig.PinterestAccount {
				env.Pinterest.SetPlan(c.plan)
			} else {
				env.Meta.SetPlan(c.plan)
			}
			if c.mutations == nil {
				c.mutations = together(c.lane, "A", "B")
			}
			env.StartWorker("a", rig.WorkerOptions{})
			ids := env.Publish(c.mutations...)
			for _, id := range ids {
				env.AwaitStatus(id, c.status, patience)
			}
			env.CheckReasons()
			// Retention, or the limit of what the messages take, leaves no letter.
			_, err := env.DB.Exec(t.Context(), "DELETE FROM courier.dead_letter")
			require.NoError(t, err)
			env.CheckReasons()
		})
	}
}

// TestWhateverWaitsSaysWhy: whatever keeps an account's changes from being sent, they are
// waiting, account_status counts them and has a reason, and when it ends they are sent.
// What may have been taken is submitted, and is not here.
func TestWhateverWaitsSaysWhy(t *testing.T) {
	t.Parallel()
	always := func(fault sandbox.Fault) []sandbox.PlannedFault {
		return []sandbox.PlannedFault{{Call: sandbox.Submit, Fault: fault, Rate: 1}}
	}
	for name, plan := range map[string][]sandbox.PlannedFault{
		"a rate limit that says for how long": always(sandbox.Fault{Kind: sandbox.RateLimited, Duration: 5 * time.Second}),
		"a rate limit without a word":         always(sandbox.Fault{Kind: sandbox.RateLimitedSilent}),
		"a rate limit of the app":             always(sandbox.Fault{Kind: sandbox.AppRateLimited}),
		"an account that is blocked":          always(sandbox.Fault{Kind: sandbox.SpamBlocked}),
		"a token that is revoked":             always(sandbox.Fault{Kind: sandbox.TokenRevoked}),
		"a permission that is missing":        always(sandbox.Fault{Kind: sandbox.Forbidden}),
		"batches that are refused":            always(sandbox.Fault{Kind: sandbox.RefuseBatch}),
		"a pause by hand":                     nil,
	} {
		for _, lane := range []catalog.Lane{rig.Products, rig.Retail} {
			t.Run(name+", "+lane.Account, func(t *testing.T) {
				t.Parallel()
				env := rig.Start(t, rig.Options{Settings: batched(nil)})
				env.StartWorker("a", rig.WorkerOptions{})
				if plan == nil {
					env.Await("the account is known", patience, func() bool { return env.Store.PauseAccount(t.Context(), lane.Account, "stocktaking") == nil })
				}
				env.Meta.SetPlan(plan)
				env.Pinterest.SetPlan(plan)
				ids := env.Publish(together(lane, "A", "B")...)
				var reason string
				env.Await("the account says why", patience, func() bool { // in one look: a batch may be tried at any time
					err := env.DB.QueryRow(t.Context(), `SELECT a.reason FROM courier.account_status a WHERE a.account = $1 AND a.reason <> '' AND a.waiting_items = 2
						AND (SELECT count(*) FROM courier.mutation_status m WHERE m.account = a.account AND m.status = 'waiting') = 2`, lane.Account).Scan(&reason)
					return err == nil
				})
				require.NotContains(t, reason, "token-", "no secret")
				if plan == nil {
					require.Equal(t, "stocktaking", reason)
					require.NoError(t, env.Store.ResumeAccount(t.Context(), lane.Account))
				}
				env.Meta.SetPlan(nil)
				env.Pinterest.SetPlan(nil)
				if strings.HasPrefix(name, "a rate limit") {
					return // Meta's is minutes, as the real one's
				}
				for _, id := range ids {
					env.AwaitStatus(id, "succeeded", patience)
				}
			})
		}
	}
}
