package rules

import (
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// Price is an amount, one space and an ISO 4217 code: "24.99 USD". The amount has
// a point, no sign, no separators of thousands, and no more decimals than its
// currency has; zeros at its end do not count. A code in lower case is in doubt: no
// source has one.
var Price = Format{
	Name:  "a price such as 24.99 USD: an amount, a space and an ISO 4217 code",
	check: func(text string) string { return wrongPrice(text, "") },
	doubt: lowerCase,
}

// PriceOr is Price where the space may be missing, and with it the code, which
// then means this currency: "24.99 USD", "24.99USD" or "24.99".
func PriceOr(currency string) Format {
	return Format{
		Name:  "a price such as 24.99 " + currency + ", 24.99" + currency + " or 24.99",
		check: func(text string) string { return wrongPrice(text, currency) },
		doubt: lowerCase,
	}
}

func lowerCase(text string) string {
	if strings.ContainsAny(text, "abcdefghijklmnopqrstuvwxyz") {
		return "its currency is in lower case"
	}
	return ""
}

// wrongPrice is strict about space and code where there is no default currency.
func wrongPrice(text, without string) string {
	end := 0
	for end < len(text) && (isDigit(text[end]) || text[end] == '.') {
		end++
	}
	amount, code := text[:end], text[end:]
	if wrong := wrongAmount(amount); wrong != "" {
		return wrong
	}
	if code != "" && (code[0] == ',' || code[0] == '\'') {
		return "the amount has a separator of thousands or a comma: write 1299.00"
	}
	spaced := strings.HasPrefix(code, " ")
	if spaced {
		code = code[1:]
	}
	switch {
	case code == "" && !spaced && without != "":
		code = without
	case code == "":
		return "it has no currency"
	case !spaced && without == "":
		return "there is no space before the currency"
	}
	decimals, known := Decimals(code)
	if !known {
		decimals, known = Decimals(strings.ToUpper(code))
	}
	if !known {
		return strconv.Quote(legible.Cut(code, maxShown)) + " is not an ISO 4217 currency code"
	}
	return wrongDecimals(amount, code, decimals)
}

func wrongAmount(amount string) string {
	whole, fraction, point := strings.Cut(amount, ".")
	if !isDigits(whole) || point && !isDigits(fraction) {
		return "the amount is not a number such as 24.99"
	}
	return ""
}

func wrongDecimals(amount, code string, decimals int) string {
	_, fraction, _ := strings.Cut(amount, ".")
	if len(strings.TrimRight(fraction, "0")) <= decimals {
		return ""
	}
	return code + " has " + strconv.Itoa(decimals) + " decimals"
}

// priceOrder is how a price compares with another.
type priceOrder uint8

const (
	incomparable  priceOrder = iota // one of them is none
	otherCurrency                   // in different currencies, of which both are said
	lower
	notLower
)

func comparePrices(low, high string) priceOrder {
	lowAmount, lowCode := cutPrice(low)
	highAmount, highCode := cutPrice(high)
	switch {
	case wrongAmount(lowAmount) != "" || wrongAmount(highAmount) != "":
		return incomparable
	case lowCode == "" && highCode != "" || lowCode != "" && highCode == "":
		return incomparable
	case !strings.EqualFold(lowCode, highCode):
		return otherCurrency
	case cheaper(lowAmount, highAmount):
		return lower
	default:
		return notLower
	}
}

// cheaper reports whether an amount is lower than another.
func cheaper(lowAmount, highAmount string) bool {
	lowWhole, lowFraction, _ := strings.Cut(lowAmount, ".")
	highWhole, highFraction, _ := strings.Cut(highAmount, ".")
	lowWhole, highWhole = strings.TrimLeft(lowWhole, "0"), strings.TrimLeft(highWhole, "0")
	if len(lowWhole) != len(highWhole) {
		return len(lowWhole) < len(highWhole)
	}
	if lowWhole != highWhole {
		return lowWhole < highWhole
	}
	return strings.TrimRight(lowFraction, "0") < strings.TrimRight(highFraction, "0")
}

// cutPrice cuts a price behind its amount; the code is without the space.
func cutPrice(text string) (amount, code string) {
	end := 0
	for end < len(text) && (isDigit(text[end]) || text[end] == '.') {
		end++
	}
	return text[:end], strings.TrimPrefix(text[end:], " ")
}

// Amount is the first part of a price.
var Amount = Format{Name: "an amount such as 24.99", check: wrongAmount}

// Currency is an ISO 4217 code.
var Currency = Format{Name: "an ISO 4217 code such as USD", check: func(text string) string {
	if _, known := Decimals(text); !known {
		return "the code is unknown"
	}
	return ""
}}

// Instalments is the number of payments, a colon and what each is:
// "10:10.00 USD".
var Instalments = Format{
	Name: "a number of payments, a colon and a price, such as 10:10.00 USD",
	check: func(text string) string {
		count, price, ok := strings.Cut(text, ":")
		if !ok || !isDigits(count) {
			return "it does not begin with a number and a colon"
		}
		return wrongPrice(price, "")
	},
}

// Decimals says how many decimals a currency has, and whether it is one: ISO 4217
// list one (SIX, 2026-01), in upper case.
func Decimals(code string) (decimals int, known bool) {
	found, known := currencies[code]
	return int(found), known
}

var currencies = func() map[string]uint8 {
	table := make(map[string]uint8, 256)
	for decimals, codes := range map[uint8]string{
		0: `BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF`,
		// ANG and BGN were replaced in 2025 and 2026; prices in them are still about.
		2: `AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF
			CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD
			HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT
			MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR
			SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU
			UZS VED VES WST XCD XCG YER ZAR ZMW ZWG`,
		3: `BHD IQD JOD KWD LYD OMR TND`,
		4: `CLF UYW`,
	} {
		for code := range strings.FieldsSeq(codes) {
			table[code] = decimals
		}
	}
	return table
}()
