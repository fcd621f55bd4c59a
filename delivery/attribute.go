package delivery

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// namesAttribute reports that a platform's words name one of the attributes. Only names
// of several words count, such as image_link: others, such as title or status, may stand
// in any sentence.
func namesAttribute(words string, attributes []byte) (names bool) {
	if !strings.Contains(words, "_") || len(attributes) == 0 {
		return false
	}
	gjson.ParseBytes(attributes).ForEach(func(name, _ gjson.Result) bool {
		names = strings.Contains(name.Str, "_") && containsName(words, name.Str)
		return !names
	})
	return names
}

// containsName reports that the name stands in the words as a whole.
func containsName(words, name string) bool {
	for rest := words; ; {
		at := strings.Index(rest, name)
		if at < 0 {
			return false
		}
		before, _ := utf8.DecodeLastRuneInString(rest[:at])
		after, _ := utf8.DecodeRuneInString(rest[at+len(name):])
		if !inName(before) && !inName(after) {
			return true
		}
		rest = rest[at+1:]
	}
}

func inName(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
