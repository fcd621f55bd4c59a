package pinterest

import (
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// localInventory is what a shop has of an item in one of its stores. It has an endpoint of
// its own, which takes the catalog's id.
const localInventory = catalog.Type("LOCAL_INVENTORY")

// localInventorySource is where the type is described. It is not in the OpenAPI file
// 5.23.0 that the other types are held to, so that nothing of it is enforced.
const localInventorySource = "Pinterest API v5.28, CatalogSupplementalApi of pinterest-sdk"

// localInventorySemantics: whether an UPSERT replaces what a store has of the item is not
// documented, so that nothing merges into one.
var localInventorySemantics = catalog.Semantics{Merges: true, UpsertAlone: true}

// localInventoryFields are RetailLocalInventoryItemAttributes. Price and availability are
// required by CREATE and UPSERT.
func localInventoryFields() []rules.Field {
	fields := []rules.Field{
		{Name: "item_id", Key: 1, Types: rules.String, MaxLength: 127, Doubt: "the limit is said of RETAIL's id only"},
		{Name: "store_code", Key: 2, Types: rules.String},
		{Name: "price", Types: rules.String, Format: rules.PriceOr("USD"), Required: true},
		{
			Name: "availability", Types: rules.String, Values: []string{"in stock", "out of stock", "preorder"}, Required: true,
			Doubt: "the values are those of RETAIL; others may be taken",
		},
		{Name: "sale_price", Types: rules.String, Format: rules.PriceOr("USD"), LessThan: "price"},
		{Name: "ad_link", Types: rules.String, Format: rules.URL},
	}
	for i := range fields {
		fields[i].Source = localInventorySource
	}
	return fields
}
