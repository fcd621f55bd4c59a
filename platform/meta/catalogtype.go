package meta

import (
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// catalogType is all that tells one item type of items_batch from another.
type catalogType struct {
	name catalog.Type
	// keys are the parts of the item's key, in the order of item_id.
	keys []string
	// cleared is what clears an attribute: "" for optional strings, [] for optional
	// lists. What is not in it cannot be cleared.
	cleared map[string]string
}

// The ways to clear an attribute. That "" unsets an optional field is documented
// for the older batch endpoint (null does not), and Meta's own WooCommerce plugin
// does it in items_batch; [] is documented for video. Numbers and objects have no
// documented empty value, required fields cannot be empty.
const (
	emptyString = `""`
	emptyList   = `[]`
)

// catalogTypes is the table of item types that items_batch carries.
// Source: Meta's reference of product catalog items_batch, 2026-09.
func catalogTypes() map[catalog.Type]*catalogType {
	rows := []*catalogType{productItem(), flight()}
	table := make(map[catalog.Type]*catalogType, len(rows))
	for _, row := range rows {
		table[row.name] = row
	}
	return table
}

const customLabels = ` custom_label_0 custom_label_1 custom_label_2 custom_label_3 custom_label_4 `

func productItem() *catalogType {
	row := &catalogType{name: "PRODUCT_ITEM", keys: []string{"id"}, cleared: make(map[string]string, 48)}
	row.add(emptyString, customLabels+`additional_variant_attribute age_group brand color expiration_date
		fb_product_category gender google_product_category gtin image_link importer_name item_group_id material
		mobile_link mpn origin_country pattern product_type rich_text_description sale_price
		sale_price_effective_date shipping_weight size status vendor_id`)
	row.add(emptyList, `additional_image_link disabled_capabilities image internal_label shipping video`)
	return row
}

func flight() *catalogType {
	row := &catalogType{
		name: "FLIGHT", keys: []string{"origin_airport", "destination_airport"}, cleared: make(map[string]string, 16),
	}
	row.add(emptyString, customLabels+`description destination_city one_way_price origin_city price url`)
	row.add(emptyList, `video`)
	return row
}

// add gives all the named attributes the same empty value.
func (t *catalogType) add(empty, names string) {
	for name := range strings.FieldsSeq(names) {
		t.cleared[name] = empty
	}
}
