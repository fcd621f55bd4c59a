package rules

import "strings"

// GTIN is a Global Trade Item Number of 8, 12, 13 or 14 digits with its check
// digit (GS1 General Specifications, section 7.9).
var GTIN = Format{
	Name:  "a GTIN of 8, 12, 13 or 14 digits with its check digit",
	check: wrongGTIN,
}

// GTINOrISBN is GTIN, or an ISBN of 10 digits. Hyphens and spaces between digits
// do not count.
var GTINOrISBN = Format{
	Name: "a GTIN (UPC, EAN, JAN) or ISBN with its check digit",
	check: func(text string) string {
		if strings.ContainsAny(text, "- ") {
			text = strings.NewReplacer("-", "", " ", "").Replace(text)
		}
		const isbnLength = 10
		if len(text) == isbnLength {
			return wrongISBN(text)
		}
		return wrongGTIN(text)
	},
}

func wrongGTIN(digits string) string {
	switch len(digits) {
	case 8, 12, 13, 14:
	default:
		return "it does not have 8, 12, 13 or 14 digits"
	}
	if !isDigits(digits) {
		return "it has characters other than digits"
	}
	sum := 0
	for i := range len(digits) {
		digit := int(digits[i] - '0')
		if (len(digits)-i)%2 == 0 {
			digit *= 3
		}
		sum += digit
	}
	if sum%10 != 0 {
		return "its check digit is wrong"
	}
	return ""
}

// wrongISBN checks an ISBN of 10 digits (ISO 2108:1972), whose last may be X.
func wrongISBN(isbn string) string {
	sum := 0
	for i := range len(isbn) {
		digit := int(isbn[i] - '0')
		switch {
		case isDigit(isbn[i]):
		case i == len(isbn)-1 && isbn[i]|0x20 == 'x':
			digit = 10
		default:
			return "it has characters other than digits"
		}
		sum += digit * (len(isbn) - i)
	}
	if sum%11 != 0 {
		return "its check digit is wrong"
	}
	return ""
}
