package meta

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// variantAttribute is the attribute whose translation may grow.
const variantAttribute = "additional_variant_attribute"

// legacyField is how batch writes one attribute of items_batch.
type legacyField struct {
	name     string // there
	required bool   // and so not to be cleared
	write    func(t *translation, name string, m rawjson.Member) (why string)
}

// legacyFields are the attributes that batch knows, by their name in items_batch.
// The list is complete: Meta ignores a record with any other.
var legacyFields = map[string]legacyField{
	"title":        {name: "name", required: true, write: (*translation).same},
	"description":  {name: "description", required: true, write: (*translation).same},
	"availability": {name: "availability", required: true, write: (*translation).same},
	"condition":    {name: "condition", required: true, write: (*translation).same},
	"link":         {name: "url", required: true, write: (*translation).same},
	"image_link":   {name: "image_url", required: true, write: (*translation).same},
	"price":        {name: "price", required: true, write: (*translation).price},
	"sale_price":   {name: "sale_price", write: (*translation).price},

	"additional_image_link":     {name: "additional_image_urls", write: (*translation).pictures},
	variantAttribute:            {name: "additional_variant_attributes", write: (*translation).variants},
	"applink":                   {name: "applinks", write: (*translation).appLinks},
	"google_product_category":   {name: "category", write: (*translation).same},
	"item_group_id":             {name: "retailer_product_group_id", write: (*translation).same},
	"mpn":                       {name: "manufacturer_part_number", write: (*translation).same},
	"sale_price_effective_date": {name: "sale_price_start_date", write: (*translation).saleDates},
	"shipping":                  {name: "shipping", write: (*translation).shipping},

	"age_group":                 {name: "age_group", write: (*translation).same},
	"brand":                     {name: "brand", write: (*translation).same},
	"color":                     {name: "color", write: (*translation).same},
	"custom_label_0":            {name: "custom_label_0", write: (*translation).same},
	"custom_label_1":            {name: "custom_label_1", write: (*translation).same},
	"custom_label_2":            {name: "custom_label_2", write: (*translation).same},
	"custom_label_3":            {name: "custom_label_3", write: (*translation).same},
	"custom_label_4":            {name: "custom_label_4", write: (*translation).same},
	"gender":                    {name: "gender", write: (*translation).same},
	"gtin":                      {name: "gtin", write: (*translation).same},
	"inventory":                 {name: "inventory", write: (*translation).same},
	"marked_for_product_launch": {name: "marked_for_product_launch", write: (*translation).same},
	"pattern":                   {name: "pattern", write: (*translation).same},
	"product_type":              {name: "product_type", write: (*translation).same},
	"size":                      {name: "size", write: (*translation).same},
	"vendor_id":                 {name: "vendor_id", write: (*translation).same},
}

// translation writes one record's data in the older dialect.
type translation struct {
	dst []byte
	// currency is the one that stands in the record, currencyOf the price it came with.
	currency   string
	currencyOf string
}

// member translates one attribute. why is "" or says, as the end of a sentence
// about the attribute, what batch cannot carry.
func (t *translation) member(m rawjson.Member) (why string) {
	if m.Name == "id" {
		return "" // stands beside the data, as retailer_id
	}
	field, known := legacyFields[m.Name]
	switch {
	case !known:
		return "is not known to the endpoint batch, which ignores the whole request without a word: leave it out, or use items_batch"
	case m.Kind == rawjson.Null && field.required:
		return "is required and cannot be cleared"
	case m.Kind == rawjson.Null:
		// "Provide an empty string as the value to unset an optional field. Setting the
		// value as null will not unset the field" (reference of batch).
		m = rawjson.Member{Name: m.Name, Head: m.Head, Kind: rawjson.String, Raw: rules.EmptyString}
	}
	return field.write(t, field.name, m)
}

// name begins a member.
func (t *translation) name(name string) {
	if len(t.dst) > 0 && t.dst[len(t.dst)-1] != '{' {
		t.dst = append(t.dst, ',')
	}
	t.dst = append(append(append(t.dst, '"'), name...), `":`...)
}

// same renames.
func (t *translation) same(name string, m rawjson.Member) string {
	t.name(name)
	t.dst = append(t.dst, m.Raw...)
	return ""
}

// pictures makes a list of a text with several addresses: batch has only the list.
func (t *translation) pictures(name string, m rawjson.Member) string {
	if m.Kind != rawjson.String || m.Text == "" {
		return t.same(name, m)
	}
	t.name(name)
	t.dst = append(t.dst, '[')
	for one, rest := cutPicture(m.Text); one != ""; one, rest = cutPicture(rest) {
		if t.dst[len(t.dst)-1] != '[' {
			t.dst = append(t.dst, ',')
		}
		t.dst = rawjson.AppendString(t.dst, one)
	}
	t.dst = append(t.dst, ']')
	return ""
}

// saleDates parts "start/end" into the two older fields.
func (t *translation) saleDates(_ string, m rawjson.Member) string {
	start, end, found := strings.Cut(m.Text, "/")
	if m.Kind != rawjson.String || (m.Text != "" && (!found || !isDate(start) || !isDate(end))) {
		return "must be two dates with a slash between them"
	}
	t.name("sale_price_start_date")
	t.dst = rawjson.AppendString(t.dst, start)
	t.name("sale_price_end_date")
	t.dst = rawjson.AppendString(t.dst, end)
	return ""
}

// isDate looks at the characters of a date and time, no closer.
func isDate(text string) bool {
	for i := range len(text) {
		if !strings.ContainsRune("0123456789-:+.TZ ", rune(text[i])) {
			return false
		}
	}
	return text != ""
}

// shipping takes the prefix from the names of a list of objects.
func (t *translation) shipping(name string, m rawjson.Member) (why string) {
	if m.Kind == rawjson.String && m.Text == "" {
		return t.same(name, m)
	}
	list := gjson.Parse(m.Raw)
	if !list.IsArray() {
		return "must be a list of objects for the endpoint batch"
	}
	t.name(name)
	t.dst = append(t.dst, '[')
	list.ForEach(func(_, option gjson.Result) bool {
		if t.dst[len(t.dst)-1] != '[' {
			t.dst = append(t.dst, ',')
		}
		t.dst = append(t.dst, '{')
		if !option.IsObject() {
			why = "must be a list of objects"
		}
		option.ForEach(func(key, value gjson.Result) bool {
			short, prefixed := strings.CutPrefix(key.Str, "shipping_")
			switch short {
			case "country", "region", "service", "price_value", "price_currency":
				t.name(short)
				t.dst = append(t.dst, value.Raw...)
			default:
				prefixed = false
			}
			if !prefixed {
				why = "has a member that batch does not know: only shipping_country, shipping_region, " +
					"shipping_service, shipping_price_value and shipping_price_currency are"
			}
			return why == ""
		})
		t.dst = append(t.dst, '}')
		return why == ""
	})
	t.dst = append(t.dst, ']')
	return why
}
