package mapping

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNegativePricesAreCalledSo, on either side of their currency.
func TestNegativePricesAreCalledSo(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"-5 EUR", "EUR -5", "-5"} {
		_, err := parsePrice(text, '.', "EUR")
		require.ErrorIs(t, err, errPrice)
		require.ErrorContains(t, err, "it is negative", text)
	}
}

// TestPriceSpellings: each spelling of feeds has one meaning, or is refused with its reason.
func TestPriceSpellings(t *testing.T) {
	t.Parallel()
	for _, each := range []struct {
		text    any
		decimal byte
		home    string
		want    string
		err     error
	}{
		{text: "15.00 USD", want: "15.00 USD"},
		{text: "15.00USD", want: "15.00 USD"},
		{text: "USD 15.00", want: "15.00 USD"},
		{text: "usd15", want: "15 USD"},
		{text: "15,00 EUR", want: "15.00 EUR"},
		{text: "€15,00", want: "15.00 EUR"},
		{text: "15,00\u00a0€", want: "15.00 EUR"},
		{text: "1.234,56 EUR", want: "1234.56 EUR"},
		{text: "1,234.56 USD", want: "1234.56 USD"},
		{text: "1 234,56 zł", want: "1234.56 PLN"},
		{text: "1\u202f234,56 EUR", want: "1234.56 EUR"},
		{text: "1'234.50 CHF", want: "1234.50 CHF"},
		{text: "1.234.567 EUR", want: "1234567 EUR"},
		{text: "12,34,567.00 INR", want: "1234567.00 INR"},
		{text: "1'234 CHF", want: "1234 CHF"},
		{text: "1234.567 KWD", want: "1234.567 KWD"},
		{text: "0.125 KWD", want: "0.125 KWD"},
		{text: "14.0000", home: "USD", want: "14.00 USD"},
		{text: "007.50 EUR", want: "7.50 EUR"},
		{text: "1500 JPY", want: "1500 JPY"},
		{text: json.Number("1.234"), home: "EUR", want: "1.234 EUR"},
		{text: json.Number("19.5"), home: "EUR", want: "19.5 EUR"},
		{text: "1.234 EUR", err: errTwoWays},
		{text: "1,234 EUR", err: errTwoWays},
		{text: "1.234 EUR", decimal: ',', want: "1234 EUR"},
		{text: "1,234 EUR", decimal: '.', want: "1234 EUR"},
		{text: "1.234 KWD", decimal: '.', want: "1.234 KWD"},
		{text: "1,234.56 EUR", decimal: ',', want: "1234.56 EUR"},
		{text: "1.234,56 EUR", decimal: '.', want: "1234.56 EUR"},
		{text: "15.00 EUR", decimal: ',', want: "15.00 EUR"},
		{text: "1.5 EUR", decimal: ',', want: "1.5 EUR"},
		{text: "12,50 EUR", decimal: '.', want: "12.50 EUR"},
		{text: "0.125 KWD", decimal: ',', want: "0.125 KWD"},
		{text: "1234.567 KWD", decimal: ',', want: "1234.567 KWD"},
		{text: "1,234,567 EUR", decimal: ',', want: "1234567 EUR"},
		{text: "1.234.567 EUR", decimal: '.', want: "1234567 EUR"},
		{text: "12.34.56 EUR", decimal: ',', err: errPrice},
		{text: "1,23.456 EUR", decimal: ',', err: errPrice},
		{text: "12 34 EUR", decimal: ',', err: errPrice},
		{text: "10 XXX", err: errPrice},
		{text: "10 XAU", err: errPrice},
		{text: "xts 10", err: errPrice},
		{text: "10 XDR", err: errPrice},
		{text: "10 XOF", want: "10 XOF"},
		{text: "10 XCG", want: "10 XCG"},
		{text: "1.23.456 EUR", err: errPrice},
		{text: "1,23.456.7 EUR", err: errPrice},
		{text: "19.99", err: errCurrency},
		{text: "19.99", home: "EUR", want: "19.99 EUR"},
		{text: "19.99 USD", home: "EUR", want: "19.99 USD"},
		{text: json.Number("19.99"), err: errCurrency},
		{text: "$15.00", err: errSign},
		{text: "$15.00", home: "EUR", err: errSign},
		{text: "$15.00", home: "CAD", want: "15.00 CAD"},
		{text: "15 kr", home: "SEK", want: "15 SEK"},
		{text: "US$15.00", home: "CAD", want: "15.00 USD"},
		{text: "10 PK", err: errPrice}, // seen in the wild for PKR
		{text: "EUR 10 USD", err: errPrice},
		{text: "-5.00 EUR", err: errPrice},
		{text: "5.00- EUR", err: errPrice},
		{text: json.Number("-5"), home: "EUR", err: errPrice},
		{text: json.Number("1e3"), home: "EUR", err: errPrice},
		{text: "free", err: errPrice},
		{text: "from 5 EUR", err: errPrice},
		{text: "5 - 10 EUR", err: errPrice},
		{text: true, home: "EUR", err: errPrice},
	} {
		got, err := parsePrice(each.text, each.decimal, each.home)
		if each.err != nil {
			require.ErrorIs(t, err, each.err, "%v gives %v", each.text, got)
			continue
		}
		require.NoError(t, err, "%v", each.text)
		assert.Equal(t, each.want, got.String(), "%v", each.text)
	}
}

func TestLess(t *testing.T) {
	t.Parallel()
	for _, each := range []struct {
		a, b string
		want bool
	}{{"9", "10", true}, {"10", "9", false}, {"1.5", "1.50", false}, {"1.49", "1.5", true}, {"1", "1.01", true}, {"2", "1.99", false}} {
		assert.Equal(t, each.want, less(each.a, each.b), "%s < %s", each.a, each.b)
	}
}

var canonical = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)? [A-Z]{3}$`)

func FuzzPrice(f *testing.F) {
	for _, seed := range []string{"15.00 USD", "1.234,56 EUR", "€ 1 234", "12,34,567.00 INR", "1.2.3", "’1’ zł", "٣ EUR"} {
		f.Add(seed, byte('.'), "EUR")
		f.Add(seed, byte(0), "")
	}
	f.Fuzz(func(t *testing.T, text string, decimal byte, home string) {
		if decimal != '.' && decimal != ',' {
			decimal = 0
		}
		if home != "" {
			home = "EUR"
		}
		got, err := parsePrice(text, decimal, home)
		if err != nil {
			return
		}
		if !canonical.MatchString(got.String()) {
			t.Fatalf("%q became %q", text, got)
		}
		again, err := parsePrice(got.String(), '.', "")
		if err != nil || again.currency != got.currency || less(again.amount, got.amount) || less(got.amount, again.amount) {
			t.Fatalf("%q became %q, which reads as %q: %v", text, got, again, err)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"{id}", "{handle}-{sku}", "{{x}}", "{a[0].b}", "{", "}", "{a.b[]}"} {
		f.Add(seed, "v")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		parsed, err := parseTemplate(text)
		if err != nil {
			return
		}
		record := map[string]any{}
		for _, field := range parsed.fields {
			record[field.text] = value
		}
		first, missing := parsed.fill(record, nil)
		second, _ := parsed.fill(record, nil)
		if first != second || missing != "" && first != "" {
			t.Fatalf("%q: %q, %q, missing %q", text, first, second, missing)
		}
	})
}
