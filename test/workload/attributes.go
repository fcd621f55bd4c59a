package workload

import (
	"fmt"
	"maps"
	"slices"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// sample is what the generator knows of a catalog type. An item recreated has every
// attribute that an update touches, so that making it again leaves nothing of before.
type sample struct {
	same    map[string]any // the same for all items
	texts   []string       // attributes that hold the change's mark
	link    string         // the attribute with the item's address
	image   string         // "" for none, or the attribute with an image
	images  bool           // Meta's list of images beside the rest
	price   string         // the attribute with the price
	cleared string         // an attribute that an UPDATE may clear, "" for none
}

const (
	shop      = "https://shop.example/"
	listPrice = "24.99 USD"
)

// samples are the catalog types that the generator knows; any other is taken for
// PRODUCT_ITEM. HOTEL is Pinterest's.
var samples = map[catalog.Type]sample{
	"RETAIL": {
		same:  map[string]any{"availability": "in stock", "color": "blue", "sale_price": "19.99 USD"},
		texts: []string{"title", "description"}, link: "link", image: "image_link", price: "price", cleared: "color",
	},
	"HOTEL": {
		same: map[string]any{
			"latitude": 48.39, "longitude": -4.49,
			"address": map[string]any{"addr1": "1 Quay", "city": "Brest", "region": "Brittany", "country": "FR"},
		},
		texts: []string{"name", "description", "brand"}, link: "link", price: "base_price",
	},
	"CREATIVE_ASSETS": {
		same:  map[string]any{"visibility": "visible"},
		texts: []string{"title", "description"}, link: "link", image: "image_link",
	},
	"LOCAL_INVENTORY": {
		same: map[string]any{"availability": "in stock"}, link: "ad_link", price: "price",
	},
	"PRODUCT_ITEM": {
		same:  map[string]any{"availability": "in stock", "condition": "new", "color": "blue", "brand": "Acme"},
		texts: []string{"title", "description"}, link: "link", image: "image_link", price: "price", cleared: "color",
	},
	"FLIGHT": {
		same:  map[string]any{"origin_city": "Here", "destination_city": "There"},
		texts: []string{"description", "origin_city", "destination_city"}, images: true, price: "price", cleared: "origin_city",
	},
	"DESTINATION": {
		same: map[string]any{
			"latitude": 48.38, "longitude": -4.48, "type": []string{"sight"},
			"address": map[string]any{"city": "Brest", "region": "Brittany", "country": "FR"},
		},
		texts: []string{"name", "description"}, link: "url", images: true, cleared: "description",
	},
	"HOTEL_ROOM": {
		same:  map[string]any{"sale_price": "19.99 USD"},
		texts: []string{"name", "description"}, link: "url", images: true, price: "base_price", cleared: "sale_price",
	},
	"VEHICLE": {
		same: map[string]any{
			"make": "Atlas", "model": "Nine", "year": 2024, "mileage": map[string]any{"value": 12000, "unit": "KM"},
			"body_style": "SUV", "exterior_color": "green", "state_of_vehicle": "USED", "trim": "Sport",
			"address": map[string]any{"city": "Brest", "region": "Brittany", "country": "FR"},
		},
		texts: []string{"title", "description"}, link: "url", images: true, price: "price", cleared: "trim",
	},
}

func sampleOf(itemType catalog.Type) sample {
	if known, ok := samples[itemType]; ok {
		return known
	}
	return samples["PRODUCT_ITEM"]
}

// Whole is everything that the platform requires of an item of the type, with a
// mark that tells two changes apart.
func Whole(itemType catalog.Type, mark string) map[string]any {
	s := sampleOf(itemType)
	whole := maps.Clone(s.same)
	for _, name := range s.texts {
		if whole[name] == nil {
			whole[name] = text(name, mark)
		}
	}
	if s.link != "" {
		whole[s.link] = shop + mark
	}
	if s.image != "" {
		whole[s.image] = shop + mark + ".jpg"
	}
	if s.images {
		whole["image"] = []map[string]any{{"url": shop + mark + ".jpg", "tag": []string{"front"}}}
	}
	if s.price != "" {
		whole[s.price] = listPrice
	}
	return whole
}

// Part is what an UPDATE changes of an item: one of a few attributes, so that
// several updates of an item overlap in some and not in others.
func Part(itemType catalog.Type, mark string, choice int) map[string]any {
	s := sampleOf(itemType)
	names := s.texts
	if s.price != "" {
		names = append(slices.Clip(names), s.price)
	}
	if s.cleared != "" && s.cleared != "sale_price" {
		names = append(slices.Clip(names), s.cleared)
	}
	name := names[choice%len(names)]
	if name == s.price {
		return map[string]any{name: fmt.Sprintf("%d.%02d USD", 10+choice%90, choice%100)}
	}
	return map[string]any{name: text(name, mark)}
}

func text(name, mark string) string { return name + " " + mark }

// Cleared is what an UPDATE clears of an item; nil where the type can clear nothing.
func Cleared(itemType catalog.Type) map[string]any {
	name := sampleOf(itemType).cleared
	if name == "" {
		return nil
	}
	return map[string]any{name: nil}
}
