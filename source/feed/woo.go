package feed

import (
	"io"
	"regexp"
	"slices"
	"strings"
)

// wooNames are the columns of the export by the names that the shop's programming
// interface has.
var wooNames = map[string]string{
	"is_featured?":            "featured",
	"visibility_in_catalog":   "catalog_visibility",
	"date_sale_price_starts":  "date_on_sale_from",
	"date_sale_price_ends":    "date_on_sale_to",
	"in_stock?":               "in_stock",
	"stock":                   "stock_quantity",
	"backorders_allowed?":     "backorders",
	"sold_individually?":      "sold_individually",
	"allow_customer_reviews?": "reviews_allowed",
	"gtin,_upc,_ean,_or_isbn": "global_unique_id",
	"cross-sells":             "cross_sells",
	"download_expiry_days":    "download_expiry",
}

var (
	wooAttribute = regexp.MustCompile(`^attribute_(\d{1,3})_(name|value\(s\)|visible|global|default)$`)
	wooMeasure   = regexp.MustCompile(`^(weight|length|width|height)_\((\w+)\)$`)
	wooMeta      = regexp.MustCompile(`(?i)^meta:\s*(.+)$`)
)

// wooLists are cells that hold several values.
var wooLists = []string{"categories", "tags", "images", "upsells", "cross_sells", "grouped_products", "brands"}

// woo reads a WooCommerce export: Type says what a row is, and a variation names its
// parent by SKU or by id:. A variation's record has its parent's values in parent_product.
type woo struct {
	*twice
	at   map[string]int
	plan []wooColumn
}

func newWoo(t *table, text io.Reader, d dialect) (*woo, error) {
	w := &woo{}
	for i, c := range t.columns {
		if name, ok := wooNames[c.name]; ok {
			t.columns[i].name = name
		}
		w.plan = append(w.plan, newWooColumn(t.columns[i]))
	}
	w.at = t.positions()
	tw, err := readTwice(t, text, d, func(tw *twice, l line) {
		if kind, _ := wooType(l.get(w.at, "type")); kind == "variable" {
			if id := l.get(w.at, "id"); id != "" {
				tw.link("id:"+id, l.offset)
			}
			tw.link(l.get(w.at, "sku"), l.offset)
		}
	})
	w.twice = tw
	return w, err
}

func (w *woo) next() (Record, error) {
	l, err := w.table.next()
	if err != nil {
		return Record{}, err
	}
	kind, flags := wooType(l.get(w.at, "type"))
	record := Record{Item: w.item(l), Place: l.place, Kind: kind, Damaged: l.damaged}
	if kind != "" {
		record.Item["type"] = kind
	}
	for _, flag := range flags {
		record.Item[flag] = true
	}
	if parent := l.get(w.at, "parent"); parent != "" && kind == "variation" {
		record.Group = strings.TrimPrefix(parent, "id:")
		found, ok, err := w.linked(parent)
		switch {
		case err != nil:
			return Record{}, err
		case !ok:
			w.lost(l.place, "parent", parent)
		default:
			if found.damaged {
				w.unsure(l.place, "parent", parent)
				record.Damaged = true
			}
			shared := w.item(found)
			delete(shared, "type")
			record.Item["parent_product"] = shared
			// The parent's SKU where it has one: an id: and a SKU mean one group.
			if sku := found.get(w.at, "sku"); sku != "" {
				record.Group = sku
			}
		}
		record.Item["item_group_id"] = record.Group
	}
	return record, nil
}

// wooType separates "simple, downloadable, virtual" into the type and its flags.
func wooType(cell string) (string, []string) {
	kind := ""
	var flags []string
	for part := range strings.SplitSeq(strings.ToLower(cell), ",") {
		switch part = strings.TrimSpace(part); part {
		case "virtual", "downloadable":
			flags = append(flags, part)
		case "":
		default:
			if kind == "" {
				kind = part
			}
		}
	}
	return kind, flags
}

// wooColumn says what a column is, found out once.
type wooColumn struct {
	name      string
	attribute string // the number in Attribute 1 name
	part      string // name, value(s), visible, global or default of that attribute
	unit      string // of Weight (kg)
	meta      string // the name in Meta: name
	list      bool
}

func newWooColumn(c column) wooColumn {
	result := wooColumn{name: c.name, list: slices.Contains(wooLists, c.name)}
	if found := wooAttribute.FindStringSubmatch(c.name); found != nil {
		result.attribute, result.part = found[1], found[2]
	}
	if found := wooMeasure.FindStringSubmatch(c.name); found != nil {
		result.name, result.unit = found[1], found[2]
	}
	if found := wooMeta.FindStringSubmatch(c.header); found != nil {
		result.meta = found[1]
	}
	return result
}

func (w *woo) item(l line) map[string]any {
	item := map[string]any{}
	attributes := map[string]map[string]any{}
	var order []string
	for i, c := range w.plan {
		cell := l.cells[i]
		if cell == "" || c.name == "" {
			continue
		}
		switch _, taken := item[c.name]; {
		case c.attribute != "":
			if attributes[c.attribute] == nil {
				attributes[c.attribute] = map[string]any{}
				order = append(order, c.attribute)
			}
			wooSet(attributes[c.attribute], c.part, cell)
		case c.meta != "":
			meta, _ := item["meta"].(map[string]any)
			if meta == nil {
				meta = map[string]any{}
				item["meta"] = meta
			}
			meta[c.meta] = cell
		case taken:
		case c.unit != "":
			item[c.name] = cell
			if c.name == "weight" {
				item["weight_unit"] = c.unit
			} else {
				item["dimension_unit"] = c.unit
			}
		case c.list:
			item[c.name] = wooSplit(cell)
		default:
			item[c.name] = cell
		}
	}
	var list []any
	for _, n := range order {
		if attributes[n]["name"] != nil { // visible and global alone say nothing
			list = append(list, attributes[n])
		}
	}
	if list != nil {
		item["attributes"] = list
	}
	return item
}

func wooSet(attribute map[string]any, part, cell string) {
	if part == "value(s)" {
		attribute["options"] = wooSplit(cell)
		return
	}
	attribute[part] = cell
}

// wooSplit separates at commas; one that belongs to a value is written \,.
func wooSplit(cell string) []any {
	if strings.Contains(cell, "://") {
		return split(cell)
	}
	var list []any
	for part := range strings.SplitSeq(strings.ReplaceAll(cell, `\,`, "\x00"), ",") {
		if part = strings.TrimSpace(strings.ReplaceAll(part, "\x00", ",")); part != "" {
			list = append(list, part)
		}
	}
	return list
}
