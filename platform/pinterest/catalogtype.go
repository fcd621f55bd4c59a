package pinterest

import (
	"strings"
	"sync"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// catalogType is all that tells one catalog type from another.
type catalogType struct {
	name catalog.Type
	// keys name the item in a record and in an answer, in the order of item_id's parts.
	keys []string
	// operations are those of the body in which every record has its own.
	operations []catalog.Operation
	semantics  catalog.Semantics
	table      *rules.Table
}

// catalogTypes is the table of catalog types that Pinterest has.
// Source: Pinterest API v5, OpenAPI 5.23.0, CatalogsVerticalBatchRequest; of LOCAL_INVENTORY
// see fields_localinventory.go.
// It never changes and is shared by all accounts: compiled it has some hundred KiB.
var catalogTypes = sync.OnceValue(compileCatalogTypes)

func compileCatalogTypes() map[catalog.Type]*catalogType {
	types := make(map[catalog.Type]*catalogType, 4)
	for _, row := range []struct {
		name      catalog.Type
		keys      []string
		semantics catalog.Semantics
		fields    []rules.Field
	}{
		{"RETAIL", []string{"item_id"}, semantics, retailFields()},
		{"HOTEL", []string{"hotel_id"}, semantics, hotelFields()},
		{"CREATIVE_ASSETS", []string{"creative_assets_id"}, semantics, creativeAssetsFields()},
		{localInventory, []string{"item_id", "store_code"}, localInventorySemantics, localInventoryFields()},
	} {
		types[row.name] = &catalogType{
			name: row.name, keys: row.keys, semantics: row.semantics,
			operations: []catalog.Operation{catalog.Create, catalog.Upsert, catalog.Update, catalog.Delete},
			table:      newTable(row.name, row.keys, row.fields, row.semantics),
		}
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
		Replaces: row.semantics.UpsertReplaces,
		Clears:   func(attribute string) bool { return row.table.Clears(catalog.Upsert, attribute) },
	}
	if name == "RETAIL" || name == localInventory {
		o.OutOfStock = `{"availability":"out of stock"}`
	}
	return o
}

// newTable says what holds for all of Pinterest's types.
func newTable(name catalog.Type, keys []string, fields []rules.Field, semantics catalog.Semantics) *rules.Table {
	instead := "send the whole item with UPSERT instead"
	if !semantics.UpsertReplaces { // it may keep what it leaves out
		instead = "send DELETE and then CREATE instead"
	}
	notNullable := rules.NullRule{
		Allows: func(f *rules.Field) bool { return f.Has(rules.Nullable) }, Reason: catalog.InvalidValue,
		Text: " cannot be null: give a value or leave it out",
	}
	for i := range fields {
		if strings.HasPrefix(fields[i].Source, openAPI) {
			fields[i].Traits |= rules.Enforced // 400, code 1: "... is not of type ..."
		}
	}
	table := &rules.Table{
		Platform: "Pinterest", Type: name, Keys: keys, Fields: fields,
		// UPSERT replaces the whole item, so it needs as much as CREATE.
		CreatedBy: []catalog.Operation{catalog.Create, catalog.Upsert},
		Nulls: map[catalog.Operation]rules.NullRule{
			catalog.Create: notNullable, catalog.Upsert: notNullable,
			catalog.Update: {
				Allows: func(f *rules.Field) bool { return f.Has(rules.Maskable) }, Reason: catalog.NotClearable,
				Text: " cannot be cleared on Pinterest: update_mask does not take it; " + instead,
			},
		},
		NotUpdatable: " cannot be changed by UPDATE on Pinterest: send the whole item with UPSERT",
	}
	return table.Compile()
}

// repeatsKey reports whether the attribute says the item id once more.
func (t *catalogType) repeatsKey(attribute string) bool { return t.table.RepeatsKey(attribute) }

// canMask reports whether update_mask may name the attribute. What is not known
// here is not in the mask's enumeration either.
func (t *catalogType) canMask(attribute string) bool { return t.table.Has(attribute, rules.Maskable) }
