package main

import (
	"fmt"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// script is the life of the example catalogs, in the order it happened.
type script struct {
	lines []line
}

func mutations() []line {
	s := &script{}
	retail := s.in("demo-pinterest", "us", "RETAIL")
	products := s.in("demo-meta", "products", "PRODUCT_ITEM")
	flights := s.in("demo-meta", "flights", "FLIGHT")
	for i := range shirts {
		retail(catalog.Upsert, shirtID(i), shirt(i))
		products(catalog.Create, lampID(i), lamp(i))
	}
	for _, route := range routes() {
		flights(catalog.Create, route.id(), route.attributes())
	}
	s.changePrices(retail, products)
	s.clear(retail, products, flights)
	s.remove(retail, products, flights)
	s.everything()
	s.trouble(retail, products)
	return s.lines
}

// say appends one mutation of a catalog.
type say func(operation catalog.Operation, item string, attributes map[string]any)

func (s *script) in(account, catalogName string, itemType catalog.Type) say {
	start := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	return func(operation catalog.Operation, item string, attributes map[string]any) {
		number := len(s.lines) + 1
		s.lines = append(s.lines, line{
			Account: account, Catalog: catalogName, Type: itemType,
			ID: fmt.Sprintf("demo-%04d", number), ItemID: item, Operation: operation.String(), Attributes: attributes,
			OccurredAt: start.Add(time.Duration(number) * time.Second).Format(time.RFC3339),
		})
	}
}

const shirts = 50

func shirtID(i int) string { return fmt.Sprintf("SHIRT-%02d", i+1) }

func lampID(i int) string { return fmt.Sprintf("LAMP-%02d", i+1) }

func pick(values []string, i int) string { return values[i%len(values)] }

func price(i int) string { return fmt.Sprintf("%d.%02d USD", 15+i%40, i*7%100) }

// sale is always lower than the price of the same item.
func sale(i int) string { return fmt.Sprintf("%d.%02d USD", 10+i%40, i*7%100) }

func shirt(i int) map[string]any {
	colour := pick([]string{"white", "navy", "olive", "sand", "black"}, i)
	size := pick([]string{"S", "M", "L"}, i)
	return map[string]any{
		"title":                   fmt.Sprintf("Linen shirt, %s, %s", colour, size),
		"description":             "A loose shirt of washed European linen. Naïve, isn't it?",
		"link":                    "https://shop.example/shirts/" + shirtID(i),
		"image_link":              []string{"https://shop.example/images/" + shirtID(i) + ".jpg"},
		"price":                   price(i),
		"sale_price":              sale(i),
		"availability":            "in stock",
		"condition":               "new",
		"color":                   colour,
		"size":                    size,
		"google_product_category": "Apparel & Accessories > Clothing > Shirts & Tops",
	}
}

func lamp(i int) map[string]any {
	colour := pick([]string{"brass", "chrome", "black"}, i)
	return map[string]any{
		"title":        "Desk lamp, " + colour,
		"description":  "A lamp that stays where you put it.",
		"availability": "in stock",
		"condition":    "new",
		"price":        price(i),
		"link":         "https://shop.example/lamps/" + lampID(i),
		"image":        []map[string]any{{"url": "https://shop.example/images/" + lampID(i) + ".jpg", "tag": []string{colour}}},
		"brand":        "Lumen & Co",
		"color":        colour,
		"sale_price":   sale(i),
	}
}

// route is a flight between two airports.
type route struct{ from, to string }

func routes() []route {
	airports := []string{"BOS", "JFK", "SFO", "ORD", "MIA", "SEA", "DEN", "AUS"}
	var found []route
	for i, from := range airports {
		for _, to := range airports[i+1:] {
			found = append(found, route{from, to})
		}
	}
	return found
}

func (r route) id() string { return catalog.JoinItemID(r.from, r.to) }

func (r route) attributes() map[string]any {
	return map[string]any{
		"description":      "Fly from " + r.from + " to " + r.to,
		"url":              "https://fly.example/" + r.from + "-" + r.to,
		"image":            []map[string]any{{"url": "https://fly.example/images/" + r.to + ".jpg", "tag": []string{"skyline"}}},
		"origin_city":      r.from,
		"destination_city": r.to,
		"price":            "129.00 USD",
	}
}

func (s *script) changePrices(retail, products say) {
	for i := range shirts {
		if i%2 == 0 {
			retail(catalog.Update, shirtID(i), map[string]any{"price": price(i + 3), "availability": "in stock"})
		}
		if i%3 == 0 {
			products(catalog.Update, lampID(i), map[string]any{"price": price(i + 5)})
			products(catalog.Upsert, lampID(i), map[string]any{"availability": "out of stock"})
		}
	}
}

// clear takes attributes away: null in an UPDATE.
func (s *script) clear(retail, products, flights say) {
	for i := 0; i < shirts; i += 10 {
		retail(catalog.Update, shirtID(i), map[string]any{"sale_price": nil})
		retail(catalog.Update, shirtID(i+1), map[string]any{"sale_price": nil, "price": price(i + 9)})
		products(catalog.Update, lampID(i), map[string]any{"sale_price": nil})
	}
	for _, r := range routes()[:3] {
		flights(catalog.Update, r.id(), map[string]any{"price": nil})
	}
}

// remove deletes items, some permanently; the others come back with other content.
func (s *script) remove(retail, products, flights say) {
	for i := 5; i < 15; i++ {
		retail(catalog.Delete, shirtID(i), nil)
		products(catalog.Delete, lampID(i), nil)
	}
	for i := 5; i < 10; i++ {
		again := shirt(i)
		again["title"] = "Linen shirt, second edition"
		delete(again, "sale_price")
		retail(catalog.Upsert, shirtID(i), again)
		lampAgain := lamp(i)
		lampAgain["title"] = "Desk lamp, second edition"
		delete(lampAgain, "sale_price")
		products(catalog.Create, lampID(i), lampAgain)
	}
	for i, r := range routes() {
		if i%7 == 0 {
			flights(catalog.Delete, r.id(), nil)
		}
		if i%14 == 0 {
			flights(catalog.Create, r.id(), r.attributes())
		}
	}
}

// trouble is what goes wrong: see the demonstration's simulated platforms.
func (s *script) trouble(retail, products say) {
	// Never sent: Pinterest takes no images in an UPDATE.
	retail(catalog.Update, shirtID(20), map[string]any{"image_link": []string{"https://shop.example/images/new.jpg"}})
	// Rejected permanently by the platform.
	products(catalog.Create, "LAMP-FORBIDDEN", lamp(97))
	// The platform's first answer leaves it out: sent again until it says something.
	retail(catalog.Upsert, "SHIRT-FORGOTTEN", shirt(98))
	// Good input beside the bad.
	retail(catalog.Upsert, "SHIRT-LAST", shirt(99))
	products(catalog.Create, "LAMP-LAST", lamp(99))
}
