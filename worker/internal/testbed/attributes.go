package testbed

import (
	"fmt"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Whole is everything that the platform requires of an item of the type, with a
// mark that tells two changes apart.
func Whole(itemType catalog.Type, mark string) map[string]any {
	switch itemType {
	case "RETAIL":
		return map[string]any{
			"title": "Title " + mark, "description": "Description " + mark, "link": "https://shop.example/" + mark,
			"image_link": "https://shop.example/" + mark + ".jpg", "availability": "in stock", "price": "24.99 USD",
			"color": "blue", "sale_price": "19.99 USD",
		}
	case "FLIGHT":
		return map[string]any{
			"image":       []map[string]any{{"url": "https://fly.example/" + mark + ".jpg", "tag": []string{"Fly"}}},
			"description": "Description " + mark, "price": "129.00 USD", "origin_city": "Here", "destination_city": "There",
		}
	default:
		return map[string]any{
			"title": "Title " + mark, "description": "Description " + mark, "link": "https://shop.example/" + mark,
			"image_link": "https://shop.example/" + mark + ".jpg", "availability": "in stock", "condition": "new",
			"price": "24.99 USD", "color": "blue", "brand": "Acme",
		}
	}
}

// Part is what an UPDATE changes of an item: one of a few attributes, so that
// several updates of an item overlap in some and not in others.
func Part(itemType catalog.Type, mark string, choice int) map[string]any {
	names := map[catalog.Type][]string{
		"RETAIL": {"title", "description", "price", "color"},
		"FLIGHT": {"description", "origin_city", "price", "destination_city"},
	}[itemType]
	if names == nil {
		names = []string{"title", "description", "price", "color"}
	}
	name := names[choice%len(names)]
	if name == "price" {
		return map[string]any{"price": fmt.Sprintf("%d.%02d USD", 10+choice%90, choice%100)}
	}
	return map[string]any{name: name + " " + mark}
}

// Cleared is what an UPDATE clears of an item.
func Cleared(itemType catalog.Type) map[string]any {
	if itemType == "FLIGHT" {
		return map[string]any{"origin_city": nil}
	}
	return map[string]any{"color": nil}
}
