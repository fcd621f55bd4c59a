package metasim

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

const maxMetaItems = 5000

func badParameter(message string) sandbox.Response {
	return metaError(http.StatusBadRequest, 100, 0, message)
}

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
	sandbox.Change

	keyless bool // the whole batch is dropped
	ignored bool // nothing happens, and nobody says so
}

// metaEdges read one record of each edge.
var metaEdges = map[string]func(m *Platform, head *metaHead, record gjson.Result) metaRecord{
	"items_batch":           (*Platform).readItemsRecord,
	"batch":                 (*Platform).readLegacyRecord,
	"localized_items_batch": (*Platform).readLocalizedRecord,
}

// readMeta reads a body. refused, unless zero, is the answer to one that is refused
// as a whole.
func (m *Platform) readMeta(request *sandbox.Request) (b *sandbox.Batch, refused sandbox.Response) {
	if !m.Options.SkipValidation && !gjson.ValidBytes(request.Body) {
		return nil, badParameter("Invalid JSON")
	}
	//nolint:gosec // read-only view: nobody writes to the body any more
	top := gjson.Parse(unsafe.String(unsafe.SliceData(request.Body), len(request.Body)))
	head := metaHead{edge: request.Query["edge"], mayCreate: true}
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
	case !m.carries(request.Catalog, head.known):
		return nil, badParameter("(#100) The item type does not match the vertical of the catalog")
	case !head.requests.IsArray():
		return nil, badParameter("(#100) Param requests must be an array")
	}
	key := sandbox.TableKey{Catalog: request.Catalog, ItemType: head.itemType}
	if head.edge == "localized_items_batch" {
		key = overlayOf(key)
	}
	return m.readRequests(&head, key)
}

// carries reports whether the catalog is of the item type's vertical.
func (m *Platform) carries(catalogID string, known *metaType) bool {
	vertical := m.Options.Verticals[catalogID]
	return vertical == "" || vertical == known.vertical
}

func (m *Platform) readRequests(head *metaHead, key sandbox.TableKey) (*sandbox.Batch, sandbox.Response) {
	var refused sandbox.Response
	b := &sandbox.Batch{Key: key, Changes: make([]sandbox.Change, 0, maxMetaItems)}
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
		once := one.ID
		if m.Options.LocalizedOnce {
			once = itemOf(once)
		}
		if _, one.Twice = seen[once]; !one.Twice {
			seen[once] = struct{}{}
		}
		b.Changes = append(b.Changes, one.Change)
		return true
	})
	switch {
	case refused.Status != 0:
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
func nothingIngested(message string) sandbox.Response {
	text := rawjson.AppendString([]byte(`{"validation_status":[{"errors":[{"message":`), message)
	return sandbox.Response{Status: http.StatusOK, Body: append(text, `}]}]}`...)}
}

// readItemsRecord reads {"method","data"}.
func (m *Platform) readItemsRecord(head *metaHead, record gjson.Result) (one metaRecord) {
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
	one.ID, one.Attributes, one.Content = id, data.Raw, m.Hash.Of(record.Raw)
	one.method(method, head.mayCreate)
	if !m.Options.SkipValidation {
		checkMeta(head.known, &one.Change, data)
	}
	return one
}

// method finds the operation of a record.
func (r *metaRecord) method(name string, mayCreate bool) {
	switch name {
	case "CREATE":
		r.Operation = catalog.Create
	case "DELETE":
		r.Operation = catalog.Delete
	case "UPDATE":
		r.Operation = catalog.Update
		if mayCreate {
			r.Operation = catalog.Upsert
		}
	default:
		r.Errors = append(r.Errors, sandbox.Issue{Message: "the method is not CREATE, UPDATE or DELETE"})
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
func checkMeta(known *metaType, one *sandbox.Change, data gjson.Result) {
	data.ForEach(func(name, value gjson.Result) bool {
		switch {
		case slices.Contains(known.keys, name.Str):
		case !known.knows(name.Str):
			one.Warnings = append(one.Warnings, unrecognised(itemOf(one.ID), name.Str))
		case value.Type == gjson.Null:
			one.Errors = append(one.Errors, sandbox.Issue{Message: "the field " + name.Str + " is null"})
		case (value.Raw == `""` || value.Raw == `[]`) && slices.Contains(known.required, name.Str):
			one.Errors = append(one.Errors, sandbox.Issue{Message: "the required field " + name.Str + " is empty"})
		case strings.HasSuffix(name.Str, "price") && value.Raw != `""` && !metaPrice(value):
			one.Errors = append(one.Errors, sandbox.Issue{Message: "the field " + name.Str + " is not a price such as 24.99 USD"})
		case (name.Str == "image" || name.Str == "video") && !value.IsArray():
			one.Errors = append(one.Errors, sandbox.Issue{Message: "the field " + name.Str + " is not a list of objects with a url"})
		}
		return true
	})
}

func unrecognised(id, field string) sandbox.Issue {
	return sandbox.Issue{Message: "Unrecognised field: A request for item " + id + " contains unrecognised field: '" + field + "'"}
}

var priceForm = regexp.MustCompile(`^\d+(\.\d+)? ?([A-Z]{3})?$`)

// metaPrice reports whether the value is a price; in a store it is a number. No source
// says that a currency in lower case is refused.
func metaPrice(value gjson.Result) bool {
	return value.Type == gjson.Number || (value.Type == gjson.String && priceForm.MatchString(strings.ToUpper(value.Str)))
}
