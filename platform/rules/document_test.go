package rules

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMarkdownSaysWhatTheRowsSay(t *testing.T) {
	t.Parallel()
	page := lamps().Markdown()
	for _, line := range []string{
		"| `shop` | string | part 1 of 2 of the key: may be left out |  |",
		"| `title` | string | required by CREATE; at most 10 characters | localizable; source: page 1 |",
		"| `picture` | string | required by CREATE unless there is `pictures`; an http or https address | not in UPDATE |",
		"| `pictures` | list | 1 to 2 entries | null clears it: sent as `[]` |",
		"| `pictures[]` | object |  |  |",
		"| `pictures[].url` | string | required; an http or https address |  |",
		"| `pictures[].tags[]` | string | at most 3 characters |  |",
		"| `colour` | string | one of `Red`, `Blue` in either case | CREATE and UPSERT may say null; null clears it: sent as `\"\"` |",
		"| `stars` | number | with `voters` only |  |",
	} {
		require.Contains(t, page, line+"\n")
	}
	_, rows, _ := strings.Cut(page, "\n\n")
	for line := range strings.Lines(rows) {
		require.Equal(t, 5, strings.Count(line, "|"), line)
	}
}
