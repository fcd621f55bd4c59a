package sandbox

import (
	"net/http"
	"slices"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
)

const maxMetaItems = 5000

func badParameter(message string) answer { return metaError(http.StatusBadRequest, 100, 0, message) }

// readMeta reads an items_batch body. refused, unless zero, is the answer to one
// that is refused as a whole.
func (c *core) readMeta(request *exchange) (b *batch, refused answer) {
	if !c.options.SkipValidation && !gjson.ValidBytes(request.body) {
		return nil, badParameter("Invalid JSON")
	}
	//nolint:gosec // read-only view: nobody writes to the body any more
	top := gjson.Parse(unsafe.String(unsafe.SliceData(request.body), len(request.body)))
	var requests, itemType, upsert gjson.Result
	top.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case "requests":
			requests = value
		case "item_type":
			itemType = value
		case "allow_upsert":
			upsert = value
		}
		return true
	})
	names := metaKeys[catalog.Type(itemType.Str)]
	switch {
	case itemType.Str == "":
		return nil, badParameter("(#100) The parameter item_type is required")
	case names == nil:
		return nil, badParameter("(#100) Param item_type must be one of the item types")
	case !requests.IsArray():
		return nil, badParameter("(#100) Param requests must be an array")
	}
	b = &batch{key: tableKey{catalog: request.catalog, itemType: catalog.Type(itemType.Str)}}
	mayCreate := !upsert.Exists() || upsert.Bool()
	return c.readRequests(b, requests, names, mayCreate)
}

func (c *core) readRequests(b *batch, requests gjson.Result, names []string, mayCreate bool) (*batch, answer) {
	var refused answer
	b.changes = make([]change, 0, maxMetaItems)
	seen := make(map[string]struct{}, maxMetaItems)
	requests.ForEach(func(_, record gjson.Result) bool {
		if len(b.changes) == maxMetaItems {
			refused = badParameter("(#100) Too many requests: at most 5000")
			return false
		}
		one, ok := c.readRecord(b.key.itemType, record, names, mayCreate)
		if !ok {
			// Seen in practice: the whole batch is dropped, in a good answer.
			refused = answer{status: http.StatusOK, body: []byte(
				`{"handles":[],"validation_status":[{"errors":[{"message":"Can not find required field ` + names[0] + `"}]}]}`)}
			return false
		}
		if _, one.twice = seen[one.id]; !one.twice {
			seen[one.id] = struct{}{}
		}
		b.changes = append(b.changes, one)
		return true
	})
	if refused.status == 0 && len(b.changes) == 0 {
		refused = badParameter("(#100) Param requests must be a non-empty array")
	}
	return b, refused
}

// readRecord reads {"method","data"}; ok is false without a key.
func (c *core) readRecord(itemType catalog.Type, record gjson.Result, names []string, mayCreate bool) (one change, ok bool) {
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
	if one.id, ok = keyOf(data, names); !ok {
		return one, false
	}
	one.content = c.hash.of(record.Raw)
	one.attributes = data.Raw
	switch method {
	case "CREATE":
		one.operation = catalog.Create
	case "DELETE":
		one.operation = catalog.Delete
	case "UPDATE":
		one.operation = catalog.Update
		if mayCreate {
			one.operation = catalog.Upsert
		}
	default:
		one.errors = append(one.errors, issue{message: "the method is not CREATE, UPDATE or DELETE"})
	}
	if !c.options.SkipValidation {
		checkMeta(itemType, &one, data, names)
	}
	return one, true
}

// keyOf is the item id of the contract, made of the key fields.
func keyOf(data gjson.Result, names []string) (id string, ok bool) {
	var parts [2]string
	found := 0
	data.ForEach(func(name, value gjson.Result) bool {
		if i := slices.Index(names, name.Str); i >= 0 {
			parts[i] = value.String()
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
func checkMeta(itemType catalog.Type, one *change, data gjson.Result, names []string) {
	known := metaOptional[itemType]
	data.ForEach(func(name, value gjson.Result) bool {
		required := slices.Contains(metaRequired[itemType], name.Str)
		padded := " " + name.Str + " "
		switch {
		case slices.Contains(names, name.Str):
		case known != "" && !required && !strings.Contains(known, padded):
			one.warnings = append(one.warnings, issue{message: "Unrecognised field: " + name.Str})
		case value.Type == gjson.Null:
			one.errors = append(one.errors, issue{message: "the field " + name.Str + " is null"})
		case required && (value.Raw == `""` || value.Raw == `[]`):
			one.errors = append(one.errors, issue{message: "the required field " + name.Str + " is empty"})
		case strings.HasSuffix(padded, "price ") && value.Raw != `""` && !metaPrice(value):
			one.errors = append(one.errors, issue{message: "the field " + name.Str + " is not a price such as 24.99 USD"})
		}
		return true
	})
}

func metaPrice(value gjson.Result) bool {
	return value.Type == gjson.String && price.MatchString(value.Str)
}
