package mapping

import "strings"

// maxBarcode is the length of the longest GTIN.
const maxBarcode = 14

// gtin reads the number of a barcode: digits, of which zeros at the beginning are part. What
// spreadsheets and scripts add is removed; a number that they have rounded is left out,
// because its digits are lost.
func (e *evaluation) gtin(r *rule, raw any, text string) any {
	digits := strings.TrimPrefix(text, "'")
	if inner, ok := strings.CutPrefix(digits, `="`); ok {
		digits = strings.TrimSuffix(inner, `"`)
	}
	if isRounded(digits) {
		e.report(KindNumber, Warning, r.attribute, text, "a spreadsheet has rounded the number: format its column as text, and export again. Left out")
		return nil
	}
	digits = strings.TrimSuffix(digits, ".0")
	if strings.ContainsAny(digits, "- \u00a0") {
		digits = strings.NewReplacer("-", "", " ", "", "\u00a0", "").Replace(digits)
	}
	if len(digits) > maxBarcode {
		e.report(KindNumber, Warning, r.attribute, text, "the digits of one barcode: left out")
		return nil
	}
	for i := range len(digits) {
		isbn := i == len(digits)-1 && i == 9 && digits[i]|0x20 == 'x' // its check digit
		if !isDigit(rune(digits[i])) && !isbn {
			e.report(KindNumber, Warning, r.attribute, text, "the digits of a barcode: left out")
			return nil
		}
	}
	if strings.Trim(digits, "0") == "" {
		return nil // no barcode
	}
	return boxed(raw, digits)
}

// isRounded reports whether a text is a number such as 6.12E+12 or 6,12E+12.
func isRounded(text string) bool {
	at := strings.IndexAny(text, "eE")
	if at < 1 || at+1 >= len(text) || len(text) > 32 {
		return false
	}
	for i := range at {
		if c := text[i]; !isDigit(rune(c)) && (i == 0 || c != '.' && c != ',') {
			return false
		}
	}
	exponent := strings.TrimPrefix(text[at+1:], "+")
	hasPoint := strings.ContainsAny(text[:at], ".,")
	if exponent == "" || !hasPoint && exponent == text[at+1:] {
		return false // 12E4 is a number of an article
	}
	for i := range len(exponent) {
		if !isDigit(rune(exponent[i])) {
			return false
		}
	}
	return true
}
