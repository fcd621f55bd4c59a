package rules

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/currency"
	"golang.org/x/text/language"
	"pgregory.net/rapid"
)

func TestFormats(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		format    Format
		good, bad []string
	}{
		{
			Price,
			[]string{"24.99 USD", "0 USD", "18000 USD", "490 JPY", "1.234 KWD", "0.5 EUR", "1.0001 CLF", "490.00 JPY", "1.2340 KWD", "24.990 USD", "24.99 usd"},
			[]string{
				"", "24.99", "24.99USD", "USD 24.99", "24.99  USD", "24.99 XXY", "1,000 USD", "1.000,50 EUR",
				"490.5 JPY", "1.2345 KWD", "1'000.00 CHF", "24.99 xxy", "24.999 USD", "-1 USD", ".5 USD", "5. USD", "1.2.3 USD", "24.99 ", " 24.99 USD",
				"24.99 USD ", "cheap", "24.99 PK", "١ USD",
			},
		},
		{
			PriceOr("USD"),
			[]string{"24.99 USD", "24.99USD", "24.99", "490 JPY", "490JPY", "0"},
			[]string{"", "24.999", "24.99 ", "$24.99", "24.99 US", "490.5JPY", "24,99", "USD24.99", "24.99 USDUSD"},
		},
		{Amount, []string{"0", "10", "24.999"}, []string{"", "-1", "1,5", "1.", "x"}},
		{Currency, []string{"USD", "JPY", "XCG"}, []string{"", "usd", "US", "ZZZ", "XXX", "XAU"}},
		{Instalments, []string{"10:10.00 USD"}, []string{"", "10", "x:10.00 USD", "10:10.00", "10:"}},
		{
			GTIN,
			[]string{"4006381333931", "96385074", "036000291452", "00012345600012", "3234567890126"},
			[]string{"", "4006381333932", "400638133393", "978-3-16-148410-0", "40063813339３1", "12345", "0000000000001x"},
		},
		{
			GTINOrISBN,
			[]string{"4006381333931", "978-3-16-148410-0", "0-306-40615-2", "080442957X", "0 306 40615 2"},
			[]string{"", "0-306-40615-3", "X804429570", "978-3-16-148410-1", "---"},
		},
		{IATA, []string{"JFK", "BOS"}, []string{"", "jfk", "JF", "JFKX", "J1K", "ÄBC"}},
		{
			URL,
			[]string{"http://a", "https://example.com/a?b#c", "HTTPS://EXAMPLE.COM", "https://münchen.de/ü", "http://10.0.0.1:80/"},
			[]string{"", "ftp://a", "example.com", "https://", "https:///a", "https://?a", "https://:80", "http://a b", "http://a\n", "http:/a", "www.a.com"},
		},
		{DeepLink, []string{"example-ios://x", "a.b+c:1", "https://a"}, []string{"", "x", ":x", "x:", "1x://a", "a b://c"}},
		{Country, []string{"US", "us", "KP", "GB"}, []string{"", "U", "USA", "ZZ", "UK", "1A", "United States"}},
		{Latitude, []string{"0", "-90", "90.0", "37.7712", "-1.835003"}, []string{"", "90.1", "-91", "37,77", "N37", "NaN", "+1", "1e3"}},
		{Longitude, []string{"180", "-122.4424", "1.8e2"}, []string{"180.01", "-181", "Inf", "0x10"}},
		{IntegerBetween(1, 10), []string{"1", "10", "07"}, []string{"", "0", "11", "1.0", "a", "-1", "99999999999999999999"}},
		{IntegerBetween(-2, 2), []string{"-2", "2"}, []string{"-3", "--1", "-"}},
		{Measure(), []string{"12 in", "3.5 kg", "10 ML"}, []string{"", "12", "12in", "in 12", "12  in", "12 in x", "-1 kg", "12 "}},
		{Measure("kg", "g"), []string{"3 kg", "3 KG", "3 g"}, []string{"3 lb", "3kg"}},
		{Year, []string{"2017", "1999"}, []string{"", "17", "20170", "y2k7"}},
		{Date, []string{"2026-11-22", "2024-02-29"}, []string{"", "2026-02-29", "2026-13-01", "22.11.2026", "2026-11-22T10:00", "2026-1-2", "2026-11-00"}},
		{
			DateTime,
			[]string{
				"2026-11-22", "2014-11-01T12:00-0300", "2025-01-01T00:00:00.000000Z", "2026-11-22T10:00-08:00", "2026-11-22T0:00",
				"2026-11-22 23:59:59+14", "2026-12-31T23:59:60Z", "2026-11-22T24:00",
			},
			[]string{
				"", "2026-11-22T", "2026-11-22Tx", "2026-11-22T25:00", "2026-11-22T10", "2026-11-22T10:60", "2026-11-22T10:00:61",
				"2026-11-22T10:00:00.", "2026-11-22T10:00-99:00", "2026-11-22T10:00-", "2026-11-22T10:00+1:00", "2026-11-22x10:00",
				"2026-11-22T10:00:0", "2026-11-22T10.00", "2026-11-22T1000", "2026-11-22T10:00+0100x",
			},
		},
		{
			DateRange,
			[]string{
				"2014-11-01T12:00-0300/2014-12-01T00:00-0300", "2025-01-01T00:00:00.000000Z/2025-01-07T00:00:00.000000Z",
				"2026-01-01/2026-01-01", "2026-01-01T00:00+02:00/2025-12-31T23:00+00:00",
			},
			[]string{"", "2026-01-01", "2026-01-01/", "/2026-01-01", "2026-01-02/2026-01-01", "2026-01-01T12:00Z/2026-01-01T11:59Z", "2026-01-01 - 2026-01-02"},
		},
	} {
		require.NotEmpty(t, test.format.Name)
		for _, text := range test.good {
			require.Empty(t, test.format.Wrong(text), "%s: %q", test.format.Name, text)
		}
		for _, text := range test.bad {
			require.NotEmpty(t, test.format.Wrong(text), "%s: %q", test.format.Name, text)
		}
	}
	require.Empty(t, Format{}.Wrong("anything"))
}

func TestGoodTextsCostNoAllocation(t *testing.T) {
	for text, format := range map[string]Format{
		"24.99 USD": Price, "24.99": PriceOr("USD"), "4006381333931": GTIN, "https://example.com/a?b": URL, "JFK": IATA,
		"10:10.00 USD": Instalments, "US": Country, "-37.77": Latitude, "7": IntegerBetween(0, 10), "3 kg": Measure("kg"),
		"2014-11-01T12:00-0300/2014-12-01T00:00-0300": DateRange, "example-ios://x": DeepLink,
	} {
		require.Zero(t, testing.AllocsPerRun(10, func() { require.Empty(t, format.Wrong(text)) }), text)
	}
}

// TestPricesHaveTheirCurrencysDecimals draws an amount of a currency's smallest
// units: written with so many decimals it is a price, with one digit more it is
// not.
func TestPricesHaveTheirCurrencysDecimals(t *testing.T) {
	t.Parallel()
	codes := slices.Sorted(maps.Keys(currencies))
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.SampledFrom(codes).Draw(t, "code")
		units := rapid.Uint32().Draw(t, "units")
		decimals, known := Decimals(code)
		require.True(t, known)
		amount := fmt.Sprintf("%0*d", decimals+1, units)
		point := len(amount) - decimals
		written := amount[:point]
		if decimals > 0 {
			written += "." + amount[point:]
		}
		require.Empty(t, Price.Wrong(written+" "+code))
		require.Empty(t, PriceOr("USD").Wrong(written+code))
		if decimals == 0 {
			written += "."
		}
		require.NotEmpty(t, Price.Wrong(written+strconv.Itoa(int(units%9+1))+" "+code))
	})
}

// TestPricesCompareAsNumbersDo draws two amounts in cents.
func TestPricesCompareAsNumbersDo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.Uint32Max(100_000)
		low, high := cents.Draw(t, "low"), cents.Draw(t, "high")
		write := func(cents uint32, layout string) string { return fmt.Sprintf(layout, cents/100, cents%100) }
		layouts := rapid.SampledFrom([]string{"%d.%02d USD", "0%d.%02d USD", "%d.%02d0 USD", "%d.%02dUSD"})
		require.Equal(t, low < high, comparePrices(write(low, layouts.Draw(t, "a")), write(high, layouts.Draw(t, "b"))) == lower)
	})
	require.Equal(t, otherCurrency, comparePrices("2 USD", "1 EUR"))
	require.Equal(t, incomparable, comparePrices("", "1 EUR"))
	require.Equal(t, incomparable, comparePrices("2", "1 EUR"))
	require.Equal(t, lower, comparePrices("1 usd", "2 USD"))
	require.Equal(t, notLower, comparePrices("1.0 USD", "1 USD"))
}

// TestGTINsHaveOneRightCheckDigit: of the ten possible last digits one is right, and
// no wrong digit elsewhere goes unseen.
func TestGTINsHaveOneRightCheckDigit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.SampledFrom([]int{8, 12, 13, 14}).Draw(t, "length")
		body := rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), length-1, length-1, -1).Draw(t, "body")
		var right []string
		for digit := range 10 {
			if gtin := body + strconv.Itoa(digit); GTIN.Wrong(gtin) == "" {
				right = append(right, gtin)
			}
		}
		require.Len(t, right, 1)
		changed := []byte(right[0])
		at := rapid.IntRange(0, length-1).Draw(t, "at")
		changed[at] = '0' + (changed[at]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10
		require.NotEmpty(t, GTIN.Wrong(string(changed)))
	})
}

// TestTimesAreReadAsGoReadsThem compares with the standard library.
func TestTimesAreReadAsGoReadsThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		when := time.Unix(rapid.Int64Range(-2_000_000_000, 4_000_000_000).Draw(t, "seconds"), 0).
			In(time.FixedZone("", 60*rapid.IntRange(-12*60, 14*60).Draw(t, "minutes east")))
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05-0700"} {
			read, zoned, wrong := readTime(when.Format(layout))
			require.Empty(t, wrong, when.Format(layout))
			require.True(t, zoned)
			require.True(t, when.Equal(read), "%s read as %s", when, read)
		}
	})
}

// TestCurrenciesAreThoseOfISO compares with the tables of the Unicode consortium,
// whose decimals are those in use and not always ISO's.
func TestCurrenciesAreThoseOfISO(t *testing.T) {
	t.Parallel()
	var unknown []string // there
	for code, decimals := range currencies {
		unit, err := currency.ParseISO(code)
		if err != nil {
			unknown = append(unknown, code)
			continue
		}
		inUse, _ := currency.Standard.Rounding(unit)
		require.LessOrEqual(t, inUse, int(decimals), "%s has more decimals in use", code)
	}
	require.ElementsMatch(t, []string{"XCG", "ZWG", "VES", "VED", "MRU", "UYW", "SLE"}, unknown, "codes newer than those tables")
	replaced := map[string]bool{}
	for query := currency.Query(); query.Next(); {
		if code := query.Unit().String(); query.IsTender() && !isCurrency(code) {
			replaced[code] = true
		}
	}
	require.ElementsMatch(t, []string{"CUC", "HRK", "MRO", "SLL", "VEF"}, slices.Collect(maps.Keys(replaced)),
		"legal tender that is missing: those were replaced")
}

func isCurrency(code string) bool {
	_, known := Decimals(code)
	return known
}

func TestCountriesAreThoseOfISO(t *testing.T) {
	t.Parallel()
	require.Len(t, countries, 249)
	for code := range countries {
		region, err := language.ParseRegion(string(code[:]))
		require.NoError(t, err)
		require.True(t, region.IsCountry(), string(code[:]))
	}
}
