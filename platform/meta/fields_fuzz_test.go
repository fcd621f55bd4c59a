package meta

import (
	"maps"
	"slices"
	"testing"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform/rules"
	"github.com/catalog-courier/catalog-courier/platform/rules/rulestest"
)

// FuzzTables: what rulestest asks of tables.
func FuzzTables(f *testing.F) {
	f.Add("SKU-1", []byte(ordinaryProduct), uint8(0), uint8(catalog.Create))
	f.Add("BOS/JFK", []byte(ordinaryFlight), uint8(1), uint8(catalog.Update))
	f.Add("1", []byte(`{"applink":{"ios_url":1},"shipping":[{"shipping_price_value":1e9}],"sale_price_effective_date":"2026-01-01T/"}`), uint8(2), uint8(catalog.Upsert))
	f.Add("a%2Fb/c", []byte(`{"guest_rating":[{"score":"x"}],"available_dates_price_config":[{"rate":"1"}],"neighborhood":[[],{}]}`), uint8(3), uint8(catalog.Create))
	types := catalogTypes()
	tables := make([]*rules.Table, 0, len(types))
	for _, name := range slices.Sorted(maps.Keys(types)) {
		tables = append(tables, types[name].table)
	}
	rulestest.FuzzTables(f, tables)
}
