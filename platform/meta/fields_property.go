package meta

import (
	"math"

	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// homeListingFields are the attributes of HOME_LISTING.
func homeListingFields() []rules.Field {
	rooms := rules.DecimalBetween(0, math.MaxInt32)
	return []rules.Field{
		key(1, text("home_listing_id", 0)),
		required(text("name", 0, localizable)),
		required(oneOf("availability", "for_sale", "for_rent", "sale_pending", "recently_sold", "off_market", "available_soon")),
		required(object("address",
			required(text("addr1", 0)), required(text("city", 0)), required(text("region", 0)),
			required(text("country", 0)), text("postal_code", 0))),
		required(images(localizable)),
		required(price("price", countryOnly)),
		required(link("url", localizable)),
		appLink(),
		availableDates(),
		text("description", 5000, localizable),
		latitude(),
		longitude(),
		oneOf("listing_type", "for_rent_by_agent", "for_rent_by_owner", "for_sale_by_agent", "for_sale_by_owner",
			"foreclosed", "new_construction", "new_listing"),
		{
			Name: "neighborhood", Types: rules.List, MaxItems: 20, Element: &rules.Field{Types: rules.String | rules.Object},
			Doubt: "a list of objects in the table of " + supportedFields + ", of strings in its example",
		},
		numeric("num_baths", rooms),
		numeric("num_beds", rooms),
		numeric("num_units", rooms),
		{Name: "num_rooms", Types: rules.Number, Format: rooms, Doubt: "an integer in the newer reference, a float in " + sdk},
		priceChange(),
		oneOf("property_type", "apartment", "condo", "house", "land", "manufactured", "other", "townhouse",
			"builder_floor", "house_in_condominium", "house_in_villa", "loft", "penthouse", "studio"),
		numeric("year_built", rules.Year),
		text("home_listing_group_id", 0),
		whole("area_size", 0, math.MaxInt64),
		oneOf("area_unit", "sq_ft", "sq_m"),
		oneOf("ac_type", "central", "other", "none"),
		oneOf("furnish_type", "furnished", "semi-furnished", "unfurnished"),
		oneOf("heating_type", "central", "gas", "electric", "radiator", "other", "none"),
		oneOf("laundry_type", "in_unit", "in_building", "other", "none"),
		doubtful("its sample writes off_street", oneOf("parking_type", "garage", "street", "off-street", "off_street", "other", "none")),
		oneOf("partner_verification", "verified", "none"),
		oneOf("pet_policy", "cat", "dog", "all", "none"),
		activity(countryOnly),
		videos(),
	}
}

// availableDates are the prices of a rented home in seasons. The rate is the price
// times 100.
func availableDates() rules.Field {
	rate := numeric("rate", rules.IntegerBetween(0, math.MaxInt64))
	rate.Requires = "currency"
	return objects("available_dates_price_config",
		formatted("start_date", rules.Date),
		formatted("end_date", rules.Date),
		rate,
		formatted("currency", rules.Currency),
		oneOf("interval", "nightly", "weekly", "monthly", "sale"))
}

// vehicleFields are the attributes of VEHICLE. Their words count in either case.
func vehicleFields() []rules.Field {
	fields := []rules.Field{
		key(1, text("vehicle_id", 100)),
		required(text("title", 500, localizable)),
		required(text("description", 5000, localizable)),
		required(link("url", localizable)),
		required(text("make", 0)),
		required(text("model", 0)),
		required(numeric("year", rules.Year)),
		required(object("mileage",
			required(numeric("value", rules.DecimalBetween(0, math.MaxInt32))), required(oneOf("unit", "KM", "MI")))),
		required(vehicleImages()),
		required(from(sdk, doubtful("a copy of "+autoFields+" lists 12 of them", oneOf("body_style",
			"CONVERTIBLE", "COUPE", "CROSSOVER", "ESTATE", "GRANDTOURER", "HATCHBACK", "MINIBUS", "MINIVAN", "MPV", "NONE",
			"OTHER", "PICKUP", "ROADSTER", "SALOON", "SEDAN", "SMALL_CAR", "SPORTSCAR", "SUPERCAR", "SUPERMINI", "SUV",
			"TRUCK", "VAN", "WAGON")))),
		required(price("price", countryOnly)),
		required(text("exterior_color", 0)),
		required(oneOf("state_of_vehicle", "CPO", "NEW", "USED")),
		required(doubtful("required by "+sdk+" only", object("address",
			text("addr1", 0), text("city", 0), text("region", 0), text("country", 0), text("postal_code", 0)))),
		latitude(),
		longitude(),
		doubtful("required by "+sdk+"; exactly 17 characters but for old vehicles, boats and trailers", text("vin", 17)),
		from(sdk, doubtful("available and not available in a copy of "+autoFields,
			oneOf("availability", "AVAILABLE", "NOT_AVAILABLE", "NOT AVAILABLE", "PENDING", "UNKNOWN"))),
		from(sdk, oneOf("condition", "EXCELLENT", "FAIR", "GOOD", "NONE", "OTHER", "POOR", "VERY_GOOD")),
		from(sdk, doubtful("4X2 and 4X4 in a copy of "+autoFields,
			oneOf("drivetrain", "AWD", "FOUR_WD", "FWD", "NONE", "OTHER", "RWD", "TWO_WD", "4X2", "4X4"))),
		from(sdk, oneOf("fuel_type",
			"DIESEL", "ELECTRIC", "FLEX", "GASOLINE", "HYBRID", "NONE", "OTHER", "PETROL", "PLUGIN_HYBRID")),
		from(sdk, oneOf("transmission", "AUTOMATIC", "MANUAL", "NONE", "OTHER")),
		from(sdk, oneOf("vehicle_type",
			"BOAT", "CAR_TRUCK", "COMMERCIAL", "MOTORCYCLE", "OTHER", "POWERSPORT", "RV_CAMPER", "TRAILER")),
		saleOf("price", price("sale_price", countryOnly)),
		text("trim", 50),
		text("interior_color", 50),
		formatted("date_first_on_lot", rules.Date),
		whole("days_on_lot", 0, math.MaxInt64),
		whole("chrome_id", 0, math.MaxInt64),
		whole("fb_page_id", 0, math.MaxInt64),
		from(reference, activity(countryOnly)),
		from(sdk, customLabels()),
		customNumbers(),
		from(sdk, text("dealer_id", 0)),
		from(sdk, text("dealer_name", 0)),
		from(sdk, text("dealer_phone", 0)),
	}
	for i := range fields {
		if fields[i].Source == "" {
			fields[i].Source = autoFields
		}
	}
	return fields
}

func vehicleImages() rules.Field {
	field := images(localizable)
	field.MaxItems, field.Doubt = 20, ""
	return field
}

// vehicleOfferFields are the attributes of VEHICLE_OFFER. The reference has a
// sample and no table, so that nothing but the key is known to be required.
func vehicleOfferFields() []rules.Field {
	return []rules.Field{
		key(1, text("vehicle_offer_id", 0)),
		text("make", 0),
		text("model", 0),
		numeric("year", rules.Year),
		text("availability", 0),
		text("offer_type", 0),
		text("title", 0),
		text("offer_description", 0),
		text("offer_disclaimer", 0),
		link("url"),
		images(),
		{Name: "amount_percentage", Types: rules.Number},
		text("amount_qualifier", 0),
		whole("term_length", 0, math.MaxInt64),
		text("term_qualifier", 0),
		price("downpayment"),
		text("downpayment_qualifier", 0),
		text("trim", 0),
		formatted("start_date", rules.DateTime),
		formatted("end_date", rules.DateTime),
		text("market_name", 0),
		texts("comscore_market_codes", 0),
		text("generation", 0),
		text("transmission", 0),
		text("drivetrain", 0),
		text("fuel_type", 0),
		text("body_style", 0),
		activity(),
		text("exterior_color", 0),
		text("interior_color", 0),
		text("interior_upholstery", 0),
	}
}
