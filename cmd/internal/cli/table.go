package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
)

// Output is how results are printed: table for people, json for machines.
type Output string

// ParseOutput reads the flag --output.
func ParseOutput(text string) (Output, error) {
	switch text {
	case "table", "json":
		return Output(text), nil
	default:
		return "", UsageErrorf("--output %q is not allowed: table or json", text)
	}
}

// JSON reports whether machines read it.
func (o Output) JSON() bool { return o == "json" }

// PrintJSON writes a value as one indented document.
func PrintJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// Table prints rows under a header. Without rows it says so.
func Table(w io.Writer, header []string, rows [][]any) {
	if len(rows) == 0 {
		_, _ = fmt.Fprintln(w, "none")
		return
	}
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = 0
	t.Style().Options.DrawBorder = false
	t.Style().Options.SeparateColumns = false
	titles := make(table.Row, len(header))
	for i, title := range header {
		titles[i] = title
	}
	t.AppendHeader(titles)
	for _, row := range rows {
		t.AppendRow(row)
	}
	t.Render()
}
