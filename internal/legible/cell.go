package legible

import (
	"regexp"
	"unicode/utf8"
)

// number is what every spreadsheet takes for a number, and nothing else.
var number = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// Cell is a text for a cell of a CSV file. What a spreadsheet would calculate begins with an
// apostrophe, which keeps it a text; numbers stay numbers.
func Cell(text string) string {
	first, _ := utf8.DecodeRuneInString(text)
	switch first {
	case '=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠': // the wide ones as well, in Japanese and Chinese
		if !number.MatchString(text) {
			return "'" + text
		}
	}
	return text
}
