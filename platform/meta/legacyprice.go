package meta

import (
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

// maxPriceDigits bounds what is read as a price: more would not fit an integer.
const maxPriceDigits = 15

const notAPrice = `must be a price such as "24.99 USD" to become the whole number of hundredths that batch takes`

// hundredths reads "24.99 USD" as 2499 and USD. The factor is 100 for every
// currency: 490 JPY are 49000. why is "" or says what is wrong; a price that clears
// ("" or null) has neither amount nor currency.
func hundredths(m rawjson.Member) (amount int64, currency, why string) {
	if m.Kind == rawjson.Null || (m.Kind == rawjson.String && m.Text == "") {
		return 0, "", ""
	}
	number, currency, found := strings.Cut(m.Text, " ")
	if m.Kind != rawjson.String || !found || !isCurrency(currency) {
		return 0, "", notAPrice
	}
	whole, fraction, pointed := strings.Cut(number, ".")
	if whole == "" || (pointed && fraction == "") || !allDigits(whole) || !allDigits(fraction) {
		return 0, "", notAPrice
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > 2 {
		return 0, "", "has more than two decimals, which batch cannot carry"
	}
	if len(whole) > maxPriceDigits {
		return 0, "", "is too large a price"
	}
	for i := range len(whole) {
		amount = 10*amount + int64(whole[i]-'0')
	}
	for i := range 2 {
		amount *= 10
		if i < len(fraction) {
			amount += int64(fraction[i] - '0')
		}
	}
	return amount, strings.ToUpper(currency), ""
}

func isCurrency(code string) bool {
	if len(code) != 3 {
		return false
	}
	for i := range len(code) {
		if c := code[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

func allDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

// price appends price or sale_price, and the currency once for both. Meta requires
// the currency with a value, so a sale price alone brings its own.
func (t *translation) price(name string, m rawjson.Member) (why string) {
	amount, currency, why := hundredths(m)
	switch {
	case why != "":
		return why
	case currency == "" && name == "price":
		return "is required and cannot be cleared"
	case currency == "":
		t.name(name)
		t.dst = append(t.dst, `""`...)
		return ""
	case t.currency != "" && t.currency != currency:
		return "has another currency than " + t.currencyOf + ": an item of batch has one currency for both"
	}
	t.name(name)
	t.dst = strconv.AppendInt(t.dst, amount, 10)
	if t.currency == "" {
		t.name("currency")
		t.dst = rawjson.AppendString(t.dst, currency)
		t.currency, t.currencyOf = currency, name
	}
	return ""
}
