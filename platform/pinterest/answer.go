package pinterest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

const (
	// maxIssues bounds what is kept of one item's errors, and of its warnings.
	maxIssues = 20
	// maxHandle bounds an opaque batch id; documented ones have up to 51 characters.
	maxHandle = 512
)

// batch is the answer that POST and GET share, CatalogsItemsBatch, read member by
// member: what one says counts, whatever the others look like.
type batch struct {
	id        string
	status    string
	skipped   bool // created_time is null: a recent duplicate, nothing was done
	completed time.Time
	items     []gjson.Result
	known     bool // the answer has a member of a batch: an id, a status or items
	cut       bool // the id is too long to be followed
}

// readBatch reads an answer, which has the items' results under the given name. A name that
// is there twice counts twice.
func readBatch(answer gjson.Result, results string) (read batch) {
	if !answer.IsObject() {
		return batch{}
	}
	var statuses []string
	created := 0
	answer.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case "batch_id":
			if id := rest.Text(value); id != "" {
				read.id = id
			}
		case "status":
			statuses = append(statuses, strings.TrimSpace(value.String()))
		case "created_time":
			read.skipped = value.Type == gjson.Null && (created == 0 || read.skipped)
			created++
		case "completed_time":
			read.completed = parseTime(value.String())
		case results:
			read.items = append(read.items, rowsOf(value)...)
			read.known = read.known || value.IsArray() || value.IsObject()
		}
		return true
	})
	read.status = strings.Join(slices.Compact(statuses), " and ")
	if len(read.id) > maxHandle {
		read.id, read.cut = "", true
	}
	_, isStatus := stateOf(read.status)
	read.known = read.known || read.id != "" || isStatus
	return read
}

// rowsOf are the rows of items. An object in place of the list is one row, or has a
// row under the name of each item.
func rowsOf(value gjson.Result) []gjson.Result {
	if value.IsArray() || !value.IsObject() {
		return value.Array()
	}
	for _, name := range []string{"status", "errors"} {
		if value.Get(name).Exists() {
			return []gjson.Result{value}
		}
	}
	return nil
}

// parseTime reads the times that Pinterest writes: with and without zone, with
// and without fraction; without a zone it is UTC. Zero when it is not a time.
func parseTime(text string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700"} {
		if when, err := time.Parse(layout, text); err == nil {
			return when.UTC()
		}
	}
	return time.Time{}
}

// report says what the answer means for each record.
func (b batch) report(keys []string, records []catalog.Record, redact func(string) string) platform.Report {
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
		Progress: state.progress, CompletedAt: b.completed, Verdicts: b.verdicts(keys, records, redact),
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
	itemAtFault := verdict.Outcome == platform.Failed && !isNoReason(verdict.Errors)
	if itemAtFault || verdict.Outcome == platform.Succeeded {
		return
	}
	verdict.Outcome, verdict.Errors = platform.Retryable, []ledger.Issue{{Message: failedText}}
}

// verdicts matches the answer's items to the records by item id. A record that
// the answer does not name, or names twice, stays unknown.
func (b batch) verdicts(keys []string, records []catalog.Record, redact func(string) string) []platform.Verdict {
	verdicts := make([]platform.Verdict, len(records))
	index := make(map[string]int, len(records))
	for i := range records {
		index[records[i].Key.ItemID] = i
	}
	seen := make([]bool, len(records))
	var others []string // ids that are none of the records'
	for _, row := range b.items {
		item := decodeItem(row, keys)
		i, known := index[item.id]
		switch {
		case !known:
			others = append(others, item.id)
		case seen[i]:
			verdicts[i] = twice(verdicts[i], item.verdict(redact))
		default:
			seen[i] = true
			verdicts[i] = item.verdict(redact)
		}
	}
	unnamed, alike := unnamedVerdict(others, redact), likeness(others)
	for i := range verdicts {
		if seen[i] {
			continue
		}
		verdicts[i] = unnamed
		other, found := alike[normal(records[i].Key.ItemID)]
		if found && !slices.Contains(others[:min(len(others), maxOthers)], other) {
			verdicts[i] = unnamedVerdict([]string{other}, redact)
		}
	}
	return verdicts
}

// likeness finds among ids one that is another but for white space and case: a form of it
// that a platform may answer with. It takes no part in what is believed.
func likeness(ids []string) map[string]string {
	alike := make(map[string]string, len(ids))
	for _, id := range ids {
		if form := normal(id); form != "" {
			alike[form] = id
		}
	}
	return alike
}

func normal(id string) string { return strings.ToLower(strings.Join(strings.Fields(id), " ")) }

// maxOthers is how many ids that a batch does not have are shown, maxOther how many bytes
// of each.
const (
	maxOthers = 3
	maxOther  = 120
)

// unnamedVerdict is that of a record that a finished batch does not name. others are the
// ids that the answer names instead: they may be another form of the same.
func unnamedVerdict(others []string, redact func(string) string) platform.Verdict {
	text := "Pinterest's answer about the finished batch does not name the item"
	shown := make([]string, 0, maxOthers)
	for _, id := range others[:min(len(others), maxOthers)] {
		if id == "" {
			shown = append(shown, "an item without an id")
			continue
		}
		shown = append(shown, strconv.Quote(redact(id[:min(len(id), maxOther)])))
	}
	if len(shown) > 0 {
		text += "; it names " + strings.Join(shown, ", ")
	}
	if more := len(others) - len(shown); more > 0 {
		text += " and " + strconv.Itoa(more) + " more that the batch does not have"
	}
	return platform.Verdict{Errors: []ledger.Issue{{Message: text}}}
}

// twice is the verdict of a record that the answer names more than once: only
// what all of them say is believed, and a success not at all.
func twice(first, second platform.Verdict) platform.Verdict {
	if first.Outcome == platform.Failed && second.Outcome == platform.Failed {
		return first
	}
	return platform.Verdict{Errors: []ledger.Issue{{Message: "Pinterest's answer names the item twice"}}}
}

// item is one row of the answer's items.
type item struct {
	id       string
	status   string
	errors   []gjson.Result
	warnings []gjson.Result
	empty    bool // the list of errors has entries that say nothing
}

func decodeItem(row gjson.Result, keys []string) (decoded item) {
	if !row.IsObject() {
		return item{}
	}
	var statuses []string
	parts := make([]string, len(keys))
	row.ForEach(func(name, value gjson.Result) bool {
		if part := slices.Index(keys, name.Str); part >= 0 {
			parts[part] = rest.Text(value)
			if value.Type == gjson.String {
				parts[part] = value.Str // as it is
			}
			return true
		}
		switch name.Str {
		case "status":
			statuses = append(statuses, strings.TrimSpace(value.String()))
		case "errors":
			entries := rest.Entries(value)
			decoded.errors = append(decoded.errors, entries...)
			decoded.empty = decoded.empty || value.IsArray() && len(entries) < len(value.Array())
		case "warnings":
			decoded.warnings = append(decoded.warnings, rest.Entries(value)...)
		}
		return true
	})
	decoded.status = strings.Join(slices.Compact(statuses), " and ")
	if decoded.id = parts[0]; len(parts) > 1 {
		decoded.id = catalog.JoinItemID(parts...)
	}
	return decoded
}

// verdict reads one row. "A non empty errors list causes the item processing to
// fail" (OpenAPI file), whatever the status beside it.
func (i item) verdict(redact func(string) string) platform.Verdict {
	verdict := platform.Verdict{
		Outcome: itemOutcome(i.status), Errors: issues(i.errors, redact), Warnings: issues(i.warnings, redact),
	}
	switch {
	case len(verdict.Errors) > 0:
		verdict.Outcome = platform.Failed
	case verdict.Outcome == platform.Failed:
		verdict.Errors = noReason()
	case verdict.Outcome == platform.Succeeded && !i.empty:
	default:
		verdict.Outcome = platform.Unknown
		verdict.Errors = []ledger.Issue{{Message: "Pinterest says of the item in a finished batch: status " + quoted(redact(i.status))}}
	}
	return verdict
}

// noReason are the errors of a refusal without any.
func noReason() []ledger.Issue { return []ledger.Issue{{Message: noReasonText}} }

func isNoReason(errors []ledger.Issue) bool {
	return len(errors) == 1 && errors[0] == ledger.Issue{Message: noReasonText}
}

func quoted(status string) string {
	if status == "" {
		return "missing"
	}
	return strconv.Quote(status)
}

func issues(list []gjson.Result, redact func(string) string) []ledger.Issue {
	if len(list) == 0 {
		return nil
	}
	found := make([]ledger.Issue, 0, min(len(list), maxIssues))
	for _, event := range list[:min(len(list), maxIssues)] {
		issue := ledger.Issue{Message: redact(rest.Words(event))}
		if event.IsObject() {
			issue.Code, issue.Attribute = redact(event.Get("code").String()), redact(event.Get("attribute").String())
		}
		found = append(found, issue)
	}
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
