package meta

import (
	"math"

	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// hotelFields are the attributes of HOTEL.
func hotelFields() []rules.Field {
	const spaced = `the newer table prints the name with a space, and "uri" for url; its sample does not`
	return []rules.Field{
		key(1, text("hotel_id", 100)),
		required(text("name", 0, localizable)),
		required(text("description", 5000, localizable)),
		required(object("address",
			required(text("addr1", 0)), text("addr2", 0), text("addr3", 0), required(text("city", 0)),
			text("city_id", 0), required(text("region", 0)), required(text("country", 0)), text("postal_code", 0))),
		required(price("base_price", countryOnly)),
		required(images(localizable)),
		required(latitude(localizable)),
		required(longitude(localizable)),
		required(doubtful(spaced, link("url", localizable))),
		appLink(localizable),
		text("brand", 0, localizable),
		customLabels(),
		customNumbers(),
		objects("guest_rating",
			required(text("rating_system", 0)),
			required(numeric("score", rules.DecimalBetween(0, 100))),
			required(numeric("number_of_reviewers", rules.IntegerBetween(0, math.MaxInt64))),
			required(numeric("max_score", rules.DecimalBetween(0, 100)))),
		text("loyalty_program", 0),
		numeric("margin_level", rules.IntegerBetween(1, 10)),
		texts("neighborhood", 20, localizable),
		text("phone", 0),
		doubtful(spaced, price("sale_price", countryOnly)),
		doubtful(spaced, numeric("star_rating", rules.DecimalBetween(1, 5))),
		whole("priority", 0, 5),
		text("category", 0),
		whole("number_of_rooms", 0, math.MaxInt64),
		internalLabels(localizable),
		videos(),
		activity(countryOnly),
	}
}

// hotelRoomFields are the attributes of HOTEL_ROOM. Which of them can be localized
// is not documented.
func hotelRoomFields() []rules.Field {
	return []rules.Field{
		key(1, text("hotel_retailer_id", 0)),
		key(2, text("hotel_room_id", 100)),
		required(text("name", 100)),
		required(text("description", 5000)),
		required(price("base_price")),
		required(images()),
		required(link("url")),
		appLink(),
		price("sale_price"),
		numeric("margin_level", rules.IntegerBetween(1, 10)),
		videos(),
		doubtful("active or archived in all other item types", oneOf("status", "published", "archived")),
	}
}

// flightFields are the attributes of FLIGHT.
func flightFields() []rules.Field {
	airport := func(name string) rules.Field {
		return rules.Field{Name: name, Types: rules.String, MaxLength: 3, Format: rules.IATA}
	}
	return []rules.Field{
		key(1, airport("origin_airport")),
		key(2, airport("destination_airport")),
		required(images(localizable)),
		text("description", 5000, localizable),
		text("origin_city", 0, localizable),
		text("destination_city", 0, localizable),
		price("price", countryOnly),
		from(localizedFields, price("one_way_price", localizable)),
		link("url", localizable),
		from(localizedFields, appLink(localizable)),
		customLabels(localizable),
		customNumbers(localizable),
		from(localizedFields, internalLabels(localizable)),
		videos(),
	}
}

// destinationFields are the attributes of DESTINATION.
func destinationFields() []rules.Field {
	kinds := texts("type", 20)
	kinds.MinItems = 1
	return []rules.Field{
		key(1, text("destination_id", 100)),
		required(text("name", 0, localizable)),
		required(object("address",
			text("addr1", 0), required(text("city", 0)), text("city_id", 0), required(text("region", 0)),
			required(text("country", 0)), text("postal_code", 0), text("unit_number", 0))),
		required(images(localizable)),
		required(latitude(localizable)),
		required(longitude(localizable)),
		required(kinds),
		required(link("url", localizable)),
		appLink(localizable),
		text("description", 5000, localizable),
		texts("neighborhood", 20, localizable),
		doubtful("an example in "+supportedFields+" sends 159.99 without a currency", price("price", countryOnly)),
		priceChange(),
		customLabels(localizable),
		customNumbers(localizable),
		from(localizedFields, internalLabels(localizable)),
		videos(),
	}
}
