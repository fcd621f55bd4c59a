package pinterest

import (
	"strings"
	"sync"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// catalogType is all that tells one catalog type from another.
type catalogType struct {
	name catalog.Type
	// idField names the item in a record and in an answer.
	idField string
	// operations are those of the vertical body.
	operations []catalog.Operation
	table      *rules.Table
}

// catalogTypes is the table of catalog types that Pinterest has.
// Source: Pinterest API v5, OpenAPI 5.23.0, CatalogsVerticalBatchRequest.
// It never changes and is shared by all accounts: compiled it has some hundred KiB.
var catalogTypes = sync.OnceValue(compileCatalogTypes)

func compileCatalogTypes() map[catalog.Type]*catalogType {
	types := make(map[catalog.Type]*catalogType, 3)
	for _, row := range []struct {
		name    catalog.Type
		idField string
		fields  []rules.Field
	}{
		{"RETAIL", "item_id", retailFields()},
		{"HOTEL", "hotel_id", hotelFields()},
		{"CREATIVE_ASSETS", "creative_assets_id", creativeAssetsFields()},
	} {
		types[row.name] = &catalogType{
			name: row.name, idField: row.idField,
			operations: []catalog.Operation{catalog.Create, catalog.Upsert, catalog.Update, catalog.Delete},
			table:      newTable(row.name, row.idField, row.fields),
		}
	}
	return types
}

// newTable says what holds for all of Pinterest's types.
func newTable(name catalog.Type, idField string, fields []rules.Field) *rules.Table {
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
		Platform: "Pinterest", Type: name, Keys: []string{idField}, Fields: fields,
		// UPSERT replaces the whole item, so it needs as much as CREATE.
		CreatedBy: []catalog.Operation{catalog.Create, catalog.Upsert},
		Nulls: map[catalog.Operation]rules.NullRule{
			catalog.Create: notNullable, catalog.Upsert: notNullable,
			catalog.Update: {
				Allows: func(f *rules.Field) bool { return f.Has(rules.Maskable) }, Reason: catalog.NotClearable,
				Text: " cannot be cleared on Pinterest: update_mask does not take it; send the whole item with UPSERT instead",
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
