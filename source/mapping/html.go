package mapping

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

// stripHTML makes plain text: no tags, comments, scripts or styles, entities decoded once,
// one blank between words, a line for a block. "<" that opens no tag ("a < b") stays. Each
// byte is looked at a fixed number of times, whatever the text is.
func stripHTML(text string) string {
	if !strings.ContainsAny(text, "<&") {
		return tidy(text)
	}
	if strings.IndexByte(text, '<') >= 0 {
		text = withoutTags(text)
	}
	return tidy(html.UnescapeString(text))
}

func withoutTags(text string) string {
	plain := make([]byte, 0, len(text))
	lastEnd := strings.LastIndexByte(text, '>')
	for at := 0; at < len(text); {
		open := strings.IndexByte(text[at:], '<')
		if open < 0 {
			plain = append(plain, text[at:]...)
			break
		}
		plain = append(plain, text[at:at+open]...)
		at += open
		if strings.HasPrefix(text[at:], "<!--") {
			end := strings.Index(text[at:], "-->")
			if end < 0 {
				break
			}
			at += end + len("-->")
			continue
		}
		var space [maxTag]byte
		name := tagName(space[:0], text[at+1:])
		if len(name) == 0 || at > lastEnd {
			plain = append(plain, '<')
			at++
			continue
		}
		at += strings.IndexByte(text[at:], '>') + 1
		switch {
		case string(name) == "script" || string(name) == "style":
			at = afterClosing(text, at, string(name))
		case endsLine(name):
			plain = append(plain, '\n')
		}
	}
	return string(plain)
}

// endsLine reports whether a tag begins or ends a block.
func endsLine(name []byte) bool {
	if name[0] == '/' {
		name = name[1:]
	}
	switch string(name) {
	case "p", "br", "div", "li", "ul", "ol", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "section", "blockquote", "dd", "dt":
		return true
	default:
		return false
	}
}

// afterClosing returns where the text goes on behind the closing tag of a script or style:
// at its end where there is none.
func afterClosing(text string, at int, name string) int {
	for {
		found := strings.Index(text[at:], "</")
		if found < 0 {
			return len(text)
		}
		at += found + len("</")
		if len(text)-at < len(name) || !strings.EqualFold(text[at:at+len(name)], name) {
			continue
		}
		end := strings.IndexByte(text[at:], '>')
		if end < 0 {
			return len(text)
		}
		return at + end + 1
	}
}

// maxTag bounds the name of a tag, in bytes.
const maxTag = 32

// tagName appends the lower-case name at the start of a tag, with "/" for a closing one;
// nothing where none begins there.
func tagName(name []byte, text string) []byte {
	for i := 0; i < len(text) && i < maxTag; i++ {
		c := text[i]
		lower := c | 0x20
		letter := lower >= 'a' && lower <= 'z'
		if !letter && (i > 0 || c != '/' && c != '!' && c != '?') && (i == 0 || c < '0' || c > '9') {
			break
		}
		if letter {
			c = lower
		}
		name = append(name, c)
	}
	if string(name) == "/" {
		return nil
	}
	return name
}

// isTidy reports whether single blanks are the only white space within a text of ASCII.
func isTidy(text string) bool {
	blank := false
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c >= utf8.RuneSelf || c == ' ' && blank {
			return false
		}
		blank = c == ' '
	}
	return true
}

// tidy joins blanks within lines, and drops empty lines.
func tidy(text string) string {
	if isTidy(text) {
		return strings.TrimSpace(text)
	}
	joined := make([]byte, 0, len(text))
	blank, line := false, false
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		switch {
		case r == '\n':
			line = true
		case unicode.IsSpace(r):
			blank = true
		default:
			if line && len(joined) > 0 {
				joined = append(joined, '\n')
			} else if blank && len(joined) > 0 {
				joined = append(joined, ' ')
			}
			blank, line = false, false
			joined = append(joined, text[i:i+size]...)
		}
		i += size
	}
	return string(joined)
}
