package cli

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

type printed struct {
	Name  string     `json:"name"`
	Count int        `json:"count"`
	Seen  *time.Time `json:"seen,omitempty"`
	Parts []string   `json:"parts"`
}

func printedRows() []printed {
	seen := time.Date(2026, 11, 28, 1, 2, 3, 0, time.UTC)
	return []printed{{Name: "a\x1b[2J", Count: 1, Parts: []string{"x", "<y>"}}, {Name: "=1+1", Count: -2, Seen: &seen}, {Name: "true", Count: 3}}
}

func TestOneListInThreeFormatsForPrograms(t *testing.T) {
	t.Parallel()
	for format, want := range map[Output]string{
		"json": `[
  {
    "name": "a\u001b[2J",
    "count": 1,
    "parts": [
      "x",
      "<y>"
    ]
  },
  {
    "name": "=1+1",
    "count": -2,
    "seen": "2026-11-28T01:02:03Z",
    "parts": null
  },
  {
    "name": "true",
    "count": 3,
    "parts": null
  }
]
`,
		"yaml": `- name: "a\e[2J"
  count: 1
  parts:
    - x
    - <y>
- name: =1+1
  count: -2
  seen: "2026-11-28T01:02:03Z"
  parts: null
- name: "true"
  count: 3
  parts: null
`,
		// A formula is none, and what moves the cursor does not.
		"csv": "name,count,seen,parts\na\\x1b[2J,1,,\"[\"\"x\"\",\"\"<y>\"\"]\"\n'=1+1,-2,2026-11-28T01:02:03Z,\ntrue,3,,\n",
	} {
		var out bytes.Buffer
		require.NoError(t, format.Print(&out, printedRows()))
		require.Equal(t, want, out.String(), format)
	}
}

func TestCSVOfOneObjectAndOfNothing(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, Output("csv").PrintList(&out, map[string]any{"all": 1}, printedRows()[2:]))
	require.Equal(t, "name,count,seen,parts\ntrue,3,,\n", out.String())
	out.Reset()
	require.NoError(t, Output("csv").Print(&out, []printed{}))
	require.Equal(t, "name,count,seen,parts\n", out.String())
}

func TestOutputIsNamedWrongly(t *testing.T) {
	t.Parallel()
	_, err := ParseOutput("xml")
	require.ErrorContains(t, err, "must be table, json, yaml or csv")
	for _, name := range Outputs() {
		output, err := ParseOutput(name)
		require.NoError(t, err)
		require.Equal(t, name != "table", output.Machine())
	}
}

// terminal is so many columns wide.
type terminal struct {
	bytes.Buffer
	columns int
}

func (t *terminal) Columns() int { return t.columns }

func TestTableIsAsWideAsTheTerminal(t *testing.T) {
	t.Parallel()
	columns := []Column{
		{Title: "batch", Whole: true},
		{Title: "catalog"},
		{Title: "state"},
		{Title: "items"},
		{Title: "failed", Drop: 1},
		{Title: "handles", Drop: 3},
		{Title: "last error", Drop: 2},
	}
	failed := int64(7)
	rows := [][]any{
		{
			"01a21f9b-619c-7945-9a70-ed5487e5df41", "demo-pinterest/us/RETAIL", "completed", 100, &failed,
			"595953100599279259-697da6f56e7772e1a3dac8fc331915cf", Clipped(strings.Repeat("HTTP 401 日本語 ", 20)),
		},
		{"01a21f9b-619c-7945-9a70-ed5487e5df42", "a/b/C", "sending", 7, (*int64)(nil), "", nil},
	}
	for _, width := range []int{200, 140, 120, 100, 80} {
		out := &terminal{columns: width}
		require.NoError(t, TableOf(out, columns, rows))
		lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
		require.Len(t, lines, 4, out.String())
		for _, line := range lines {
			require.LessOrEqual(t, text.StringWidth(line), width, out.String())
		}
		require.Contains(t, out.String(), "01a21f9b-619c-7945-9a70-ed5487e5df41", "ids are copied")
		require.Contains(t, lines[0], "items")
		if width >= 140 {
			require.Contains(t, lines[0], "last error")
		}
	}
	out := &terminal{columns: 80}
	require.NoError(t, TableOf(out, columns, rows))
	require.NotContains(t, out.String(), "handles", "the first to go")
	require.Contains(t, out.String(), "  100 ", "numbers end in one column")
	require.Contains(t, out.String(), "    7 ")

	var file bytes.Buffer
	require.NoError(t, TableOf(&file, columns, rows))
	require.Contains(t, file.String(), "697da6f56e7772e1a3dac8fc331915cf", "what a program reads is whole")
}

func TestTimesInTablesAreRelative(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	require.Equal(t, "2 minutes ago", Ago(now.Add(-2*time.Minute), now))
	require.Equal(t, "1 hour from now", Ago(now.Add(time.Hour), now))
	shown := render([]Column{{Title: "seen"}, {Title: "what"}}, [][]any{{now.Add(-time.Hour), "a\x1b\nb"}, {(*time.Time)(nil), "c"}}, 0, now)
	require.Contains(t, shown, "1 hour ago")
	require.Contains(t, shown, `a\x1b\nb`)
}

type (
	inner struct {
		Account string `json:"account"`
		Note    string `json:"note,omitempty"`
	}
	outer struct {
		inner
		Name   string    `json:"name"`
		Errors []printed `json:"errors,omitempty"`
		Hidden string    `json:"-"`
	}
)

// TestColumnsOfCSVAreFixed: whatever is in the rows, and also without any.
func TestColumnsOfCSVAreFixed(t *testing.T) {
	t.Parallel()
	for _, rows := range [][]outer{
		nil, {}, {{Name: "x"}}, {{Name: "x", inner: inner{Account: "a", Note: "n"}, Errors: []printed{{Name: "e"}}}},
	} {
		var out bytes.Buffer
		require.NoError(t, Output("csv").Print(&out, rows))
		header, _, _ := strings.Cut(out.String(), "\n")
		require.Equal(t, "account,note,name,errors", header)
		require.Equal(t, len(rows)+1, strings.Count(out.String(), "\n"))
	}
	var out bytes.Buffer
	require.NoError(t, Output("csv").Print(&out, &outer{Name: "x"}))
	require.Equal(t, "account,note,name,errors\n,,x,\n", out.String())
}

// TestYAMLGivesBackEveryText: a reader of YAML gets what was printed, and a terminal nothing
// that it would obey.
func TestYAMLGivesBackEveryText(t *testing.T) {
	t.Parallel()
	pieces := []string{
		"a", "SKU-1", " ", "  ", "\u202e", "\u200b", "\u200d", "\u200f", "\u2066", "\u00ad", "\ufeff", "\ufe0f", "\x7f", "\u0085", "\u009b", "\u2028", "\x1b[2J", "\t", "\n", "\r",
		"'", `"`, `\`, `\u202e`, ":", ": ", "#", " #", "-", "- ", "[", "{", "&", "*", "!", "|", ">", "%", "@", "true", "null", "1", "1e3", "~", "日本", "żółw", "👩‍👩‍👧", "\U000e0001", "\U0001f1f5", "\ufffd", "\xff",
		strings.Repeat("word ", 30),
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var text strings.Builder
		for range random.IntN(6) {
			text.WriteString(pieces[random.IntN(len(pieces))])
		}
		want := strings.ToValidUTF8(text.String(), "\ufffd")
		key := "k" + want
		var out bytes.Buffer
		require.NoError(t, Output("yaml").Print(&out, map[string]any{"value": []string{text.String()}, key: 1}))
		require.True(t, legible.Ordinary(out.String()), "%q", out.String())
		var got map[string]any
		require.NoError(t, yaml.Unmarshal(out.Bytes(), &got), "%q", out.String())
		if text.String() == want { // else each bad byte is one U+FFFD
			require.Equal(t, []any{want}, got["value"], "%q", out.String())
			require.Contains(t, got, key, "%q", out.String())
		}
	}
	var out bytes.Buffer
	require.NoError(t, Output("yaml").Print(&out, []string{"a\u202eb", "plain"}))
	require.Equal(t, "- \"a\\u202eb\"\n- plain\n", out.String())
}
