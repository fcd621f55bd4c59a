package meta

import (
	"fmt"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

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
	report.Error = "Meta reports the batch as " + s.progress
	for i := range report.Verdicts {
		if report.Verdicts[i].Outcome == platform.Succeeded {
			report.Verdicts[i].Outcome = platform.Unknown
			explain(&report.Verdicts[i], report.Error)
		}
	}
	report.Incomplete = false
	return report
}

// finished reads the lists. Meta names no successes: a record that is not named
// succeeded only if there is no error at all, or the list is proven whole.
func (s status) finished(row *catalogType, records []catalog.Record, redact func(string) string) platform.Report {
	report := platform.Report{Progress: platform.Finished, Verdicts: make([]platform.Verdict, len(records))}
	reader := errorReader{
		index: newIDIndex(row, records), verdicts: report.Verdicts, doubtful: make(map[int]bool), redact: redact,
	}
	listed := reader.read(s.errors)
	identified := reader.read(s.ids)
	report.Note = reader.warn(s.warnings)
	if len(records) == 1 && (s.total > 0 || listed.entries+identified.entries > 0) {
		failOnly(&report.Verdicts[0], s.errors, redact)
		return report
	}
	whole := s.total >= 0 && listed.unmatched+identified.unmatched == 0 &&
		listed.entries <= s.total && identified.entries <= s.total &&
		(listed.entries == s.total || identified.entries == s.total)
	for i := range report.Verdicts {
		verdict := &report.Verdicts[i]
		switch {
		case verdict.Outcome == platform.Failed:
			explain(verdict, noReason)
		case whole && !reader.doubtful[i]:
			verdict.Outcome = platform.Succeeded
		case len(records) == 1:
			explain(verdict, fmt.Sprintf("Meta says %s, and not whether the item is in error: errors_total_count is %s",
				s.progress, orMissing(redact(s.told))))
		}
	}
	report.Incomplete = (!whole || len(reader.doubtful) > 0) && len(records) > 1
	return report
}

func orMissing(text string) string {
	if text == "" {
		return "missing"
	}
	return text
}

// explain says why nothing is known of a record, unless something is said already.
func explain(verdict *platform.Verdict, why string) {
	if len(verdict.Errors) == 0 {
		verdict.Errors = []ledger.Issue{{Message: why}}
	}
}

// counts are what a list of errors or ids holds.
type counts struct {
	entries   int
	unmatched int // entries that name no item of the batch, or not exactly one
}

// errorReader reads lists into verdicts. An id with several records, of several
// localizations, leaves all of them doubtful: at least one is bad, and nobody says
// which.
type errorReader struct {
	index    *idIndex
	verdicts []platform.Verdict
	doubtful map[int]bool
	redact   func(string) string
}

// read fails the records that a list names. Its entries are {"line","id","message"},
// or bare ids; "line" is not used, as it is not documented whether it counts from 0
// or 1.
func (r *errorReader) read(list []gjson.Result) (counted counts) {
	for _, entry := range list {
		counted.entries++
		id, message := entryOf(entry)
		matched := r.index.find(id, func(i int, only bool) {
			if only {
				r.verdicts[i].Outcome = platform.Failed
			} else {
				r.doubtful[i] = true
			}
			if message != "" {
				addIssues(&r.verdicts[i].Errors, []ledger.Issue{{Message: r.redact(message)}})
			}
		})
		if matched == 0 {
			counted.unmatched++
		}
	}
	return counted
}

// entryOf takes an entry apart. The id is in id, and in others' programs in
// retailer_id; one that has two different ones names no item.
func entryOf(entry gjson.Result) (id gjson.Result, message string) {
	if !entry.IsObject() {
		return entry, ""
	}
	id, other, said := entry.Get("id"), entry.Get("retailer_id"), entry.Get("message")
	if !said.Exists() && !id.Exists() && !other.Exists() {
		return entry, "" // the parts of a key
	}
	switch {
	case !rest.Says(id):
		id = other
	case rest.Says(other) && other.String() != id.String():
		id = gjson.Result{}
	}
	return id, said.String()
}

// warn adds warnings to the records that they name, and returns a note of those that
// name none.
func (r *errorReader) warn(list []gjson.Result) (note string) {
	var unnamed []string
	for _, entry := range list {
		id, _ := entryOf(entry)
		words := r.redact(rest.Words(entry))
		visit := func(i int, _ bool) {
			addIssues(&r.verdicts[i].Warnings, []ledger.Issue{{Message: words}})
		}
		switch {
		case entry.IsObject() && r.index.find(id, visit) > 0:
		case len(r.verdicts) == 1:
			visit(0, true) // whose else
		case words != "":
			unnamed = append(unnamed, words)
		}
	}
	return noteOf(unnamed)
}

// failOnly fails the only record of a batch with errors, however they name it.
func failOnly(verdict *platform.Verdict, errors []gjson.Result, redact func(string) string) {
	verdict.Outcome = platform.Failed
	if len(verdict.Errors) == 0 {
		for _, entry := range errors {
			if words := redact(rest.Words(entry)); words != "" {
				addIssues(&verdict.Errors, []ledger.Issue{{Message: words}})
			}
		}
	}
	explain(verdict, "Meta counts errors but names none")
}
