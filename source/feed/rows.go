package feed

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// rows splits delimited text into rows and cells. It differs from encoding/csv in what a
// feed needs: memory is bounded; a quote in an unquoted cell is text; a row whose quotes
// are wrong costs that line and not the rest of the file; lines may end with CR alone.
type rows struct {
	from      *bufio.Reader
	delimiter byte
	quotes    bool
	crOnly    bool
	maxRow    int
	maxCell   int

	line   int64 // of the next byte, from 1
	offset int64 // of the next byte

	want int // cells of the header, or 0 while it is not known

	buffer []byte
	window []byte // the part of buffer from the row's start on that is read and not consumed
	eof    bool
	err    error // what ended the input other than its end
}

// row is one row. Its cells are valid until the next call.
type row struct {
	cells  []string
	line   int64
	offset int64
	closed bool // a line end follows: a row without one is the last

	problem Kind   // empty, or why the row is not reliable
	field   int    // cell of the problem; -1 is the row as a whole
	value   string // what was found there
	cut     bool   // the problem is one cell that is too long; all others are right
	rule    string // without a problem: what is to be reported of a row that is read
	lost    int64  // rows that a quoted cell may have swallowed
}

// cellEnd says what follows a cell.
type cellEnd int

const (
	endCell cellEnd = iota
	endRow
	endInput
)

// tooLong is the rule for a value over the limit.
const tooLong = "the value is longer than the limit: it was cut; the item is not sent, unless this is a description"

// errMore asks for more text in the window.
var errMore = errors.New("more text is needed")

// next returns io.EOF at the end. A quoted cell that the end of the input cuts off is
// ErrTruncated.
func (r *rows) next() (row, error) {
	for {
		if err := r.fill(1); err != nil {
			return row{}, err
		}
		if len(r.window) == 0 {
			return row{}, io.EOF
		}
		if n := r.lineEnd(r.window); n > 0 { // a blank line
			if n == 1 && r.window[0] == '\r' && len(r.window) == 1 && !r.eof {
				if err := r.fill(2); err != nil {
					return row{}, err
				}
				continue
			}
			r.consume(n)
			continue
		}
		return r.row()
	}
}

// lineEnd is the length of a line end at the text's start, or 0.
func (r *rows) lineEnd(text []byte) int {
	switch {
	case len(text) == 0:
		return 0
	case text[0] == '\n':
		return 1
	case text[0] == '\r' && r.crOnly:
		return 1
	case text[0] == '\r' && len(text) > 1 && text[1] == '\n':
		return 2
	case text[0] == '\r' && len(text) == 1 && r.eof:
		return 1
	default:
		return 0
	}
}

func (r *rows) row() (row, error) {
	for {
		result, size, err := r.parse()
		switch {
		case errors.Is(err, errMore) && !r.eof && len(r.window) < r.maxRow:
			// By a share of what there is, so that a long row is not read once for each packet.
			if err := r.fill(len(r.window) + max(1024, len(r.window)/2)); err != nil {
				return row{}, err
			}
			continue
		case errors.Is(err, errMore) && r.eof:
			return row{}, failAt(ErrTruncated, Place{Line: r.line}, "a quoted cell that begins in this row is not closed before the end of the feed",
				"fetch the feed again, or correct the quotes in this row")
		case errors.Is(err, errMore):
			result = row{problem: KindTooLong, rule: "the row is longer than the limit, or a quote is not closed: its first line was read, and the item is not sent"}
			return r.oneLine(result)
		case result.problem == KindQuote:
			return r.oneLine(result)
		case r.swallowed(result, size):
			result.problem, result.field = KindQuote, -1
			result.rule = "a quote is not closed in its line: the line was read without quoting, and the item is not sent"
			return r.oneLine(result)
		case r.doubtful(result, size) && (r.want >= wideRow || r.delimiter == '\t'): // tabs are not in texts
			result.problem, result.field = KindQuote, -1
			result.rule = "a quote is not closed: each of the lines that it joins is a row by its number of cells; the first one was read without quoting, and the item is not sent"
			return r.oneLine(result)
		default:
			if result.lost = r.lost(result, size); result.lost > 0 && result.rule == "" {
				result.rule = "lines that a quoted cell joins are rows of their own by their number of cells: if a quote is missing, items are lost here; the item is not sent, and what is missing in the feed is not deleted"
			}
		}
		result.line, result.offset = r.line, r.offset
		r.consume(size)
		return result, nil
	}
}

// parse reads one row from the window. It returns errMore where the row is not complete.
func (r *rows) parse() (row, int, error) {
	var result row
	at := 0
	for {
		cell, n, end, err := r.cell(at, &result)
		if err != nil || result.problem == KindQuote {
			return result, 0, err
		}
		at = n
		if len(cell) > r.maxCell {
			if result.problem == "" {
				result.problem, result.field, result.value = KindTooLong, len(result.cells), cell
				result.rule, result.cut = tooLong, true
			} else {
				result.cut = false // more than one: the row is not a long description only
			}
			cell = strings.ToValidUTF8(cell[:r.maxCell], "")
		}
		result.cells = append(result.cells, cell)
		if end != endCell {
			result.closed = end == endRow
			return result, at, nil
		}
	}
}

// cell reads the cell that begins at a place of the window, and what ends it.
func (r *rows) cell(at int, result *row) (string, int, cellEnd, error) {
	text := r.window[at:]
	if len(text) == 0 && !r.eof {
		return "", 0, endCell, errMore
	}
	if !r.quotes || len(text) == 0 || text[0] != '"' {
		return r.bare(at)
	}
	var cell strings.Builder
	i := 1
	for {
		quote := bytes.IndexByte(text[i:], '"')
		if quote < 0 {
			return "", 0, endCell, errMore
		}
		cell.Write(text[i : i+quote])
		if i += quote + 1; i == len(text) && !r.eof {
			return "", 0, endCell, errMore
		}
		if i < len(text) && text[i] == '"' {
			cell.WriteByte('"')
			i++
			continue
		}
		break
	}
	value := strings.ReplaceAll(cell.String(), "\r\n", "\n")
	if r.crOnly {
		value = strings.ReplaceAll(value, "\r", "\n")
	}
	// Blanks after the quote are common, and mean nothing.
	for i < len(text) && text[i] == ' ' {
		i++
	}
	switch {
	case i == len(text) && !r.eof, i == len(text)-1 && text[i] == '\r' && !r.crOnly && !r.eof:
		return "", 0, endCell, errMore
	case i == len(text):
		return value, at + i, endInput, nil
	case text[i] == r.delimiter:
		return value, at + i + 1, endCell, nil
	}
	if n := r.lineEnd(text[i:]); n > 0 {
		return value, at + i + n, endRow, nil
	}
	result.problem, result.field, result.value = KindQuote, len(result.cells), value
	result.rule = "a quoted cell is followed by text, or an earlier quote is not closed: the line was read without quoting, and the item is not sent"
	return "", 0, endCell, nil
}

// bare reads a cell without quotes.
func (r *rows) bare(at int) (string, int, cellEnd, error) {
	text := r.window[at:]
	for i, c := range text {
		switch {
		case c == r.delimiter:
			return string(text[:i]), at + i + 1, endCell, nil
		case c == '\n', c == '\r' && r.crOnly:
			return string(text[:i]), at + i + 1, endRow, nil
		case c == '\r' && i+1 < len(text) && text[i+1] == '\n':
			return string(text[:i]), at + i + 2, endRow, nil
		}
	}
	if !r.eof {
		return "", 0, endCell, errMore
	}
	return strings.TrimSuffix(string(text), "\r"), len(r.window), endInput, nil
}

// swallowed finds a row that a quote has joined from several lines: the number of its
// cells is wrong, and the first line alone has the right one.
func (r *rows) swallowed(result row, size int) bool {
	if r.want == 0 || len(result.cells) == r.want {
		return false
	}
	first, _, more := bytes.Cut(r.window[:size], []byte{r.newline()})
	return more && len(first)+2 < size && bytes.Count(first, []byte{r.delimiter})+1 == r.want
}

// wideRow is from how many cells on a row is no text by chance: a table of three columns
// has texts of two commas a line.
const wideRow = 6

// doubtful finds a row that a quoted cell joins from lines of which each has the right
// number of cells alone.
func (r *rows) doubtful(result row, size int) bool {
	if r.want < 2 || result.problem != "" || len(result.cells) != r.want {
		return false
	}
	text := bytes.TrimRight(r.window[:size], "\r\n")
	lines := 0
	for line := range bytes.SplitSeq(text, []byte{r.newline()}) {
		if bytes.Count(line, []byte{r.delimiter})+1 != r.want {
			return false
		}
		lines++
	}
	return lines > 1
}

// lost counts the lines of a row that may be rows of their own, swallowed by a quoted cell: all of
// them have the right number of cells, or the first one is complete with commas in its texts, and
// others look like rows. Such a row may be right, too: its id is read.
func (r *rows) lost(result row, size int) int64 {
	text := bytes.TrimRight(r.window[:size], "\r\n")
	if r.want < 2 || bytes.IndexByte(text, r.newline()) < 0 || result.problem != "" && !result.cut {
		return 0
	}
	doubtful := r.doubtful(result, size)
	count, first := int64(0), true
	for line := range bytes.SplitSeq(text, []byte{r.newline()}) {
		cells := bytes.Count(line, []byte{r.delimiter}) + 1
		if first && cells < r.want {
			return 0
		}
		id, _, _ := bytes.Cut(line, []byte{r.delimiter})
		if !first && cells == r.want && (doubtful || len(id) > 0 && bytes.IndexByte(id, ' ') < 0) {
			count++
		}
		first = false
	}
	return count
}

// oneLine reads the first line of the window without quotes and goes on after it,
// however long it is.
func (r *rows) oneLine(result row) (row, error) {
	result.line, result.offset, result.cells = r.line, r.offset, nil
	kept := r.window
	size := 0
	for {
		at := bytes.IndexByte(r.window, r.newline())
		if at >= 0 {
			if size == 0 {
				kept = bytes.Clone(r.window[:at])
			}
			r.consume(at + 1)
			result.closed = true
			break
		}
		if size == 0 {
			kept = bytes.Clone(r.window)
		}
		size += len(r.window)
		r.consume(len(r.window))
		if err := r.fill(1); err != nil {
			return row{}, err
		}
		if len(r.window) == 0 {
			break
		}
	}
	for cell := range bytes.SplitSeq(kept, []byte{r.delimiter}) {
		text := strings.TrimSuffix(string(cell), "\r")
		if r.quotes {
			text = strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(text, `"`), `"`), `""`, `"`)
		}
		if len(text) > r.maxCell {
			text = strings.ToValidUTF8(text[:r.maxCell], "")
		}
		result.cells = append(result.cells, text)
	}
	if result.field < 0 {
		result.value = string(kept)
	}
	if result.problem == KindTooLong && len(result.cells) > 0 {
		result.value = result.cells[len(result.cells)-1]
		result.field = len(result.cells) - 1
	}
	return result, nil
}

func (r *rows) newline() byte {
	if r.crOnly {
		return '\r'
	}
	return '\n'
}

// fill reads until the window has as many bytes, or the input ends.
func (r *rows) fill(atLeast int) error {
	for len(r.window) < atLeast && !r.eof && r.err == nil {
		if cap(r.window)-len(r.window) < 4096 { // move the rest to the front
			if len(r.window) >= len(r.buffer)/2 {
				r.buffer = make([]byte, max(2*len(r.buffer), 2*peekSize))
			}
			r.window = r.buffer[:copy(r.buffer, r.window)]
		}
		n, err := r.from.Read(r.window[len(r.window):cap(r.window)])
		r.window = r.window[:len(r.window)+n]
		switch {
		case errors.Is(err, io.EOF):
			r.eof = true
		case err != nil:
			r.err = err
		}
	}
	if len(r.window) < atLeast && r.err != nil {
		return r.err
	}
	return nil
}

func (r *rows) consume(n int) {
	r.line += int64(bytes.Count(r.window[:n], []byte{r.newline()}))
	r.offset += int64(n)
	r.window = r.window[n:]
}
