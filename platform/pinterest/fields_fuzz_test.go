package pinterest

import (
	"maps"
	"slices"
	"testing"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform/rules"
	"github.com/catalog-courier/catalog-courier/platform/rules/rulestest"
)

const completeRetailItem = `{"title":"A lamp","description":"Gives light","link":"https://example.com/lamp",` +
	`"image_link":["https://example.com/lamp.jpg"],"price":"24.99 USD","availability":"in stock"}`

// FuzzTables: what rulestest asks of tables.
func FuzzTables(f *testing.F) {
	f.Add("SKU-1", []byte(completeRetailItem), uint8(0), uint8(catalog.Upsert))
	f.Add("SKU-1", []byte(`{"price":"24.9999USD","gtin":4006381333931,"image_link":["a","b"],"shipping":":::x","tax":"US:1:x:"}`), uint8(0), uint8(catalog.Create))
	f.Add("h", []byte(`{"guest_ratings":{"score":null},"main_image":{"link":1,"tag":[1]},"latitude":91,"address":[]}`), uint8(1), uint8(catalog.Update))
	f.Add("c", []byte(`{"visibility":"gone","ios_deep_link":":","hotel_id":"\u0063"}`), uint8(2), uint8(catalog.Delete))
	types := catalogTypes()
	tables := make([]*rules.Table, 0, len(types))
	for _, name := range slices.Sorted(maps.Keys(types)) {
		tables = append(tables, types[name].table)
	}
	rulestest.FuzzTables(f, tables)
}
