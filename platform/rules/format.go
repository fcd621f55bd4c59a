package rules

import (
	"strconv"
	"strings"
)

// Format is how a text must read. The zero value takes anything.
type Format struct {
	// Name completes "must be", for people.
	Name string
	// check answers what is wrong, or "". It allocates nothing for a good text.
	check func(text string) (wrong string)
	// doubt answers what is unusual about a text that has the format, or "".
	doubt func(text string) (unusual string)
}

// NewFormat makes a format of a platform's own. The name completes "must be"; check
// answers what is wrong with a text, or "", and allocates nothing for a good one.
func NewFormat(name string, check func(text string) (wrong string)) Format {
	return Format{Name: name, check: check}
}

// Doubting is the format with a second look at texts that have it: what the function
// answers is a warning on both levels that look at values, and never a refusal.
func (f Format) Doubting(doubt func(text string) (unusual string)) Format {
	f.doubt = doubt
	return f
}

// Wrong says what is wrong with a text, or "" when it has the format.
func (f Format) Wrong(text string) string {
	if f.check == nil {
		return ""
	}
	return f.check(text)
}

// URL is an absolute http or https address.
var URL = Format{Name: "an http or https address", check: wrongURL}

func wrongURL(text string) string {
	rest, ok := cutScheme(text, "https://")
	if !ok {
		rest, ok = cutScheme(text, "http://")
	}
	if !ok {
		return "it does not begin with http:// or https://"
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] == 0x7f {
			return "it has a space or control character"
		}
	}
	if end := strings.IndexAny(rest, "/?#:"); end == 0 || rest == "" {
		return "it has no host"
	}
	return ""
}

func cutScheme(text, scheme string) (rest string, ok bool) {
	if len(text) < len(scheme) || !strings.EqualFold(text[:len(scheme)], scheme) {
		return "", false
	}
	return text[len(scheme):], true
}

// DeepLink is an address with any scheme, such as example-ios://lamp.
var DeepLink = Format{Name: "an address with a scheme, such as app://page", check: func(text string) string {
	scheme, rest, ok := strings.Cut(text, ":")
	if !ok || scheme == "" || rest == "" {
		return "it has no scheme"
	}
	for i := range len(scheme) {
		if c := scheme[i]; !isLetter(c) && (i == 0 || !isDigit(c) && c != '+' && c != '-' && c != '.') {
			return "its scheme has other characters than letters, digits and + - ."
		}
	}
	return ""
}}

// IATA is an airport code: three letters. Whether the airport exists is not
// looked at: the list changes every month.
var IATA = Format{Name: "an IATA airport code, three upper-case letters such as JFK", check: func(text string) string {
	const length = 3
	if len(text) != length {
		return "it does not have three letters"
	}
	for i := range length {
		if text[i] < 'A' || text[i] > 'Z' {
			return "it has characters other than upper-case letters"
		}
	}
	return ""
}}

// Latitude and Longitude are decimal degrees.
var (
	Latitude  = DecimalBetween(-90, 90)
	Longitude = DecimalBetween(-180, 180)
)

// DecimalBetween is a decimal number within bounds, which belong to it.
func DecimalBetween(low, high float64) Format {
	name := "a number from " + formatFloat(low) + " to " + formatFloat(high)
	return Format{Name: name, check: func(text string) string {
		if !isDecimal(text) {
			return "it is not a decimal number"
		}
		parsed, err := strconv.ParseFloat(text, 64)
		if err != nil || parsed < low || parsed > high {
			return "it is out of range"
		}
		return ""
	}}
}

func formatFloat(number float64) string { return strconv.FormatFloat(number, 'f', -1, 64) }

// IntegerBetween is a whole number within bounds, which belong to it.
func IntegerBetween(low, high int64) Format {
	name := "a whole number from " + strconv.FormatInt(low, 10) + " to " + strconv.FormatInt(high, 10)
	return Format{Name: name, check: func(text string) string {
		if !isDigits(strings.TrimPrefix(text, "-")) {
			return "it is not a whole number"
		}
		parsed, err := strconv.ParseInt(text, 10, 64)
		if err != nil || parsed < low || parsed > high {
			return "it is out of range"
		}
		return ""
	}}
}

// Measure is a number, one space and a unit: "3 kg". With units, only those, in
// either case.
func Measure(units ...string) Format {
	name := "a number, a space and a unit, such as 3 kg"
	if len(units) > 0 {
		name = "a number, a space and one of " + strings.Join(units, ", ")
	}
	return Format{Name: name, check: func(text string) string {
		number, unit, ok := strings.Cut(text, " ")
		switch {
		case !ok:
			return "it has no space"
		case !isDecimal(number) || number[0] == '-':
			return "it does not begin with a number"
		case unit == "" || strings.Contains(unit, " "):
			return "it does not end with one unit"
		case len(units) > 0 && !allowed(units, unit):
			return "its unit is another"
		}
		return ""
	}}
}

// isDecimal is an optional minus, digits, and optionally a point and digits; what
// JSON allows beyond that (exponents) is allowed too.
func isDecimal(text string) bool {
	text = strings.TrimPrefix(text, "-")
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		exponent := strings.TrimPrefix(text[i+1:], "-")
		if !isDigits(strings.TrimPrefix(exponent, "+")) {
			return false
		}
		text = text[:i]
	}
	whole, fraction, point := strings.Cut(text, ".")
	return isDigits(whole) && (!point || isDigits(fraction))
}

func isDigits(text string) bool {
	for i := range len(text) {
		if !isDigit(text[i]) {
			return false
		}
	}
	return text != ""
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
