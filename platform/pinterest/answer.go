package pinterest

import (
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

const (
	// maxIssues bounds what is kept of one item's errors, and of its warnings.
	maxIssues = 20
	// maxHandle bounds an opaque batch id; documented ones have up to 51 characters.
	maxHandle = 512
)

// batch is the answer that POST and GET share, CatalogsItemsBatch.
type batch struct {
	id        string
	status    string
	skipped   bool // created_time is null: a recent duplicate, nothing was done
	completed time.Time
	items     gjson.Result
}

// decodeBatch reads an answer. why is "" or says what is wrong with it.
func decodeBatch(body []byte) (decoded batch, why string) {
	if !gjson.ValidBytes(body) {
		return batch{}, "the answer is not JSON"
	}
	answer := gjson.ParseBytes(body)
	if !answer.IsObject() {
		return batch{}, "the answer is not a JSON object"
	}
	answer.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case "batch_id":
			if decoded.id = value.String(); value.Type == gjson.Null || value.IsObject() || value.IsArray() {
				decoded.id = ""
			}
		case "status":
			decoded.status = value.String()
		case "created_time":
			decoded.skipped = value.Type == gjson.Null
		case "completed_time":
			decoded.completed = parseTime(value.String())
		case "items":
			decoded.items = value
		}
		return true
	})
	if len(decoded.id) > maxHandle {
		return batch{}, "batch_id is longer than 512 bytes"
	}
	return decoded, ""
}

// parseTime reads the times that Pinterest writes: with and without zone, with
// and without fraction; without a zone it is UTC. Zero when it is no time.
func parseTime(text string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700"} {
		if when, err := time.Parse(layout, text); err == nil {
			return when.UTC()
		}
	}
	return time.Time{}
}

// report says what the answer means for each record.
func (b batch) report(idField string, records []catalog.Record, redact func(string) string) platform.Report {
	if b.skipped {
		return platform.Report{
			Progress: platform.Finished, CompletedAt: b.completed, Verdicts: skipped(len(records)), Error: skippedText,
		}
	}
	state, known := stateOf(b.status)
	switch {
	case !known:
		return platform.Report{
			Progress: platform.Pending,
			Note:     fmt.Sprintf("unknown batch status %q, taken as not finished", redact(b.status)),
		}
	case state.progress == platform.Pending:
		return platform.Report{Progress: platform.Pending}
	}
	report := platform.Report{
		Progress: state.progress, CompletedAt: b.completed, Verdicts: b.verdicts(idField, records, redact),
	}
	if state.failed {
		report.Error = failedText
		for i := range report.Verdicts {
			failWithBatch(&report.Verdicts[i])
		}
	}
	return report
}

// failWithBatch is what the failure of the whole batch means for one record:
// where Pinterest names no fault of the item itself, it may work another time.
func failWithBatch(verdict *platform.Verdict) {
	itemAtFault := verdict.Outcome == platform.Failed && len(verdict.Errors) > 0
	if itemAtFault || verdict.Outcome == platform.Succeeded {
		return
	}
	verdict.Outcome = platform.Retryable
	if len(verdict.Errors) == 0 {
		verdict.Errors = []ledger.Issue{{Message: failedText}}
	}
}

// verdicts matches the answer's items to the records by item id. A record that
// the answer does not name, or names twice, stays unknown.
func (b batch) verdicts(idField string, records []catalog.Record, redact func(string) string) []platform.Verdict {
	verdicts := make([]platform.Verdict, len(records))
	index := make(map[string]int, len(records))
	for i := range records {
		index[records[i].Key.ItemID] = i
	}
	seen := make([]bool, len(records))
	if !b.items.IsArray() {
		return verdicts
	}
	b.items.ForEach(func(_, row gjson.Result) bool {
		item := decodeItem(row, idField)
		i, known := index[item.id]
		switch {
		case !known:
		case seen[i]:
			verdicts[i] = twice(verdicts[i], item.verdict(redact))
		default:
			seen[i] = true
			verdicts[i] = item.verdict(redact)
		}
		return true
	})
	return verdicts
}

// twice is the verdict of a record that the answer names more than once: only
// what all of them say is believed, and a success not at all.
func twice(first, second platform.Verdict) platform.Verdict {
	if first.Outcome == platform.Failed && second.Outcome == platform.Failed {
		return first
	}
	return platform.Verdict{Outcome: platform.Unknown}
}

// item is one row of the answer's items.
type item struct {
	id       string
	status   string
	errors   gjson.Result
	warnings gjson.Result
}

func decodeItem(row gjson.Result, idField string) (decoded item) {
	row.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case idField:
			if value.Type == gjson.String {
				decoded.id = value.Str
			}
		case "status":
			decoded.status = value.Str
		case "errors":
			decoded.errors = value
		case "warnings":
			decoded.warnings = value
		}
		return true
	})
	return decoded
}

// verdict reads one row. "A non empty errors list causes the item processing to
// fail" (OpenAPI file), whatever the status beside it.
func (i item) verdict(redact func(string) string) platform.Verdict {
	verdict := platform.Verdict{
		Outcome: itemOutcome(i.status), Errors: issues(i.errors, redact), Warnings: issues(i.warnings, redact),
	}
	if len(verdict.Errors) > 0 {
		verdict.Outcome = platform.Failed
	}
	return verdict
}

func issues(list gjson.Result, redact func(string) string) []ledger.Issue {
	if !list.IsArray() {
		return nil
	}
	var found []ledger.Issue
	list.ForEach(func(_, event gjson.Result) bool {
		found = append(found, ledger.Issue{
			Code:      redact(event.Get("code").String()),
			Attribute: redact(event.Get("attribute").String()),
			Message:   redact(event.Get("message").String()),
		})
		return len(found) < maxIssues
	})
	return found
}

// skipped is the verdict of a batch that Pinterest did not process.
func skipped(records int) []platform.Verdict {
	verdicts := make([]platform.Verdict, records)
	for i := range verdicts {
		verdicts[i] = platform.Verdict{
			Outcome: platform.Skipped,
			Errors:  []ledger.Issue{{Message: skippedText}},
		}
	}
	return verdicts
}
