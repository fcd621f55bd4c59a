package platformtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
)

// Answer is one row of a table of answers.
type Answer struct {
	Name string
	// Source says where the answer was seen or is documented, or why it is tried.
	Source string
	// Items are the ids of the batch's records. Defaults to A and B.
	Items  []string
	Status int // 0 means 200
	Header map[string]string
	Body   string
	// Raw, when not empty, is sent in place of all that, byte for byte.
	Raw string
	// Post and Poll are what becomes of it, as Posted and Polled tell it. One that is
	// empty is not tried.
	Post, Poll string
	// Says is in the words that are kept of the answer.
	Says string
}

// Handle is the handle that Answers polls.
const Handle = "h"

// Answers has a server give each answer, byte for byte, to the real client.
func Answers(
	t *testing.T, rows []Answer, catalogType catalog.Type, settings setting.Values,
	open func(platform.Settings) (platform.Account, error),
) {
	t.Helper()
	seen := map[string]bool{}
	for _, row := range rows {
		require.False(t, seen[row.Name+row.Post], "two rows %q", row.Name)
		seen[row.Name+row.Post] = true
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, row.Source)
			require.NotEmpty(t, row.Post+row.Poll)
			server := httptest.NewServer(http.HandlerFunc(row.serve))
			t.Cleanup(server.Close)
			var refused atomic.Int32
			account, err := open(platform.Settings{
				Name: "acme", BaseURL: server.URL + "/v5", HTTP: server.Client(), Timeout: patience,
				Token:        func(context.Context) (string, error) { return canary, nil },
				TokenRefused: func(string) { refused.Add(1) },
				Catalogs:     map[string]setting.Values{"main": settings},
			})
			require.NoError(t, err)
			endpoint, problem := account.Endpoint("main", catalogType)
			require.Nil(t, problem)
			if row.Items == nil {
				row.Items = []string{"A", "B"}
			}
			records := make([]catalog.Record, len(row.Items))
			for i, id := range row.Items {
				records[i] = catalog.Record{Key: catalog.ItemKey{ItemID: id}, Change: catalog.Change{Operation: catalog.Delete}}
			}
			said := ""
			if row.Post != "" {
				submission, err := endpoint.Submit(t.Context(), []byte(`{}`), endpoint.Group(catalog.Delete), records)
				require.Equal(t, row.Post, Posted(submission, err, row.Items, refused.Swap(0) > 0))
				said += fmt.Sprintf("%+v", submission) + wordsOf(t, err)
			}
			if row.Poll != "" {
				report, err := endpoint.Poll(t.Context(), Handle, endpoint.Group(catalog.Delete), records)
				require.Equal(t, row.Poll, Polled(report, err, row.Items, refused.Swap(0) > 0))
				said += fmt.Sprintf("%+v", report) + wordsOf(t, err)
			}
			require.Contains(t, said, row.Says)
			require.NotContains(t, said, canary)
		})
	}
}

func wordsOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	failure := failureOf(t, err)
	require.NotEmpty(t, failure.Message)
	return fmt.Sprintf("%s %+v", failure.Message, failure.Named)
}

func (a *Answer) serve(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if a.Raw != "" {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, a.Raw)
		_ = conn.Close()
		return
	}
	w.Header().Set("Content-Type", "application/json")
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(max(a.Status, http.StatusOK))
	_, _ = io.WriteString(w, a.Body)
}

// Posted tells in short what an answer to a POST means: the handles, or whose failure
// it is, and what is said of items.
func Posted(submission platform.Submission, err error, items []string, token bool) string {
	if err != nil {
		return failed(err, items, token)
	}
	taken := "taken " + strings.Join(submission.Handles, ",")
	if submission.Final {
		taken = "final"
	}
	return taken + verdictsOf(submission.Verdicts, items) + noted(submission.Note)
}

// Polled tells in short what an answer to a poll means.
func Polled(report platform.Report, err error, items []string, token bool) string {
	if err != nil {
		return failed(err, items, token)
	}
	told := [...]string{platform.Pending: "pending", platform.Finished: "finished", platform.NotFound: "lost"}[report.Progress]
	if report.Incomplete {
		told += " incomplete"
	}
	return told + verdictsOf(report.Verdicts, items) + noted(report.Note)
}

func noted(note string) string {
	if note == "" {
		return ""
	}
	return " noted"
}

// verdictsOf tells the outcomes of the items of which something is said.
func verdictsOf(verdicts []platform.Verdict, items []string) string {
	names := [...]string{
		platform.Unknown: "unknown", platform.Succeeded: "succeeded", platform.Failed: "failed", platform.Retryable: "retryable",
		platform.Skipped: "skipped",
	}
	var words []string
	for i, verdict := range verdicts {
		if verdict.Outcome == platform.Unknown && len(verdict.Errors)+len(verdict.Warnings) == 0 {
			continue
		}
		words = append(words, items[i], names[verdict.Outcome])
		if len(verdict.Warnings) > 0 {
			words = append(words, "warned")
		}
	}
	return joined(words)
}

func failed(err error, items []string, token bool) string {
	failure, ok := errors.AsType[*platform.Error](err)
	if !ok {
		return "no platform.Error: " + err.Error()
	}
	words := []string{failure.Scope.String()}
	flag := func(name string, set bool) {
		if set {
			words = append(words, name)
		}
	}
	flag("token", token)
	flag("ambiguous", failure.Ambiguous)
	flag("unclear", failure.Unclear)
	flag("halve", failure.TooLarge)
	flag("of records", failure.OfRecords)
	if parts := strings.Split(failure.BlockedScope, "/"); len(parts) > 1 {
		isApp := slices.Contains(parts, "app")
		flag("app", isApp)
		flag(parts[len(parts)-1], !isApp)
	}
	named := make([]platform.Verdict, len(items))
	for i, verdict := range failure.Named {
		named[i] = verdict
	}
	return strings.TrimPrefix(joined(words), " ") + verdictsOf(named, items)
}

// joined are the words, each behind a blank.
func joined(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return " " + strings.Join(words, " ")
}
