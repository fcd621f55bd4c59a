package meta

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
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
	value, isJSON := rest.Parse(answer.Body)
	said := saidIn(value)
	if !isGood(answer) {
		refused, _ := e.refusal(answer, call, said, e.scopes.batch)
		return platform.Submission{}, refused
	}
	read := readAccepted(value)
	found := e.validation(read.rows, records, answer.Redact)
	told := quotas(answer.Header, e.scopes, e.scopes.batch, time.Now())
	switch {
	case len(read.handles) > 0:
		return e.taken(answer, call, read, found, said, len(records), told), nil
	case said.isError:
		refused, _ := e.refusal(answer, call, said, e.scopes.batch)
		if refused.Scope == platform.ScopeBatch {
			refused.Named = found.refused()
		}
		return platform.Submission{}, refused
	case read.nothing:
		return platform.Submission{}, notIngested(call, answer, found, len(records), told)
	case !isJSON:
		return platform.Submission{}, answer.Unreadable(call, "the answer is not JSON")
	case read.unusable || read.cut:
		return platform.Submission{}, answer.Unreadable(call, "the answer has no handle that can be followed")
	default:
		return platform.Submission{}, answer.Unreadable(call, "the answer has no handles")
	}
}

// taken is an answer with handles. An error beside them is about another part of the
// call, as the batch was taken: what it says of quotas counts, and it is told.
func (e *endpoint) taken(
	answer *rest.Answer, call rest.Call, read accepted, found validation, said said, records int, told []platform.Quota,
) platform.Submission {
	if read.cut {
		// What is not followed may name any record.
		found.unnamed = found.unnamed || records > 1
		if found.firstError == "" {
			found.firstError = "Meta named more handles than can be followed"
		}
	}
	taken := platform.Submission{
		Handles: read.handles, Verdicts: found.verdicts(records), Note: found.note(), Quotas: told,
	}
	if said.isError {
		refused, _ := e.refusal(answer, call, said, e.scopes.batch)
		taken.Quotas = refused.Quotas
		taken.Note = "Meta took a batch and told of an error: " + refused.Message
	}
	return taken
}

// notIngested is the error of an answer without a handle: "if empty, nothing was
// ingested" (reference of items_batch). Seen is an answer without the member.
func notIngested(call rest.Call, answer *rest.Answer, found validation, records int, told []platform.Quota) *platform.Error {
	failure := &platform.Error{
		Scope: platform.ScopeBatch, Operation: call.Operation, HTTPStatus: answer.Status, Quotas: told,
		Message: found.firstError, OfRecords: found.firstError != "", Named: found.refused(),
	}
	if failure.Message == "" {
		failure.Message = answer.Explain("Meta took nothing: the answer has no handle")
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

// refused are the records that were refused for certain, nil if there is none.
func (v validation) refused() map[int]platform.Verdict {
	var named map[int]platform.Verdict
	for i, verdict := range v.named {
		if verdict.Outcome == platform.Failed {
			if named == nil {
				named = make(map[int]platform.Verdict)
			}
			named[i] = *verdict
		}
	}
	return named
}

func isGood(answer *rest.Answer) bool { return answer.Status >= 200 && answer.Status < 300 }

// statusAddress asks for all ids of refused requests: the lists of errors are
// samples.
func (e *endpoint) statusAddress(handle string) string {
	return e.address + "/check_batch_request_status?load_ids_of_invalid_requests=true&handle=" + url.QueryEscape(handle)
}
