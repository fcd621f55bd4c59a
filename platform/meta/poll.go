package meta

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

func (e *endpoint) poll(ctx context.Context, handle string, records []catalog.Record) (platform.Report, *platform.Error) {
	call := rest.Call{Operation: "GET check_batch_request_status", Method: http.MethodGet, URL: e.statusAddress(handle)}
	answer, failure := e.rest.Do(ctx, call)
	if failure != nil {
		return platform.Report{}, failure
	}
	value, isJSON := rest.Parse(answer.Body)
	said := saidIn(value)
	status, why := readStatus(value, handle)
	switch {
	case !isGood(answer), said.isError && !status.known:
		refused, lost := e.refusal(answer, call, said, e.scopes.management)
		if lost {
			return platform.Report{Progress: platform.NotFound, Error: refused.Message, Quotas: refused.Quotas}, nil
		}
		return platform.Report{}, refused
	case !isJSON:
		return platform.Report{}, answer.Unreadable(call, "the answer is not JSON")
	case why != "":
		return platform.Report{}, answer.Unreadable(call, why)
	}
	report := status.report(e.row, records, answer.Redact)
	report.Quotas = quotas(answer.Header, e.scopes, e.scopes.management, time.Now())
	if said.isError {
		// It is about another part of the call: the status is whole.
		refused, _ := e.refusal(answer, call, said, e.scopes.management)
		report.Quotas = refused.Quotas
		report.Note = strings.TrimPrefix(report.Note+"; Meta told of an error beside a status: "+refused.Message, "; ")
	}
	return report, nil
}
