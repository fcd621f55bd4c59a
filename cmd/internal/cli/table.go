package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// Clipped is a cell of which so much is shown as fits in 80 columns.
type Clipped string

const clippedWidth = 80

// Column is a column of a table.
type Column struct {
	Title string
	// Whole is never cut: ids, which people copy.
	Whole bool
	// Drop says which columns a narrow terminal goes without: the highest first, 0 never.
	Drop int
}

// cell is a value of a table as text. Times are relative to now.
func cell(value any, now time.Time) (shown string, number bool) {
	switch value := value.(type) {
	case int, int32, int64, uint64, float64:
		return fmt.Sprint(value), true
	case *int64:
		if value != nil {
			return strconv.FormatInt(*value, 10), true
		}
	case *int32:
		if value != nil {
			return strconv.Itoa(int(*value)), true
		}
	case time.Time:
		if !value.IsZero() {
			return Ago(value, now), false
		}
	case *time.Time:
		if value != nil {
			return Ago(*value, now), false
		}
	case Clipped:
		return string(value), false
	case nil:
	default:
		return fmt.Sprint(value), false
	}
	return "", true // nothing, in a column of numbers or others
}

// Ago says when something was, or will be, for people: 2 minutes ago.
func Ago(then, now time.Time) string { return humanize.RelTime(then, now, "ago", "from now") }

// Table prints rows under a header. Without rows it says so.
func Table(w io.Writer, header []string, rows [][]any) error {
	columns := make([]Column, len(header))
	for i, title := range header {
		columns[i].Title = title
	}
	return TableOf(w, columns, rows)
}

// TableOf prints rows under a header, as wide as the terminal. Without rows it says so.
func TableOf(w io.Writer, columns []Column, rows [][]any) error {
	shown := "none"
	if len(rows) > 0 {
		shown = render(columns, rows, Width(w), time.Now())
	}
	if _, err := fmt.Fprintln(w, shown); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

func render(columns []Column, rows [][]any, width int, now time.Time) string {
	cells := make([][]string, len(rows))
	numbers := slices.Repeat([]bool{true}, len(columns))
	empty := slices.Repeat([]bool{true}, len(columns))
	for i, row := range rows {
		cells[i] = make([]string, len(columns))
		for at, value := range row {
			shown, number := cell(value, now)
			cells[i][at], numbers[at], empty[at] = shown, numbers[at] && number, empty[at] && shown == ""
		}
	}
	widths := fit(columns, naturalWidths(columns, cells, rows), empty, width)
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = 0
	t.Style().Options.DrawBorder = false
	t.Style().Options.SeparateColumns = false
	var titles table.Row
	var configs []table.ColumnConfig
	for at := range columns {
		if widths[at] > 0 {
			titles = append(titles, columns[at].Title)
			align := text.AlignLeft
			if numbers[at] {
				align = text.AlignRight
			}
			configs = append(configs, table.ColumnConfig{Number: len(titles), Align: align, AlignHeader: align})
		}
	}
	t.AppendHeader(titles)
	t.SetColumnConfigs(configs)
	for _, row := range cells {
		var kept table.Row
		for at, shown := range row {
			if widths[at] > 0 {
				kept = append(kept, legible.Clip(shown, widths[at]))
			}
		}
		t.AppendRow(kept)
	}
	return t.Render()
}

// naturalWidths is how wide each column is when nothing is cut.
func naturalWidths(columns []Column, cells [][]string, rows [][]any) []int {
	natural := make([]int, len(columns))
	for at := range columns {
		natural[at] = max(text.StringWidth(columns[at].Title), 1)
	}
	for i, row := range rows {
		for at, value := range row {
			size := text.StringWidth(legible.Text(cells[i][at]))
			if _, is := value.(Clipped); is {
				size = min(size, clippedWidth)
			}
			natural[at] = max(natural[at], size)
		}
	}
	return natural
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
