package main

import (
	"fmt"
	"maps"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// everything shows the catalog types and endpoints that the shop and the airline do
// not use: some items are made, one is changed, one is deleted.
func (s *script) everything() {
	for _, kind := range kinds() {
		in := s.in(kind.account, kind.catalog, kind.itemType)
		const items = 3
		for i := range items {
			in(catalog.Upsert, kind.item(i), kind.whole(i))
		}
		in(catalog.Update, kind.item(0), kind.change)
		in(kind.remove, kind.item(1), nil)
	}
	s.localized()
}

// localized says in Polish and for Britain what some lamps are called and cost.
func (s *script) localized() {
	texts := s.in("demo-meta", "products-localized", "PRODUCT_ITEM")
	for i := range 3 {
		texts(catalog.Upsert, lampID(i), map[string]any{"title": "Lampa biurkowa", "description": "Lampa, która stoi, gdzie ją postawisz."})
		s.localize("LANGUAGE", "pl_PL")
		texts(catalog.Update, lampID(i), map[string]any{"price": fmt.Sprintf("%d.00 GBP", 12+i)})
		s.localize("COUNTRY", "GB")
	}
	texts(catalog.Delete, lampID(0), nil)
	s.localize("LANGUAGE", "pl_PL")
}

// localize narrows the last mutation.
func (s *script) localize(kind, value string) {
	s.lines[len(s.lines)-1].Localization = &localization{Type: kind, Value: value}
}

// kind is a catalog type by one endpoint, with items to show it.
type kind struct {
	account, catalog string
	itemType         catalog.Type
	item             func(i int) string
	whole            func(i int) map[string]any
	change           map[string]any
	remove           catalog.Operation
}

func kinds() []kind {
	return append(pinterestKinds(), metaKinds()...)
}

func numbered(prefix string) func(int) string {
	return func(i int) string { return fmt.Sprintf("%s-%d", prefix, i+1) }
}

// inside names the parts of something that has a key of two parts.
func inside(whole, prefix string) func(int) string {
	return func(i int) string { return catalog.JoinItemID(whole, fmt.Sprintf("%s-%d", prefix, i+1)) }
}

// always is the same for each item but for its name.
func always(nameField, name string, attributes map[string]any) func(int) map[string]any {
	return func(i int) map[string]any {
		one := map[string]any{nameField: fmt.Sprintf("%s %d", name, i+1)}
		maps.Copy(one, attributes)
		return one
	}
}

func picture(name string) []map[string]any {
	return []map[string]any{{"url": "https://img.example/" + name + ".jpg", "tag": []string{name}}}
}

func address() map[string]any {
	return map[string]any{"addr1": "1 Quay", "city": "Brest", "region": "Brittany", "country": "FR", "postal_code": "29200"}
}

func pinterestKinds() []kind {
	return []kind{
		{
			"demo-pinterest", "us", "HOTEL", numbered("INN"), always("name", "Harbour Inn", map[string]any{
				"description": "By the sea", "link": "https://inn.example", "main_image": map[string]any{"link": "https://img.example/inn.jpg"},
				"address": address(), "latitude": 48.39, "longitude": -4.49, "base_price": "120.00 EUR",
			}), map[string]any{"base_price": "99.00 EUR"}, catalog.Delete,
		},
		{
			"demo-pinterest", "us", "CREATIVE_ASSETS", numbered("FILM"), always("title", "Summer", map[string]any{
				"description": "A film of summer", "link": "https://shop.example/summer",
				"image_link": "https://img.example/summer.jpg", "visibility": "visible",
			}), map[string]any{"visibility": "hidden"}, catalog.Delete,
		},
		{
			"demo-pinterest", "us", "LOCAL_INVENTORY", inside(lampID(0), "STORE"), func(i int) map[string]any {
				return map[string]any{"price": fmt.Sprintf("%d.99 USD", 24+i), "availability": "in stock"}
			}, map[string]any{"availability": "out of stock"}, catalog.Delete,
		},
		{
			"demo-pinterest", "de-legacy", "RETAIL", numbered("HEMD"), always("title", "Leinenhemd", map[string]any{
				"description": "Weit und gewaschen", "link": "https://shop.example/de/hemd",
				"image_link": []string{"https://img.example/hemd.jpg"}, "price": "39.00 EUR", "availability": "in stock",
			}), map[string]any{"price": "29.00 EUR"}, catalog.DeleteDiscontinued,
		},
	}
}

func metaKinds() []kind {
	return append(metaTravelKinds(), metaOtherKinds()...)
}

func metaTravelKinds() []kind {
	return []kind{
		{
			"demo-meta", "hotels", "HOTEL", numbered("INN"), always("name", "Harbour Inn", map[string]any{
				"description": "By the sea", "address": address(), "base_price": "120.00 EUR", "image": picture("inn"),
				"latitude": 48.39, "longitude": -4.49, "url": "https://inn.example",
			}), map[string]any{"base_price": "99.00 EUR"}, catalog.Delete,
		},
		{
			"demo-meta", "hotels", "HOTEL_ROOM", inside("INN-1", "ROOM"), always("name", "Double room", map[string]any{
				"description": "With a view", "base_price": "80.00 EUR", "image": picture("room"), "url": "https://inn.example/rooms",
			}), map[string]any{"base_price": "75.00 EUR"}, catalog.Delete,
		},
		{
			"demo-meta", "destinations", "DESTINATION", numbered("HARBOUR"), always("name", "Old harbour", map[string]any{
				"address": address(), "image": picture("harbour"), "latitude": 48.38, "longitude": -4.48,
				"type": []string{"sight"}, "url": "https://go.example/harbour",
			}), map[string]any{"description": "Old, and new again"}, catalog.Delete,
		},
		{
			"demo-meta", "homes", "HOME_LISTING", numbered("COTTAGE"), always("name", "Cottage", map[string]any{
				"availability": "for_sale", "address": address(), "image": picture("cottage"), "price": "250000 EUR",
				"url": "https://homes.example/cottage", "year_built": 1930, "latitude": 48.4, "longitude": -4.5,
			}), map[string]any{"availability": "sale_pending"}, catalog.Delete,
		},
		{
			"demo-meta", "vehicles", "VEHICLE", numbered("CAR"), always("title", "Sedan", map[string]any{
				"description": "One owner", "url": "https://cars.example/sedan", "make": "Acme", "model": "S", "year": 2021,
				"mileage": map[string]any{"value": 42000, "unit": "KM"}, "image": picture("sedan"), "body_style": "SEDAN",
				"price": "16000 EUR", "exterior_color": "blue", "state_of_vehicle": "USED", "address": address(),
				"latitude": 48.4, "longitude": -4.5,
			}), map[string]any{"price": "15000 EUR"}, catalog.Delete,
		},
		{
			"demo-meta", "offers", "VEHICLE_OFFER", numbered("LEASE"), always("title", "Lease now", map[string]any{
				"make": "Acme", "model": "S", "year": 2024, "offer_type": "LEASE", "url": "https://cars.example/lease", "image": picture("lease"),
			}), map[string]any{"title": "Lease soon"}, catalog.Delete,
		},
	}
}

func metaOtherKinds() []kind {
	return []kind{
		{
			"demo-meta", "products", "STORE_PRODUCT_ITEM", inside(lampID(0), "STORE"), func(i int) map[string]any {
				return map[string]any{"price": 2499 + i, "quantity": 3, "availability": "in stock"}
			}, map[string]any{"quantity": 0, "availability": "out of stock"}, catalog.Delete,
		},
		{
			"demo-meta", "apps", "APP_AND_SOFTWARE", numbered("APP"), always("title", "Notes", map[string]any{
				"description": "Takes notes", "availability": "in stock", "condition": "new",
				"image_link": "https://img.example/notes.png", "link": "https://apps.example/notes", "app_category": "Productivity",
			}), map[string]any{"description": "Takes and finds notes"}, catalog.Delete,
		},
		{
			"demo-meta", "titles", "MEDIA_TITLE", numbered("MOVIE"), always("title", "A film", map[string]any{
				"description": "About films", "availability": "in stock", "condition": "new",
				"image_link": "https://img.example/film.jpg", "link": "https://films.example/a", "media_category": "Movie",
			}), map[string]any{"description": "About a film"}, catalog.Delete,
		},
		{
			"demo-meta", "products-legacy", "PRODUCT_ITEM", numbered("OLD-LAMP"), always("title", "Old lamp", map[string]any{
				"description": "A lamp", "availability": "in stock", "condition": "used", "price": "9.50 EUR",
				"link": "https://shop.example/old", "image_link": "https://img.example/old.jpg",
			}), map[string]any{"price": "8.50 EUR", "color": nil}, catalog.Delete,
		},
	}
}
