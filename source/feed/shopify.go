package feed

import (
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
)

// shopifyNames are the columns of both generations of the export, by the name that the
// shop's webhooks have for the same thing.
var shopifyNames = map[string]string{
	"url_handle":                         "handle",
	"body_(html)":                        "body_html",
	"description":                        "body_html",
	"type":                               "product_type",
	"custom_product_type":                "product_type",
	"published_on_online_store":          "published",
	"option1_value":                      "option1",
	"option2_value":                      "option2",
	"option3_value":                      "option3",
	"variant_sku":                        "sku",
	"variant_grams":                      "grams",
	"weight_value_(grams)":               "grams",
	"variant_weight_unit":                "weight_unit",
	"weight_unit_for_display":            "weight_unit",
	"variant_inventory_tracker":          "inventory_management",
	"inventory_tracker":                  "inventory_management",
	"variant_inventory_qty":              "inventory_quantity",
	"variant_inventory_quantity":         "inventory_quantity",
	"variant_inventory_policy":           "inventory_policy",
	"continue_selling_when_out_of_stock": "inventory_policy",
	"variant_fulfillment_service":        "fulfillment_service",
	"variant_price":                      "price",
	"variant_compare_at_price":           "compare_at_price",
	"compare-at_price":                   "compare_at_price",
	"variant_requires_shipping":          "requires_shipping",
	"variant_taxable":                    "taxable",
	"charge_tax":                         "taxable",
	"variant_barcode":                    "barcode",
	"variant_tax_code":                   "tax_code",
	"product_image_url":                  "image_src",
	"variant_image_url":                  "variant_image",
}

// ofVariant are columns that each variant has for itself. All others are the product's.
var ofVariant = []string{
	"option1", "option2", "option3", "sku", "grams", "weight_unit", "inventory_management", "inventory_quantity", "inventory_policy",
	"fulfillment_service", "price", "compare_at_price", "requires_shipping", "taxable", "barcode", "tax_code", "variant_image",
	"cost_per_item", "unit_price_total_measure", "unit_price_total_measure_unit", "unit_price_base_measure", "unit_price_base_measure_unit",
}

// marketColumn is a column with the merchant's own name of a market.
var marketColumn = regexp.MustCompile(`(?i)^(price|compare-at price|included)\s*/\s*(.+)$`)

// groupRows and groupBytes bound what is kept of one product: it has up to 2,048
// variants and a few hundred pictures.
const (
	groupRows  = 10_000
	groupBytes = 32 << 20
)

// shopify groups the rows of a product, which are together, and returns its variants.
// Rows that have only a picture are no variants.
type shopify struct {
	*table
	names   []string // of each column
	product []bool   // whether a column is the product's and not a variant's
	markets []market // of each column; the zero value for others

	ahead  *line // read and not used: the first row of the next product
	end    error
	queue  []Record
	handle int
}

type market struct{ name, field string }

func newShopify(t *table) *shopify {
	s := &shopify{table: t, handle: -1}
	for i, c := range t.columns {
		name := strings.TrimPrefix(c.name, "google_shopping_/_")
		if alias, ok := shopifyNames[name]; ok {
			name = alias
		}
		var m market
		if found := marketColumn.FindStringSubmatch(c.header); found != nil && !strings.HasPrefix(c.name, "google") {
			m = market{name: found[2], field: strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(found[1]), "-", "_"), " ", "_")}
		}
		if name == "handle" && s.handle < 0 {
			s.handle = i
		}
		s.names, s.markets = append(s.names, name), append(s.markets, m)
		s.product = append(s.product, !slices.Contains(ofVariant, name) && !strings.HasPrefix(name, "variant_") && m.name == "")
	}
	return s
}

func (s *shopify) next() (Record, error) {
	for len(s.queue) == 0 {
		if s.end != nil {
			return Record{}, s.end
		}
		product, err := s.read()
		if err != nil && !errors.Is(err, io.EOF) {
			return Record{}, err
		}
		s.end = err
		s.queue = s.variants(product)
	}
	record := s.queue[0]
	s.queue = s.queue[1:]
	return record, nil
}

// read returns the rows of one handle. It reads the first one after them, too.
func (s *shopify) read() ([]line, error) {
	var product []line
	size := 0
	if s.ahead != nil {
		product, s.ahead = append(product, *s.ahead), nil
	}
	for {
		read, err := s.table.next()
		if err != nil {
			return product, err
		}
		handle := read.cells[s.handle]
		switch {
		case len(product) == 0:
		case handle == "" && s.cell(read, "title") == "":
			s.session.find(KindGroup, read.place, "handle", "", "a row without a handle was taken for a row of the product above")
		case handle != product[0].cells[s.handle]:
			s.ahead = &read
			return product, nil
		case len(product) >= groupRows || size > groupBytes:
			s.session.find(KindGroup, read.place, "handle", handle, "the product has more rows than are kept: the rest has no values of its first row")
			read.damaged = true
			s.ahead = &read
			return product, nil
		}
		product = append(product, read)
		for _, cell := range read.cells {
			size += len(cell) + 16
		}
	}
}

// cell is the first value of a row under one of the names that mean the same.
func (s *shopify) cell(l line, name string) string {
	for i, n := range s.names {
		if n == name && l.cells[i] != "" {
			return l.cells[i]
		}
	}
	return ""
}

// variants makes records of a product's rows.
func (s *shopify) variants(product []line) []Record {
	if len(product) == 0 {
		return nil
	}
	head := product[0]
	handle := head.cells[s.handle]
	if s.cell(head, "title") == "" {
		s.session.find(KindGroup, head.place, "handle", handle, "the row continues a product whose first row is not above it: its variants have no title")
	}
	var images []any
	var records []Record
	for i, l := range product {
		if image := s.cell(l, "image_src"); image != "" && !slices.Contains(images, any(image)) {
			images = append(images, image)
		}
		variant := s.cell(l, "sku") != "" || s.cell(l, "option1") != "" || s.cell(l, "price") != ""
		if i > 0 && !variant {
			if s.cell(l, "image_src") == "" {
				s.session.find(KindGroup, l.place, "handle", handle, "the row has neither a variant nor a picture: it was passed over")
			}
			continue
		}
		records = append(records, s.record(head, l))
	}
	for _, record := range records {
		if images != nil {
			record.Item["images"] = slices.Clone(images)
		}
	}
	return records
}

// record joins the product's values, from its first row, with a variant's own.
func (s *shopify) record(head, l line) Record {
	item := map[string]any{}
	for i, name := range s.names {
		value := l.cells[i]
		if value == "" && s.product[i] {
			value = head.cells[i]
		}
		switch m := s.markets[i]; {
		case value == "" || name == "" || strings.HasPrefix(name, "image_"):
		case m.name != "":
			markets, _ := item["markets"].(map[string]any)
			if markets == nil {
				markets = map[string]any{}
				item["markets"] = markets
			}
			one, _ := markets[m.name].(map[string]any)
			if one == nil {
				one = map[string]any{}
				markets[m.name] = one
			}
			one[m.field] = value
		case name == "inventory_policy":
			item[name] = policy(value)
		default:
			if _, taken := item[name]; !taken {
				item[name] = value
			}
		}
	}
	s.options(item)
	handle := head.cells[s.handle]
	if handle != "" {
		item["handle"], item["item_group_id"] = handle, handle
	}
	return Record{Item: item, Place: l.place, Group: handle, Damaged: l.damaged || head.damaged}
}

// options joins names and values: {"Size": "M"}. One variant called Default Title is a
// product without options.
func (s *shopify) options(item map[string]any) {
	options := map[string]any{}
	var title []string
	for _, n := range []string{"1", "2", "3"} {
		name, _ := item["option"+n+"_name"].(string)
		value, _ := item["option"+n].(string)
		if name != "" && value != "" && (name != "Title" || value != "Default Title") {
			options[name] = value
			title = append(title, value)
		}
	}
	if len(options) > 0 {
		item["options"] = options
		item["variant_title"] = strings.Join(title, " / ")
	}
}

// policy makes the old column's word of the new one's TRUE and FALSE.
func policy(value string) string {
	switch strings.ToLower(value) {
	case "true":
		return "continue"
	case "false":
		return "deny"
	default:
		return value
	}
}
