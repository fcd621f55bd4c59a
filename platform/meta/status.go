package meta

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// status is what the answer to a poll says of a handle.
type status struct {
	known    bool           // the answer has an element about the handle
	progress string         // as in the table of states
	errors   []gjson.Result // entries, also those that say nothing
	ids      []gjson.Result // of ids_of_invalid_requests
	warnings []gjson.Result
	total    int    // errors_total_count, -1 when not told
	told     string // errors_total_count as it came
}

// readStatus reads the answer to a poll. why is "" or says what is wrong.
func readStatus(answer gjson.Result, handle string) (read status, why string) {
	elements, listed := elementsOf(answer)
	var about []gjson.Result
	others := 0
	for _, element := range elements {
		switch named := rest.Text(element.Get("handle")); {
		case !element.IsObject():
		case named == handle:
			about = append(about, element)
		case named != "":
			others++
		case len(elements) == 1 && listed:
			about = append(about, element) // it can only be this
		}
	}
	switch {
	case len(about) > 0:
		return statusOf(about), ""
	case others > 0:
		return status{}, "the answer is about another handle"
	case !listed:
		return status{}, "the answer has no data"
	case len(elements) > 0:
		return status{}, "the answer's data has no status"
	default:
		return status{}, "" // without any element: not known yet
	}
}

// elementsOf finds the elements of data. In place of the list there may be its
// element, or there is no data and the answer itself is the element or the list.
// listed reports that there is a list, or an element, by the name of data.
func elementsOf(answer gjson.Result) (elements []gjson.Result, listed bool) {
	if answer.IsArray() {
		return rest.Entries(answer), false
	}
	answer.ForEach(func(name, value gjson.Result) bool {
		if name.Str == "data" && (value.IsArray() || value.IsObject()) {
			listed = true
			elements = append(elements, rest.Entries(value)...)
		}
		return true
	})
	if !listed && answer.Get("status").Exists() {
		elements = append(elements, answer)
	}
	return elements, listed
}

// statusOf puts together what the elements about one handle say; nearly always there
// is one. What they contradict each other in is not told.
func statusOf(elements []gjson.Result) status {
	read := status{known: true, total: -1}
	var words, totals []string
	for _, element := range elements {
		element.ForEach(func(name, value gjson.Result) bool {
			switch name.Str {
			case "status":
				words = append(words, wordOf(value))
			case "errors", "error":
				read.errors = append(read.errors, listOf(value)...)
			case "ids_of_invalid_requests":
				read.ids = append(read.ids, listOf(value)...)
			case "warnings":
				read.warnings = append(read.warnings, rest.Entries(value)...)
			case "errors_total_count":
				totals = append(totals, value.Raw)
			}
			return true
		})
	}
	read.progress = strings.Join(slices.Compact(words), " and ")
	if totals = slices.Compact(totals); len(totals) == 1 {
		read.total = countOf(totals[0])
	}
	read.told = strings.Join(totals, " and ")
	return read
}

// wordOf is a status as the table has it: Meta's page writes Finished, its answers
// finished, and others have seen "in progress".
func wordOf(value gjson.Result) string {
	word := strings.ToLower(strings.TrimSpace(value.String()))
	return strings.NewReplacer(" ", "_", "-", "_").Replace(word)
}

// listOf are all entries of a list, also the empty ones: they are counted. What has
// the place of a list is an entry, unless it says nothing.
func listOf(value gjson.Result) []gjson.Result {
	if value.IsArray() {
		return value.Array()
	}
	return rest.Entries(value)
}

// countOf reads a count: a whole number, also as a string. Anything else is not told:
// rounded, it could pass for no error.
func countOf(raw string) int {
	if len(raw) > 2 && raw[0] == '"' && raw[len(raw)-1] == '"' {
		raw = raw[1 : len(raw)-1]
	}
	count, err := strconv.ParseUint(raw, 10, 31)
	if err != nil {
		return -1
	}
	return int(count)
}
