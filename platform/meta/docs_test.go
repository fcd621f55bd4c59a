package meta

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
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
	rulestest.Documents(t, "../../docs/platforms/meta.md", generated())
}

func generated() map[string]string {
	parts := map[string]string{
		"item types": typeTable(), "legacy names": legacyTable(), "states": stateTable(), "refusals": refusalTable(),
	}
	for name, row := range catalogTypes() {
		parts["fields of "+string(name)] = row.table.Markdown()
	}
	return parts
}

func typeTable() string {
	types := catalogTypes()
	rows := make([][]string, 0, len(types))
	for _, name := range slices.Sorted(maps.Keys(types)) {
		var edges []string
		for _, d := range []dialect{itemsBatch{}, legacyBatch{}, localizedBatch{}} {
			if d.carries(types[name]) {
				edges = append(edges, d.edge())
			}
		}
		rows = append(rows, []string{"`" + string(name) + "`", "`" + strings.Join(types[name].keys, "/") + "`", strings.Join(edges, ", ")})
	}
	return rulestest.Markdown([]string{"catalog type", "`item_id`", "endpoints"}, rows)
}

func legacyTable() string {
	rows := make([][]string, 0, len(legacyFields))
	for _, name := range slices.Sorted(maps.Keys(legacyFields)) {
		field := legacyFields[name]
		cleared := "null clears it"
		if field.required {
			cleared = "cannot be cleared"
		}
		rows = append(rows, []string{"`" + name + "`", "`" + field.name + "`", cleared})
	}
	return rulestest.Markdown([]string{"published", "sent to batch", "UPDATE"}, rows)
}

func stateTable() string {
	all := states()
	rows := make([][]string, 0, len(all)+2)
	for _, state := range all {
		meaning := "asked again"
		switch {
		case state.whole:
			meaning = "the lists decide, see below"
		case state.final:
			meaning = "named records failed, all others are unknown and are sent again"
		}
		rows = append(rows, []string{"`" + strings.Join(state.words, "`, `") + "`", meaning, state.source})
	}
	rows = append(rows,
		[]string{"any other", "asked again, with a note in the log", "ours"},
		[]string{"`{\"data\":[]}`", "asked again: the handle is not known yet", "reference of check_batch_request_status"})
	return rulestest.Markdown([]string{"status, in either case", "what it means", "source"}, rows)
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
	ranged := func(low, high int) string {
		if high == 0 {
			return strconv.Itoa(low)
		}
		return fmt.Sprintf("%d to %d", low, high)
	}
	if row.Status != 0 {
		parts = append(parts, ranged(row.Status, row.StatusTo))
	}
	switch {
	case row.Code < 0:
		parts = append(parts, "any negative code")
	case row.Code != 0:
		parts = append(parts, "code "+ranged(row.Code, row.CodeTo))
	}
	if row.Subcode != 0 {
		parts = append(parts, fmt.Sprintf("subcode %d", row.Subcode))
	}
	if row.kind != "" {
		parts = append(parts, "of type "+row.kind)
	}
	if row.uncoded {
		parts = append(parts, "without a code")
	}
	if row.transient {
		parts = append(parts, "with `is_transient`")
	}
	if row.word != "" {
		parts = append(parts, fmt.Sprintf("with “%s” in the message", row.word))
	}
	if row.method != "" {
		parts = append(parts, map[string]string{http.MethodPost: "to a POST", http.MethodGet: "to a poll"}[row.method])
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
	case row.Scope == platform.ScopeQuota:
		return "rests for as long as the answer says: " + map[blocked]string{
			ownQuota: "the quota of the call", batchQuota: "POSTs to the catalog", managementQuota: "polls of the catalog",
			appQuota: "all calls of the app",
		}[row.blocks]
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
	}[row.Scope]
}
