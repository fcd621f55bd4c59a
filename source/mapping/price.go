package mapping

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/currency"
)

// price is an amount with a point as decimal mark and without grouping.
type price struct {
	amount   string
	currency string // ISO 4217, upper case
}

func (p price) String() string { return p.amount + " " + p.currency }

var (
	errPrice    = errors.New("not a price")
	errTwoWays  = errors.New("can be read in two ways: set decimal: point or decimal: comma, for the source or in the mapping")
	errCurrency = errors.New("no currency: write it in the feed, as in 15.00 USD, or set currency: for the source")
	errSign     = errors.New("the sign belongs to several currencies: write the code of the currency in the feed, or set currency: to one that has this sign")
)

// signs are the signs of one currency only.
var signs = map[string]string{
	"€": "EUR", "£": "GBP", "zł": "PLN", "₹": "INR", "₩": "KRW", "₺": "TRY", "₽": "RUB", "₴": "UAH", "₪": "ILS", "₫": "VND",
	"฿": "THB", "₱": "PHP", "₦": "NGN", "₸": "KZT", "R$": "BRL", "Kč": "CZK", "Ft": "HUF", "US$": "USD", "CA$": "CAD", "C$": "CAD",
	"A$": "AUD", "AU$": "AUD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "NT$": "TWD", "MX$": "MXN",
}

// shared are signs of several currencies: they confirm the configured currency and do not
// name one.
var shared = map[string][]string{
	"$":  {"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "ARS", "CLP", "COP"},
	"¥":  {"JPY", "CNY"},
	"kr": {"SEK", "NOK", "DKK", "ISK"}, "kr.": {"SEK", "NOK", "DKK", "ISK"},
}

// usual spares most prices the search through all of ISO 4217.
var usual = map[string]bool{
	"EUR": true, "USD": true, "GBP": true, "PLN": true, "JPY": true, "CHF": true, "SEK": true, "NOK": true, "DKK": true, "CZK": true,
	"CAD": true, "AUD": true, "NZD": true, "BRL": true, "MXN": true, "INR": true, "CNY": true, "KRW": true, "TRY": true, "HUF": true,
}

// maxPrice bounds the text of a price, in bytes.
const maxPrice = 64

// parsePrice reads a price. The decimal mark, of those that can be read in two ways, is '.', ','
// or 0 where it is not known; home is the currency of amounts without one, or "".
func parsePrice(value any, decimal byte, home string) (price, error) {
	var text string
	switch value := value.(type) {
	case json.Number:
		text, decimal = value.String(), '.' // JSON has one decimal mark
	case string:
		text = value
	default:
		return price{}, errPrice
	}
	if len(text) > maxPrice {
		return price{}, errPrice
	}
	const digits = "0123456789"
	first := strings.IndexAny(text, digits)
	if first < 0 {
		return price{}, errPrice
	}
	last := strings.LastIndexAny(text, digits)
	before, after := strings.TrimSpace(text[:first]), strings.TrimSpace(text[last+1:])
	if strings.HasPrefix(before, "-") || strings.HasSuffix(before, "-") {
		return price{}, fmt.Errorf("%w: it is negative", errPrice)
	}
	if before != "" && after != "" {
		return price{}, fmt.Errorf("%w: text on both sides of the number", errPrice)
	}
	amount, err := parseAmount(text[first:last+1], decimal)
	if err != nil {
		return price{}, err
	}
	code, err := parseCurrency(cmp.Or(before, after), home)
	if err != nil {
		return price{}, err
	}
	return price{amount: amount, currency: code}, nil
}

// parseMinorPrice reads a whole number of the currency's smallest unit: 1999 is 19.99 EUR and
// 1999 JPY.
func parseMinorPrice(value any, _ byte, home string) (price, error) {
	found, err := parsePrice(value, '.', home)
	if err != nil {
		return price{}, err
	}
	if strings.Contains(found.amount, ".") {
		return price{}, fmt.Errorf("%w: a whole number of the smallest unit is expected", errPrice)
	}
	digits := 2 // as all of newMoney
	if unit, err := currency.ParseISO(found.currency); err == nil {
		digits, _ = currency.Standard.Rounding(unit)
	}
	if digits > 0 {
		amount := strings.Repeat("0", max(0, digits+1-len(found.amount))) + found.amount
		found.amount = amount[:len(amount)-digits] + "." + amount[len(amount)-digits:]
	}
	return found, nil
}

// isNothing reports whether a value is 0 without a currency: exports write it where there
// is no sale.
func isNothing(raw any) bool {
	text, ok := scalar(raw)
	return ok && strings.Contains(text, "0") && strings.Trim(text, "0.,") == ""
}

// isZero reports whether a canonical amount is nothing.
func isZero(amount string) bool { return strings.Trim(amount, "0.") == "" }

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

func parseCurrency(sign, home string) (string, error) {
	if sign == "" {
		if home == "" {
			return "", errCurrency
		}
		return home, nil
	}
	if code, ok := signs[sign]; ok {
		return code, nil
	}
	if codes, ok := shared[sign]; ok {
		if slices.Contains(codes, home) {
			return home, nil
		}
		return "", errSign
	}
	if usual[sign] {
		return sign, nil
	}
	code, ok := currencyOf(sign)
	if !ok {
		return "", fmt.Errorf("%w: %q is not a currency of ISO 4217", errPrice, sign)
	}
	return code, nil
}

// noMoney are codes of ISO 4217 that nobody pays with: metals, units of account, tests.
var noMoney = []string{"XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA", "XXX"}

// newMoney are codes that the tables of the Unicode consortium do not have yet.
var newMoney = []string{"MRU", "SLE", "VED", "VES", "XCG", "ZWG"}

// currencyOf is the code of a currency of money, in upper case.
func currencyOf(text string) (code string, ok bool) {
	if code = strings.ToUpper(text); slices.Contains(newMoney, code) {
		return code, true
	}
	unit, err := currency.ParseISO(text)
	return unit.String(), err == nil && !slices.Contains(noMoney, unit.String())
}

// parseAmount reads digits with marks between them; the first and the last byte are digits.
func parseAmount(text string, decimal byte) (string, error) {
	var groupSpace [8]string
	var markSpace [8]byte
	groups, marks := groupSpace[:0], markSpace[:0] // digits, and what is between them
	start := 0
	for i, r := range text {
		var mark byte
		switch {
		case isDigit(r):
			continue
		case r == '.' || r == ',':
			mark = byte(r)
		case r == '\'' || r == '’' || unicode.IsSpace(r):
			mark = '\'' // never a decimal mark
		default:
			return "", errPrice
		}
		groups = append(groups, text[start:i])
		marks = append(marks, mark)
		start = i + len(string(r))
	}
	groups = append(groups, text[start:])
	whole, fraction, err := split(groups, marks, decimal)
	if err != nil {
		return "", err
	}
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if len(whole)+len(fraction) > 20 {
		return "", fmt.Errorf("%w: too many digits", errPrice)
	}
	for len(fraction) > 2 && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1] // exports write 14.0000
	}
	if fraction != "" {
		if start := len(groups[0]) - len(whole); start >= 0 && len(marks) == 1 && marks[0] == '.' {
			return text[start : start+len(whole)+1+len(fraction)], nil // as it is written
		}
		return whole + "." + fraction, nil
	}
	return whole, nil
}

// split tells the fraction from the groups of the whole number. The decimal mark decides only
// where both readings are possible.
func split(groups []string, marks []byte, decimal byte) (whole, fraction string, err error) {
	if len(marks) == 0 {
		return groups[0], "", nil
	}
	last := marks[len(marks)-1]
	rest := marks[:len(marks)-1]
	tail := groups[len(groups)-1]
	repeated := bytes.IndexByte(rest, last) >= 0
	var isFraction bool
	switch {
	case last == '\'' || repeated:
		isFraction = false
	case len(rest) > 0: // another mark groups the digits before it
		isFraction = true
	case len(tail) != 3 || len(groups[0]) > 3 || strings.HasPrefix(groups[0], "0"):
		isFraction = true
	case decimal != 0:
		isFraction = last == decimal
	default:
		return "", "", errTwoWays
	}
	if isFraction {
		fraction, groups, marks = tail, groups[:len(groups)-1], rest
	}
	if !grouped(groups, marks) {
		return "", "", fmt.Errorf("%w: its digits are not grouped by three", errPrice)
	}
	return strings.Join(groups, ""), fraction, nil
}

// grouped reports whether the digits form groups as 1.234.567 or, in India, 12,34,567.
func grouped(groups []string, marks []byte) bool {
	if len(marks) == 0 {
		return true
	}
	for _, mark := range marks {
		if mark != marks[0] {
			return false
		}
	}
	if len(groups[0]) == 0 || len(groups[0]) > 3 || len(groups[len(groups)-1]) != 3 {
		return false
	}
	size := 3
	if len(groups) > 2 {
		size = len(groups[1])
	}
	for _, group := range groups[1 : len(groups)-1] {
		if len(group) != size {
			return false
		}
	}
	return size == 3 || size == 2 && marks[0] == ',' && len(groups[0]) <= 2
}

// less compares amounts; both are digits with at most one point.
func less(a, b string) bool {
	aWhole, aFraction, _ := strings.Cut(a, ".")
	bWhole, bFraction, _ := strings.Cut(b, ".")
	if len(aWhole) != len(bWhole) {
		return len(aWhole) < len(bWhole)
	}
	if aWhole != bWhole {
		return aWhole < bWhole
	}
	return strings.TrimRight(aFraction, "0") < strings.TrimRight(bFraction, "0")
}
