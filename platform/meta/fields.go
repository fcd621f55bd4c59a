package meta

import (
	"math"
	"strings"

	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// Where the rules are written. Where two of them disagree the newer one counts,
// and Doubt says what the other has.
const (
	reference        = "Meta's reference of product catalog items_batch, 2026-09"
	supportedFields  = "Meta's page Supported fields of items_batch and batch"
	catalogReference = "Meta's catalog reference, 2026-02"
	localizedFields  = "Meta's page Localized catalog: supported fields, 2026-09"
	autoFields       = "Meta's page Auto inventory catalog fields"
	sdk              = "the API specifications of Meta's business SDK, 2026-04"
	newerSDK         = "Meta's business SDK 25.0.2, 2026-06"
	itemAPI          = "Meta's page Item API of Marketplace, which posts to items_batch"
	partnerGuide     = "Meta's partner guide, the errors of check_batch_request_status"
	wooCommerce      = "Meta's own plugin facebook-for-woocommerce"
)

// The traits of fields that localized_items_batch may carry.
const (
	localizable = rules.Localizable
	countryOnly = rules.Localizable | rules.CountryOnly
)

func traitsOf(list []rules.Trait) (all rules.Trait) {
	for _, one := range list {
		all |= one
	}
	return all
}

// text is a string of at most so many characters, 0 for any number.
func text(name string, maxLength int, traits ...rules.Trait) rules.Field {
	return rules.Field{Name: name, Types: rules.String, MaxLength: maxLength, Traits: traitsOf(traits)}
}

func formatted(name string, format rules.Format, traits ...rules.Trait) rules.Field {
	return rules.Field{Name: name, Types: rules.String, Format: format, Traits: traitsOf(traits)}
}

func oneOf(name string, values ...string) rules.Field {
	return rules.Field{Name: name, Types: rules.String, Values: values}
}

func link(name string, traits ...rules.Trait) rules.Field {
	return formatted(name, address, traits...)
}

// address is an http or https address as Meta's crawler takes it.
// Source: the errors of partnerGuide, URL Incorrectly Formatted.
var address = rules.NewFormat(rules.URL.Name, func(text string) string {
	if wrong := rules.URL.Wrong(text); wrong != "" {
		return wrong
	}
	_, host, _ := strings.Cut(text, "//")
	if end := strings.IndexAny(host, "/?#"); end >= 0 {
		host = host[:end]
	}
	if strings.Contains(host, "@") {
		return "Meta takes no user name and password in it"
	}
	return ""
})

// single is one address: a list of them in one text is none.
var single = rules.NewFormat("one http or https address", func(text string) string {
	if wrong := address.Wrong(text); wrong != "" {
		return wrong
	}
	for _, joint := range []string{",http://", ",https://", ";http://", ";https://", "|http://", "|https://"} {
		if strings.Contains(text, joint) {
			return "it has several"
		}
	}
	return ""
})

// pictures are addresses in one text, with a comma, semicolon, space or vertical bar
// between them. Source: itemAPI.
var pictures = rules.NewFormat("http or https addresses, separated by commas", func(text string) string {
	for rest := text; ; {
		var one string
		if one, rest = cutPicture(rest); one == "" {
			return ""
		}
		if wrong := address.Wrong(one); wrong != "" {
			return wrong
		}
	}
})

const joints = ",;| "

// cutPicture cuts the first of several addresses off a text. A comma may be part of an
// address: it separates two only where another address follows, or nothing.
func cutPicture(text string) (one, rest string) {
	text = strings.TrimLeft(text, joints)
	for at := 0; ; {
		end := strings.IndexAny(text[at:], joints)
		if end < 0 {
			return text, ""
		}
		end += at
		next := strings.TrimLeft(text[end:], joints)
		if next == "" || strings.HasPrefix(next, "http://") || strings.HasPrefix(next, "https://") {
			return text[:end], next
		}
		at = len(text) - len(next)
	}
}

// emptyText is "" alone.
var emptyText = rules.NewFormat("an empty text or a list", func(text string) string {
	if text != "" {
		return "it is another text"
	}
	return ""
})

// saleDates are rules.DateRange, or as Meta's own samples write it, with the hours of a
// day in place of a time: 2017-12-01T0:00-23:59/2017-12-31T0:00-23:59.
var saleDates = rules.NewFormat(rules.DateRange.Name, func(text string) string {
	wrong := rules.DateRange.Wrong(text)
	if wrong != "" && strings.Contains(text, wholeDay) {
		return rules.DateRange.Wrong(strings.ReplaceAll(text, wholeDay, "T0:00"))
	}
	return wrong
})

const wholeDay = "T0:00-23:59"

// saleOf is a reduced price: Meta shows none that is not lower, or in another currency.
func saleOf(full string, field rules.Field) rules.Field {
	field.LessThan = full
	field.Traits |= rules.OneCurrency
	return field
}

func price(name string, traits ...rules.Trait) rules.Field {
	return formatted(name, rules.Price, traits...)
}

func whole(name string, low, high int64, traits ...rules.Trait) rules.Field {
	return rules.Field{
		Name: name, Types: rules.Integer, Format: rules.IntegerBetween(low, high), Traits: traitsOf(traits),
	}
}

// numeric is a number that one page types as a string and another as a number.
func numeric(name string, format rules.Format, traits ...rules.Trait) rules.Field {
	return rules.Field{
		Name: name, Types: rules.String | rules.Number, Format: format, Traits: traitsOf(traits),
		Doubt: "a string in " + supportedFields + ", a number elsewhere: both are taken",
	}
}

func texts(name string, maxItems int, traits ...rules.Trait) rules.Field {
	return rules.Field{
		Name: name, Types: rules.List, MaxItems: maxItems, Traits: traitsOf(traits),
		Element: &rules.Field{Types: rules.String},
	}
}

func object(name string, members ...rules.Field) rules.Field {
	return rules.Field{Name: name, Types: rules.Object, Members: members}
}

func objects(name string, members ...rules.Field) rules.Field {
	return rules.Field{Name: name, Types: rules.List, Element: &rules.Field{Types: rules.Object, Members: members}}
}

// The following add a rule to a row.

func required(field rules.Field) rules.Field {
	field.Required = true
	return field
}

func from(source string, field rules.Field) rules.Field {
	field.Source = source
	return field
}

func doubtful(doubt string, field rules.Field) rules.Field {
	field.Doubt = doubt
	return field
}

func with(traits rules.Trait, field rules.Field) rules.Field {
	field.Traits |= traits
	return field
}

// key is part n of the item's key.
func key(n int, field rules.Field) rules.Field {
	field.Key, field.Required = n, true
	return field
}

// The following rows stand in several types.

func customLabels(traits ...rules.Trait) rules.Field {
	return text("custom_label_{0..4}", 100, traits...)
}

func customNumbers(traits ...rules.Trait) rules.Field {
	return whole("custom_number_{0..4}", 0, math.MaxUint32, traits...)
}

// images are pictures with their tags. No page names an upper bound but these two.
func images(traits ...rules.Trait) rules.Field {
	field := media("image", traits...)
	field.MinItems, field.MaxItems = 1, 21
	return doubtful("at most 20 in "+supportedFields+`; some samples write "tags" for "tag"`, field)
}

// videos may be none: an empty list deletes all.
func videos() rules.Field { return media("video") }

func media(name string, traits ...rules.Trait) rules.Field {
	field := objects(name, required(formatted("url", single)), texts("tag", 0))
	field.Traits = traitsOf(traits)
	return field
}

var trimmed = rules.NewFormat("a text without white space around it", func(text string) string {
	if strings.TrimSpace(text) != text {
		return "it has some"
	}
	return ""
})

// internalLabels are for people of the shop.
func internalLabels(traits ...rules.Trait) rules.Field {
	return rules.Field{
		Name: "internal_label", Types: rules.List | rules.String, MaxItems: 5000, Cleared: rules.EmptyList,
		Element: &rules.Field{Types: rules.String, MaxLength: 110, Format: trimmed}, Traits: traitsOf(traits),
		Doubt: "a string of quoted labels in " + supportedFields + ", which is the notation of feed files",
	}
}

func activity(traits ...rules.Trait) rules.Field {
	return with(traitsOf(traits), oneOf("status", "active", "archived"))
}

func latitude(traits ...rules.Trait) rules.Field {
	return numeric("latitude", rules.Latitude, traits...)
}

func longitude(traits ...rules.Trait) rules.Field {
	return numeric("longitude", rules.Longitude, traits...)
}

// appLink are the links into apps, one flat object. Those that localized records
// must have all or none of are listed in Meta's page on localized catalogs.
func appLink(traits ...rules.Trait) rules.Field {
	const together = rules.RequiredTogether
	id := func(name string, traits rules.Trait) rules.Field {
		return rules.Field{Name: name, Types: rules.String | rules.Integer, Traits: traits}
	}
	field := object(
		"applink",
		formatted("ios_url", rules.DeepLink, together), id("ios_app_store_id", together), text("ios_app_name", 0, together),
		formatted("iphone_url", rules.DeepLink), id("iphone_app_store_id", 0), text("iphone_app_name", 0),
		formatted("ipad_url", rules.DeepLink, together), id("ipad_app_store_id", together), text("ipad_app_name", 0, together),
		formatted("android_url", rules.DeepLink, together), text("android_package", 0, together),
		text("android_class", 0), text("android_app_name", 0, together),
		formatted("windows_phone_url", rules.DeepLink, together), id("windows_phone_app_id", together),
		text("windows_phone_app_name", 0, together),
	)
	field.Traits = traitsOf(traits)
	return field
}

// priceChange is a percentage: "-10" is a drop by a tenth.
func priceChange() rules.Field {
	return from(supportedFields, doubtful("gone from the newer reference",
		rules.Field{Name: "price_change", Types: rules.String | rules.Number, Format: rules.DecimalBetween(-100, math.MaxInt32)}))
}

// rating and its count mean nothing without each other.
func rating() (average, count rules.Field) {
	average = rules.Field{
		Name: "user_rating", Types: rules.Number, Requires: "rating_count",
		Format: rules.DecimalBetween(1, 5).Doubting(func(text string) string {
			if _, fraction, _ := strings.Cut(text, "."); len(strings.TrimRight(fraction, "0")) > 1 {
				return supportedFields + " has one decimal"
			}
			return ""
		}),
	}
	count = whole("rating_count", 1, math.MaxInt64)
	count.Requires = "user_rating"
	return average, count
}
