// Package figures sums up what several runs have measured, and shows and keeps it.
package figures

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Micro is a time for each of some mutations, in µs.
func Micro(d time.Duration, mutations int) float64 {
	return float64(d.Nanoseconds()) / 1000 / float64(mutations)
}

// Median is the mean of the two in the middle where their number is even. There are some,
// sorted.
func Median(sorted []float64) float64 {
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Quantile is the smallest value that such a share is not above. There are some, sorted.
func Quantile(sorted []float64, share float64) float64 {
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
}

// Summary is the median, with the range of more than one value, and "" of none.
func Summary(values []float64, digits int) string {
	if len(values) == 0 {
		return ""
	}
	write := func(v float64) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	sorted := slices.Sorted(slices.Values(values))
	least, most := write(sorted[0]), write(sorted[len(sorted)-1])
	if least == most {
		return least
	}
	return write(Median(sorted)) + " (" + least + "–" + most + ")"
}

// NewTable makes a table for people. Its Render writes to out, where that is not nil.
func NewTable(out io.Writer, header ...any) table.Writer {
	t := table.NewWriter()
	if out != nil {
		t.SetOutputMirror(out)
	}
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(header)
	return t
}

// AppendLine appends a value to a file as a line of JSON; path "" leaves that out.
func AppendLine(path string, value any) error {
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // figures, in a file that the caller named
	if err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(file).Encode(value), file.Close())
}
