package meta

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

func (e *endpoint) submit(ctx context.Context, body []byte, records []catalog.Record) (platform.Submission, *platform.Error) {
	call := rest.Call{
		Operation: "POST " + e.dialect.edge(), Method: http.MethodPost, URL: e.address + "/" + e.dialect.edge(), Body: body,
	}
	answer, failure := e.rest.Do(ctx, call)
	if failure != nil {
		return platform.Submission{}, failure
	}
	if !isGood(answer) {
		refused, _ := e.refusal(answer, call, e.scopes.batch)
		return platform.Submission{}, refused
	}
	accepted, why := decodeAccepted(answer.Body)
	if why != "" {
		return platform.Submission{}, answer.Unreadable(call, why)
	}
	found := e.validation(accepted.rows, records, answer.Redact)
	told := quotas(answer.Header, e.scopes, e.scopes.batch, time.Now())
	if len(accepted.handles) == 0 {
		return platform.Submission{}, notIngested(call, answer, found, len(records), told)
	}
	return platform.Submission{
		Handles: accepted.handles, Verdicts: found.verdicts(len(records)), Quotas: told,
	}, nil
}

// notIngested is the error of an answer without a handle: "if empty, nothing was
// ingested" (reference of items_batch).
func notIngested(call rest.Call, answer *rest.Answer, found validation, records int, told []platform.Quota) *platform.Error {
	failure := &platform.Error{
		Scope: platform.ScopeBatch, Operation: call.Operation, HTTPStatus: answer.Status,
		Message: "Meta took nothing: the answer has no handle", Quotas: told,
	}
	if found.firstError != "" {
		failure.Message = found.firstError
	}
	for i, verdict := range found.named {
		if verdict.Outcome == platform.Failed {
			if failure.Named == nil {
				failure.Named = make(map[int]platform.Verdict)
			}
			failure.Named[i] = *verdict
		}
	}
	if records == 1 && len(failure.Named) == 0 {
		verdict := platform.Verdict{Outcome: platform.Failed, Errors: []ledger.Issue{{Message: failure.Message}}}
		if found.firstError == "" {
			verdict.Outcome = platform.Retryable // not taken, and nobody said a word against it
		}
		failure.Named = map[int]platform.Verdict{0: verdict}
	}
	return failure
}

// accepted is the answer to a POST.
type accepted struct {
	handles []string
	rows    gjson.Result // validation_status
}

const (
	maxHandles = 64   // one is usual; the older reference says "one or more"
	maxHandle  = 2048 // a handle is opaque, and some hundred characters in practice
)

// decodeAccepted reads the answer to a POST. why is "" or says what is wrong.
func decodeAccepted(body []byte) (decoded accepted, why string) {
	if !gjson.ValidBytes(body) {
		return accepted{}, "the answer is not JSON"
	}
	answer := gjson.ParseBytes(body)
	handles := answer.Get("handles")
	if !answer.IsObject() || !handles.IsArray() {
		return accepted{}, "the answer has no list of handles"
	}
	handles.ForEach(func(_, handle gjson.Result) bool {
		switch {
		case handle.Type != gjson.String || len(handle.Str) > maxHandle || len(decoded.handles) == maxHandles:
			why = "a handle is not a string of a sensible length"
		case handle.Str != "":
			decoded.handles = append(decoded.handles, handle.Str)
		}
		return why == ""
	})
	decoded.rows = answer.Get("validation_status")
	return decoded, why
}

// validation is what validation_status says.
type validation struct {
	named      map[int]*platform.Verdict // Failed, or Unknown with warnings, or with errors that may be another record's
	firstError string
	unnamed    bool // an error is about an item that is not to be recognised
}

// verdicts are what the answer says of each record, nil when it says nothing.
// Whether the status of the handle counts these refusals again is not documented,
// and Meta names no successes: so an error about a record that is not to be
// recognised casts doubt on all that are not named.
func (v validation) verdicts(records int) []platform.Verdict {
	if len(v.named) == 0 && !v.unnamed {
		return nil
	}
	verdicts := make([]platform.Verdict, records)
	for i := range verdicts {
		switch {
		case v.named[i] != nil:
			verdicts[i] = *v.named[i]
		case v.unnamed:
			verdicts[i].Errors = []ledger.Issue{{Message: v.firstError}}
		}
		if v.unnamed && records == 1 {
			verdicts[i].Outcome = platform.Failed
		}
	}
	return verdicts
}

// validation reads the rows of validation_status: only those with a problem are
// listed, and an item with an error was not taken.
func (e *endpoint) validation(rows gjson.Result, records []catalog.Record, redact func(string) string) validation {
	found := validation{named: make(map[int]*platform.Verdict)}
	if !rows.IsArray() {
		return found
	}
	index := newIDIndex(e.row, records)
	rows.ForEach(func(_, row gjson.Result) bool {
		wrong, warned := messages(row.Get("errors"), redact), messages(row.Get("warnings"), redact)
		if found.firstError == "" && len(wrong) > 0 {
			found.firstError = wrong[0].Message
		}
		id := row.Get("retailer_id")
		if !id.Exists() {
			id = row.Get("id")
		}
		matched := index.find(id, func(i int, only bool) {
			if len(wrong)+len(warned) == 0 {
				return
			}
			verdict := verdictOf(found.named, i)
			if len(wrong) > 0 && only {
				verdict.Outcome = platform.Failed
			}
			addIssues(&verdict.Errors, wrong)
			addIssues(&verdict.Warnings, warned)
		})
		if matched == 0 {
			found.unnamed = found.unnamed || len(wrong) > 0
		}
		return true
	})
	return found
}

func verdictOf(named map[int]*platform.Verdict, i int) *platform.Verdict {
	if named[i] == nil {
		named[i] = &platform.Verdict{}
	}
	return named[i]
}

// maxIssues bounds what is kept of one item's errors, and of its warnings.
const maxIssues = 20

func addIssues(to *[]ledger.Issue, more []ledger.Issue) {
	*to = append(*to, more[:min(len(more), max(0, maxIssues-len(*to)))]...)
}

func messages(list gjson.Result, redact func(string) string) []ledger.Issue {
	if !list.IsArray() {
		return nil
	}
	var found []ledger.Issue
	list.ForEach(func(_, entry gjson.Result) bool {
		found = append(found, ledger.Issue{Message: redact(entry.Get("message").String())})
		return len(found) < maxIssues
	})
	return found
}

func isGood(answer *rest.Answer) bool { return answer.Status >= 200 && answer.Status < 300 }

// statusAddress asks for all ids of refused requests: the lists of errors are
// samples.
func (e *endpoint) statusAddress(handle string) string {
	return e.address + "/check_batch_request_status?load_ids_of_invalid_requests=true&handle=" + url.QueryEscape(handle)
}
