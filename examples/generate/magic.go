package main

import "github.com/catalog-courier/catalog-courier/lab/sandbox"

// magic is an item with each ending on each platform, beside one without, and one whose
// price the platform refuses. They have no ids, so that the file can be published again and
// again.
func magic() []line {
	endings := sandbox.Endings()
	lines := make([]line, 0, 4+2*len(endings))
	lines = append(lines, retailItem("LAMP-GOOD"), productItem("LAMP-GOOD"))
	for _, priced := range []line{retailItem("LAMP-PRICE"), productItem("LAMP-PRICE")} {
		priced.Attributes["price"] = "fifteen dollars"
		lines = append(lines, priced)
	}
	for _, ending := range endings {
		lines = append(lines, retailItem("LAMP"+ending.Suffix), productItem("LAMP"+ending.Suffix))
	}
	return lines
}

func retailItem(id string) line {
	return line{Account: "demo-pinterest", Catalog: "us", Type: "RETAIL", ItemID: id, Operation: "UPSERT", Attributes: map[string]any{
		"title": "Desk lamp " + id, "description": "A lamp for trying out what a platform may do.", "price": "15.00 USD",
		"availability": "in stock", "condition": "new", "link": "https://shop.example/lamps/" + id,
		"image_link": []string{"https://shop.example/images/" + id + ".jpg"},
	}}
}

func productItem(id string) line {
	return line{Account: "demo-meta", Catalog: "products", Type: "PRODUCT_ITEM", ItemID: id, Operation: "UPSERT", Attributes: map[string]any{
		"title": "Desk lamp " + id, "description": "A lamp for trying out what a platform may do.", "price": "15.00 USD",
		"availability": "in stock", "condition": "new", "link": "https://shop.example/lamps/" + id, "brand": "Lumen & Co",
		"image": []map[string]any{{"url": "https://shop.example/images/" + id + ".jpg"}},
	}}
}
