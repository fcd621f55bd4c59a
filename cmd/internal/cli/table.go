package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// Output is how results are printed: table for people, json for machines.
type Output string

// ParseOutput reads the flag --output.
func ParseOutput(text string) (Output, error) {
	switch text {
	case "table", "json":
		return Output(text), nil
	default:
		return "", UsageErrorf("--output %q is invalid: must be table or json", text)
	}
}

// JSON reports whether machines read it.
func (o Output) JSON() bool { return o == "json" }

// PrintJSON writes a value as one indented document. What no terminal should get is
// escaped in it.
func PrintJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(legible.NewJSONWriter(w))
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// JSONList writes a list as PrintJSON would, one value after the other, for lists that
// memory may not hold. Close ends it.
type JSONList struct {
	out   io.Writer
	begun bool
}

// NewJSONList begins a list.
func NewJSONList(w io.Writer) *JSONList { return &JSONList{out: legible.NewJSONWriter(w)} }

// Add writes the next value.
func (l *JSONList) Add(value any) error {
	var encoded bytes.Buffer
	encoded.WriteString(map[bool]string{false: "[\n  ", true: ",\n  "}[l.begun])
	l.begun = true
	encoder := json.NewEncoder(&encoded)
	encoder.SetIndent("  ", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return l.write(bytes.TrimRight(encoded.Bytes(), "\n"))
}

// Close writes the end of the list.
func (l *JSONList) Close() error {
	if !l.begun {
		return l.write([]byte("[]\n"))
	}
	return l.write([]byte("\n]\n"))
}

func (l *JSONList) write(text []byte) error {
	if _, err := l.out.Write(text); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// Clipped is a cell of which so much is shown as fits in 80 columns.
type Clipped string

const clippedWidth = 80

// cell is a value as it stands in a table: on one line, and legible.
func cell(value any) any {
	switch value := value.(type) {
	case int, int32, int64, uint64, float64, bool:
		return value
	case Clipped:
		return legible.Clip(string(value), clippedWidth)
	default:
		return legible.Text(fmt.Sprint(value))
	}
}

// Table prints rows under a header. Without rows it says so.
func Table(w io.Writer, header []string, rows [][]any) error {
	text := "none"
	if len(rows) > 0 {
		text = render(header, rows)
	}
	if _, err := fmt.Fprintln(w, text); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

func render(header []string, rows [][]any) string {
	t := table.NewWriter()
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
		cells := make(table.Row, len(row))
		for i, value := range row {
			cells[i] = cell(value)
		}
		t.AppendRow(cells)
	}
	return t.Render()
}

// Counted writes a number with what it counts: 1 item, 12 345 items.
func Counted(count int, what string) string {
	digits := []byte(strconv.Itoa(count))
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = slices.Insert(digits, at, ' ')
	}
	if count != 1 {
		what += "s"
	}
	return string(digits) + " " + what
}
