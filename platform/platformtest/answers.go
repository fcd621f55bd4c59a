package platformtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
)

// three are records of three new items.
func (s Suite) three() []catalog.Record {
	return []catalog.Record{
		s.record(0, catalog.Create, s.Complete), s.record(1, catalog.Create, s.Complete), s.record(2, catalog.Create, s.Complete),
	}
}

func outcomes(verdicts []platform.Verdict) (found []platform.Outcome) {
	for _, verdict := range verdicts {
		found = append(found, verdict.Outcome)
	}
	return found
}

func (s Suite) verdicts(t *testing.T) {
	t.Run("a refused item", func(t *testing.T) {
		b := s.open(t, sandbox.Options{})
		report := b.deliver(t, s.record(0, catalog.Create, s.Complete), s.record(1, catalog.Create, s.Bad), s.record(2, catalog.Create, s.Complete))
		require.Equal(t, []platform.Outcome{platform.Succeeded, platform.Failed, platform.Succeeded}, outcomes(report.Verdicts))
		require.NotEmpty(t, report.Verdicts[1].Errors)
		require.NotEmpty(t, report.Verdicts[1].Errors[0].Message)
		require.Len(t, b.items(), 2)
	})
	t.Run("an update of no item", func(t *testing.T) {
		const nowhere = 99 // no test makes so many
		b := s.open(t, sandbox.Options{})
		report := b.deliver(t, s.record(nowhere, catalog.Update, s.Update))
		require.Equal(t, platform.Failed, report.Verdicts[0].Outcome)
		require.Empty(t, b.items())
	})
	t.Run("all refused", func(t *testing.T) {
		b := s.open(t, sandbox.Options{Rules: []sandbox.ItemRule{{Action: sandbox.RefuseItem, Message: "no"}}})
		report := b.deliver(t, s.three()...)
		for _, verdict := range report.Verdicts {
			require.Equal(t, platform.Failed, verdict.Outcome)
		}
		require.False(t, report.Incomplete)
	})
	t.Run("an item missing in the answer", func(t *testing.T) {
		b := s.open(t, sandbox.Options{Rules: []sandbox.ItemRule{{Contains: s.ItemID(1), Action: sandbox.OmitItem}}})
		report := b.deliver(t, s.three()...)
		require.Equal(t, platform.Unknown, report.Verdicts[1].Outcome)
		require.Equal(t, !s.NamesItems, report.Incomplete)
		for _, i := range []int{0, 2} {
			if s.NamesItems {
				require.Equal(t, platform.Succeeded, report.Verdicts[i].Outcome)
			} else {
				require.Equal(t, platform.Unknown, report.Verdicts[i].Outcome)
			}
		}
	})
	t.Run("a list longer than the sample", func(t *testing.T) {
		b := s.open(t, sandbox.Options{ErrorSample: 2, Rules: []sandbox.ItemRule{{Action: sandbox.RefuseItem}}})
		for _, verdict := range b.deliver(t, s.three()...).Verdicts {
			require.Equal(t, platform.Failed, verdict.Outcome)
		}
	})
	t.Run("a sample and no ids", func(t *testing.T) {
		b := s.open(t, sandbox.Options{ErrorSample: 1, HideIDs: true, Rules: []sandbox.ItemRule{
			{Contains: s.ItemID(0), Action: sandbox.RefuseItem}, {Contains: s.ItemID(1), Action: sandbox.RefuseItem},
		}})
		report := b.deliver(t, s.three()...)
		require.Equal(t, platform.Failed, report.Verdicts[0].Outcome)
		if !s.NamesItems {
			require.Equal(t, []platform.Outcome{platform.Failed, platform.Unknown, platform.Unknown}, outcomes(report.Verdicts))
			require.True(t, report.Incomplete, "halves would tell more")
		}
	})
	s.idForms(t)
}

// idForms has the platform write composite keys in other ways.
func (s Suite) idForms(t *testing.T) {
	t.Helper()
	forms := []sandbox.IDForm{
		sandbox.FormSlash, sandbox.FormUnderscore, sandbox.FormColon, sandbox.FormTogether, sandbox.FormObject, sandbox.FormMixed,
	}
	for _, form := range forms {
		t.Run("ids written as "+string(form), func(t *testing.T) {
			b := s.open(t, sandbox.Options{IDForm: form, Rules: []sandbox.ItemRule{{Contains: s.ItemID(1), Action: sandbox.RefuseItem}}})
			report := b.deliver(t, s.three()...)
			require.Equal(t, []platform.Outcome{platform.Succeeded, platform.Failed, platform.Succeeded}, outcomes(report.Verdicts))
		})
	}
}

// finalOrPolled wants a final answer of a platform that works before it answers, and of no
// other: what is final is never asked about again.
func (s Suite) finalOrPolled(t *testing.T) {
	t.Helper()
	b := s.open(t, sandbox.Options{})
	records := []catalog.Record{s.record(0, catalog.Create, s.Complete), s.record(1, catalog.Create, s.Bad), s.record(2, catalog.Create, s.Complete)}
	submission, err := b.submit(t, records...)
	require.NoError(t, err)
	if !s.AtOnce {
		require.NotEmpty(t, b.endpoint.PollScopes(), "polls draw on a quota")
		require.Empty(t, b.items(), "nothing is applied yet")
		return
	}
	require.Equal(t, []platform.Outcome{platform.Succeeded, platform.Failed, platform.Succeeded}, outcomes(submission.Verdicts))
	require.NotEmpty(t, submission.Verdicts[1].Errors)
	require.Len(t, b.items(), 2, "applied before the answer")
	require.Empty(t, b.endpoint.PollScopes())
}

// lyingAnswers wants no success out of an answer that contradicts itself or the
// question.
func (s Suite) lyingAnswers(t *testing.T) {
	refuseOne := []sandbox.ItemRule{{Contains: s.ItemID(1), Action: sandbox.RefuseItem}}
	faults := []sandbox.FaultKind{
		sandbox.WrongIDs, sandbox.OtherBatch, sandbox.OmitAll, sandbox.DuplicateIDs, sandbox.OmitFirst, sandbox.UnknownStatus,
		sandbox.HTML, sandbox.Truncated, sandbox.Huge,
	}
	if !s.NamesItems {
		faults = append(faults, sandbox.TotalTooHigh, sandbox.ListBeyondZero, sandbox.EmptyData)
	}
	for _, fault := range faults {
		t.Run(string(fault), func(t *testing.T) {
			b := s.open(t, sandbox.Options{Rules: refuseOne})
			records := s.three()
			submission, err := b.submit(t, records...)
			require.NoError(t, err)
			b.sandbox.Settle()
			b.sandbox.InjectNext(sandbox.Poll, sandbox.Fault{Kind: fault})
			report, err := b.poll(t, submission.Handles[0], records)
			s.checkLie(t, fault, report, err)

			report, err = b.poll(t, submission.Handles[0], records)
			require.NoError(t, err, "the next answer is honest")
			require.Equal(t, []platform.Outcome{platform.Succeeded, platform.Failed, platform.Succeeded}, outcomes(report.Verdicts))
		})
	}
}

func (s Suite) checkLie(t *testing.T, fault sandbox.FaultKind, report platform.Report, err error) {
	t.Helper()
	if err != nil {
		failure := failureOf(t, err)
		require.Equal(t, platform.ScopePlatform, failure.Scope)
		require.False(t, failure.Ambiguous, "a poll changes nothing")
		return
	}
	switch fault {
	case sandbox.HTML, sandbox.Truncated, sandbox.Huge, sandbox.OtherBatch:
		require.Error(t, err)
	case sandbox.UnknownStatus:
		require.Equal(t, platform.Pending, report.Progress)
		require.NotEmpty(t, report.Note)
	case sandbox.OmitFirst:
		// A platform that names every item may still be believed of the others.
		require.Equal(t, platform.Unknown, report.Verdicts[0].Outcome)
	case sandbox.DuplicateIDs:
		if s.NamesItems { // Meta may repeat an id, once for each error
			require.Equal(t, platform.Unknown, report.Verdicts[0].Outcome)
		}
	default:
		for i, verdict := range report.Verdicts {
			require.NotEqual(t, platform.Succeeded, verdict.Outcome, "record %d", i)
		}
	}
}

func (s Suite) batchFailures(t *testing.T) {
	t.Run("the batch fails as a whole", func(t *testing.T) {
		b := s.open(t, sandbox.Options{})
		b.sandbox.InjectNext(sandbox.Submit, sandbox.Fault{Kind: sandbox.FailBatch})
		report := b.deliver(t, s.three()...)
		require.NotEmpty(t, report.Error)
		for _, verdict := range report.Verdicts {
			require.Contains(t, []platform.Outcome{platform.Unknown, platform.Retryable}, verdict.Outcome)
		}
	})
	t.Run("the handle is lost", func(t *testing.T) {
		b := s.open(t, sandbox.Options{})
		report, err := b.poll(t, "never/heard of?&it", s.three())
		require.NoError(t, err)
		require.Equal(t, platform.NotFound, report.Progress)
	})
	if s.NamesItems {
		t.Run("skipped as a duplicate", func(t *testing.T) {
			b := s.open(t, sandbox.Options{SkipRepeats: time.Hour})
			records := s.three()
			b.succeed(t, records...)
			submission, err := b.submit(t, records...)
			require.NoError(t, err)
			for _, verdict := range submission.Verdicts {
				require.Equal(t, platform.Skipped, verdict.Outcome)
			}
			require.Len(t, submission.Verdicts, len(records))
			submission, err = b.endpoint.Submit(t.Context(), b.encode(t, records, 1), b.group(records), records)
			require.NoError(t, err)
			require.Nil(t, submission.Verdicts, "another variant is read")
		})
		return
	}
	for _, fault := range []sandbox.FaultKind{sandbox.EmptyHandles, sandbox.NoHandles, sandbox.NobodyNamed} {
		t.Run("nothing ingested, "+string(fault), func(t *testing.T) {
			b := s.open(t, sandbox.Options{})
			b.sandbox.InjectNext(sandbox.Submit, sandbox.Fault{Kind: fault})
			_, err := b.submit(t, s.three()...)
			failure := failureOf(t, err)
			require.Equal(t, platform.ScopeBatch, failure.Scope)
			require.False(t, failure.Ambiguous)
			require.True(t, failure.OfRecords)
			require.Equal(t, "This item cannot be read", failure.Message)
			if fault == sandbox.NobodyNamed {
				require.Empty(t, failure.Named)
				return
			}
			require.Len(t, failure.Named, 1)
			require.Equal(t, platform.Failed, failure.Named[0].Outcome)
			require.Equal(t, failure.Message, failure.Named[0].Errors[0].Message)
		})
	}
	t.Run("two records of one item", func(t *testing.T) {
		b := s.open(t, sandbox.Options{})
		records := s.three()
		records[2] = records[1]
		submission, err := b.submit(t, records...)
		require.NoError(t, err)
		require.Equal(t, 1, b.sandbox.Counters().DuplicateItems)
		require.Len(t, submission.Verdicts, len(records))
		for i, verdict := range submission.Verdicts {
			require.Equal(t, platform.Unknown, verdict.Outcome, "record %d: nobody said which of the two was refused", i)
			require.NotEmpty(t, verdict.Errors, "record %d: its silent success later would prove nothing", i)
		}
	})
}

func failureOf(t *testing.T, err error) *platform.Error {
	t.Helper()
	require.Error(t, err)
	failure := (*platform.Error)(nil)
	require.ErrorAs(t, err, &failure)
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		require.NotContains(t, cause.Error(), canary)
	}
	require.NotContains(t, fmt.Sprintf("%+v %#v", failure.Message, failure.Named), canary)
	require.LessOrEqual(t, len(failure.Error()), 1024)
	require.NotContains(t, failure.Error(), "/v5", "no addresses in errors")
	return failure
}

// failureScopes has each kind of refusal answered by the right scope.
func (s Suite) failureScopes(t *testing.T) {
	cases := []struct {
		fault     sandbox.FaultKind
		scope     platform.FailureScope
		tooLarge  bool
		ambiguous bool
	}{
		{fault: sandbox.RateLimited, scope: platform.ScopeQuota},
		{fault: sandbox.RateLimitedSilent, scope: platform.ScopeQuota},
		{fault: sandbox.AppRateLimited, scope: platform.ScopeQuota},
		{fault: sandbox.TokenRevoked, scope: platform.ScopeAccount},
		{fault: sandbox.Forbidden, scope: platform.ScopeAccount},
		{fault: sandbox.RefuseBatch, scope: platform.ScopeBatch},
		{fault: sandbox.EchoToken, scope: platform.ScopeBatch},
		{fault: sandbox.TooLarge, scope: platform.ScopeBatch, tooLarge: true},
		{fault: sandbox.ServerError, scope: platform.ScopePlatform, ambiguous: true},
		{fault: sandbox.HTMLError, scope: platform.ScopePlatform, ambiguous: true},
	}
	for _, c := range cases {
		t.Run(string(c.fault), func(t *testing.T) {
			b := s.open(t, sandbox.Options{})
			b.sandbox.InjectNext(sandbox.Submit, sandbox.Fault{Kind: c.fault})
			_, err := b.submit(t, s.three()...)
			failure := failureOf(t, err)
			require.Equal(t, c.scope, failure.Scope)
			require.Equal(t, c.tooLarge, failure.TooLarge)
			require.Equal(t, c.ambiguous, failure.Ambiguous)
			require.NotEmpty(t, failure.Message)
			if c.scope == platform.ScopeQuota {
				require.Contains(t, b.endpoint.SubmitScopes(), failure.BlockedScope)
			}
			require.Zero(t, b.sandbox.Counters().Accepted)
			_, err = b.submit(t, s.three()...)
			require.NoError(t, err, "it passes")
		})
	}
	t.Run("a block for spam", func(t *testing.T) {
		b := s.open(t, sandbox.Options{})
		b.sandbox.InjectNext(sandbox.Submit, sandbox.Fault{Kind: sandbox.SpamBlocked})
		_, err := b.submit(t, s.three()...)
		require.NotEqual(t, platform.ScopeQuota, failureOf(t, err).Scope, "no rate limit")
	})
	t.Run("a wrong token", func(t *testing.T) {
		b := s.open(t, sandbox.Options{})
		b.sandbox.RevokeTokens(true)
		_, err := b.submit(t, s.three()...)
		require.Equal(t, platform.ScopeAccount, failureOf(t, err).Scope)
		_, err = b.poll(t, "handle", s.three())
		require.Equal(t, platform.ScopeAccount, failureOf(t, err).Scope)
	})
}

// untilTaken is a context that ends once the platform has taken a body: before that
// nobody may call a POST ambiguous. end ends it at any time.
func (b *bench) untilTaken(ctx context.Context) (taken context.Context, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		defer cancel()
		look := time.NewTicker(time.Millisecond)
		defer look.Stop()
		for b.sandbox.Counters().Accepted == 0 && ctx.Err() == nil {
			<-look.C
		}
	})
	return ctx, func() {
		cancel()
		watching.Wait()
	}
}

// ambiguity asks after each broken call whether it may have been taken.
func (s Suite) ambiguity(t *testing.T) {
	faults := []sandbox.FaultKind{
		sandbox.Reset, sandbox.ResetAfter, sandbox.ServerErrorAfter, sandbox.HTML, sandbox.Truncated, sandbox.Huge,
	}
	for _, fault := range faults {
		t.Run(string(fault), func(t *testing.T) {
			b := s.open(t, sandbox.Options{})
			b.sandbox.InjectNext(sandbox.Submit, sandbox.Fault{Kind: fault})
			_, err := b.submit(t, s.three()...)
			failure := failureOf(t, err)
			require.Equal(t, platform.ScopePlatform, failure.Scope)
			require.True(t, failure.Ambiguous)
		})
	}
	t.Run("never answered", func(t *testing.T) {
		b := s.open(t, sandbox.Options{})
		b.sandbox.InjectNext(sandbox.Submit, sandbox.Fault{Kind: sandbox.Hang})
		ctx, end := b.untilTaken(t.Context())
		defer end()
		records := s.three()
		_, err := b.endpoint.Submit(ctx, b.encode(t, records, 0), b.group(records), records)
		failure := failureOf(t, err)
		require.True(t, failure.Ambiguous)
		require.Equal(t, platform.ScopeCaller, failure.Scope)
		b.sandbox.Settle()
		require.Len(t, b.items(), len(records), "it was taken all the same")
		require.Equal(t, 1, b.sandbox.Counters().Late)
	})
	t.Run("nobody listens", func(t *testing.T) {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		address := listener.Addr().String()
		require.NoError(t, listener.Close())
		account, err := s.Platform.New(s.settings("http://"+address+"/v5", &http.Client{}))
		require.NoError(t, err)
		endpoint, _ := account.Endpoint("main", s.Type)
		_, err = endpoint.Submit(t.Context(), []byte(`{}`), endpoint.Group(catalog.Create), s.three())
		failure := failureOf(t, err)
		require.False(t, failure.Ambiguous)
		require.Equal(t, platform.ScopePlatform, failure.Scope)
	})
}

func (s Suite) quotas(t *testing.T) {
	b := s.open(t, sandbox.Options{
		Writes: sandbox.RateLimit{Calls: 4, Window: time.Hour}, Reads: sandbox.RateLimit{Calls: 2, Window: time.Hour},
	})
	submission, err := b.submit(t, s.three()...)
	require.NoError(t, err)
	require.NotEmpty(t, submission.Quotas)
	told := submission.Quotas[len(submission.Quotas)-1]
	require.Contains(t, b.endpoint.SubmitScopes(), told.Scope)
	require.InDelta(t, 25, told.UsedPercent, 0.01)
	require.Zero(t, told.Block)

	for range 2 {
		report, err := b.poll(t, submission.Handles[0], s.three())
		require.NoError(t, err)
		require.Equal(t, b.endpoint.PollScopes()[0], report.Quotas[len(report.Quotas)-1].Scope)
	}
	_, err = b.poll(t, submission.Handles[0], s.three())
	failure := failureOf(t, err)
	require.Equal(t, platform.ScopeQuota, failure.Scope)
	require.Equal(t, b.endpoint.PollScopes()[0], failure.BlockedScope)
	blocked := failure.Quotas[len(failure.Quotas)-1]
	require.Equal(t, failure.BlockedScope, blocked.Scope)
	require.InDelta(t, time.Hour, blocked.Block, float64(2*time.Minute))
	require.InDelta(t, time.Hour, failure.RetryAfter, float64(2*time.Minute))
	require.Equal(t, 1, b.sandbox.Counters().Limited)

	for _, scope := range append(b.endpoint.SubmitScopes(), b.endpoint.PollScopes()...) {
		require.NotContains(t, scope, canary)
		require.True(t, strings.HasPrefix(scope, s.Platform.Name+"/"), scope)
	}
}
