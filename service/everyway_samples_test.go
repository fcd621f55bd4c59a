package service_test

import "github.com/catalog-courier/catalog-courier/catalog"

// sample is an item of a catalog type as producers publish it: the attributes are
// JSON objects with the platform's own names.
type sample struct {
	itemType catalog.Type
	// ids makes the item's id of a number, and the members that carry it in a request.
	ids func(number int) (itemID string, key map[string]any)
	// whole is an item with all that the platform requires; change updates it.
	whole, change string
	// clear is an UPDATE with a null, "" where nothing of the type can be cleared;
	// cleared is what goes out instead.
	clear, cleared string
}

const images = `"image":[{"url":"https://img.example/1.jpg","tag":["front"]}]`

// one is a key of one part.
func one(name, prefix string) func(int) (string, map[string]any) {
	return func(number int) (string, map[string]any) {
		id := prefix + letters(number)
		return id, map[string]any{name: id}
	}
}

// two is a key of two parts.
func two(first, second, prefix string) func(int) (string, map[string]any) {
	return func(number int) (string, map[string]any) {
		part := letters(number)
		return prefix + "/" + part, map[string]any{first: prefix, second: part}
	}
}

// letters is a number in three capital letters, as airports have.
func letters(number int) string {
	const a = 26
	return string([]byte{byte('A' + number/a/a%a), byte('A' + number/a%a), byte('A' + number%a)})
}

// metaSamples are the item types of items_batch.
func metaSamples() []sample {
	const product = `{"title":"Lamp","description":"A lamp","availability":"in stock","condition":"new","price":"24.99 USD",` +
		`"link":"https://shop.example/lamp","image_link":"https://img.example/lamp.jpg","brand":"Acme"}`
	return []sample{
		{
			"PRODUCT_ITEM", one("id", "lamp-"), product, `{"price":"19.99 USD","availability":"out of stock"}`,
			`{"color":null,"title":"Plain lamp"}`, `{"color":"","title":"Plain lamp"}`,
		},
		{
			"HOTEL", one("hotel_id", "hotel-"),
			`{"name":"Inn","description":"By the sea","address":{"addr1":"1 Quay","city":"Brest","region":"Brittany","country":"FR"},` +
				`"base_price":"120.00 EUR",` + images + `,"latitude":48.39,"longitude":-4.49,"url":"https://inn.example"}`,
			`{"base_price":"99.00 EUR"}`, `{"brand":null}`, `{"brand":""}`,
		},
		{
			"HOTEL_ROOM", two("hotel_retailer_id", "hotel_room_id", "inn"),
			`{"name":"Double","description":"With a view","base_price":"80.00 EUR",` + images + `,"url":"https://inn.example/double"}`,
			`{"base_price":"75.00 EUR"}`, `{"sale_price":null}`, `{"sale_price":""}`,
		},
		{
			"FLIGHT", two("origin_airport", "destination_airport", "BOS"),
			`{` + images + `,"description":"Daily","price":"129.00 USD","origin_city":"Boston"}`,
			`{"price":"99.00 USD"}`, `{"origin_city":null}`, `{"origin_city":""}`,
		},
		{
			"DESTINATION", one("destination_id", "place-"),
			`{"name":"Harbour","address":{"city":"Brest","region":"Brittany","country":"FR"},` + images +
				`,"latitude":48.38,"longitude":-4.48,"type":["sight"],"url":"https://go.example/harbour"}`,
			`{"description":"Old and new"}`, `{"description":null}`, `{"description":""}`,
		},
		{
			"HOME_LISTING", one("home_listing_id", "home-"),
			`{"name":"Cottage","availability":"for_sale","address":{"addr1":"2 Lane","city":"Brest","region":"Brittany","country":"FR"},` +
				images + `,"price":"250000 EUR","url":"https://homes.example/cottage","year_built":1930,"latitude":48.4,"longitude":-4.5}`,
			`{"availability":"sale_pending"}`, `{"description":null}`, `{"description":""}`,
		},
		{
			"VEHICLE", one("vehicle_id", "car-"),
			`{"title":"Sedan","description":"One owner","url":"https://cars.example/sedan","make":"Acme","model":"S","year":2021,` +
				`"mileage":{"value":42000,"unit":"KM"},` + images + `,"body_style":"SEDAN","price":"16000 USD","exterior_color":"blue",` +
				`"state_of_vehicle":"USED","address":{"addr1":"3 Road","city":"Brest","region":"Brittany","country":"FR","postal_code":"29200"},` +
				`"latitude":48.4,"longitude":-4.5}`,
			`{"price":"15000 USD"}`, `{"trim":null}`, `{"trim":""}`,
		},
		{
			"VEHICLE_OFFER", one("vehicle_offer_id", "offer-"),
			`{"make":"Acme","model":"S","year":2024,"offer_type":"LEASE","title":"Lease now","url":"https://cars.example/lease",` + images + `}`,
			`{"title":"Lease soon"}`, `{"trim":null}`, `{"trim":""}`,
		},
		{
			"STORE_PRODUCT_ITEM", two("retailer_item_id", "store_code", "lamp"),
			`{"price":2499,"quantity":3,"availability":"in stock"}`, `{"availability":"out of stock","quantity":0}`,
			`{"pickup_method":null}`, `{"pickup_method":""}`,
		},
		{
			"APP_AND_SOFTWARE", one("id", "app-"),
			`{"title":"Notes","description":"Takes notes","availability":"in stock","condition":"new","image_link":"https://img.example/notes.png",` +
				`"link":"https://apps.example/notes","app_category":"Productivity"}`,
			`{"title":"Notes 2"}`, `{"developer":null}`, `{"developer":""}`,
		},
		{
			"MEDIA_TITLE", one("id", "film-"),
			`{"title":"A film","description":"About films","availability":"in stock","condition":"new","image_link":"https://img.example/film.jpg",` +
				`"link":"https://films.example/a","media_category":"Movie"}`,
			`{"description":"About a film"}`, `{"director":null}`, `{"director":""}`,
		},
	}
}

// pinterestSamples are the catalog types of the vertical body; the first one has the
// legacy body too.
func pinterestSamples() []sample {
	return []sample{
		{
			"RETAIL", one("item_id", "lamp-"),
			`{"title":"Lamp","description":"A lamp","link":"https://shop.example/lamp","image_link":["https://img.example/lamp.jpg"],` +
				`"price":"24.99 USD","availability":"in stock","color":"white"}`,
			`{"price":"19.99 USD","mobile_link":"https://m.shop.example/lamp"}`, `{"color":null,"title":"Plain lamp"}`, `{"title":"Plain lamp"}`,
		},
		{
			"HOTEL", one("hotel_id", "hotel-"),
			`{"name":"Inn","description":"By the sea","link":"https://inn.example","main_image":{"link":"https://img.example/inn.jpg"},` +
				`"address":{"addr1":"1 Quay","city":"Brest","region":"Brittany","country":"FR"},"latitude":48.39,"longitude":-4.49,"base_price":"120.00 EUR"}`,
			`{"base_price":"99.00 EUR"}`, "", "",
		},
		{
			"CREATIVE_ASSETS", one("creative_assets_id", "asset-"),
			`{"title":"Summer","description":"A film of summer","link":"https://shop.example/summer","image_link":"https://img.example/summer.jpg",` +
				`"visibility":"visible"}`,
			`{"visibility":"hidden"}`, "", "",
		},
	}
}

// localInventorySample is of Pinterest's own endpoint for it.
func localInventorySample() sample {
	return sample{
		"LOCAL_INVENTORY", two("item_id", "store_code", "lamp"),
		`{"price":"24.99 USD","availability":"in stock"}`, `{"availability":"out of stock"}`, "", "",
	}
}

// localizedSample is what one kind of localization says of an item.
type localizedSample struct {
	localization catalog.Localization
	itemType     catalog.Type
	change       string
	clear        string
	cleared      string
}

// localizedSamples has all three kinds, and all item types that can be localized.
func localizedSamples() []localizedSample {
	polish := catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}
	britain := catalog.Localization{Type: "COUNTRY", Value: "GB"}
	swiss := catalog.Localization{Type: "LANGUAGE_AND_COUNTRY", Value: "de_DE|CH"}
	return []localizedSample{
		{polish, "PRODUCT_ITEM", `{"title":"Lampa","description":"Lampa"}`, `{"title":"Lampa","color":null}`, `{"title":"Lampa","color":""}`},
		{britain, "PRODUCT_ITEM", `{"price":"21.00 GBP","availability":"out of stock"}`, "", ""},
		{swiss, "PRODUCT_ITEM", `{"title":"Leuchte","link":"https://shop.example/ch/lamp"}`, "", ""},
		{polish, "HOTEL", `{"name":"Zajazd"}`, "", ""},
		{britain, "HOTEL", `{"base_price":"110.00 GBP"}`, "", ""},
		{polish, "FLIGHT", `{"description":"Codziennie"}`, "", ""},
		{polish, "DESTINATION", `{"name":"Port"}`, "", ""},
		{polish, "HOME_LISTING", `{"name":"Domek"}`, "", ""},
		{polish, "VEHICLE", `{"title":"Auto"}`, "", ""},
	}
}
