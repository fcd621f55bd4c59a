package meta

import "github.com/catalog-courier/catalog-courier/platform/rules"

// untyped is a field of the SDK whose JSON type no page says.
func untyped(name string) rules.Field { return rules.Field{Name: name, Source: newerSDK} }

// otherProductFields are attributes of PRODUCT_ITEM that the table of items_batch does
// not have, and other pages or programs of Meta have.
func otherProductFields() []rules.Field {
	hidden := from(wooCommerce, oneOf("visibility", "published", "staging", "hidden"))
	hidden.Doubt = "the older name of status in " + catalogReference + "; hidden is in the plugin alone"
	return []rules.Field{
		hidden,
		from(localizedFields, price("unit_price", countryOnly)),
		untyped("external_variant_id"),
		untyped("return_policy_days"),
		from(newerSDK, text("offer_disclaimer", 0)),
		from(newerSDK, link("offer_disclaimer_url")),
		untyped("manufacturer_info"),
		untyped("wa_compliance_category"),
		untyped("product_relationship"),
	}
}

// marketplaceFields are what partners of Marketplace add to a PRODUCT_ITEM. Of types
// the page and its own sample differ: 14.95 is a float in one and a text in the other.
func marketplaceFields() []rules.Field {
	either := func(name string) rules.Field {
		return rules.Field{Name: name, Types: rules.String | rules.Number}
	}
	fields := []rules.Field{
		oneOf("partner_listing_type", "fixed_price", "auction", "vehicle", "rental", "real_estate"),
		text("partner_product_condition", 0),
		link("partner_product_checkout_uri"),
		link("partner_product_html_desc_uri"),
		text("partner_seller_id", 100),
		formatted("partner_item_country", rules.Country),
		text("partner_product_location", 0),
		{
			Name: "partner_delivery_method", Types: rules.List,
			Element: &rules.Field{Types: rules.String, Values: []string{"shipping", "in_person"}},
		},
		oneOf("partner_shipping_type", "free", "fixed", "dynamic"),
		text("partner_shipping_speed", 0),
		// These three are "nullable" there.
		{Name: "partner_attribute_data", Types: rules.Object, Cleared: rules.Null},
		{Name: "return_details", Types: rules.Object, Cleared: rules.Null},
		{Name: "additional_fields", Types: rules.Object, Cleared: rules.Null},
		either("partner_product_creation_time"), either("partner_product_expiration_time"),
		either("partner_item_latitude"), either("partner_item_longitude"), either("partner_shipping_cost"),
		either("partner_auction_bid_close_time"), either("partner_auction_bid_count"),
	}
	for i := range fields {
		fields[i].Source = itemAPI
	}
	return fields
}
