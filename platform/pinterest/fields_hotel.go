package pinterest

import (
	"math"

	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// hotelFields are the attributes of HOTEL items: CatalogsHotelAttributes of the
// OpenAPI file for CREATE and UPSERT, CatalogsUpdatableHotelAttributes for UPDATE,
// which knows no update_mask. No page says which of them a hotel must have.
func hotelFields() []rules.Field {
	return []rules.Field{
		key("hotel_id"),
		plain("name", nullable),
		plain("description", nullable),
		link("link", 0, nullable),
		{
			Name: "main_image", Types: rules.Object, Traits: fixed, Source: openAPI,
			Members: []rules.Field{
				{Name: "link", Types: rules.String, MaxLength: maxLink, Format: rules.URL},
				{Name: "tag", Types: rules.List, Element: &rules.Field{Types: rules.String}, Traits: nullable},
			},
		},
		images("additional_image_link"),
		{
			Name: "address", Types: rules.Object, Source: openAPI,
			Members: []rules.Field{
				{Name: "addr1", Types: rules.String},
				{Name: "city", Types: rules.String},
				{Name: "region", Types: rules.String},
				{Name: "country", Types: rules.String},
				{Name: "postal_code", Types: rules.String},
			},
		},
		{Name: "latitude", Types: rules.Number, Format: rules.Latitude, Source: openAPI},
		{Name: "longitude", Types: rules.Number, Format: rules.Longitude, Traits: nullable, Source: openAPI},
		texts("neighborhood", nullable),
		nightly("base_price"),
		nightly("sale_price"),
		plain("brand", nullable),
		plain("category", nullable),
		maxLength(127, plain("custom_label_{0..4}", nullable)),
		{
			Name: "guest_ratings", Types: rules.Object,
			Source: openAPI + `: "If specified, you must provide all properties"`,
			Members: []rules.Field{
				{Name: "score", Types: rules.Number, Required: true, Traits: nullable},
				{Name: "max_score", Types: rules.Number, Required: true, Traits: nullable},
				{
					Name: "number_of_reviewers", Types: rules.Integer, Required: true,
					Format: rules.IntegerBetween(0, math.MaxInt64), Traits: nullable,
				},
				{Name: "rating_system", Types: rules.String, Required: true, Traits: nullable},
			},
		},
	}
}

// nightly is the price of a night: "followed by the ISO currency code".
func nightly(name string) rules.Field {
	return rules.Field{Name: name, Types: rules.String, Format: rules.Price, Traits: nullable, Source: openAPI}
}
