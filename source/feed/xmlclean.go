package feed

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"strconv"
	"unicode/utf8"
)

// cleaner makes XML that people write readable for a strict parser, where it has one
// meaning only: a bare & is an &, a character that XML forbids is a blank. Comments and
// processing instructions are dropped; their line ends stay, so that line numbers hold.
// What has no single meaning, such as a tag that is not closed, is left to the parser.
type cleaner struct {
	from    *bufio.Reader
	session *session
	state   string // what ends the section that the text is in: ]]>, -->, ?> or empty
	line    int64
	pending []byte
}

// special are the bytes at which text is looked at.
var special = func() (table [256]bool) {
	for c := range byte(' ') {
		table[c] = c != '\t' && c != '\r'
	}
	for _, c := range []byte("&<]\xef") {
		table[c] = true
	}
	return table
}()

func newCleaner(from *bufio.Reader, s *session) *cleaner {
	return &cleaner{from: from, session: s, line: 1}
}

func (c *cleaner) Read(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		if len(c.pending) > 0 {
			n := copy(p[done:], c.pending)
			c.pending = c.pending[n:]
			done += n
			continue
		}
		if done > 0 && c.from.Buffered() == 0 {
			break
		}
		if _, err := c.from.Peek(1); err != nil {
			return done, err
		}
		head, _ := c.from.Peek(min(c.from.Buffered(), len(p)-done))
		n := c.plain(head)
		switch {
		case n == 0:
			c.step()
			continue
		case !c.dropping():
			done += copy(p[done:], head[:n])
		}
		_, _ = c.from.Discard(n)
	}
	return done, nil
}

func (c *cleaner) dropping() bool { return c.state == "-->" || c.state == "?>" }

// plain is how much of the text is passed on, or dropped, without a look.
func (c *cleaner) plain(head []byte) int {
	if c.dropping() {
		for i, b := range head {
			if b == '\n' || b == c.state[0] {
				return i
			}
		}
		return len(head)
	}
	for i, b := range head {
		if special[b] {
			return i
		}
	}
	return len(head)
}

var sections = []struct{ start, end string }{
	{"<![CDATA[", "]]>"},
	{"<!--", "-->"},
	{"<?", "?>"},
}

// step handles the one special byte that comes next.
func (c *cleaner) step() {
	head, _ := c.from.Peek(16)
	switch b := head[0]; {
	case b == '\n':
		c.line++
		c.emit(1, "\n")
	case c.state != "":
		c.inSection(head)
	case b == '<':
		for _, section := range sections {
			if bytes.HasPrefix(head, []byte(section.start)) {
				c.state = section.end
				if c.dropping() {
					c.emit(len(section.start), "")
				} else {
					c.emit(len(section.start), section.start)
				}
				return
			}
		}
		c.emit(1, "<")
	case b == '&':
		c.ampersand(head)
	case b == ']':
		if bytes.HasPrefix(head, []byte("]]>")) {
			c.find("]]>", "]]> ends a CDATA section that was not begun: it was read as text")
			c.emit(3, "]]&gt;")
			return
		}
		c.emit(1, "]")
	default:
		c.character(head)
	}
}

func (c *cleaner) inSection(head []byte) {
	if bytes.HasPrefix(head, []byte(c.state)) {
		end := c.state
		drop := c.dropping()
		c.state = ""
		if drop {
			c.emit(len(end), "")
		} else {
			c.emit(len(end), end)
		}
		return
	}
	if c.dropping() {
		c.emit(1, "")
		return
	}
	c.character(head)
}

// character passes on what XML allows.
func (c *cleaner) character(head []byte) {
	r, size := utf8.DecodeRune(head)
	switch {
	case r < ' ' || r == '\ufffe' || r == '\uffff':
		c.find(string(r), "XML does not allow this character: it was read as a blank")
		c.emit(size, " ")
	default:
		c.emit(size, string(head[:size]))
	}
}

// ampersand passes on a reference that means something. Any other & is text.
func (c *cleaner) ampersand(head []byte) {
	end := bytes.IndexByte(head, ';')
	if end > 1 {
		name := string(head[1:end])
		if name[0] == '#' {
			if r, ok := reference(name[1:]); ok {
				if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\ufffe' || r == '\uffff' || r >= 0xd800 && r < 0xe000 {
					c.find("&"+name+";", "XML does not allow this character: it was read as a blank")
					c.emit(end+1, " ")
					return
				}
				c.emit(end+1, string(head[:end+1]))
				return
			}
		} else if _, known := xml.HTMLEntity[name]; known || name == "amp" || name == "lt" || name == "gt" || name == "quot" || name == "apos" {
			c.emit(end+1, string(head[:end+1]))
			return
		}
	}
	c.find(string(head), "a & in XML is written &amp;: it was read as text")
	c.emit(1, "&amp;")
}

func reference(digits string) (rune, bool) {
	base := 10
	if len(digits) > 1 && digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	value, err := strconv.ParseUint(digits, base, 32)
	return rune(value), err == nil && value <= utf8.MaxRune //nolint:gosec // ParseUint has bounded it
}

func (c *cleaner) emit(consumed int, text string) {
	_, _ = c.from.Discard(consumed)
	c.pending = append(c.pending[:0], text...)
}

func (c *cleaner) find(value, rule string) {
	c.session.find(KindMarkup, Place{Line: c.line}, "", value, rule)
}
