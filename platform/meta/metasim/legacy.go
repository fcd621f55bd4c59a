package metasim

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// legacyNames are the fields of batch, with their names in items_batch where the
// value is the same. Source: guide Migrate to the items_batch endpoint.
var legacyNames = map[string]string{
	"name": "title", "url": "link", "image_url": "image_link", "manufacturer_part_number": "mpn",
	"additional_image_urls": "additional_image_link", "category": "google_product_category",
	"retailer_product_group_id": "item_group_id",
	"description":               "description", "availability": "availability", "condition": "condition", "age_group": "age_group",
	"brand": "brand", "color": "color", "gender": "gender", "gtin": "gtin", "inventory": "inventory",
	"marked_for_product_launch": "marked_for_product_launch", "pattern": "pattern", "product_type": "product_type",
	"size": "size", "vendor_id": "vendor_id", "custom_label_0": "custom_label_0", "custom_label_1": "custom_label_1",
	"custom_label_2": "custom_label_2", "custom_label_3": "custom_label_3", "custom_label_4": "custom_label_4",
}

// readLegacyRecord reads {"method","retailer_id","data"} of batch into the state
// that all edges share: the attributes of items_batch.
func (m *Platform) readLegacyRecord(head *metaHead, record gjson.Result) (one metaRecord) {
	one.ID = strings.TrimSpace(record.Get("retailer_id").String())
	if one.ID == "" {
		return metaRecord{keyless: true}
	}
	one.Content = m.Hash.Of(record.Raw)
	one.method(record.Get("method").String(), head.mayCreate)
	if one.Operation == catalog.Delete {
		return one
	}
	read := legacyReading{data: record.Get("data"), dst: []byte{'{'}}
	read.data.ForEach(func(name, value gjson.Result) bool {
		one.ignored = one.ignored || !read.field(name.Str, value)
		return true
	})
	one.Attributes = string(append(read.dst, '}'))
	for _, message := range read.wrong {
		one.Errors = append(one.Errors, sandbox.Issue{Message: message})
	}
	if !m.Options.SkipValidation {
		checkMeta(head.known, &one.Change, gjson.Parse(one.Attributes))
	}
	return one
}

// legacyReading turns the data of one record around.
type legacyReading struct {
	data  gjson.Result
	dst   []byte
	wrong []string
	dates bool
}

func (l *legacyReading) put(name, raw string) {
	l.dst = sandbox.AppendRaw(l.dst, strconv.Quote(name), raw)
}

func (l *legacyReading) putText(name, text string) {
	l.put(name, string(rawjson.AppendString(nil, text)))
}

// field reads one field; ok is false for one that batch does not know.
func (l *legacyReading) field(name string, value gjson.Result) (ok bool) {
	if same := legacyNames[name]; same != "" {
		l.put(same, value.Raw)
		return true
	}
	switch name {
	case "currency":
	case "price", "sale_price":
		l.price(name, value)
	case "sale_price_start_date", "sale_price_end_date":
		l.saleDates()
	case "additional_variant_attributes":
		l.variants(value)
	case "applinks":
		l.appLinks(value)
	case "shipping":
		l.shipping(value)
	default:
		return false
	}
	return true
}

// price reads hundredths: 2499 with the currency USD is 24.99 USD.
func (l *legacyReading) price(name string, value gjson.Result) {
	currency := l.data.Get("currency").String()
	switch {
	case value.Raw == `""`:
		l.put(name, `""`)
	case value.Type != gjson.Number || strings.ContainsAny(value.Raw, ".-eE"):
		l.wrong = append(l.wrong, "the field "+name+" is not a whole number")
	case len(currency) != 3:
		l.wrong = append(l.wrong, "the field "+name+" has no currency")
	default:
		l.putText(name, fmt.Sprintf("%d.%02d %s", value.Int()/100, value.Int()%100, currency))
	}
}

func (l *legacyReading) saleDates() {
	if l.dates {
		return // both are read at the first
	}
	l.dates = true
	start, end := l.data.Get("sale_price_start_date").String(), l.data.Get("sale_price_end_date").String()
	if start == "" && end == "" {
		l.put("sale_price_effective_date", `""`)
		return
	}
	l.putText("sale_price_effective_date", start+"/"+end)
}

func (l *legacyReading) variants(value gjson.Result) {
	var pairs []string
	value.ForEach(func(label, value gjson.Result) bool {
		pairs = append(pairs, label.Str+":"+value.String())
		return true
	})
	l.putText("additional_variant_attribute", strings.Join(pairs, ","))
}

func (l *legacyReading) appLinks(value gjson.Result) {
	if value.Raw == `""` {
		l.put("applink", value.Raw)
		return
	}
	flat := []byte{'{'}
	value.ForEach(func(app, links gjson.Result) bool {
		links.Get("0").ForEach(func(name, value gjson.Result) bool {
			text := rawjson.AppendString(nil, value.String()) // ids are numbers here and strings there
			flat = sandbox.AppendRaw(flat, strconv.Quote(app.Str+"_"+name.Str), string(text))
			return true
		})
		return true
	})
	l.put("applink", string(append(flat, '}')))
}

func (l *legacyReading) shipping(value gjson.Result) {
	if value.Raw == `""` {
		l.put("shipping", value.Raw)
		return
	}
	var options []string
	value.ForEach(func(_, option gjson.Result) bool {
		renamed := []byte{'{'}
		option.ForEach(func(name, value gjson.Result) bool {
			renamed = sandbox.AppendRaw(renamed, strconv.Quote("shipping_"+name.Str), value.Raw)
			return true
		})
		options = append(options, string(append(renamed, '}')))
		return true
	})
	l.put("shipping", "["+strings.Join(options, ",")+"]")
}
