package service_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// together are whole items that go in one batch.
func together(lane catalog.Lane, ids ...string) []publish.Mutation {
	mutations := make([]publish.Mutation, len(ids))
	for i, id := range ids {
		mutations[i] = rig.Mutation(lane, id, catalog.Upsert, rig.Whole(lane.Type, id))
	}
	return mutations
}

// answerNext has Meta give an answer to so many POSTs, byte for byte.
func answerNext(env *rig.Env, times int, answer sandbox.Answer) {
	for range times {
		env.Meta.InjectNext(sandbox.Submit, sandbox.Fault{Kind: sandbox.AnswerWith, Answer: &answer})
	}
}

// batched settings let all that is published at once go in one batch.
func batched(more rig.Settings) rig.Settings {
	settings := rig.Settings{"defaults.batch.max_age": "500ms"}
	maps.Copy(settings, more)
	return settings
}

// TestMetaIngestsNothingAndNamesAll: an answer without the member handles fails the
// items that it names, with Meta's words, and nothing is sent again.
func TestMetaIngestsNothingAndNamesAll(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Settings: batched(nil)})
	answerNext(env, 1, sandbox.Answer{Body: `{"validation_status":[` +
		`{"retailer_id":"A","errors":[{"message":"The price information under A is invalid. Review for more details"}]},` +
		`{"retailer_id":"B","errors":[{"message":"B is bad"}]},{"retailer_id":"C","errors":[{"message":"C is bad"}]}]}`})
	env.StartWorker("a", rig.WorkerOptions{})
	ids := env.Publish(together(rig.Products, "A", "B", "C")...)
	for i, words := range []string{"The price information under A is invalid. Review for more details", "B is bad", "C is bad"} {
		s := env.AwaitStatus(ids[i], "failed", patience)
		require.Equal(t, words, s.Errors[0].Message)
	}
	require.Equal(t, 1, env.Meta.Counters().Posts, "nothing is sent again")
	letters := deadLetters(t, env)
	require.Len(t, letters, 3)
	for _, letter := range letters {
		require.Equal(t, catalog.Refused, letter.Reason)
	}
}

// TestMetaIngestsNothingAndNamesOne: the others are sent again without it.
func TestMetaIngestsNothingAndNamesOne(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no handles":     `{"validation_status":[{"retailer_id":"B","errors":[{"message":"B is bad"}]}]}`,
		"null handles":   `{"handles":null,"validation_status":[{"id":"B","errors":"B is bad"}]}`,
		"an object":      `{"validation_status":{"B":["B is bad"]}}`,
		"with odd rows":  `{"handles":[""],"validation_status":[null,{},{"retailer_id":"B","errors":[{"message":"B is bad"}]},{"warnings":[{"message":"hm"}]}]}`,
		"a mark, a tail": "\ufeff" + `{"validation_status":[{"retailer_id":"B","errors":[{"message":"B is bad"}]}]}<!-- -->`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := rig.Start(t, rig.Options{Settings: batched(nil)})
			answerNext(env, 1, sandbox.Answer{Body: body})
			env.StartWorker("a", rig.WorkerOptions{})
			ids := env.Publish(together(rig.Products, "A", "B", "C")...)
			s := env.AwaitStatus(ids[1], "failed", patience)
			require.Equal(t, "B is bad", s.Errors[0].Message)
			for _, i := range []int{0, 2} {
				s = env.AwaitStatus(ids[i], "succeeded", patience)
				require.LessOrEqual(t, s.Attempts, 2)
			}
			require.Equal(t, 2, env.Meta.Counters().Posts)
			require.Len(t, env.Items(rig.Products), 2)
		})
	}
}

// TestMetaDropsBodiesOfBadItems: where nothing of a body with a bad item is taken, the
// good ones succeed all the same, named or not.
func TestMetaDropsBodiesOfBadItems(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Meta: sandbox.Options{DropsBadBodies: true}, Settings: batched(nil)})
	env.StartWorker("a", rig.WorkerOptions{})
	mutations := upserts(rig.Products, "good", 9)
	for _, id := range []string{"bad-0", "bad-1"} {
		bad := rig.Whole("PRODUCT_ITEM", id)
		bad["price"] = "cheap"
		mutations = append(mutations, rig.Mutation(rig.Products, id, catalog.Upsert, bad))
	}
	env.Publish(mutations...)
	env.AwaitFinal(len(mutations), patience)
	for _, s := range env.Statuses() {
		if strings.HasPrefix(s.ItemID, "good") {
			require.Equal(t, "succeeded", s.Status, s.ItemID)
			continue
		}
		require.Equal(t, "failed", s.Status, s.ItemID)
		require.Contains(t, s.Errors[0].Message, "not a price")
	}
	require.Len(t, env.Items(rig.Products), 9)
	require.LessOrEqual(t, env.Meta.Counters().Posts, 4)
}

// TestAnErrorWithAGoodStatus: the code of the error decides, so that the account is
// paused and nothing is lost.
func TestAnErrorWithAGoodStatus(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer sandbox.Answer
		reason string
	}{
		"expired with 200":    {sandbox.Answer{Body: `{"error":{"message":"Error validating access token: Session has expired","type":"OAuthException","code":190,"fbtrace_id":"A"}}`}, "HTTP 200, code 190: Error validating access token"},
		"an FBE installation": {sandbox.Answer{Status: 400, Body: `{"error":{"message":"(#33) An FBE installation or associated Catalog does not exist for the business with ID x, or cannot be loaded due to missing permissions","type":"OAuthException","code":33,"fbtrace_id":"A"}}`}, "code 33"},
		"a redirect":          {sandbox.Answer{Status: 302, Header: map[string]string{"Location": "https://login.example/sso?token=secret"}}, "HTTP 302: it is a redirect to login.example"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := rig.Start(t, rig.Options{Settings: batched(rig.Settings{"defaults.retry.max_attempts": 2})})
			answerNext(env, 1, c.answer)
			w := env.StartWorker("a", rig.WorkerOptions{})
			ids := env.Publish(together(rig.Products, "A", "B")...)
			var reason string
			env.Await("the account is paused", patience, func() bool {
				return env.Count(`SELECT count(*) FROM courier.account_status WHERE account = $1 AND state = 'paused' AND resumes_at IS NOT NULL`, rig.MetaAccount) == 1
			})
			require.NoError(t, env.DB.QueryRow(t.Context(), `SELECT reason FROM courier.account_status WHERE account = $1`, rig.MetaAccount).Scan(&reason))
			require.Contains(t, reason, c.reason)
			require.NotContains(t, reason+w.Log.String(), "/sso")
			require.Equal(t, 1, env.Meta.Counters().Posts)
			for _, id := range ids {
				env.AwaitStatus(id, "succeeded", patience)
			}
			require.Equal(t, 1, w.Log.Count("the platform refuses the account"), "one alert")
			require.Equal(t, map[string]int{"succeeded": 2}, env.CheckInvariants())
		})
	}
}

// TestUnconfirmedSaysWhatCameInstead: whoever looks at an unconfirmed mutation learns
// what the platform answered.
func TestUnconfirmedSaysWhatCameInstead(t *testing.T) {
	t.Parallel()
	t.Run("to POSTs", func(t *testing.T) {
		t.Parallel()
		env := rig.Start(t, rig.Options{Settings: batched(rig.Settings{"defaults.retry.max_attempts": 2})})
		answerNext(env, 2, sandbox.Answer{Body: `{"success":true}`})
		w := env.StartWorker("a", rig.WorkerOptions{})
		id := env.Publish(together(rig.Products, "A")...)[0]
		s := env.AwaitStatus(id, "unconfirmed", patience)
		require.Equal(t, "the answer has no handles but success true", s.Errors[0].Message)
		require.Contains(t, w.Log.String(), "the answer has no handles")
		require.NotContains(t, w.Log.String(), "success true", "logs have no words of an answer")
	})
	t.Run("to polls", func(t *testing.T) {
		t.Parallel()
		env := rig.Start(t, rig.Options{Settings: batched(rig.Settings{
			"defaults.retry.max_attempts": 1, "defaults.poll.give_up": "1s",
		})})
		env.Pinterest.SetPlan([]sandbox.PlannedFault{{Call: sandbox.Poll, Rate: 1, Fault: sandbox.Fault{
			Kind: sandbox.AnswerWith, Answer: &sandbox.Answer{Body: `{"batch_id":"` + sandbox.HandleHere + `","state":"DONE"}`},
		}}})
		env.StartWorker("a", rig.WorkerOptions{})
		id := env.Publish(together(rig.Retail, "A")...)[0]
		s := env.AwaitStatus(id, "unconfirmed", patience+10*time.Second)
		require.Contains(t, s.Errors[0].Message, "the answer has no status but batch_id")
		require.Contains(t, s.Errors[0].Message, `state "DONE"`)
	})
	t.Run("by a status that counts nothing", func(t *testing.T) {
		t.Parallel()
		env := rig.Start(t, rig.Options{Settings: batched(rig.Settings{"defaults.retry.max_attempts": 1})})
		env.Meta.SetPlan([]sandbox.PlannedFault{{Call: sandbox.Poll, Rate: 1, Fault: sandbox.Fault{
			Kind: sandbox.AnswerWith, Answer: &sandbox.Answer{Body: `{"data":[{"handle":"` + sandbox.HandleHere + `","status":"finished","errors":[]}]}`},
		}}})
		env.StartWorker("a", rig.WorkerOptions{})
		id := env.Publish(together(rig.Products, "A")...)[0]
		s := env.AwaitStatus(id, "unconfirmed", patience)
		require.Contains(t, s.Errors[0].Message, "errors_total_count is missing")
	})
}

// TestAWarningOfNobodyIsLogged: it belongs to the batch.
func TestAWarningOfNobodyIsLogged(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Settings: batched(nil)})
	env.Meta.InjectNext(sandbox.Submit, sandbox.Fault{Kind: sandbox.AnswerAfter, Answer: &sandbox.Answer{
		Body: `{"handles":"` + sandbox.HandleHere + `","validation_status":[{"warnings":[{"message":"Unrecognised field: foo"}]}]}`,
	}})
	w := env.StartWorker("a", rig.WorkerOptions{})
	env.Publish(together(rig.Products, "A", "B")...)
	env.AwaitFinal(2, patience)
	require.Equal(t, map[string]int{"succeeded": 2}, env.CheckInvariants())
	require.Equal(t, 1, w.Log.Count("Unrecognised field: foo"))
}
