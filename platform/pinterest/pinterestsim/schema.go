package pinterestsim

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// pinterestType is what the simulated Pinterest knows of one catalog type. The attributes
// and enumerations are written down once more than in the client, so that the client's
// tables are checked against others. Source: OpenAPI 5.23.0.
type pinterestType struct {
	// keys name the item in a record, in the order of an item id's parts.
	keys       []string
	attributes map[string]attributeSchema
	// required are the attributes without which an item is not published:
	// CatalogsFeedValidationErrors. Nobody names any but those of RETAIL.
	required []string
}

// attributeSchema is what the OpenAPI file says of one attribute, and what its prose says
// of the value.
type attributeSchema struct {
	kinds     jsonKinds
	nullable  bool
	fixed     bool // not in the schema of UPDATE
	maskable  bool // in UpdateMaskFieldType
	maxLength int  // characters, by the schema; 0 means any
	minItems  int
	maxItems  int // 0 means any number
	// element is what each element of a list must be, and members what those of an object
	// must be; other members are allowed.
	element *attributeSchema
	members map[string]attributeSchema
	prose   func(value string) bool
}

// jsonKinds are JSON types.
type jsonKinds uint8

const (
	jsonString jsonKinds = 1 << iota
	jsonInteger
	jsonNumber
	jsonBoolean
	jsonArray
	jsonObject
)

// kindsOf are the types that a value has: a whole number is both.
func kindsOf(value gjson.Result) jsonKinds {
	switch {
	case value.Type == gjson.String:
		return jsonString
	case value.Type == gjson.Number:
		if _, err := strconv.ParseInt(value.Raw, 10, 64); err == nil {
			return jsonInteger | jsonNumber
		}
		return jsonNumber
	case value.IsBool():
		return jsonBoolean
	case value.IsArray():
		return jsonArray
	case value.IsObject():
		return jsonObject
	default:
		return 0
	}
}

func (k jsonKinds) String() string {
	for i, name := range [...]string{"string", "integer", "number", "boolean", "array", "object"} {
		if k&(1<<i) != 0 {
			return name
		}
	}
	return "null"
}

// text is a string.
var text = attributeSchema{kinds: jsonString}

// maskable is UpdateMaskFieldType.
const maskable = ` ad_link adult age_group availability average_review_rating brand checkout_enabled color condition custom_label_0 custom_label_1 custom_label_2 custom_label_3 custom_label_4 custom_number_0 custom_number_1 custom_number_2 custom_number_3 custom_number_4 description free_shipping_label free_shipping_limit gender google_product_category gtin item_group_id last_updated_time link material min_ad_price mpn number_of_ratings number_of_reviews pattern price product_type sale_price shipping shipping_height shipping_weight shipping_width size size_system size_type tax title variant_names variant_values promotion_id `

// pinterestTypes are the catalog types of the vertical body, and local inventory.
func pinterestTypes() map[catalog.Type]*pinterestType {
	types := map[catalog.Type]*pinterestType{
		"RETAIL":          pinterestRetail(),
		"HOTEL":           pinterestHotel(),
		"CREATIVE_ASSETS": pinterestCreative(),
		localInventory:    pinterestLocalInventory(),
	}
	for name, known := range types {
		known.addProse(name)
	}
	return types
}

func pinterestRetail() *pinterestType {
	t := newPinterestType("item_id")
	t.required = []string{"title", "description", "link", "image_link", "availability", "price"}
	t.add(attributeSchema{kinds: jsonString}, `android_deep_link availability description id ios_deep_link link price title`)
	t.add(attributeSchema{kinds: jsonString, nullable: true}, `ad_link age_group brand color condition free_shipping_limit gender
		google_product_category installment_price item_group_id material min_ad_price mobile_link mpn pattern product_type
		promotion_id sale_price sale_price_effective_date shipping shipping_height shipping_weight shipping_width size
		size_system size_type tax unit_pricing_base_measure unit_pricing_measure`)
	t.add(attributeSchema{kinds: jsonString, nullable: true, maxLength: 511}, `custom_label_0 custom_label_1 custom_label_2 custom_label_3 custom_label_4`)
	for i := range 20 {
		t.add(attributeSchema{kinds: jsonString, nullable: true}, "ad_image_"+strconv.Itoa(i)+"_link ad_image_"+strconv.Itoa(i)+"_tag")
	}
	for i := range 3 {
		t.add(attributeSchema{kinds: jsonString, nullable: true}, "ad_video_"+strconv.Itoa(i)+"_link ad_video_"+strconv.Itoa(i)+"_tag")
	}
	t.add(attributeSchema{kinds: jsonBoolean, nullable: true}, `adult checkout_enabled free_shipping_label`)
	t.add(attributeSchema{kinds: jsonNumber, nullable: true}, `average_review_rating`)
	t.add(attributeSchema{kinds: jsonInteger, nullable: true}, `custom_number_0 custom_number_1 custom_number_2 custom_number_3
		custom_number_4 last_updated_time number_of_ratings number_of_reviews`)
	t.add(attributeSchema{kinds: jsonString | jsonInteger, nullable: true}, `gtin`)
	t.add(attributeSchema{kinds: jsonArray, nullable: true, element: &text}, `variant_names variant_values`)
	t.add(attributeSchema{kinds: jsonString | jsonArray, fixed: true, element: &text, minItems: 1, maxItems: 1}, `image_link`)
	t.add(attributeSchema{kinds: jsonArray, nullable: true, fixed: true, element: &text}, `additional_image_link`)
	t.add(attributeSchema{kinds: jsonString, nullable: true, fixed: true}, `video_link`)
	t.add(attributeSchema{kinds: jsonBoolean, fixed: true}, `save_pin_disabled`)
	for name := range strings.FieldsSeq(maskable) {
		known := t.attributes[name]
		known.maskable = true
		t.attributes[name] = known
	}
	return t
}

func pinterestHotel() *pinterestType {
	t := newPinterestType("hotel_id")
	t.add(attributeSchema{kinds: jsonString, nullable: true}, `base_price brand category custom_label_0 custom_label_1 custom_label_2
		custom_label_3 custom_label_4 description link name sale_price`)
	t.add(attributeSchema{kinds: jsonNumber}, `latitude`)
	t.add(attributeSchema{kinds: jsonNumber, nullable: true}, `longitude`)
	tags := attributeSchema{kinds: jsonArray, nullable: true, element: &text}
	t.add(tags, `neighborhood`)
	t.add(attributeSchema{kinds: jsonObject, members: map[string]attributeSchema{
		"addr1": text, "city": text, "country": text, "postal_code": text, "region": text,
	}}, `address`)
	number := attributeSchema{kinds: jsonNumber, nullable: true}
	t.add(attributeSchema{kinds: jsonObject, members: map[string]attributeSchema{
		"score": number, "max_score": number,
		"number_of_reviewers": {kinds: jsonInteger, nullable: true}, "rating_system": {kinds: jsonString, nullable: true},
	}}, `guest_ratings`)
	t.add(attributeSchema{kinds: jsonObject, fixed: true, members: map[string]attributeSchema{"link": text, "tag": tags}}, `main_image`)
	t.add(attributeSchema{kinds: jsonArray, nullable: true, fixed: true, element: &text}, `additional_image_link`)
	return t
}

func pinterestCreative() *pinterestType {
	t := newPinterestType("creative_assets_id")
	t.add(attributeSchema{kinds: jsonString}, `description link title`)
	t.add(attributeSchema{kinds: jsonString, nullable: true}, `android_deep_link custom_label_0 custom_label_1 custom_label_2
		custom_label_3 custom_label_4 google_product_category ios_deep_link visibility`)
	t.add(attributeSchema{kinds: jsonString, fixed: true}, `image_link video_link`)
	return t
}

// localInventory is what a store has of an item.
const localInventory = catalog.Type("LOCAL_INVENTORY")

// pinterestLocalInventory is RetailLocalInventoryItemAttributes of API v5.28 (pinterest-sdk).
func pinterestLocalInventory() *pinterestType {
	t := newPinterestType("item_id", "store_code")
	t.required = []string{"price", "availability"}
	t.add(attributeSchema{kinds: jsonString}, `price availability sale_price ad_link`)
	return t
}

func newPinterestType(keys ...string) *pinterestType {
	return &pinterestType{keys: keys, attributes: make(map[string]attributeSchema, 128)}
}

// add gives all the named attributes the same attributeSchema.
func (t *pinterestType) add(same attributeSchema, names string) {
	for name := range strings.FieldsSeq(names) {
		t.attributes[name] = same
	}
}
