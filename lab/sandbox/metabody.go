package sandbox

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

const maxMetaItems = 5000

func badParameter(message string) answer { return metaError(http.StatusBadRequest, 100, 0, message) }

// metaHead is what stands around the records of a body.
type metaHead struct {
	edge      string
	itemType  catalog.Type
	known     *metaType
	mayCreate bool // allow_upsert
	requests  gjson.Result
}

// metaRecord is what an edge makes of one record.
type metaRecord struct {
	change

	keyless bool // the whole batch is dropped
	ignored bool // nothing happens, and nobody says so
}

// metaEdges read one record of each edge.
var metaEdges = map[string]func(m *Meta, head *metaHead, record gjson.Result) metaRecord{
	"items_batch":           (*Meta).readItemsRecord,
	"batch":                 (*Meta).readLegacyRecord,
	"localized_items_batch": (*Meta).readLocalizedRecord,
}

// readMeta reads a body. refused, unless zero, is the answer to one that is refused
// as a whole.
func (m *Meta) readMeta(request *exchange) (b *batch, refused answer) {
	if !m.options.SkipValidation && !gjson.ValidBytes(request.body) {
		return nil, badParameter("Invalid JSON")
	}
	//nolint:gosec // read-only view: nobody writes to the body any more
	top := gjson.Parse(unsafe.String(unsafe.SliceData(request.body), len(request.body)))
	head := metaHead{edge: request.query["edge"], mayCreate: true}
	if head.edge == "batch" {
		head.itemType = "PRODUCT_ITEM"
	}
	var wrong string
	top.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case "requests":
			head.requests = value
		case "item_type":
			head.itemType = catalog.Type(value.Str)
		case "allow_upsert":
			head.mayCreate = value.Bool()
		case "item_sub_type":
			if head.edge != "items_batch" {
				wrong = "(#100) Unknown parameter item_sub_type"
			}
		}
		return true
	})
	head.known = metaTypes[head.itemType]
	switch {
	case wrong != "":
		return nil, badParameter(wrong)
	case head.itemType == "":
		return nil, badParameter("(#100) The parameter item_type is required")
	case head.known == nil:
		return nil, badParameter("(#100) Param item_type must be one of the item types")
	case !m.carries(request.catalog, head.known):
		return nil, badParameter("(#100) The item type does not match the vertical of the catalog")
	case !head.requests.IsArray():
		return nil, badParameter("(#100) Param requests must be an array")
	}
	key := tableKey{catalog: request.catalog, itemType: head.itemType}
	if head.edge == "localized_items_batch" {
		key = overlayOf(key)
	}
	return m.readRequests(&head, key)
}

// carries reports whether the catalog is of the item type's vertical.
func (m *Meta) carries(catalogID string, known *metaType) bool {
	vertical := m.options.Verticals[catalogID]
	return vertical == "" || vertical == known.vertical
}

func (m *Meta) readRequests(head *metaHead, key tableKey) (*batch, answer) {
	var refused answer
	b := &batch{key: key, changes: make([]change, 0, maxMetaItems)}
	seen := make(map[string]struct{}, maxMetaItems)
	read, records, keyless := metaEdges[head.edge], 0, 0
	head.requests.ForEach(func(_, record gjson.Result) bool {
		if records == maxMetaItems {
			refused = badParameter("(#100) Too many requests: at most 5000")
			return false
		}
		records++
		one := read(m, head, record)
		if one.keyless {
			keyless++
			return true
		}
		if one.ignored {
			return true
		}
		once := one.id
		if m.options.LocalizedOnce {
			once = itemOf(once)
		}
		if _, one.twice = seen[once]; !one.twice {
			seen[once] = struct{}{}
		}
		b.changes = append(b.changes, one.change)
		return true
	})
	switch {
	case refused.status != 0:
	case records == 0:
		refused = badParameter("(#100) Param requests must be a non-empty array")
	case keyless > 1:
		refused = nothingIngested("Duplicate retailer_id in batch api call - .")
	case keyless == 1:
		refused = nothingIngested("Can not find required field " + head.known.keys[0])
	}
	return b, refused
}

// nothingIngested drops the whole batch in a good answer, as was seen where an id is
// missing or blank: there is no handle, and no item is named.
func nothingIngested(message string) answer {
	text := rawjson.AppendString([]byte(`{"validation_status":[{"errors":[{"message":`), message)
	return answer{status: http.StatusOK, body: append(text, `}]}]}`...)}
}

// readItemsRecord reads {"method","data"}.
func (m *Meta) readItemsRecord(head *metaHead, record gjson.Result) (one metaRecord) {
	var data gjson.Result
	var method string
	record.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case "method":
			method = value.Str
		case "data":
			data = value
		}
		return true
	})
	id, ok := keyOf(data, head.known.keys)
	if !ok {
		return metaRecord{keyless: true}
	}
	one.id, one.attributes, one.content = id, data.Raw, m.hash.of(record.Raw)
	one.method(method, head.mayCreate)
	if !m.options.SkipValidation {
		checkMeta(head.known, &one.change, data)
	}
	return one
}

// method finds the operation of a record.
func (r *metaRecord) method(name string, mayCreate bool) {
	switch name {
	case "CREATE":
		r.operation = catalog.Create
	case "DELETE":
		r.operation = catalog.Delete
	case "UPDATE":
		r.operation = catalog.Update
		if mayCreate {
			r.operation = catalog.Upsert
		}
	default:
		r.errors = append(r.errors, issue{message: "the method is not CREATE, UPDATE or DELETE"})
	}
}

// keyOf is the item id of the contract, made of the key fields. A blank field is none, and
// white space around one does not count: two ids that differ in it alone are one item.
// Nobody documents the second; the client sends no such id.
func keyOf(data gjson.Result, names []string) (id string, ok bool) {
	var parts [2]string
	found := 0
	data.ForEach(func(name, value gjson.Result) bool {
		if i := slices.Index(names, name.Str); i >= 0 {
			parts[i] = strings.TrimSpace(value.String())
			found++
		}
		return found < len(names)
	})
	for i := range names {
		if parts[i] == "" {
			return "", false
		}
	}
	if len(names) == 1 {
		return parts[0], true
	}
	return catalog.JoinItemID(parts[:len(names)]...), true
}

// checkMeta finds what Meta warns of and what it refuses an item for. A null does
// not unset anything: it is refused here, so that no client relies on it.
func checkMeta(known *metaType, one *change, data gjson.Result) {
	data.ForEach(func(name, value gjson.Result) bool {
		switch {
		case slices.Contains(known.keys, name.Str):
		case !known.knows(name.Str):
			one.warnings = append(one.warnings, issue{message: "Unrecognised field: A request for item " + itemOf(one.id) +
				" contains unrecognised field: '" + name.Str + "'"})
		case value.Type == gjson.Null:
			one.errors = append(one.errors, issue{message: "the field " + name.Str + " is null"})
		case (value.Raw == `""` || value.Raw == `[]`) && slices.Contains(known.required, name.Str):
			one.errors = append(one.errors, issue{message: "the required field " + name.Str + " is empty"})
		case strings.HasSuffix(name.Str, "price") && value.Raw != `""` && !metaPrice(value):
			one.errors = append(one.errors, issue{message: "the field " + name.Str + " is not a price such as 24.99 USD"})
		case (name.Str == "image" || name.Str == "video") && !value.IsArray():
			one.errors = append(one.errors, issue{message: "the field " + name.Str + " is not a list of objects with a url"})
		}
		return true
	})
}

var priceForm = regexp.MustCompile(`^\d+(\.\d+)? ?([A-Z]{3})?$`)

// metaPrice reports whether the value is a price; in a store it is a number. No source
// says that a currency in lower case is refused.
func metaPrice(value gjson.Result) bool {
	return value.Type == gjson.Number || (value.Type == gjson.String && priceForm.MatchString(strings.ToUpper(value.Str)))
}
