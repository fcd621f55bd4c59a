package feed

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// delimiters are those that Meta's feed settings know, the likeliest first.
var delimiters = []byte("\t,;|~")

// dialect is how a table is written.
type dialect struct {
	delimiter byte
	quotes    bool
	crOnly    bool
	lines     int64 // consumed before the header
	bytes     int64
}

// dialect finds out how a table is written, and consumes what precedes its header.
func (s *session) dialect(text *bufio.Reader) (dialect, error) {
	d := dialect{quotes: s.options.Quoting != QuotingNone}
	head, err := text.Peek(peekSize)
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return d, err
	}
	if d.onlyCR(head) {
		d.crOnly = true
		s.find(KindLineEnds, Place{Line: 1}, "", "", "lines end with CR alone, as on old Macs: they were read as lines")
	}
	if err := d.front(s, text); err != nil {
		return d, err
	}
	switch {
	case s.options.Delimiter != 0:
		at := bytes.IndexRune(delimiters, s.options.Delimiter)
		if at < 0 {
			return d, fail(ErrNoHeader, fmt.Sprintf("the delimiter %q is not supported", s.options.Delimiter), "use comma, semicolon, tab, bar or tilde")
		}
		d.delimiter = delimiters[at]
	case d.delimiter == 0:
		head, _ = text.Peek(peekSize)
		d.delimiter = s.sniff(head, &d)
	}
	return d, nil
}

// onlyCR reports whether lines end with CR alone: the first one does, and more of them than with
// a line feed. Line feeds in quotes do not count, and quotes begin a cell. The delimiter is not
// known yet.
func (d *dialect) onlyCR(head []byte) bool {
	if bytes.IndexByte(head, '\n') < 0 {
		return bytes.IndexByte(head, '\r') >= 0
	}
	returns, feeds, quoted, begins := 0, 0, false, true
	for i := 0; i < len(head); i++ {
		switch c := head[i]; {
		case quoted && c == '"' && i+1 < len(head) && head[i+1] == '"':
			i++
		case quoted:
			quoted = c != '"'
		case c == '\n' && returns == 0, c == '\r' && i+1 < len(head) && head[i+1] == '\n':
			return false
		case c == '\n':
			feeds, begins = feeds+1, true
		case c == '\r':
			returns, begins = returns+1, true
		case c == '"' && begins && d.quotes:
			quoted, begins = true, false
		default:
			begins = bytes.IndexByte(delimiters, c) >= 0
		}
	}
	return returns > feeds
}

// front consumes comment lines, blank lines and Excel's line sep=;.
func (d *dialect) front(s *session, text *bufio.Reader) error {
	newline := byte('\n')
	if d.crOnly {
		newline = '\r'
	}
	for comments := 0; ; comments++ {
		head, err := text.Peek(peekSize)
		if len(head) == 0 {
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			return fail(ErrNoHeader, "there is nothing but comment lines", "check the export")
		}
		end := bytes.IndexByte(head, newline)
		line := head
		if end >= 0 {
			line = head[:end]
		}
		trimmed := bytes.TrimSpace(line)
		switch {
		case len(trimmed) == 0:
		case trimmed[0] == '#' && bytes.IndexByte(trimmed, '\t') < 0:
			s.find(KindComment, Place{Line: d.lines + 1}, "", string(trimmed), "comment lines before the header are passed over")
		case len(trimmed) == 5 && bytes.EqualFold(trimmed[:4], []byte("sep=")) && bytes.IndexByte(delimiters, trimmed[4]) >= 0:
			d.delimiter = trimmed[4]
		default:
			return nil
		}
		if comments > 1000 {
			return fail(ErrNoHeader, "there are more than 1000 lines of comments", "check the export")
		}
		if end < 0 && len(head) == peekSize {
			return failAt(ErrNoHeader, Place{Line: d.lines + 1}, "the first line is longer than a header can be", "check the export")
		}
		n, err := text.Discard(min(len(line)+1, len(head)))
		d.lines++
		d.bytes += int64(n)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
}

// sniff takes the delimiter that the header has most of. Among equals that one is taken
// of which the next line has as many.
func (s *session) sniff(head []byte, d *dialect) byte {
	header, rest := d.firstLine(head)
	second, _ := d.firstLine(rest)
	counts := count(header)
	next := count(second)
	best := slices.MaxFunc(delimiters, func(a, b byte) int {
		return cmp.Or(
			cmp.Compare(counts[a], counts[b]),
			cmp.Compare(fits(counts[a], next[a]), fits(counts[b], next[b])),
		)
	})
	for _, other := range delimiters {
		if other != best && counts[other] > 0 && counts[other] == counts[best] {
			s.find(KindDelimiter, Place{Line: d.lines + 1}, "", string(header), fmt.Sprintf("two delimiters are equally likely: %q was taken; name the delimiter if it is another", best))
			break
		}
	}
	return best
}

func fits(header, row int) int {
	if header == row {
		return 1
	}
	return 0
}

// firstLine cuts after the first line end outside quotes.
func (d *dialect) firstLine(text []byte) (line, rest []byte) {
	quoted := false
	for i, c := range text {
		switch {
		case c == '"' && d.quotes:
			quoted = !quoted
		case !quoted && (c == '\n' || c == '\r' && d.crOnly):
			return text[:i], text[i+1:]
		}
	}
	return text, nil
}

// count counts the delimiters outside quotes.
func count(line []byte) map[byte]int {
	counts := map[byte]int{}
	quoted := false
	for _, c := range line {
		switch {
		case c == '"':
			quoted = !quoted
		case !quoted && bytes.IndexByte(delimiters, c) >= 0:
			counts[c]++
		}
	}
	return counts
}

// delimiterName is for people.
func delimiterName(d byte) string {
	switch d {
	case '\t':
		return "tab"
	case ',':
		return "comma"
	case ';':
		return "semicolon"
	case '|':
		return "bar"
	default:
		return strings.TrimSpace(string(d))
	}
}
