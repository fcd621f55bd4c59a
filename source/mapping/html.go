package mapping

import (
	"html"
	"strings"
)

// blocks are the elements that end a line.
var blocks = map[string]bool{
	"p": true, "br": true, "div": true, "li": true, "ul": true, "ol": true, "tr": true, "table": true, "h1": true, "h2": true,
	"h3": true, "h4": true, "h5": true, "h6": true, "hr": true, "section": true, "blockquote": true, "dd": true, "dt": true,
}

// stripHTML makes plain text: no tags, comments, scripts or styles, entities decoded once,
// one blank between words, a line for a block. "<" that opens no tag ("a < b") stays.
func stripHTML(text string) string {
	if !strings.ContainsAny(text, "<&") {
		return tidy(text)
	}
	var plain strings.Builder
	for text != "" {
		open := strings.IndexByte(text, '<')
		if open < 0 {
			break
		}
		plain.WriteString(text[:open])
		text = text[open:]
		if strings.HasPrefix(text, "<!--") {
			_, text, _ = strings.Cut(text, "-->")
			continue
		}
		name := tagName(text[1:])
		end := strings.IndexByte(text, '>')
		if name == "" || end < 0 {
			plain.WriteByte('<')
			text = text[1:]
			continue
		}
		text = text[end+1:]
		if name == "script" || name == "style" {
			text = after(text, "</"+name)
		}
		if blocks[strings.TrimPrefix(name, "/")] {
			plain.WriteByte('\n')
		}
	}
	plain.WriteString(text)
	return tidy(html.UnescapeString(plain.String()))
}

// after returns what follows the closing tag, or nothing where it is missing.
func after(text, closing string) string {
	at := strings.Index(strings.ToLower(text), closing)
	if at < 0 {
		return ""
	}
	_, rest, _ := strings.Cut(text[min(at, len(text)):], ">")
	return rest
}

// tagName is the lower-case name at the start of a tag, with "/" for a closing one, or "".
func tagName(text string) string {
	end := 0
	for end < len(text) && end < 32 {
		c := text[end] | 0x20
		letter := c >= 'a' && c <= 'z' && text[end] >= 'A'
		if !letter && (end != 0 || (text[end] != '/' && text[end] != '!' && text[end] != '?')) && (end == 0 || text[end] < '0' || text[end] > '9') {
			break
		}
		end++
	}
	name := strings.ToLower(text[:end])
	if name == "/" {
		return ""
	}
	return name
}

// tidy joins blanks within lines, and drops empty lines.
func tidy(text string) string {
	if !strings.ContainsAny(text, "\n\t\r\u00a0") && !strings.Contains(text, "  ") {
		return strings.TrimSpace(text)
	}
	lines := make([]string, 0, 4)
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}
