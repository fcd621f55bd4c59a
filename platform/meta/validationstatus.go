package meta

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// validation is what validation_status says.
type validation struct {
	named      map[int]*platform.Verdict // Failed, or Unknown with warnings, or with errors that may be another record's
	firstError string
	unnamed    bool // an error is about an item that is not to be recognised
	warned     []ledger.Issue
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

// note tells of the warnings that name no record, "" when there are none.
func (v validation) note() string {
	words := make([]string, 0, len(v.warned))
	for _, warning := range v.warned {
		words = append(words, warning.Message)
	}
	return noteOf(words)
}

// noteOf is a note of warnings of a whole batch.
func noteOf(warnings []string) string {
	const most = 5
	if len(warnings) == 0 {
		return ""
	}
	if len(warnings) > most {
		warnings = append(warnings[:most:most], "and more")
	}
	return "Meta warns of a batch and names no item: " + strings.Join(warnings, "; ")
}

// validation reads the rows of validation_status: only those with a problem are
// listed, and an item with an error was not taken.
func (e *endpoint) validation(rows []gjson.Result, records []catalog.Record, redact func(string) string) validation {
	found := validation{named: make(map[int]*platform.Verdict)}
	index := newIDIndex(e.row, records)
	for _, row := range rows {
		id, wrong, warned := readRow(row, redact)
		if len(wrong)+len(warned) == 0 {
			continue
		}
		if found.firstError == "" && len(wrong) > 0 {
			found.firstError = wrong[0].Message
		}
		visit := func(i int, only bool) {
			verdict := verdictOf(found.named, i)
			if len(wrong) > 0 && only {
				verdict.Outcome = platform.Failed
			}
			addIssues(&verdict.Errors, wrong)
			addIssues(&verdict.Warnings, warned)
		}
		if index.find(id, visit) > 0 || row.IsObject() && len(e.row.keys) > 1 && index.find(row, visit) > 0 {
			continue
		}
		found.unnamed = found.unnamed || len(wrong) > 0
		if len(records) == 1 && len(wrong) == 0 {
			addIssues(&verdictOf(found.named, 0).Warnings, warned) // whose else
		} else {
			addIssues(&found.warned, warned)
		}
	}
	return found
}

// readRow reads a row of validation_status. One that is no object is what is wrong;
// so is a message beside neither errors nor warnings.
func readRow(row gjson.Result, redact func(string) string) (id gjson.Result, wrong, warned []ledger.Issue) {
	if !row.IsObject() {
		return gjson.Result{}, messages(row, redact), nil
	}
	var other, message gjson.Result
	row.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case "retailer_id":
			id = value
		case "id":
			other = value
		case "errors", "error":
			addIssues(&wrong, messages(value, redact))
		case "warnings", "warning":
			addIssues(&warned, messages(value, redact))
		case "message":
			message = value
		}
		return true
	})
	if !rest.Says(id) {
		id = other
	}
	if len(wrong)+len(warned) == 0 {
		wrong = messages(message, redact)
	}
	return id, wrong, warned
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

// noReason is the message of an error that has none.
const noReason = "Meta gives no reason"

// messages reads a list of errors or warnings, whatever their form.
func messages(list gjson.Result, redact func(string) string) []ledger.Issue {
	entries := rest.Entries(list)
	found := make([]ledger.Issue, 0, min(len(entries), maxIssues))
	for _, entry := range entries[:min(len(entries), maxIssues)] {
		message := redact(rest.Words(entry))
		if message == "" {
			message = noReason
		}
		found = append(found, ledger.Issue{Message: message})
	}
	return found
}
