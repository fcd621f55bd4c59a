package platformtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
)

// oddAnswers are answers in forms that no platform documents. What is said in them
// counts, and what is not said is never made of them.
func (s Suite) oddAnswers(t *testing.T) {
	t.Run("the same in another form", func(t *testing.T) {
		b := s.open(t, sandbox.Options{Rules: []sandbox.ItemRule{{Contains: s.ItemID(1), Action: sandbox.RefuseItem, Message: "Not this one"}}})
		records := s.three()
		b.sandbox.InjectNext(sandbox.Submit, sandbox.Fault{Kind: sandbox.OddForm})
		submission, err := b.submit(t, records...)
		require.NoError(t, err)
		require.Len(t, submission.Handles, 1)
		b.sandbox.InjectNext(sandbox.Poll, sandbox.Fault{Kind: sandbox.OddForm})
		report, err := b.poll(t, submission.Handles[0], records)
		require.NoError(t, err)
		require.Equal(t, platform.Pending, report.Progress)
		b.sandbox.Settle()
		b.sandbox.InjectNext(sandbox.Poll, sandbox.Fault{Kind: sandbox.OddForm})
		report, err = b.poll(t, submission.Handles[0], records)
		require.NoError(t, err)
		require.Equal(t, []platform.Outcome{platform.Succeeded, platform.Failed, platform.Succeeded}, outcomes(report.Verdicts))
		require.Equal(t, "Not this one", report.Verdicts[1].Errors[0].Message)
	})
	t.Run("an error with a good status", func(t *testing.T) {
		b := s.open(t, sandbox.Options{})
		b.sandbox.InjectNext(sandbox.Submit, sandbox.Fault{Kind: sandbox.ErrorIn200})
		b.sandbox.InjectNext(sandbox.Poll, sandbox.Fault{Kind: sandbox.ErrorIn200})
		records := s.three()
		_, err := b.submit(t, records...)
		posted := failureOf(t, err)
		require.Contains(t, []platform.FailureScope{platform.ScopeQuota, platform.ScopePlatform}, posted.Scope)
		require.False(t, posted.Unclear, "it says what it is")
		require.NotZero(t, posted.Code)
		_, err = b.poll(t, "any", records)
		require.Equal(t, posted.Code, failureOf(t, err).Code)
	})
	s.senseless(t)
	s.elsewhere(t)
}

// senseless are answers of good status that say nothing: a POST may have been taken,
// a poll is made again, and the error says what came.
func (s Suite) senseless(t *testing.T) {
	t.Helper()
	for name, c := range map[string]struct {
		answer sandbox.Answer
		says   string
	}{
		"empty":           {sandbox.Answer{}, "nothing"},
		"no content":      {sandbox.Answer{Status: 204}, "nothing"},
		"accepted":        {sandbox.Answer{Status: 202, Body: " \n"}, "nothing"},
		"an empty object": {sandbox.Answer{Status: 201, Body: `{}`}, "an empty object"},
		"another object":  {sandbox.Answer{Body: `{"success":true,"took":7}`}, "success true, took 7"},
		"a list":          {sandbox.Answer{Body: `["A",1]`}, `a list: ["A",1]`},
		"a page":          {sandbox.Answer{Body: `<html>Sign in</html>`, Header: map[string]string{"Content-Type": "text/html"}}, "text: <html>Sign in</html>"},
		"two values":      {sandbox.Answer{Body: `{"a":1}{"b":2}`}, `text: {"a":1}{"b":2}`},
		"half a value":    {sandbox.Answer{Body: `{"a":[1,2`}, `text: {"a":[1,2`},
		"a word":          {sandbox.Answer{Body: `"ok"`}, `text: "ok"`},
		"the token":       {sandbox.Answer{Body: `{"x":"` + canary + `"}`}, `x "[redacted]"`},
	} {
		t.Run(name, func(t *testing.T) {
			b := s.open(t, sandbox.Options{})
			for _, call := range []sandbox.CallKind{sandbox.Submit, sandbox.Poll} {
				b.sandbox.InjectNext(call, sandbox.Fault{Kind: sandbox.AnswerWith, Answer: &c.answer})
			}
			_, err := b.submit(t, s.three()...)
			posted := failureOf(t, err)
			require.True(t, posted.Ambiguous)
			_, err = b.poll(t, "any", s.three())
			polled := failureOf(t, err)
			require.False(t, polled.Ambiguous, "a poll changes nothing")
			for _, failure := range []*platform.Error{posted, polled} {
				require.Equal(t, platform.ScopePlatform, failure.Scope)
				require.True(t, failure.Unclear)
				require.Contains(t, failure.Message, c.says)
				require.NotContains(t, failure.Outline(), c.says, "logs have no words of the answer")
			}
		})
	}
}

// elsewhere are answers that are not the platform's: the account waits, and its
// reason says where the way leads.
func (s Suite) elsewhere(t *testing.T) {
	t.Helper()
	const location = "https://login.example:8443/sso?next=%2Fv5&token=" + canary
	for _, status := range []int{300, 301, 302, 303, 304, 307, 308, 399, 407, 511, 600, 999} {
		t.Run(fmt.Sprint("HTTP ", status), func(t *testing.T) {
			b := s.open(t, sandbox.Options{})
			answer := sandbox.Answer{Status: status, Header: map[string]string{"Location": location, "Content-Type": "text/html"}, Body: "<html>"}
			if status == 304 {
				answer.Body = ""
			}
			for _, call := range []sandbox.CallKind{sandbox.Submit, sandbox.Poll} {
				b.sandbox.InjectNext(call, sandbox.Fault{Kind: sandbox.AnswerWith, Answer: &answer})
			}
			_, err := b.submit(t, s.three()...)
			posted := failureOf(t, err)
			require.Equal(t, status == 303, posted.Ambiguous, "the answer may be elsewhere")
			_, err = b.poll(t, "any", s.three())
			for _, failure := range []*platform.Error{posted, failureOf(t, err)} {
				require.Equal(t, platform.ScopeAccount, failure.Scope)
				require.Contains(t, failure.Error(), fmt.Sprint("HTTP ", status))
				require.NotContains(t, failure.Error(), "sso")
				if status < 400 {
					require.Contains(t, failure.Error(), "login.example:8443")
				}
			}
			_, err = b.submit(t, s.three()...)
			require.NoError(t, err, "it passes")
		})
	}
	t.Run("a deep answer", func(t *testing.T) {
		b := s.open(t, sandbox.Options{})
		deep := make([]byte, 15<<20)
		for i := range deep {
			deep[i] = '['
		}
		for _, call := range []sandbox.CallKind{sandbox.Submit, sandbox.Poll} {
			b.sandbox.InjectNext(call, sandbox.Fault{Kind: sandbox.AnswerWith, Answer: &sandbox.Answer{Body: string(deep)}})
		}
		began := time.Now()
		_, err := b.submit(t, s.three()...)
		require.True(t, failureOf(t, err).Unclear)
		_, err = b.poll(t, "any", s.three())
		require.True(t, failureOf(t, err).Unclear)
		require.Less(t, time.Since(began), time.Minute)
	})
}
