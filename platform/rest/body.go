package rest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// maxDepth bounds the nesting of an answer: honest ones have up to six levels, and
// reading a body of nothing but brackets would use up the stack.
const maxDepth = 64

// Parse reads the JSON of an answer. It takes what proxies and careless programs do
// around a value: a byte order mark, white space, text that follows it, and the
// numbers NaN and Infinity, which are read as null. ok is false when there is no
// whole value, when another value follows, or when it is nested too deeply.
func Parse(body []byte) (value gjson.Result, ok bool) {
	text := bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\ufeff")))
	end, bare := endOfValue(text)
	if end == 0 {
		return gjson.Result{}, false
	}
	if after := bytes.TrimSpace(text[end:]); len(after) > 0 && strings.IndexByte(`{["`, after[0]) >= 0 {
		return gjson.Result{}, false
	}
	text = text[:end]
	if bare {
		text = withoutBareNumbers(text)
	}
	if !gjson.ValidBytes(text) {
		return gjson.Result{}, false
	}
	return gjson.ParseBytes(text), true
}

// endOfValue finds the end of the object or list that the text begins with, 0 when
// there is none. bare reports a capital letter outside of strings, as in NaN.
func endOfValue(text []byte) (end int, bare bool) {
	if len(text) == 0 || (text[0] != '{' && text[0] != '[') {
		return 0, false
	}
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return 0, false
			}
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1, bare
			}
		case c == 'N' || c == 'I':
			bare = true
		}
	}
	return 0, false
}

// withoutBareNumbers replaces the numbers that JSON does not have.
func withoutBareNumbers(text []byte) []byte {
	made := make([]byte, 0, len(text))
	for quoted := false; len(text) > 0; {
		taken := 1
		switch {
		case quoted && text[0] == '\\':
			taken = min(2, len(text))
		case text[0] == '"':
			quoted = !quoted
		case quoted:
		default:
			for _, number := range []string{"NaN", "-Infinity", "Infinity"} {
				if bytes.HasPrefix(text, []byte(number)) {
					made, text, taken = append(made, "null"...), text[len(number):], 0
					break
				}
			}
		}
		made, text = append(made, text[:taken]...), text[taken:]
	}
	return made
}

const (
	maxShown      = 8   // members of an answer in a message
	maxShownName  = 40  // bytes of a name
	maxShownValue = 160 // bytes of a value
	// maxRead is how much of an answer is looked at to show a part of it.
	maxRead = 256 << 10
)

// what says for people what an answer without sense had instead: "nothing", its
// members, or the text that it begins with.
func (a *Answer) what() string {
	value, ok := Parse(a.Body)
	switch {
	case len(bytes.TrimSpace(a.Body)) == 0:
		return "nothing"
	case !ok:
		return "text: " + a.shown(string(a.Body[:min(len(a.Body), maxRead)]), len(a.Body) > maxRead)
	case value.IsArray():
		return "a list: " + a.shownValue(value)
	}
	var members []string
	more := 0
	value.ForEach(func(name, member gjson.Result) bool {
		if len(members) == maxShown {
			more++
			return true
		}
		members = append(members, legible.Cut(a.Redact(name.Str), maxShownName)+" "+a.shownValue(member))
		return true
	})
	switch {
	case len(members) == 0:
		return "an empty object"
	case more > 0:
		members = append(members, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(members, ", ")
}

func (a *Answer) shownValue(value gjson.Result) string {
	return a.shown(value.Raw[:min(len(value.Raw), maxRead)], len(value.Raw) > maxRead)
}

// shown is what is shown of a text, of which more may follow. Where a part is left
// off, a secret could be torn at its end, beyond what is shown, unless most of the
// part is invisible.
func (a *Answer) shown(text string, partly bool) string {
	if partly && len(strings.Map(printable, text)) < maxRead/2 {
		return "…"
	}
	return legible.Cut(a.Redact(text), maxShownValue)
}
