package pinterest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rules/rulestest"
)

// TestTablesAreInTheDocumentation holds each generated part of the page, between
// its two marks, to the tables of the program.
func TestTablesAreInTheDocumentation(t *testing.T) {
	t.Parallel()
	rulestest.Documents(t, "../../docs/platforms/pinterest.md", generated())
}

func generated() map[string]string {
	parts := map[string]string{"refusals": refusalTable(), "states": stateTables()}
	for name, row := range catalogTypes() {
		parts["fields of "+string(name)] = row.table.Markdown()
	}
	return parts
}

func refusalTable() string {
	all := failures()
	rows := make([][]string, 0, len(all))
	for _, row := range all {
		rows = append(rows, []string{answerOf(row), consequence(row), row.Source})
	}
	return rulestest.Markdown([]string{"answer", "what Courier does", "source"}, rows)
}

// answerOf says which answers a row is about.
func answerOf(row failure) string {
	var parts []string
	switch {
	case row.StatusTo != 0:
		parts = append(parts, fmt.Sprintf("%d to %d", row.Status, row.StatusTo))
	case row.Status != 0:
		parts = append(parts, strconv.Itoa(row.Status))
	}
	if row.Code != 0 {
		parts = append(parts, fmt.Sprintf("code %d", row.Code))
	}
	if row.coded {
		parts = append(parts, "with any code")
	}
	if row.word != "" {
		parts = append(parts, fmt.Sprintf("with “%s” in the message", row.word))
	}
	if row.method != "" {
		parts = append(parts, map[string]string{http.MethodPost: "to a POST", http.MethodGet: "to a poll"}[row.method])
	}
	if row.path != "" {
		parts = append(parts, "of local inventory")
	}
	if len(parts) == 0 {
		return "anything else"
	}
	return strings.Join(parts, " ")
}

func consequence(row failure) string {
	switch {
	case row.lost:
		return "the batch is lost: asked once more, then its items are sent again after `settle`"
	case row.TooLarge:
		return "the batch is halved"
	case row.Token:
		return "another token is asked for; without one the account is paused and tried again automatically"
	case row.Ambiguous && row.Scope == platform.ScopeAccount:
		return "the account is paused and tried again automatically; a POST may have been taken"
	case row.Ambiguous:
		return "backs off; a POST may have been taken and is sent again, newer changes wait for `settle`"
	}
	switch {
	case row.Scope == platform.ScopeBatch && row.method == http.MethodGet:
		return "said of this batch alone: asked again, for as long as `poll.give_up`"
	case row.OfRecords:
		return "about records: the batch is bisected until the bad ones are found; those fail"
	}
	return map[platform.FailureScope]string{
		platform.ScopePlatform: "backs off and tries again",
		platform.ScopeBatch:    "the batch is bisected; a record that is refused alone fails once others of its catalog are taken, and waits until then",
		platform.ScopeAccount:  "the account is paused and tried again automatically",
		platform.ScopeQuota:    "the quota rests for as long as the answer says",
	}[row.Scope]
}

func stateTables() string {
	rows := make([][]string, 0, 16)
	for _, state := range batchStates {
		rows = append(rows, []string{"batch", "`" + state.name + "`", state.meaning})
	}
	rows = append(rows,
		[]string{"batch", "any other", "asked again, with a note in the log"},
		[]string{"batch", "`created_time: null`", "skipped as a recent duplicate: sent again with other bytes after a pause, never a success"})
	for _, state := range itemStates {
		rows = append(rows, []string{"item", "`" + state.name + "`", state.meaning})
	}
	rows = append(rows,
		[]string{"item", "any other, none, or the item is missing", "unknown: sent again"},
		[]string{"item", "named twice", "failed if both say so, else unknown"},
		[]string{"item", "any, with `errors`", "failed"})
	return rulestest.Markdown([]string{"of", "status", "what it means"}, rows)
}
