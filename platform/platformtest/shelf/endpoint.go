package shelf

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// endpoint carries books to one shelf.
type endpoint struct {
	rest    *rest.Client
	address string
	scope   string
}

// Validate implements platform.Endpoint. A platform with attributes of its own checks
// them with a table of package rules.
func (e *endpoint) Validate(m *catalog.Mutation) (*catalog.Problem, []catalog.Problem) {
	if m.Operation != catalog.Upsert && m.Operation != catalog.Delete {
		return &catalog.Problem{
			Reason: catalog.UnsupportedOperation, Field: "operation", Text: "Shelf knows UPSERT and DELETE only",
		}, nil
	}
	return nil, nil
}

// Rules implements platform.Endpoint: an UPSERT is the whole book.
func (e *endpoint) Rules() catalog.MergeRules {
	return catalog.MergeRules{Semantics: catalog.Semantics{Merges: true, UpsertReplaces: true}}
}

// Group implements platform.Endpoint: a request can have both operations.
func (e *endpoint) Group(catalog.Operation) string { return "" }

// Limits implements platform.Endpoint.
func (e *endpoint) Limits() platform.Limits { return limits }

// Split implements platform.Endpoint: one record carries any change.
func (e *endpoint) Split(change catalog.Change) (catalog.Change, *catalog.Change) { return change, nil }

// Base implements platform.Endpoint.
func (e *endpoint) Base() string { return "" }

// SubmitScopes implements platform.Endpoint.
func (e *endpoint) SubmitScopes() []string { return []string{e.scope} }

// PollScopes implements platform.Endpoint.
func (e *endpoint) PollScopes() []string { return []string{e.scope} }

const (
	// frame is more than the fixed text of one record.
	frame = 64
	// variants is how many spaces are put in at most, see Encode.
	variants = 16
)

// RecordSize implements platform.Endpoint.
func (e *endpoint) RecordSize(key catalog.ItemKey, change catalog.Change) int {
	return frame + rawjson.StringSize(key.ItemID) + len(change.Attributes)
}

// Overhead implements platform.Endpoint.
func (e *endpoint) Overhead() int { return len(`{"books":[]}`) + variants }

// Encode implements platform.Endpoint.
func (e *endpoint) Encode(dst []byte, _ string, records []catalog.Record, variant int) ([]byte, error) {
	dst = append(dst, `{"books":[`...)
	for range variant % variants {
		dst = append(dst, ' ')
	}
	for i := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = rawjson.AppendString(append(dst, `{"id":`...), records[i].Key.ItemID)
		if records[i].Change.Operation == catalog.Upsert {
			dst = append(append(dst, `,"book":`...), records[i].Change.Attributes...)
		}
		dst = append(dst, '}')
	}
	return append(dst, "]}"...), nil
}

// Submit implements platform.Endpoint.
func (e *endpoint) Submit(ctx context.Context, body []byte, _ string, _ []catalog.Record) (platform.Submission, error) {
	call := rest.Call{Operation: "POST batches", Method: http.MethodPost, URL: e.address, Body: body}
	answer, failure := e.rest.Do(ctx, call)
	if failure != nil {
		return platform.Submission{}, failure
	}
	value, _ := rest.Parse(answer.Body)
	if answer.Status != http.StatusOK {
		return platform.Submission{}, e.refusal(answer, call, value)
	}
	handle := value.Get("batch").Str
	if handle == "" {
		return platform.Submission{}, answer.Unreadable(call, "the answer has no batch")
	}
	return platform.Submission{Handles: []string{handle}}, nil
}

// Poll implements platform.Endpoint.
func (e *endpoint) Poll(ctx context.Context, handle string, _ string, records []catalog.Record) (platform.Report, error) {
	call := rest.Call{Operation: "GET batches", Method: http.MethodGet, URL: e.address + "/" + url.PathEscape(handle)}
	answer, failure := e.rest.Do(ctx, call)
	if failure != nil {
		return platform.Report{}, failure
	}
	value, isJSON := rest.Parse(answer.Body)
	switch {
	case answer.Status == http.StatusNotFound:
		return platform.Report{Progress: platform.NotFound}, nil
	case answer.Status != http.StatusOK:
		return platform.Report{}, e.refusal(answer, call, value)
	case !isJSON:
		return platform.Report{}, answer.Unreadable(call, "the answer is not JSON")
	case !value.Get("done").Bool():
		return platform.Report{}, nil
	}
	said := map[string]gjson.Result{}
	for _, book := range value.Get("books").Array() {
		said[book.Get("id").Str] = book
	}
	report := platform.Report{Progress: platform.Finished, Verdicts: make([]platform.Verdict, len(records))}
	for i := range records {
		book, named := said[records[i].Key.ItemID]
		switch problem := book.Get("error").Str; {
		case !named: // unknown: nobody said anything of it
		case problem != "":
			report.Verdicts[i] = platform.Verdict{Outcome: platform.Failed, Errors: []ledger.Issue{{Message: answer.Redact(problem)}}}
		default:
			report.Verdicts[i] = platform.Verdict{Outcome: platform.Succeeded}
		}
	}
	return report, nil
}

// failures are what refusing answers mean, the first that matches.
var failures = []rest.Rule{
	{Status: http.StatusUnauthorized, Scope: platform.ScopeAccount, Token: true, Source: "Shelf, Errors: 401"},
	{Status: http.StatusForbidden, Scope: platform.ScopeAccount, Source: "Shelf, Errors: 403"},
	{Status: http.StatusTooManyRequests, Scope: platform.ScopeQuota, Source: "Shelf, Errors: 429"},
	{Status: http.StatusRequestEntityTooLarge, Scope: platform.ScopeBatch, TooLarge: true, Source: "Shelf, Errors: 413"},
	{Status: 400, StatusTo: 499, Scope: platform.ScopeBatch, Source: "Shelf, Errors: any other 4xx is about the request"},
	{Status: 500, StatusTo: 599, Scope: platform.ScopePlatform, Ambiguous: true, Source: "RFC 9110, 15.6"},
	{Scope: platform.ScopeAccount, Source: "ours: no answer of this API; the base_url is wrong"},
}

func (e *endpoint) refusal(answer *rest.Answer, call rest.Call, value gjson.Result) *platform.Error {
	failure := answer.Refusal(call, failures, rest.Said{Message: value.Get("error").Str})
	if failure.Scope == platform.ScopeQuota {
		failure.BlockedScope = e.scope
		failure.RetryAfter = rest.RetryAfter(answer.Header, time.Now())
	}
	return failure
}
