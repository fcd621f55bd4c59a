package pinterest

import (
	"math"

	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// retailFields are the attributes of RETAIL items: ItemAttributesRequest of the
// OpenAPI file for CREATE and UPSERT, UpdatableItemAttributes for UPDATE.
func retailFields() []rules.Field {
	const maxNumber = math.MaxUint32 // of custom_number_*
	return []rules.Field{
		key("item_id"),
		key("id"),
		required(maxLength(500, plain("title", maskable))),
		required(maxLength(10_000, plain("description", maskable))),
		required(link("link", 511, maskable)),
		required(rules.Field{
			Name: "image_link", Types: rules.String | rules.List, MaxLength: maxLink, Format: rules.URL,
			MinItems: 1, MaxItems: 1, Traits: fixed | rules.EnforcedCount, Source: openAPI,
			Element: &rules.Field{Types: rules.String, MaxLength: maxLink, Format: rules.URL},
		}),
		required(price("price", maskable)),
		required(oneOf("availability", maskable, "in stock", "out of stock", "preorder")),

		images("additional_image_link"),
		link("ad_image_{0..19}_link", maxLink, nullable),
		maxLength(511, plain("ad_image_{0..19}_tag", nullable)),
		link("ad_video_{0..2}_link", maxLink, nullable),
		maxLength(511, plain("ad_video_{0..2}_tag", nullable)),
		link("ad_link", 0, both),
		link("mobile_link", 0, nullable),
		link("video_link", maxLink, nullable|fixed),
		deepLink("android_deep_link", 0),
		deepLink("ios_deep_link", 0),

		flag("adult", both),
		oneOf("age_group", both, "newborn", "infant", "toddler", "kids", "adult"),
		plain("brand", both),
		plain("color", both),
		oneOf("condition", both, "new", "used", "refurbished"),
		maxLength(511, plain("custom_label_{0..4}", both|rules.EnforcedLength)),
		count("custom_number_{0..4}", maxNumber),
		oneOf("gender", both, "male", "female", "unisex"),
		plain("google_product_category", both),
		{
			Name: "gtin", Types: rules.String | rules.Integer, Format: rules.GTIN, Traits: both, Source: openAPI,
			Doubt: "an integer is deprecated there: it loses leading zeros",
		},
		maxLength(127, plain("item_group_id", both)),
		plain("material", both),
		plain("mpn", both),
		plain("pattern", both),
		maxLength(1000, plain("product_type", both)),
		plain("promotion_id", both),
		plain("size", both),
		oneOf("size_system", both, "US", "UK", "EU", "DE", "FR", "JP", "CN", "IT", "BR", "MEX", "AU"),
		oneOf("size_type", both, "regular", "petite", "plus", "big_and_tall", "maternity"),
		texts("variant_names", both),
		asMany("variant_names", texts("variant_values", both)),

		{
			Name: "average_review_rating", Types: rules.Number, Format: rules.DecimalBetween(1, 5), Traits: both, Source: openAPI,
		},
		count("number_of_ratings", math.MaxInt64),
		count("number_of_reviews", math.MaxInt64),
		count("last_updated_time", math.MaxInt64),

		below("price", price("sale_price", both)),
		price("min_ad_price", both),
		price("free_shipping_limit", both),
		flag("free_shipping_label", both),
		{
			Name: "installment_price", Types: rules.String, Format: rules.Instalments, Traits: nullable, Source: openAPI,
		},
		{
			Name: "sale_price_effective_date", Types: rules.String, Format: rules.DateRange, Traits: nullable, Source: openAPI,
		},
		{Name: "shipping", Types: rules.String, Format: shippingCost, Traits: both, Source: openAPI},
		measure("shipping_height", both),
		measure("shipping_width", both),
		measure("shipping_weight", both),
		{Name: "tax", Types: rules.String, Format: taxRate, Traits: both, Source: openAPI},
		measure("unit_pricing_measure", nullable),
		measure("unit_pricing_base_measure", nullable),
		flag("checkout_enabled", both),
		flag("save_pin_disabled", fixed),
		aiDisclosures(),
	}
}
