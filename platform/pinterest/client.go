package pinterest

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// client calls the API for one account.
type client struct {
	rest      *rest.Client
	base      string
	adAccount string
	write     scopes
	read      scopes
}

// address is a URL with the account that the call acts for.
func (c *client) address(path string) string {
	address := c.base + path
	if c.adAccount != "" {
		address += "?ad_account_id=" + c.adAccount
	}
	return address
}

// submit posts a batch.
func (c *client) submit(ctx context.Context, to resource, body []byte, keys []string, records []catalog.Record) (platform.Submission, *platform.Error) {
	call := rest.Call{
		Operation: "POST " + to.submit[1:], Method: http.MethodPost,
		URL: c.address(to.submit), Body: body,
	}
	answer, failure := c.rest.Do(ctx, call)
	if failure != nil {
		return platform.Submission{}, failure
	}
	value, isJSON := rest.Parse(answer.Body)
	batch, said := readBatch(value, to.results), saidIn(value)
	switch {
	case !isGood(answer), said.isError && !batch.known:
		refused, _ := refusal(answer, call, said, c.write)
		return platform.Submission{}, refused
	case !isJSON:
		return platform.Submission{}, answer.Unreadable(call, "the answer is not JSON")
	case batch.id == "" && batch.skipped && !batch.cut:
		return platform.Submission{}, skippedWithoutName(answer, call, c.write)
	case batch.id == "":
		return platform.Submission{}, c.nameless(answer, call, batch, keys, records)
	}
	submission := platform.Submission{Handles: []string{batch.id}, Quotas: quotas(answer, c.write, time.Now())}
	if batch.skipped {
		submission.Verdicts = skipped(len(records))
	}
	if said.isError {
		submission.Note = "Pinterest took a batch and told of an error: " + answer.Redact(said.Message)
	}
	return submission, nil
}

// nameless is the error of a POST that was answered without the name of the batch, so
// that it cannot be followed. What a finished batch says of its items counts.
func (c *client) nameless(answer *rest.Answer, call rest.Call, batch batch, keys []string, records []catalog.Record) *platform.Error {
	failure := answer.Unreadable(call, "the answer has no batch_id")
	failure.Quotas = quotas(answer, c.write, time.Now())
	if state, known := stateOf(batch.status); !known || state.progress != platform.Finished {
		return failure
	}
	named := make(map[int]platform.Verdict)
	for i, verdict := range batch.verdicts(keys, records, answer.Redact) {
		if verdict.Outcome == platform.Failed && !isNoReason(verdict.Errors) {
			named[i] = verdict
		}
	}
	if len(named) > 0 {
		// Nothing is under way any more: the others may go again.
		failure.Scope, failure.Ambiguous, failure.Unclear, failure.Named = platform.ScopeBatch, false, false, named
	}
	return failure
}

// skippedWithoutName is the error of a POST that was skipped as a duplicate of one
// that has another name: nothing was taken, and other bytes may be.
func skippedWithoutName(answer *rest.Answer, call rest.Call, names scopes) *platform.Error {
	return &platform.Error{
		Scope: platform.ScopePlatform, Unclear: true, Operation: call.Operation, HTTPStatus: answer.Status,
		Message: skippedText, Quotas: quotas(answer, names, time.Now()),
	}
}

// poll asks what became of a batch.
func (c *client) poll(ctx context.Context, from resource, handle string, keys []string, records []catalog.Record) (platform.Report, *platform.Error) {
	answer, call, failure := c.ask(ctx, from, handle)
	if failure != nil {
		return platform.Report{}, failure
	}
	value, isJSON := rest.Parse(answer.Body)
	batch, said := readBatch(value, from.results), saidIn(value)
	switch {
	case !isGood(answer), said.isError && !batch.known:
		refused, lost := refusal(answer, call, said, c.read)
		if lost {
			return platform.Report{Progress: platform.NotFound, Error: refused.Message, Quotas: refused.Quotas}, nil
		}
		return platform.Report{}, refused
	case !isJSON:
		return platform.Report{}, answer.Unreadable(call, "the answer is not JSON")
	case !sameBatch(batch.id, handle):
		return platform.Report{}, answer.Unreadable(call, "the answer is about another batch")
	case batch.status == "" && !batch.skipped:
		return platform.Report{}, answer.Unreadable(call, "the answer has no status")
	}
	report := batch.report(keys, records, answer.Redact)
	report.Quotas = quotas(answer, c.read, time.Now())
	if said.isError {
		report.Note = strings.TrimPrefix(report.Note+"; Pinterest told of an error beside a batch: "+answer.Redact(said.Message), "; ")
	}
	return report, nil
}

// ask gets the answer about a batch, by its whole id or, where that is refused as
// invalid, by the part behind the hyphen: the OpenAPI file's pattern of the path
// has no hyphen, and its example of the path is that part of its example of an id.
func (c *client) ask(ctx context.Context, from resource, handle string) (*rest.Answer, rest.Call, *platform.Error) {
	call := rest.Call{
		Operation: "GET " + strings.Trim(from.poll, "/"), Method: http.MethodGet,
		URL: c.address(from.poll + url.PathEscape(handle)),
	}
	answer, failure := c.rest.Do(ctx, call)
	if failure != nil || answer.Status != http.StatusBadRequest {
		return answer, call, failure
	}
	_, short, _ := strings.Cut(handle, "-")
	if short == "" {
		return answer, call, nil
	}
	call.URL = c.address(from.poll + url.PathEscape(short))
	answer, failure = c.rest.Do(ctx, call)
	return answer, call, failure
}

// sameBatch compares the id in an answer with the one asked for. The documented
// examples write one batch both with and without a prefix and a hyphen; an answer
// need not name the batch at all.
func sameBatch(answered, asked string) bool {
	return answered == "" || answered == asked ||
		strings.HasSuffix(answered, "-"+asked) || strings.HasSuffix(asked, "-"+answered)
}
