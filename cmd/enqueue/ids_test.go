package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
)

// TestOneIDForTwoChanges: the stream would drop the second one without a word.
func TestOneIDForTwoChanges(t *testing.T) {
	t.Parallel()
	line := func(account, item string) string {
		return `{"account":"` + account + `","catalog":"us","catalog_type":"RETAIL","id":"same","item_id":"` + item + `","operation":"DELETE"}` + "\n"
	}
	for name, input := range map[string]struct {
		text      string
		published int
		refused   int // line
	}{
		"another account":     {line("a", "1") + line("b", "1"), 1, 2},
		"another item":        {line("a", "1") + line("a", "2"), 1, 2},
		"corrected content":   {line("a", "1") + `{"account":"a","catalog":"us","catalog_type":"RETAIL","id":"same","item_id":"1","operation":"UPSERT","attributes":{}}` + "\n", 1, 2},
		"the same line twice": {line("a", "1") + line("a", "1"), 2, 0}, // the stream drops the repeat
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			got := execute(t, r.open, input.text, "--output", "json")
			require.Len(t, r.all(), input.published)
			var report summary
			require.NoError(t, json.Unmarshal([]byte(got.out), &report), got.out)
			if input.refused == 0 {
				require.Zero(t, got.code)
				return
			}
			require.Equal(t, cli.Failed, got.code)
			require.Len(t, report.Refusals, 1)
			require.Equal(t, input.refused, report.Refusals[0].Line)
			require.Contains(t, report.Refusals[0].Reason, `its id "same" is that of standard input:1`)
		})
	}
}

func TestRepeatsAreNamed(t *testing.T) {
	t.Parallel()
	s := &summary{}
	for _, at := range []place{{"a.jsonl", 1, false}, {"a.jsonl", 2, false}, {"b.jsonl", 9, false}, {"a.jsonl", 7, false}} {
		s.repeat(at)
	}
	require.Equal(t, 4, s.Duplicate)
	require.Equal(t, []string{
		"a.jsonl: not stored again, as the stream has their ids already: lines 1-2, 7. A corrected change needs a new id",
		"b.jsonl: not stored again, as the stream has their ids already: lines 9. A corrected change needs a new id",
	}, s.repeated())
}
