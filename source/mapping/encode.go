package mapping

import (
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"unicode/utf8"
)

// appendJSON writes a value with sorted keys and no blanks: the same value gives the same
// bytes. What JSON cannot hold is null, and a zero in a text is U+FFFD: Postgres takes none.
func appendJSON(to []byte, value any) []byte {
	switch value := value.(type) {
	case price:
		to = append(append(to, '"'), value.amount...)
		return append(append(append(to, ' '), value.currency...), '"')
	case string:
		return appendText(to, value)
	case bool:
		return strconv.AppendBool(to, value)
	case int:
		return strconv.AppendInt(to, int64(value), 10)
	case *big.Int:
		return value.Append(to, 10)
	case json.Number:
		if json.Valid([]byte(value)) {
			return append(to, value...)
		}
		return append(to, "null"...)
	case []any:
		to = append(to, '[')
		for i, element := range value {
			if i > 0 {
				to = append(to, ',')
			}
			to = appendJSON(to, element)
		}
		return append(to, ']')
	case shipments:
		to = append(to, '[')
		for i, entry := range value {
			if i > 0 {
				to = append(to, ',')
			}
			to = entry.appendJSON(to)
		}
		return append(to, ']')
	case object:
		to = append(to, '{')
		for i := range value {
			if i > 0 {
				to = append(to, ',')
			}
			to = append(appendText(to, value[i].name), ':')
			to = appendJSON(to, value[i].value)
		}
		return append(to, '}')
	case map[string]any:
		to = append(to, '{')
		var space [48]string
		names := space[:0]
		for name := range value {
			names = append(names, name)
		}
		slices.Sort(names)
		for i, name := range names {
			if i > 0 {
				to = append(to, ',')
			}
			to = append(appendText(to, name), ':')
			to = appendJSON(to, value[name])
		}
		return append(to, '}')
	default:
		data, err := json.Marshal(value)
		if err != nil {
			return append(to, "null"...)
		}
		return append(to, data...)
	}
}

const hexadecimal = "0123456789abcdef"

// plainBytes are those that JSON holds as they are.
var plainBytes = func() (plain [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()

func appendText(to []byte, text string) []byte {
	to = append(to, '"')
	for text != "" {
		clean := 0
		for clean < len(text) && plainBytes[text[clean]] {
			clean++
		}
		to, text = append(to, text[:clean]...), text[clean:]
		if text == "" {
			break
		}
		c, size := text[0], 1
		switch {
		case c == '"' || c == '\\':
			to = append(to, '\\', c)
		case c == '\n':
			to = append(to, '\\', 'n')
		case c == '\t':
			to = append(to, '\\', 't')
		case c == 0:
			to = utf8.AppendRune(to, utf8.RuneError)
		case c < utf8.RuneSelf:
			to = append(to, '\\', 'u', '0', '0', hexadecimal[c>>4], hexadecimal[c&15])
		default:
			var r rune
			r, size = utf8.DecodeRuneInString(text) // U+FFFD for what is no text
			to = utf8.AppendRune(to, r)
		}
		text = text[size:]
	}
	return append(to, '"')
}
