package pinterest

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// client calls the API for one account.
type client struct {
	rest       *rest.Client
	base       string
	adAccount  string
	writeScope string
	readScope  string
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
func (c *client) submit(ctx context.Context, body []byte, records []catalog.Record) (platform.Submission, *platform.Error) {
	call := rest.Call{
		Operation: "POST catalogs/items/batch", Method: http.MethodPost,
		URL: c.address("/catalogs/items/batch"), Body: body,
	}
	answer, failure := c.rest.Do(ctx, call)
	if failure != nil {
		return platform.Submission{}, failure
	}
	if !isGood(answer) {
		return platform.Submission{}, refusal(answer, call, c.writeScope)
	}
	batch, why := decodeBatch(answer.Body)
	if why == "" && batch.id == "" {
		why = "the answer has no batch_id"
	}
	if why != "" {
		return platform.Submission{}, answer.Unreadable(call, why)
	}
	submission := platform.Submission{Handles: []string{batch.id}, Quotas: quotas(answer, c.writeScope, time.Now())}
	if batch.skipped {
		submission.Verdicts = skipped(len(records))
	}
	return submission, nil
}

// poll asks what became of a batch.
func (c *client) poll(ctx context.Context, handle, idField string, records []catalog.Record) (platform.Report, *platform.Error) {
	call := rest.Call{
		Operation: "GET catalogs/items/batch", Method: http.MethodGet,
		URL: c.address("/catalogs/items/batch/" + url.PathEscape(handle)),
	}
	answer, failure := c.rest.Do(ctx, call)
	if failure != nil {
		return platform.Report{}, failure
	}
	if !isGood(answer) {
		failure := refusal(answer, call, c.readScope)
		if failure.Code == codeNoSuchBatch {
			return platform.Report{Progress: platform.NotFound, Error: failure.Message, Quotas: failure.Quotas}, nil
		}
		return platform.Report{}, failure
	}
	batch, why := decodeBatch(answer.Body)
	if why == "" && !sameBatch(batch.id, handle) {
		why = "the answer is about another batch"
	}
	if why != "" {
		return platform.Report{}, answer.Unreadable(call, why)
	}
	report := batch.report(idField, records, answer.Redact)
	report.Quotas = quotas(answer, c.readScope, time.Now())
	return report, nil
}

func isGood(answer *rest.Answer) bool { return answer.Status >= 200 && answer.Status < 300 }

// sameBatch compares the id in an answer with the one asked for. The documented
// examples write one batch both with and without a prefix and a hyphen; an answer
// need not name the batch at all.
func sameBatch(answered, asked string) bool {
	return answered == "" || answered == asked ||
		strings.HasSuffix(answered, "-"+asked) || strings.HasSuffix(asked, "-"+answered)
}

// refusal is the error of an answer that is not 2xx.
func refusal(answer *rest.Answer, call rest.Call, scope string) *platform.Error {
	said := rest.Said{}
	if parsed := gjson.ParseBytes(answer.Body); parsed.IsObject() && gjson.ValidBytes(answer.Body) {
		said.Code = int(parsed.Get("code").Int())
		said.Message = parsed.Get("message").String()
		if detail := parsed.Get("message_detail").String(); detail != "" {
			said.Message += " (" + detail + ")"
		}
	}
	failure := answer.Refusal(call, failures(), said)
	now := time.Now()
	failure.Quotas = quotas(answer, scope, now)
	failure.RetryAfter = rest.RetryAfter(answer.Header, now)
	if answer.Status != http.StatusTooManyRequests {
		return failure
	}
	// A 429 is also how Pinterest blocks an account that it takes for a spammer.
	if strings.Contains(strings.ToLower(said.Message), "spam") {
		failure.Scope = platform.ScopeAccount
		return failure
	}
	failure.BlockedScope = scope
	failure.Quotas = blocked(failure.Quotas, scope, failure.RetryAfter)
	if failure.RetryAfter == 0 {
		failure.RetryAfter = failure.Quotas[len(failure.Quotas)-1].Block
	}
	return failure
}
