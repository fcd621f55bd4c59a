package rulestest

import (
	commandline "flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = commandline.Bool("update", false, "regenerate the generated parts of the documentation")

// Documents holds the generated parts of a page, each between the marks with its
// name, to the tables of the program. With -update it writes them instead.
func Documents(t *testing.T, path string, generated map[string]string) {
	t.Helper()
	content, err := os.ReadFile(path) //nolint:gosec // a page of this repository
	require.NoError(t, err)
	page := string(content)
	for name, want := range generated {
		begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
		before, rest, found := strings.Cut(page, begin)
		require.True(t, found, name)
		got, after, found := strings.Cut(rest, end)
		require.True(t, found, name)
		if *update {
			page = before + begin + want + end + after
			continue
		}
		require.Equal(t, want, got, "%s: run go test -run %s -update in this folder", name, t.Name())
	}
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(page), 0o644)) //nolint:gosec // everybody reads it
	}
}

// Markdown writes a table for the documentation.
func Markdown(head []string, rows [][]string) string {
	var text strings.Builder
	line := func(cells []string) {
		for _, cell := range cells {
			text.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
		}
		text.WriteString("|\n")
	}
	line(head)
	text.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, row := range rows {
		line(row)
	}
	return text.String()
}
