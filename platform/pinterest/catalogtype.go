package pinterest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// traits are what may be done with one attribute.
type traits uint8

const (
	nullable  traits = 1 << iota // may be null in CREATE and UPSERT
	updatable                    // UPDATE can carry it
	maskable                     // update_mask can name it, so UPDATE can clear it
)

// catalogType is all that tells one catalog type from another.
type catalogType struct {
	name catalog.Type
	// idField names the item in a record and in an answer.
	idField string
	// keyAttributes may repeat the item id inside the attributes.
	keyAttributes []string
	operations    []catalog.Operation
	attributes    map[string]traits
}

// catalogTypes is the table of catalog types that the vertical body carries.
// Source: Pinterest API v5, OpenAPI 5.23.0, CatalogsVerticalBatchRequest.
func catalogTypes() map[catalog.Type]*catalogType {
	rows := []*catalogType{retail()}
	table := make(map[catalog.Type]*catalogType, len(rows))
	for _, row := range rows {
		table[row.name] = row
	}
	return table
}

func retail() *catalogType {
	row := &catalogType{
		name:          "RETAIL",
		idField:       "item_id",
		keyAttributes: []string{"item_id", "id"},
		operations:    []catalog.Operation{catalog.Create, catalog.Upsert, catalog.Update, catalog.Delete},
		attributes:    make(map[string]traits, 160),
	}
	row.add(updatable|maskable|nullable, `ad_link adult age_group average_review_rating brand checkout_enabled color
		condition custom_label_0 custom_label_1 custom_label_2 custom_label_3 custom_label_4 custom_number_0
		custom_number_1 custom_number_2 custom_number_3 custom_number_4 free_shipping_label free_shipping_limit gender
		google_product_category gtin item_group_id last_updated_time material min_ad_price mpn number_of_ratings
		number_of_reviews pattern product_type promotion_id sale_price shipping shipping_height shipping_weight
		shipping_width size size_system size_type tax variant_names variant_values`)
	row.add(updatable|maskable, `availability description link price title`)
	row.add(updatable|nullable, `installment_price mobile_link sale_price_effective_date unit_pricing_base_measure
		unit_pricing_measure`)
	row.add(updatable, `android_deep_link id ios_deep_link`)
	row.add(nullable, `additional_image_link video_link`)
	row.add(0, `image_link save_pin_disabled`)
	row.addNumbered(updatable|nullable, "ad_image_", 20, "_link", "_tag")
	row.addNumbered(updatable|nullable, "ad_video_", 3, "_link", "_tag")
	return row
}

// add gives all the named attributes the same traits.
func (t *catalogType) add(have traits, names string) {
	for name := range strings.FieldsSeq(names) {
		t.attributes[name] = have
	}
}

// addNumbered adds <prefix><0..count-1><suffix> for each suffix.
func (t *catalogType) addNumbered(have traits, prefix string, count int, suffixes ...string) {
	for i := range count {
		for _, suffix := range suffixes {
			t.attributes[prefix+strconv.Itoa(i)+suffix] = have
		}
	}
}

// repeatsKey reports whether the attribute says the item id once more.
func (t *catalogType) repeatsKey(attribute string) bool {
	return slices.Contains(t.keyAttributes, attribute)
}

// canMask reports whether update_mask may name the attribute. What is not known
// here is not in the mask's enumeration either.
func (t *catalogType) canMask(attribute string) bool {
	return t.attributes[attribute]&maskable != 0
}

// canUpdate reports whether UPDATE may carry the attribute. What is not known
// here is left to the platform to judge.
func (t *catalogType) canUpdate(attribute string) bool {
	have, known := t.attributes[attribute]
	return !known || have&updatable != 0
}

// canBeNull reports whether CREATE and UPSERT may carry the attribute as null.
func (t *catalogType) canBeNull(attribute string) bool {
	have, known := t.attributes[attribute]
	return !known || have&nullable != 0
}
