package meta

import (
	"math"
	"slices"

	"github.com/catalog-courier/catalog-courier/platform/rules"
)

func availability(traits ...rules.Trait) rules.Field {
	field := oneOf("availability", "in stock", "out of stock", "available for order", "discontinued", "preorder", "pending")
	field.Contested = []string{"mark_as_sold", "mark_as_expired"} // of the SDK
	return with(traitsOf(traits), required(doubtful("preorder and pending in "+partnerGuide+" alone", field)))
}

func condition() rules.Field {
	return required(doubtful(
		"all but the first three in "+itemAPI+" alone",
		oneOf("condition", "new", "refurbished", "used", "used_like_new", "used_good", "used_fair", "cpo", "open_box_new"),
	))
}

// productItemFields are the attributes of PRODUCT_ITEM.
func productItemFields() []rules.Field {
	return slices.Concat(referenceProductFields(), otherProductFields(), marketplaceFields())
}

// referenceProductFields are those of Meta's pages on items_batch and on catalogs.
func referenceProductFields() []rules.Field {
	average, count := rating()
	return []rules.Field{
		key(1, text("id", 100)),
		required(from(catalogReference, doubtful("100 in "+reference, text("title", 200, localizable)))),
		required(from(catalogReference, doubtful("5000 in "+reference, text("description", 9999, localizable)))),
		availability(countryOnly),
		condition(),
		required(price("price", countryOnly)),
		required(link("link", localizable)),
		{
			Name: "image_link", Types: rules.String, Format: single, Required: true, AlternativeTo: "image",
			Doubt: "image_link is required in " + supportedFields + ", image in the newer reference: one of them will do",
		},
		overriding(images(localizable), "image_link", "additional_image_link"),
		from(catalogReference, doubtful("required in "+reference, text("brand", 100, localizable))),
		{
			Name: "additional_image_link", Types: rules.List | rules.String, Format: pictures, MaxItems: 50,
			Element: &rules.Field{Types: rules.String, Format: single}, Cleared: rules.EmptyList,
			Doubt: "at most 10 in " + supportedFields + ", 20 in " + catalogReference + "; a text in " + itemAPI,
		},
		{
			Name: "additional_variant_attribute", Types: rules.String | rules.List | rules.Object, Traits: localizable,
			Doubt: "pairs of label and value: a string in the newer reference, a list elsewhere",
		},
		doubtful("teen and all ages in "+catalogReference+" alone",
			oneOf("age_group", "newborn", "infant", "toddler", "kids", "adult", "teen", "all ages")),
		appLink(localizable),
		doubtful("200 in "+catalogReference, text("color", 100, localizable)),
		customLabels(localizable),
		customNumbers(),
		{
			Name: "disabled_capabilities", Types: rules.List | rules.String, Format: emptyText, Cleared: rules.EmptyList,
			Element: &rules.Field{Types: rules.String, Values: capabilities()},
			Doubt:   "the empty text opens all channels again in Meta's pages, an empty list in " + wooCommerce + ": both are taken",
		},
		oneOf("gender", "male", "female", "unisex"),
		text("google_product_category", 250),
		text("fb_product_category", 0),
		{Name: "gtin", Types: rules.String, MaxLength: 70, Format: rules.GTINOrISBN},
		text("mpn", 0),
		internalLabels(),
		from(supportedFields, doubtful("replaced by quantity_to_sell_on_facebook", whole("inventory", 0, math.MaxInt64))),
		whole("quantity_to_sell_on_facebook", 0, math.MaxInt64),
		from(catalogReference, text("item_group_id", 100)),
		text("pattern", 100, localizable),
		from(catalogReference, text("size", 200, localizable)),
		text("material", 200, localizable),
		text("product_type", 750),
		count, average,
		text("rich_text_description", 9999),
		from(localizedFields, text("short_description", 0, localizable)),
		saleOf("price", price("sale_price", countryOnly)),
		formatted("sale_price_effective_date", saleDates, localizable),
		shipping(),
		formatted("shipping_weight", rules.Measure("lb", "oz", "g", "kg")),
		videos(),
		text("vendor_id", 0),
		formatted("expiration_date", rules.Date),
		link("mobile_link"),
		text("importer_name", 0),
		object("importer_address",
			required(text("street1", 0)), text("street2", 0), required(text("city", 0)), text("region", 0),
			text("postal_code", 0), required(formatted("country", rules.Country))),
		formatted("origin_country", rules.Country),
		whole("ordering_index", 0, math.MaxInt64),
		from(catalogReference, activity(countryOnly)),
		from(supportedFields, doubtful("a field of batch, the older edge",
			oneOf("marked_for_product_launch", "default", "marked", "not_marked"))),
	}
}

func overriding(field rules.Field, others ...string) rules.Field {
	field.Overrides = others
	return field
}

// shipping is what delivery costs, by place.
func shipping() rules.Field {
	field := objects("shipping",
		formatted("shipping_country", rules.Country),
		text("shipping_region", 0), text("shipping_service", 0),
		numeric("shipping_price_value", rules.Amount),
		formatted("shipping_price_currency", rules.Currency))
	field.Types |= rules.String
	field.Cleared = rules.EmptyList
	return doubtful("a string COUNTRY:STATE:SERVICE:PRICE in "+supportedFields+": taken, but discouraged", field)
}

func capabilities() []string {
	return []string{
		"marketplace", "b2c_marketplace", "buy_on_facebook", "cpas_parent_catalog", "marketplace_shops", "shops",
		"daily_deals", "ig_onsite_shopping", "ig_product_tagging", "c2c_marketplace", "groups", "profile", "da",
		"whatsapp", "ldp", "mini_shops", "business_inbox_in_messenger", "neighborhoods", "test_capability",
	}
}

// storeProductItemFields are the attributes of STORE_PRODUCT_ITEM: what a product
// costs in one store, and whether it is there.
func storeProductItemFields() []rules.Field {
	const strange = "an integer, unlike in all other item types; of what is not said"
	return []rules.Field{
		key(1, text("retailer_item_id", 0)),
		key(2, text("store_code", 0)),
		doubtful(strange, whole("price", 0, math.MaxInt64)),
		doubtful(strange, whole("sale_price", 0, math.MaxInt64)),
		{Name: "quantity", Types: rules.Number, Format: rules.DecimalBetween(0, math.MaxInt32)},
		oneOf("availability", "in stock", "out of stock"),
		formatted("sale_price_effective_date", saleDates),
		doubtful("the page types it as an integer and lists these words", oneOf("pickup_timeline", "same day", "next day")),
		oneOf("pickup_method", "buy", "reserve", "not supported"),
	}
}

// appAndSoftwareFields are the attributes of APP_AND_SOFTWARE.
func appAndSoftwareFields() []rules.Field {
	average, count := rating()
	return append(titleFields(),
		oneOf("app_category", "Games", "Productivity", "Social", "Entertainment", "Education", "Utilities", "Lifestyle",
			"Health & Fitness", "Business", "Other"),
		text("app_subcategory", 200),
		text("developer", 100),
		text("genres", 200),
		rules.Field{
			Name: "operating_system", Types: rules.String, MaxLength: 100,
			Values: []string{"iOS", "Android", "Windows", "macOS", "Linux", "Chrome OS", "Web", "Other"},
		},
		count, average,
		text("fb_product_category", 0),
		text("google_product_category", 0),
	)
}

// mediaTitleFields are the attributes of MEDIA_TITLE.
func mediaTitleFields() []rules.Field {
	return append(titleFields(),
		text("actor", 200),
		text("award", 200),
		text("director", 200),
		text("duration", 0),
		text("featuring", 200),
		text("genres", 200),
		text("global_unique_identifier", 0),
		oneOf("media_category", "Movie", "Music", "TV Show", "Other"),
		text("production_company", 200),
		text("release_date", 0),
	)
}

// titleFields are what apps and media titles share.
func titleFields() []rules.Field {
	return []rules.Field{
		key(1, text("id", 100)),
		required(text("title", 200)),
		required(text("description", 9999)),
		availability(),
		condition(),
		required(formatted("image_link", single)),
		required(link("link")),
		text("brand", 100),
		price("price"),
		saleOf("price", price("sale_price")),
		appLink(),
		text("content_rating", 0),
		customLabels(),
		customNumbers(),
	}
}
