package meta

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

func (e *endpoint) poll(ctx context.Context, handle string, records []catalog.Record) (platform.Report, *platform.Error) {
	call := rest.Call{Operation: "GET check_batch_request_status", Method: http.MethodGet, URL: e.statusAddress(handle)}
	answer, failure := e.rest.Do(ctx, call)
	if failure != nil {
		return platform.Report{}, failure
	}
	if !isGood(answer) {
		refused, lost := e.refusal(answer, call, e.scopes.management)
		if lost {
			return platform.Report{Progress: platform.NotFound, Error: refused.Message, Quotas: refused.Quotas}, nil
		}
		return platform.Report{}, refused
	}
	status, why := decodeStatus(answer.Body, handle)
	if why != "" {
		return platform.Report{}, answer.Unreadable(call, why)
	}
	report := status.report(e.row, records, answer.Redact)
	report.Quotas = quotas(answer.Header, e.scopes, e.scopes.management, time.Now())
	return report, nil
}

// status is the one element of the answer's data.
type status struct {
	known    bool   // the answer has an element
	progress string // lower case
	errors   gjson.Result
	ids      gjson.Result // ids_of_invalid_requests
	warnings gjson.Result
	total    int // errors_total_count, -1 when not told
}

// decodeStatus reads the answer to a poll. why is "" or says what is wrong.
func decodeStatus(body []byte, handle string) (decoded status, why string) {
	if !gjson.ValidBytes(body) {
		return status{}, "the answer is not JSON"
	}
	data := gjson.GetBytes(body, "data")
	if !data.IsArray() {
		return status{}, "the answer has no list of data"
	}
	var element gjson.Result
	data.ForEach(func(_, each gjson.Result) bool {
		if named := each.Get("handle").String(); named == "" || named == handle {
			element = each
			return false
		}
		why = "the answer is about another handle"
		return true
	})
	if !element.Exists() {
		return status{}, why // without any element: not known yet
	}
	if !element.IsObject() {
		return status{}, "the answer's data is not an object"
	}
	decoded = status{
		known: true, progress: strings.ToLower(element.Get("status").String()),
		errors: element.Get("errors"), ids: element.Get("ids_of_invalid_requests"),
		warnings: element.Get("warnings"), total: -1,
	}
	// Anything but a whole number is not told: rounded, it could pass for no error.
	if total, err := strconv.ParseUint(element.Get("errors_total_count").Raw, 10, 31); err == nil {
		decoded.total = int(total)
	}
	return decoded, ""
}

// report says what the answer means for each record.
func (s status) report(row *catalogType, records []catalog.Record, redact func(string) string) platform.Report {
	if !s.known {
		return platform.Report{Progress: platform.Pending, Note: "the handle is not known yet"}
	}
	for _, state := range states() {
		if !slices.Contains(state.words, s.progress) {
			continue
		}
		switch {
		case !state.final:
			return platform.Report{Progress: platform.Pending}
		case state.whole:
			return s.finished(row, records, redact)
		default:
			return s.broken(row, records, redact)
		}
	}
	return platform.Report{
		Progress: platform.Pending,
		Note:     fmt.Sprintf("unknown batch status %q, taken as not finished", redact(s.progress)),
	}
}

// broken is the report of a batch that ended before its end: of the records that
// are not named nobody knows.
func (s status) broken(row *catalogType, records []catalog.Record, redact func(string) string) platform.Report {
	report := s.finished(row, records, redact)
	for i := range report.Verdicts {
		if report.Verdicts[i].Outcome == platform.Succeeded {
			report.Verdicts[i].Outcome = platform.Unknown
		}
	}
	report.Incomplete = false
	report.Error = "Meta reports the batch as " + s.progress
	return report
}

// finished reads the lists. Meta names no successes: a record that is not named
// succeeded only if there is no error at all, or the list is proven whole.
func (s status) finished(row *catalogType, records []catalog.Record, redact func(string) string) platform.Report {
	report := platform.Report{Progress: platform.Finished, Verdicts: make([]platform.Verdict, len(records))}
	index := newIDIndex(row, records)
	verdicts := report.Verdicts
	doubtful := make(map[int]bool)
	listed := nameErrors(s.errors, index, verdicts, doubtful, redact)
	identified := nameErrors(s.ids, index, verdicts, doubtful, redact)
	nameWarnings(s.warnings, index, verdicts, redact)
	if len(records) == 1 && (s.total > 0 || listed.entries+identified.entries > 0) {
		failOnly(&verdicts[0], s.errors, redact)
		return report
	}
	whole := s.total >= 0 && listed.unmatched+identified.unmatched == 0 &&
		listed.entries <= s.total && identified.entries <= s.total &&
		(listed.entries == s.total || identified.entries == s.total)
	for i := range verdicts {
		if verdicts[i].Outcome == platform.Unknown && whole && !doubtful[i] {
			verdicts[i].Outcome = platform.Succeeded
		}
	}
	report.Incomplete = (!whole || len(doubtful) > 0) && len(records) > 1
	return report
}

// list counts what a list of errors or ids holds.
type list struct {
	entries   int
	unmatched int // entries that name no item of the batch, or not exactly one
}

// nameErrors fails the records that a list names. Its entries are {"line","id",
// "message"}, or bare ids; "line" is not used, as it is not documented whether it
// counts from 0 or 1. An id with several records, of several localizations, leaves
// all of them doubtful: at least one is bad, and nobody says which.
func nameErrors(
	named gjson.Result, index *idIndex, verdicts []platform.Verdict, doubtful map[int]bool, redact func(string) string,
) (counted list) {
	if !named.IsArray() {
		return list{}
	}
	named.ForEach(func(_, entry gjson.Result) bool {
		counted.entries++
		id, message := entry, ""
		if said := entry.Get("message"); entry.IsObject() && (said.Exists() || entry.Get("id").Exists()) {
			id, message = entry.Get("id"), said.String()
		}
		matched := index.find(id, func(i int, only bool) {
			if only {
				verdicts[i].Outcome = platform.Failed
			} else {
				doubtful[i] = true
			}
			if message != "" {
				addIssues(&verdicts[i].Errors, []ledger.Issue{{Message: redact(message)}})
			}
		})
		if matched == 0 {
			counted.unmatched++
		}
		return true
	})
	return counted
}

func nameWarnings(named gjson.Result, index *idIndex, verdicts []platform.Verdict, redact func(string) string) {
	if !named.IsArray() {
		return
	}
	named.ForEach(func(_, entry gjson.Result) bool {
		index.find(entry.Get("id"), func(i int, _ bool) {
			addIssues(&verdicts[i].Warnings, []ledger.Issue{{Message: redact(entry.Get("message").String())}})
		})
		return true
	})
}

// failOnly fails the only record of a batch with errors, however they name it.
func failOnly(verdict *platform.Verdict, errors gjson.Result, redact func(string) string) {
	verdict.Outcome = platform.Failed
	if len(verdict.Errors) == 0 {
		verdict.Errors = messages(errors, redact)
	}
	if len(verdict.Errors) == 0 {
		verdict.Errors = []ledger.Issue{{Message: "Meta counts errors but names none"}}
	}
}
