package pinterest

import (
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

// The values of the setting body.
const (
	bodyVertical = "vertical"
	bodyLegacy   = "legacy"
)

// form is all that tells the two request bodies of POST catalogs/items/batch
// apart. Source: OpenAPI 5.23.0, the oneOf of CatalogsVerticalBatchRequest and
// CatalogsItemsBatchRequest.
type form struct {
	resource resource
	// operations are those that the body can carry.
	operations []catalog.Operation
	// heads are the bodies up to and with the bracket that opens the items, by group.
	heads map[string]string
	// oneOperation reports that a request has one operation, which stands in its head and
	// not in the records.
	oneOperation bool
	// emptyAttributes reports that the record of a DELETE has attributes too, without any:
	// they are not marked as optional (LocalInventoryOperation of pinterest-sdk).
	emptyAttributes bool
	// timedDelete reports that the record of a DELETE can say last_updated_time.
	timedDelete bool
}

// formOf chooses the form of a catalog's requests for one catalog type; nil when
// the catalog's body does not carry the type.
func formOf(row *catalogType, settings catalogSettings) *form {
	if row.name == localInventory {
		return supplemental(row, settings)
	}
	if settings.Body != bodyLegacy {
		return vertical(row, settings)
	}
	if row.name != legacyType {
		return nil
	}
	return legacy(settings)
}

// vertical is the body of all catalog types: every record has its own operation.
func vertical(row *catalogType, settings catalogSettings) *form {
	head := rawjson.AppendString([]byte(`{"catalog_type":`), string(row.name))
	head = appendPlace(append(head, ','), settings)
	if settings.CatalogID != "" {
		head = rawjson.AppendString(append(head, `,"catalog_id":`...), settings.CatalogID)
	}
	return &form{
		resource: itemsBatch(), operations: row.operations,
		heads:       map[string]string{"": string(append(head, `,"items":[`...))},
		timedDelete: row.timed(),
	}
}

// legacyType is the one catalog type of the legacy body.
const legacyType = catalog.Type("RETAIL")

// legacy is the older body: one operation for all records, no catalog_type and no
// catalog_id, so that it always writes to the oldest retail catalog.
func legacy(settings catalogSettings) *form {
	operations := catalog.Operations()
	heads := make(map[string]string, len(operations))
	for _, operation := range operations {
		head := appendPlace([]byte{'{'}, settings)
		head = rawjson.AppendString(append(head, `,"operation":`...), operation.String())
		heads[operation.String()] = string(append(head, `,"items":[`...))
	}
	return &form{resource: itemsBatch(), operations: operations, heads: heads, oneOperation: true}
}

// supplemental is the body of local inventory, whose path names the catalog; nil without
// the catalog's id.
func supplemental(row *catalogType, settings catalogSettings) *form {
	if settings.CatalogID == "" {
		return nil
	}
	return &form{
		resource: localInventoryBatch(settings.CatalogID), operations: row.operations,
		heads: map[string]string{"": `{"operations":[`}, emptyAttributes: true,
	}
}

func appendPlace(head []byte, settings catalogSettings) []byte {
	head = rawjson.AppendString(append(head, `"country":`...), settings.Country)
	return rawjson.AppendString(append(head, `,"language":`...), settings.Language)
}

// group names the records that may share a request.
func (f *form) group(op catalog.Operation) string {
	if f.oneOperation {
		return op.String()
	}
	return ""
}

// overhead is the length of the longest head.
func (f *form) overhead() int {
	longest := 0
	for _, head := range f.heads {
		longest = max(longest, len(head))
	}
	return longest
}
