package rest

import (
	"math"
	"strings"
)

// maxEscape bounds how often one character can be escaped within another.
const maxEscape = 4

// reading is a character of a text, and where the next begins.
type reading struct {
	value byte
	next  int
}

// isEscape reports that an escape may begin with the character.
func isEscape(c byte) bool { return c == '%' || c == '\\' || c == '&' }

// readings are the ways to read the character at i: as it is, percent-encoded, as in
// a string of JSON, as a reference of HTML, or several of these within each other.
// What is no ASCII is read byte by byte.
func readings(text string, i int) waysToRead { return readingsOf(text, i, maxEscape) }

// waysToRead are at least one. It is a value and no slice, as there is one for each escape
// of a text.
type waysToRead struct {
	found [maxEscape + 1]reading
	count int
}

func (w *waysToRead) all() []reading { return w.found[:w.count] }

func (w *waysToRead) last() reading { return w.found[w.count-1] }

func readingsOf(text string, i, depth int) (ways waysToRead) {
	ways.found[0], ways.count = reading{text[i], i + 1}, 1
	for range depth {
		last, read := ways.last(), reading{}
		switch last.value {
		case '%':
			read = digits(text, last.next, 2, depth)
		case '\\':
			read = backslash(text, last.next, depth)
		case '&':
			read = reference(text, last.next)
		}
		if read.next == 0 {
			break
		}
		ways.found[ways.count] = read
		ways.count++
	}
	return ways
}

// digits reads a number of hexadecimal digits as a character. Each digit may be
// escaped itself.
func digits(text string, i, count, depth int) reading {
	number := 0
	for range count {
		if i >= len(text) {
			return reading{}
		}
		digit := reading{text[i], i + 1}
		if isEscape(text[i]) && depth > 0 {
			ways := readingsOf(text, i, depth-1)
			digit = ways.last()
		}
		value := valueOf(digit.value)
		if value < 0 {
			return reading{}
		}
		number, i = number<<4|value, digit.next
	}
	if number > math.MaxUint8 {
		return reading{}
	}
	return reading{byte(number), i}
}

// valueOf is the value of a hexadecimal digit, -1 for another character.
func valueOf(digit byte) int {
	switch {
	case digit >= '0' && digit <= '9':
		return int(digit - '0')
	case digit >= 'a' && digit <= 'f':
		return int(digit-'a') + 10
	case digit >= 'A' && digit <= 'F':
		return int(digit-'A') + 10
	default:
		return -1
	}
}

// backslash reads what follows a backslash: \u0041, \x41, \/ and the like.
func backslash(text string, i, depth int) reading {
	if i >= len(text) {
		return reading{}
	}
	switch text[i] {
	case 'u':
		return digits(text, i+1, 4, depth)
	case 'x':
		return digits(text, i+1, 2, depth)
	case 'n', 'r', 't':
		return reading{' ', i + 1}
	case '"', '\'', '/', '\\', '&', '%', '=', '+', '-', '.', '_', ':', '~', '<', '>', '$', '!':
		return reading{text[i], i + 1}
	default:
		return reading{}
	}
}

// named are the references of HTML for signs that tokens and their encodings have.
var named = map[string]byte{
	"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\'', "plus": '+', "equals": '=', "sol": '/', "lowbar": '_',
	"period": '.', "colon": ':', "num": '#', "dollar": '$', "excl": '!', "percnt": '%', "comma": ',', "semi": ';',
	"bsol": '\\', "verbar": '|', "nbsp": ' ', "NewLine": '\n', "Tab": '\t',
}

// reference reads what follows the & of HTML: #65; or #x41; or amp;.
func reference(text string, i int) reading {
	const longest = len("#x000041")
	stop := strings.IndexByte(text[i:min(len(text), i+longest+1)], ';')
	if stop <= 0 {
		return reading{}
	}
	name, next := text[i:i+stop], i+stop+1
	if value, known := named[name]; known {
		return reading{value, next}
	}
	if name[0] != '#' {
		return reading{}
	}
	number, base := name[1:], 10
	if hexadecimal, is := strings.CutPrefix(strings.ToLower(number), "x"); is {
		number, base = hexadecimal, 16
	}
	value := 0
	for i := range len(number) {
		digit := valueOf(number[i])
		if digit < 0 || digit >= base {
			return reading{}
		}
		value = value*base + digit
	}
	if len(number) == 0 || value > math.MaxUint8 {
		return reading{}
	}
	return reading{byte(value), next}
}
