package cli

import (
	"io"
	"math"
	"os"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// wide is a writer that knows how many columns it has.
type wide interface{ Columns() int }

// Width is how many columns the terminal has that w writes to; 0, for any number, where
// there is none: what a program reads is never cut.
func Width(w io.Writer) int {
	raw := Raw(w)
	if known, ok := raw.(wide); ok {
		return known.Columns()
	}
	file, isFile := raw.(*os.File)
	if !isFile {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}

const (
	// padding is what a table has around each cell.
	padding = 2
	// readable is down to which width columns are cut before any is left out, and narrowest
	// down to which they are cut when none can be.
	readable  = 18
	narrowest = 6
)

// fit says how wide each column is to be, so that all fit into width: long ones are cut,
// then those that can be spared left out (0), first those that are empty. width 0 leaves all
// as they are.
func fit(columns []Column, natural []int, empty []bool, width int) []int {
	if width <= 0 {
		return natural
	}
	left := make([]bool, len(columns))
	for at := range columns {
		// Nothing is lost with a column that says nothing.
		if columns[at].Drop > 0 && empty[at] && total(cutTo(columns, natural, left, width, math.MaxInt)) > width {
			left[at] = true
		}
	}
	for {
		widths := cutTo(columns, natural, left, width, readable)
		if total(widths) <= width {
			return widths
		}
		spare := -1
		for at := range columns {
			if !left[at] && columns[at].Drop > 0 && (spare < 0 || columns[at].Drop >= columns[spare].Drop) {
				spare = at
			}
		}
		if spare < 0 {
			return cutTo(columns, natural, left, width, narrowest)
		}
		left[spare] = true
	}
}

// total is how wide a table of these columns is.
func total(widths []int) (sum int) {
	for _, w := range widths {
		if w > 0 {
			sum += w + padding
		}
	}
	return sum
}

// cutTo cuts the widest columns, none below least, until all fit or none can be cut.
func cutTo(columns []Column, natural []int, left []bool, width, least int) []int {
	widths := make([]int, len(natural))
	for at := range natural {
		if !left[at] {
			widths[at] = natural[at]
		}
	}
	for total(widths) > width {
		widest := -1
		for at := range widths {
			if !columns[at].Whole && widths[at] > max(least, text.StringWidth(columns[at].Title)) && (widest < 0 || widths[at] > widths[widest]) {
				widest = at
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}
