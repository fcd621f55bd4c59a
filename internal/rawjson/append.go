package rawjson

import (
	"unicode/utf8"
)

// AppendString appends text as a JSON string. Bytes that are not UTF-8 become the
// replacement character, as encoding/json does.
func AppendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, text[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, text[start:i]...)
		dst = appendEscape(dst, c)
		i++
		start = i
	}
	return append(append(dst, text[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	if c == '"' || c == '\\' {
		return append(dst, '\\', c)
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// StringSize is an upper bound of what AppendString adds, exact for plain text.
func StringSize(text string) int {
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return 2 + 6*len(text)
		}
	}
	return 2 + len(text)
}

// AppendMember appends a member with another value, after a comma unless it is an
// object's first. The name stays as it was written.
func AppendMember(dst []byte, m Member, raw string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(append(append(dst, m.Head...), ':'), raw...)
}

// Inside is an object's text between its braces, without white space at the
// ends: "" for an empty object.
func Inside(object []byte) []byte {
	start, end := 0, len(object)
	for start < end && isSpace(object[start]) {
		start++
	}
	for end > start && isSpace(object[end-1]) {
		end--
	}
	if end-start < 2 {
		return nil
	}
	start, end = start+1, end-1
	for start < end && isSpace(object[start]) {
		start++
	}
	for end > start && isSpace(object[end-1]) {
		end--
	}
	return object[start:end]
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
