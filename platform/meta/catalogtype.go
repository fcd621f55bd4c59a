package meta

import (
	"sync"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// catalogType is all that tells one item type from another.
type catalogType struct {
	name catalog.Type
	// keys are the parts of the item's key, in the order of item_id.
	keys  []string
	table *rules.Table
	// nullable is the table without its rules about null.
	nullable *rules.Table
}

// catalogTypes is the table of item types that items_batch carries.
// Source: Meta's reference of product catalog items_batch and its page Catalog item
// types, 2026-09.
// It never changes and is shared by all accounts: compiled it has some hundred KiB.
var catalogTypes = sync.OnceValue(compileCatalogTypes)

func compileCatalogTypes() map[catalog.Type]*catalogType {
	types := make(map[catalog.Type]*catalogType, 11)
	for _, row := range []struct {
		name   catalog.Type
		keys   []string
		fields []rules.Field
	}{
		{"PRODUCT_ITEM", []string{"id"}, productItemFields()},
		{"STORE_PRODUCT_ITEM", []string{"retailer_item_id", "store_code"}, storeProductItemFields()},
		{"HOTEL", []string{"hotel_id"}, hotelFields()},
		{"HOTEL_ROOM", []string{"hotel_retailer_id", "hotel_room_id"}, hotelRoomFields()},
		{"FLIGHT", []string{"origin_airport", "destination_airport"}, flightFields()},
		{"DESTINATION", []string{"destination_id"}, destinationFields()},
		{"HOME_LISTING", []string{"home_listing_id"}, homeListingFields()},
		{"VEHICLE", []string{"vehicle_id"}, vehicleFields()},
		{"VEHICLE_OFFER", []string{"vehicle_offer_id"}, vehicleOfferFields()},
		{"APP_AND_SOFTWARE", []string{"id"}, appAndSoftwareFields()},
		{"MEDIA_TITLE", []string{"id"}, mediaTitleFields()},
	} {
		table := newTable(row.name, row.keys, row.fields)
		types[row.name] = &catalogType{name: row.name, keys: row.keys, table: table, nullable: table.WithoutNulls()}
	}
	return types
}

// overlay is how an UPSERT of a type changes an item that exists.
func overlay(name catalog.Type) platform.Overlay {
	row, known := catalogTypes()[name]
	if !known {
		return platform.Overlay{Clears: func(string) bool { return false }}
	}
	o := platform.Overlay{
		KeyParts: len(row.keys),
		Replaces: semantics.UpsertReplaces,
		Clears:   func(attribute string) bool { return row.table.Clears(catalog.Upsert, attribute) },
	}
	switch name {
	case "PRODUCT_ITEM", "STORE_PRODUCT_ITEM":
		o.OutOfStock = `{"availability":"out of stock"}`
	case "VEHICLE":
		o.OutOfStock = `{"availability":"NOT_AVAILABLE"}`
	case "HOME_LISTING":
		o.OutOfStock = `{"availability":"off_market"}`
	}
	return o
}

// newTable says what holds for all of Meta's types.
func newTable(name catalog.Type, keys []string, fields []rules.Field) *rules.Table {
	for i := range fields {
		if fields[i].Source == "" {
			fields[i].Source = reference
		}
		if fields[i].Cleared == "" {
			fields[i].Cleared = emptyValue(&fields[i])
		}
	}
	clearable := rules.NullRule{
		Allows: (*rules.Field).Clearable, Reason: catalog.NotClearable,
		Text: " cannot be cleared on Meta: only optional strings and lists have an empty value; send a value",
	}
	table := &rules.Table{
		Platform: "Meta", Type: name, Keys: keys, TrimmedKeys: true, Fields: fields,
		// An UPSERT of an item that exists changes no more than it names.
		CreatedBy: []catalog.Operation{catalog.Create},
		// A CREATE may say null of anything: what has no empty value is left out.
		Nulls: map[catalog.Operation]rules.NullRule{catalog.Upsert: clearable, catalog.Update: clearable},
	}
	return table.Compile()
}

// emptyValue is what clears a field: "" for optional strings, [] for optional
// lists. That "" unsets an optional field is documented for the older batch
// endpoint (null does not), and Meta's own WooCommerce plugin does it in
// items_batch; [] is documented for video. Numbers and objects have no documented
// empty value, required fields cannot be empty.
func emptyValue(f *rules.Field) string {
	switch {
	case f.Key > 0, f.Required && f.AlternativeTo == "":
		return ""
	case f.Types&rules.String != 0:
		return rules.EmptyString
	case f.Types&rules.List != 0:
		return rules.EmptyList
	default:
		return ""
	}
}
