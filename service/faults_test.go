package service_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// upserts are whole items of a lane, one mutation each.
func upserts(lane catalog.Lane, prefix string, count int) []publish.Mutation {
	mutations := make([]publish.Mutation, count)
	for i := range mutations {
		id := fmt.Sprintf("%s-%d", prefix, i)
		mutations[i] = rig.Mutation(lane, id, catalog.Upsert, rig.Whole(lane.Type, id))
	}
	return mutations
}

// TestRefusedItemFailsAlone: the platform's words stand beside it, and it can be
// replayed.
func TestRefusedItemFailsAlone(t *testing.T) {
	t.Parallel()
	rules := []sandbox.ItemRule{{Contains: "bad", Action: sandbox.RefuseItem, Message: "The price is far too low.", Times: 1}}
	env := rig.Start(t, rig.Options{Pinterest: sandbox.Options{Rules: rules}, Meta: sandbox.Options{Rules: rules}})
	env.StartWorker("a", rig.WorkerOptions{})
	for _, lane := range []catalog.Lane{rig.Retail, rig.Products} {
		good := env.Publish(upserts(lane, "good", 5)...)
		bad := env.Publish(upserts(lane, "bad", 1)...)
		for _, id := range good {
			env.AwaitStatus(id, "succeeded", patience)
		}
		s := env.AwaitStatus(bad[0], "failed", patience)
		require.NotEmpty(t, s.Errors)
		require.Contains(t, s.Errors[0].Message, "far too low")
	}
	letters := deadLetters(t, env)
	require.Len(t, letters, 2)
	for _, letter := range letters {
		require.Equal(t, catalog.Refused, letter.Reason)
		env.Replay(letter)
		env.AwaitStatus(letter.MutationID, "succeeded", patience)
	}
}

// TestRefusedMergedRecordGoesAgainAsItsParts: bad input never takes good input
// with it.
func TestRefusedMergedRecordGoesAgainAsItsParts(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Settings: rig.Settings{"defaults.batch.max_age": "300ms"}})
	env.StartWorker("a", rig.WorkerOptions{})
	for _, lane := range []catalog.Lane{rig.Retail, rig.Products} {
		ids := env.Publish(
			rig.Mutation(lane, "P", catalog.Create, rig.Whole(lane.Type, "one")),
			rig.Mutation(lane, "P", catalog.Update, map[string]any{"price": "a lot"}),
			rig.Mutation(lane, "P", catalog.Update, map[string]any{"title": "three"}))
		env.AwaitStatus(ids[2], "succeeded", patience)
		refused := env.StatusOf(ids[1])
		require.Equal(t, "failed", refused.Status)
		require.NotEmpty(t, refused.Errors)
		require.Equal(t, "succeeded", env.StatusOf(ids[0]).Status)
		require.Contains(t, env.Items(lane)["P"], `"title":"three"`)
		require.Contains(t, env.Items(lane)["P"], `"price":"24.99 USD"`)
	}
}

// TestMissingInTheAnswerIsNeverSuccess: the item is sent again until the platform
// names it, and if it never does, nobody claims to know.
func TestMissingInTheAnswerIsNeverSuccess(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{
		Pinterest: sandbox.Options{Rules: []sandbox.ItemRule{
			{Contains: "shy", Action: sandbox.OmitItem, Times: 2},
			{Contains: "mute", Action: sandbox.OmitItem},
		}},
		Settings: rig.Settings{"defaults.retry.max_attempts": 3},
	})
	env.StartWorker("a", rig.WorkerOptions{})
	shy := env.Publish(upserts(rig.Retail, "shy", 1)...)[0]
	mute := env.Publish(upserts(rig.Retail, "mute", 1)...)[0]
	s := env.AwaitStatus(shy, "succeeded", patience)
	require.Equal(t, 3, s.Attempts)
	env.AwaitStatus(mute, "unconfirmed", patience)
	letters := deadLetters(t, env)
	require.Len(t, letters, 1)
	require.Equal(t, catalog.Unconfirmed, letters[0].Reason)
	env.CheckInvariants()
}

// TestShortListOfErrors: where Meta lists only some of the refused items, the rest
// is found out by halves.
func TestShortListOfErrors(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Meta: sandbox.Options{
		ErrorSample: 1, HideIDs: true, Rules: []sandbox.ItemRule{{Contains: "bad", Action: sandbox.RefuseItem}},
	}})
	env.StartWorker("a", rig.WorkerOptions{})
	const each = 6
	env.Publish(append(upserts(rig.Products, "good", 4*each), upserts(rig.Products, "bad", each)...)...)
	env.AwaitFinal(5*each, patience)
	require.Equal(t, map[string]int{"succeeded": 4 * each, "failed": each}, env.CheckInvariants())
}

// TestRetryableTroubleIsRetried: neither a broken connection nor a lost handle uses
// anything up.
func TestRetryableTroubleIsRetried(t *testing.T) {
	t.Parallel()
	for _, trouble := range []struct {
		call sandbox.CallKind
		kind sandbox.FaultKind
	}{
		{sandbox.Submit, sandbox.ServerError},
		{sandbox.Submit, sandbox.ServerErrorAfter},
		{sandbox.Submit, sandbox.Reset},
		{sandbox.Submit, sandbox.ResetAfter},
		{sandbox.Submit, sandbox.HTML},
		{sandbox.Submit, sandbox.Truncated},
		{sandbox.Submit, sandbox.Hang},
		{sandbox.Submit, sandbox.SkipBatch},
		{sandbox.Poll, sandbox.ServerError},
		{sandbox.Poll, sandbox.Reset},
		{sandbox.Poll, sandbox.HTMLError},
		{sandbox.Poll, sandbox.LostHandle},
		{sandbox.Poll, sandbox.UnknownStatus},
	} {
		t.Run(string(trouble.call)+" "+string(trouble.kind), func(t *testing.T) {
			t.Parallel()
			env := rig.Start(t, rig.Options{})
			env.PinterestInterceptor.SetTimeout(500 * time.Millisecond)
			env.Pinterest.InjectNext(trouble.call, sandbox.Fault{Kind: trouble.kind})
			env.StartWorker("a", rig.WorkerOptions{})
			env.Publish(
				rig.Mutation(rig.Retail, "R", catalog.Create, rig.Whole("RETAIL", "one")),
				rig.Mutation(rig.Retail, "R", catalog.Delete, nil),
				rig.Mutation(rig.Retail, "R", catalog.Create, rig.Whole("RETAIL", "two")))
			env.AwaitFinal(3, patience)
			counts := env.CheckInvariants()
			require.Zero(t, counts["failed"]+counts["unconfirmed"], "%v", counts)
			require.Equal(t, 1, env.Pinterest.Counters().Faults[trouble.kind])
		})
	}
}

// TestRefusedBatchIsBisected: the platform refuses whole batches for one record it
// does not name.
func TestRefusedBatchIsBisected(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Settings: rig.Settings{"defaults.batch.max_age": "500ms"}})
	env.StartWorker("a", rig.WorkerOptions{})
	good := upserts(rig.Retail, "good", 20)
	odd := map[string]any{"custom_number_0": json.Number("4.0")} // an integer to some, which Courier leaves to the platform
	bad := rig.Mutation(rig.Retail, "bad", catalog.Upsert, odd)
	ids := env.Publish(append(good[:13:13], append([]publish.Mutation{bad}, good[13:]...)...)...)
	env.AwaitFinal(len(ids), patience)
	require.Equal(t, map[string]int{"succeeded": 20, "failed": 1}, env.CheckInvariants())
	require.Equal(t, "failed", env.StatusOf(ids[13]).Status)
}

// TestQuotaIsKept: a storm of refusals for quota uses no attempts up, and nobody
// calls into a block that was announced.
func TestQuotaIsKept(t *testing.T) {
	t.Parallel()
	for _, platform := range []catalog.Lane{rig.Retail, rig.Products} {
		t.Run(platform.Account, func(t *testing.T) {
			t.Parallel()
			limited := sandbox.Options{Writes: sandbox.RateLimit{Calls: 3, Window: time.Second}}
			env := rig.Start(t, rig.Options{
				Pinterest: limited, Meta: limited,
				Settings: rig.Settings{
					"defaults.batch.max_items": 10, "defaults.retry.max_attempts": 2,
					"accounts." + rig.MetaAccount + ".quota_window": "1s",
				},
			})
			env.StartWorker("a", rig.WorkerOptions{})
			const mutations = 150
			env.Publish(upserts(platform, "Q", mutations)...)
			env.AwaitFinal(mutations, 2*patience)
			require.Equal(t, map[string]int{"succeeded": mutations}, env.CheckInvariants())
			p, m := env.Pinterest.Counters(), env.Meta.Counters()
			t.Log(env.Describe(), "limited:", p.Limited+m.Limited)
			require.Less(t, p.Limited+m.Limited, 10, "refused calls")
		})
	}
}

// TestStormOfRefusalsForQuota: some platforms say no without a word about when.
func TestStormOfRefusalsForQuota(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Settings: rig.Settings{"defaults.retry.max_attempts": 2}})
	for _, kind := range []sandbox.FaultKind{sandbox.RateLimited, sandbox.RateLimitedSilent} {
		env.Pinterest.InjectNext(sandbox.Submit, sandbox.Fault{Kind: kind, Duration: 3 * time.Second})
	}
	env.StartWorker("a", rig.WorkerOptions{})
	limited := env.Publish(upserts(rig.Retail, "Q", 3)...)
	others := env.Publish(upserts(rig.Products, "other", 1)...)
	env.AwaitFinal(4, patience)
	require.True(t, env.StatusOf(others[0]).FinishedAt.Before(env.StatusOf(limited[0]).FinishedAt), "I6: another account is not delayed")
	require.Equal(t, map[string]int{"succeeded": 4}, env.CheckInvariants())
	require.Equal(t, 3, env.Pinterest.Counters().Posts)
}

// TestRevokedToken pauses one account and nothing else; when the token is good
// again the account goes on by itself.
func TestRevokedToken(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	env.Pinterest.RevokeTokens(true)
	w := env.StartWorker("a", rig.WorkerOptions{})
	stuck := env.Publish(upserts(rig.Retail, "stuck", 20)...)
	free := env.Publish(upserts(rig.Products, "free", 20)...)
	for _, id := range free {
		env.AwaitStatus(id, "succeeded", patience)
	}
	env.Await("the account is paused", patience, func() bool {
		return env.Count(`SELECT count(*) FROM courier.account_status WHERE account = $1 AND state = 'paused' AND resumes_at IS NOT NULL`, rig.PinterestAccount) == 1
	})
	env.Pinterest.RevokeTokens(false)
	for _, id := range stuck {
		s := env.AwaitStatus(id, "succeeded", patience)
		require.LessOrEqual(t, s.Attempts, 3)
	}
	require.Equal(t, 1, w.Log.Count("the platform refuses the account"), "one alert")
	require.Equal(t, 1, env.Count(`SELECT count(*) FROM courier.account_status WHERE account = $1 AND state = 'active'`, rig.PinterestAccount))
	env.CheckInvariants()
}
