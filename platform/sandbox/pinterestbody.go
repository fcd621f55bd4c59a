package sandbox

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
)

// maskable is UpdateMaskFieldType of OpenAPI 5.23.0, written down here once more
// so that the client's own list is checked against another.
const maskable = ` ad_link adult age_group availability average_review_rating brand checkout_enabled color condition custom_label_0 custom_label_1 custom_label_2 custom_label_3 custom_label_4 custom_number_0 custom_number_1 custom_number_2 custom_number_3 custom_number_4 description free_shipping_label free_shipping_limit gender google_product_category gtin item_group_id last_updated_time link material min_ad_price mpn number_of_ratings number_of_reviews pattern price product_type sale_price shipping shipping_height shipping_weight shipping_width size size_system size_type tax title variant_names variant_values promotion_id `

const maxPinterestItems = 1000

// readPinterest reads a vertical body. wrong says why it is refused as a whole.
func (c *core) readPinterest(body []byte) (b *batch, wrong string) {
	if !c.options.SkipValidation && !gjson.ValidBytes(body) {
		return nil, "the body is not JSON"
	}
	//nolint:gosec // read-only view: nobody writes to the body any more
	top := gjson.Parse(unsafe.String(unsafe.SliceData(body), len(body)))
	if !top.IsObject() {
		return nil, "the body is not an object"
	}
	members := map[string]gjson.Result{}
	top.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case "catalog_type", "country", "language", "catalog_id", "items":
			members[name.Str] = value
		default:
			wrong = fmt.Sprintf("additional property %q", name.Str)
		}
		return wrong == ""
	})
	if wrong != "" {
		return nil, wrong
	}
	b = &batch{key: tableKey{
		catalog:  PinterestCatalog(members["country"].Str, members["language"].Str, members["catalog_id"].Str),
		itemType: catalog.Type(members["catalog_type"].Str),
	}}
	if wrong := headIsWrong(members); wrong != "" {
		return nil, wrong
	}
	return c.readItems(b, members["items"])
}

func headIsWrong(members map[string]gjson.Result) string {
	id := members["catalog_id"]
	switch {
	case pinterestIDs[catalog.Type(members["catalog_type"].Str)] == "":
		return "catalog_type is not one of RETAIL, HOTEL, CREATIVE_ASSETS"
	case !pinterest.ValidCountry(members["country"].Str):
		return "country is not in the enumeration"
	case !pinterest.ValidLanguage(members["language"].Str):
		return "language is not in the enumeration"
	case id.Exists() && (id.Type != gjson.String || !digits.MatchString(id.Str)):
		return "catalog_id does not match ^\\d+$"
	case !members["items"].IsArray():
		return fmt.Sprintf("('%.40s' is not of type array)", members["items"].Raw)
	default:
		return ""
	}
}

var digits = regexp.MustCompile(`^[0-9]+$`)

func (c *core) readItems(b *batch, items gjson.Result) (read *batch, wrong string) {
	idField := pinterestIDs[b.key.itemType]
	b.changes = make([]change, 0, maxPinterestItems)
	seen := make(map[string]struct{}, maxPinterestItems)
	items.ForEach(func(_, item gjson.Result) bool {
		if len(b.changes) == maxPinterestItems {
			wrong = "items has more than 1000 entries"
			return false
		}
		var one change
		if one, wrong = c.readItem(b.key.itemType, idField, item); wrong != "" {
			wrong = fmt.Sprintf("items/%d: %s", len(b.changes), wrong)
			return false
		}
		if _, one.twice = seen[one.id]; !one.twice {
			seen[one.id] = struct{}{}
		}
		b.changes = append(b.changes, one)
		return true
	})
	if wrong == "" && len(b.changes) == 0 {
		wrong = "items is empty"
	}
	return b, wrong
}

// readItem reads one record of the vertical body.
func (c *core) readItem(itemType catalog.Type, idField string, item gjson.Result) (one change, wrong string) {
	var attributes, mask gjson.Result
	known := false
	item.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case idField:
			one.id = value.Str
		case "operation":
			one.operation, known = catalog.ParseOperation(value.Str)
		case "attributes":
			attributes = value
		case "update_mask":
			mask = value
		}
		return true
	})
	switch {
	case one.id == "":
		return one, idField + " is missing or no string"
	case !known || one.operation == catalog.DeleteDiscontinued:
		return one, "operation is not one of CREATE, UPDATE, UPSERT, DELETE"
	case one.operation.NeedsAttributes() && !attributes.IsObject():
		return one, "attributes is missing or no object"
	}
	one.content = c.hash.of(item.Raw)
	if one.operation != catalog.Delete {
		one.attributes = attributes.Raw
	}
	if one.mask, wrong = readMask(itemType, one.operation, mask); wrong != "" {
		return one, wrong
	}
	if !c.options.SkipValidation && itemType == "RETAIL" {
		wrong = checkRetail(&one, attributes, mask.IsArray())
	}
	return one, wrong
}

func readMask(itemType catalog.Type, operation catalog.Operation, mask gjson.Result) (names []string, wrong string) {
	if !mask.Exists() || mask.Type == gjson.Null {
		return nil, ""
	}
	if itemType != "RETAIL" || operation != catalog.Update || !mask.IsArray() {
		return nil, "update_mask does not belong here"
	}
	mask.ForEach(func(_, name gjson.Result) bool {
		if name.Str == "" || !strings.Contains(maskable, " "+name.Str+" ") {
			wrong = fmt.Sprintf("update_mask: %q is not in the enumeration", name.Str)
		}
		names = append(names, name.Str)
		return wrong == ""
	})
	return names, wrong
}

const (
	notNullable = ` title description link price availability id android_deep_link ios_deep_link image_link save_pin_disabled `
	plainText   = ` title description link price sale_price availability brand color condition gender size material pattern `
	imagesOnly  = ` image_link additional_image_link video_link save_pin_disabled `
)

var price = regexp.MustCompile(`^\d+(\.\d+)? ?([A-Z]{3})?$`)

// checkRetail holds the attributes to the schema (wrong refuses the batch) and to
// what is only prose (an error of the item).
func checkRetail(one *change, attributes gjson.Result, masked bool) (wrong string) {
	var outside []string
	attributes.ForEach(func(name, value gjson.Result) bool {
		padded := " " + name.Str + " "
		switch {
		case value.Type == gjson.Null && strings.Contains(notNullable, padded):
			wrong = name.Str + " cannot be null"
		case value.Type == gjson.Null && one.operation == catalog.Update:
			wrong = name.Str + ": a null without a mask has no defined effect"
		case value.Type != gjson.Null && value.Type != gjson.String && strings.Contains(plainText, padded):
			wrong = name.Str + " is not of type string"
		case one.operation == catalog.Update && strings.Contains(imagesOnly, padded):
			wrong = name.Str + " cannot be updated"
		case masked && !slices.Contains(one.mask, name.Str):
			outside = append(outside, name.Str)
		case strings.HasSuffix(padded, "price ") && value.Type == gjson.String && !price.MatchString(value.Str):
			one.errors = append(one.errors, issue{attribute: strings.Clone(name.Str), code: codeInvalid, message: "The price is not valid."})
		}
		return wrong == ""
	})
	if wrong == "" && len(outside) > 0 {
		// Not documented: the strict reading finds a client that relies on it.
		wrong = outside[0] + " has a value but is not in update_mask"
	}
	return wrong
}
