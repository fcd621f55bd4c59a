package pinterest

import (
	"strings"

	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// Where the rules are written.
const (
	openAPI = "Pinterest API v5, OpenAPI 5.23.0"
	// feedErrors is the one place that says what Pinterest does not publish without.
	feedErrors = openAPI + ", and its CatalogsFeedValidationErrors"
	changeLog  = "Pinterest's change log of the API to 5.28"
)

// The traits that most fields share. A field that is Fixed is not in the schema of
// UPDATE; one that is Maskable is in UpdateMaskFieldType.
const (
	nullable = rules.Nullable
	maskable = rules.Maskable
	both     = rules.Nullable | rules.Maskable
	fixed    = rules.Fixed
)

// maxLink bounds links to images and videos, in characters.
const maxLink = 2000

// key is the row of an attribute that repeats the item's id.
func key(name string) rules.Field {
	return rules.Field{
		Name: name, Key: 1, Types: rules.String, MaxLength: 127, Source: openAPI + ", ItemAttributes.id",
		Doubt: "the limit is said of the older attribute id only",
	}
}

// price takes the three forms that Pinterest describes.
func price(name string, traits rules.Trait) rules.Field {
	return rules.Field{Name: name, Types: rules.String, Format: rules.PriceOr("USD"), Traits: traits, Source: openAPI}
}

func plain(name string, traits rules.Trait) rules.Field {
	return rules.Field{Name: name, Types: rules.String, Traits: traits, Source: openAPI}
}

func oneOf(name string, traits rules.Trait, values ...string) rules.Field {
	return rules.Field{Name: name, Types: rules.String, Values: values, Traits: traits, Source: openAPI}
}

func link(name string, maxLength int, traits rules.Trait) rules.Field {
	return rules.Field{
		Name: name, Types: rules.String, MaxLength: maxLength, Format: rules.URL, Traits: traits, Source: openAPI,
	}
}

func deepLink(name string, traits rules.Trait) rules.Field {
	return rules.Field{Name: name, Types: rules.String, Format: rules.DeepLink, Traits: traits, Source: openAPI}
}

func measure(name string, traits rules.Trait) rules.Field {
	return rules.Field{Name: name, Types: rules.String, Format: rules.Measure(), Traits: traits, Source: openAPI}
}

func flag(name string, traits rules.Trait) rules.Field {
	return rules.Field{Name: name, Types: rules.Boolean, Traits: traits, Source: openAPI}
}

// count is a whole number, which UPDATE can clear like all of them.
func count(name string, most int64) rules.Field {
	return rules.Field{
		Name: name, Types: rules.Integer, Format: rules.IntegerBetween(0, most), Traits: both, Source: openAPI,
	}
}

func texts(name string, traits rules.Trait) rules.Field {
	return rules.Field{
		Name: name, Types: rules.List, Element: &rules.Field{Types: rules.String}, Traits: traits, Source: openAPI,
	}
}

// images is the list of further images of a retail item or hotel.
func images(name string) rules.Field {
	return rules.Field{
		Name: name, Types: rules.List, MaxItems: 10, Traits: nullable | fixed, Source: openAPI,
		Element: &rules.Field{Types: rules.String, MaxLength: maxLink, Format: rules.URL},
	}
}

// maxLength, required and below add a rule to a row.
func maxLength(limit int, field rules.Field) rules.Field {
	field.MaxLength = limit
	return field
}

func required(field rules.Field) rules.Field {
	field.Required, field.Source = true, feedErrors
	return field
}

func below(other string, field rules.Field) rules.Field {
	field.LessThan = other
	return field
}

func asMany(other string, field rules.Field) rules.Field {
	field.AsMany = other
	return field
}

// aiDisclosures says how a picture was made. The OpenAPI file 5.23.0 does not have it,
// so that nothing about it is enforced.
func aiDisclosures() rules.Field {
	return rules.Field{
		Name: "ai_disclosures", Types: rules.Object, Traits: nullable, Source: changeLog,
		Doubt: "its form is described for Pins alone",
		Members: []rules.Field{{
			Name: "values", Types: rules.List,
			Element: &rules.Field{Types: rules.String, Values: []string{"AI_MODIFIED", "SYNTHETIC_PERFORMER"}},
		}},
	}
}

// shippingCost is a group of country, region and service, all of which may be
// blank, and a price.
var shippingCost = rules.NewFormat("country:region:service:price with all three colons, such as US:CA:Ground:0 USD",
	func(text string) string {
		if strings.Count(text, ":") != 3 {
			return "it does not have three colons"
		}
		country, _, _ := strings.Cut(text, ":")
		if country != "" && rules.Country.Wrong(country) != "" {
			return "its country is not an ISO 3166-1 code"
		}
		return shippingPrice.Wrong(text[strings.LastIndexByte(text, ':')+1:])
	})

// shippingPrice is taken in the forms of every other price: of shipping no page says
// that the space and the code must be there.
var shippingPrice = rules.PriceOr("USD")

// taxRate is a group of country, region and rate, and optionally whether shipping is
// taxed.
var taxRate = rules.NewFormat("country:region:rate:tax_ship with all three colons, such as US:1025433:6.00:y",
	func(text string) string {
		if strings.Count(text, ":") != 3 {
			return "it does not have three colons"
		}
		country, rest, _ := strings.Cut(text, ":")
		region, rest, _ := strings.Cut(rest, ":")
		rate, ship, _ := strings.Cut(rest, ":")
		switch {
		case rules.Country.Wrong(country) != "":
			return "its country is not an ISO 3166-1 code"
		case region == "":
			return "it has no region"
		case percent.Wrong(rate) != "":
			return "its rate is not a percentage"
		case ship != "" && !strings.EqualFold(ship, "y") && !strings.EqualFold(ship, "n") &&
			!strings.EqualFold(ship, "yes") && !strings.EqualFold(ship, "no"):
			return "tax_ship is neither y nor n"
		}
		return ""
	})

var percent = rules.DecimalBetween(0, 100)
