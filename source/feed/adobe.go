package feed

import (
	"errors"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// adobe reads an Adobe Commerce export: a row a product and store view. A product's
// record holds the values of its default row; those of its store views are in
// store_views by their code, only what differs: a blank there inherits.
type adobe struct {
	*twice
	at       map[string]int
	defaults bool // there are rows without a store view
	ahead    *line
	end      error
}

// noValue is a value that is empty, where a blank cell inherits.
const noValue = "__EMPTY__VALUE__"

func newAdobe(t *table, text io.Reader, d dialect) (*adobe, error) {
	for i, c := range t.columns {
		switch c.name { // Magento 1 has them as service columns
		case "_type":
			t.columns[i].name = "product_type"
		case "_store":
			t.columns[i].name = "store_view_code"
		case "_attribute_set":
			t.columns[i].name = "attribute_set_code"
		}
	}
	a := &adobe{at: t.positions()}
	tw, err := readTwice(t, text, d, func(tw *twice, l line) {
		a.defaults = a.defaults || l.get(a.at, "store_view_code") == ""
		for _, variation := range variations(l.get(a.at, "configurable_variations")) {
			if sku, ok := variation.(map[string]any)["sku"].(string); ok {
				tw.link(sku, l.offset)
			}
		}
	})
	a.twice = tw
	return a, err
}

func (a *adobe) next() (Record, error) {
	if a.end != nil {
		return Record{}, a.end
	}
	for {
		head, err := a.row()
		if err != nil {
			return Record{}, err
		}
		view := head.get(a.at, "store_view_code")
		sku := head.get(a.at, "sku")
		if a.defaults && (view != "" || sku == "") {
			a.session.find(KindStoreView, head.place, "sku", sku, "the row of a store view does not follow its product's row: it was passed over")
			if sku == "" && view == "" {
				a.session.stats.Unreadable++
			}
			continue
		}
		record := Record{Item: a.item(head), Place: head.place, Kind: head.get(a.at, "product_type"), Damaged: head.damaged}
		if err := a.views(&record, sku); err != nil && !errors.Is(err, io.EOF) {
			return Record{}, err
		}
		return record, a.group(&record, sku)
	}
}

// row returns the row that was read ahead, or the next one.
func (a *adobe) row() (line, error) {
	if a.ahead != nil {
		head := *a.ahead
		a.ahead = nil
		return head, nil
	}
	return a.table.next()
}

// views adds the rows of the same product that follow.
func (a *adobe) views(record *Record, sku string) error {
	for {
		l, err := a.table.next()
		if err != nil {
			a.end = err
			return err
		}
		code := l.get(a.at, "store_view_code")
		if own := l.get(a.at, "sku"); code == "" || own != sku && own != "" {
			a.ahead = &l
			return nil
		}
		views, _ := record.Item["store_views"].(map[string]any)
		if views == nil {
			views = map[string]any{}
			record.Item["store_views"] = views
		}
		values := a.item(l)
		for _, name := range []string{"sku", "store_view_code", "attribute_set_code", "product_type", "product_websites"} {
			delete(values, name)
		}
		for name, value := range values {
			if reflect.DeepEqual(value, record.Item[name]) {
				delete(values, name)
			}
		}
		for i, c := range a.columns {
			if l.cells[i] == noValue && record.Item[c.name] != nil {
				values[c.name] = nil // empty there, and not inherited
			}
		}
		views[code] = values
		record.Damaged = record.Damaged || l.damaged
	}
}

// group finds the configurable product of which the item is a variation.
func (a *adobe) group(record *Record, sku string) error {
	parent, ok, err := a.linked(sku)
	if err != nil || !ok || parent.get(a.at, "sku") == "" { // a product without an id groups nothing
		return err
	}
	if parent.damaged {
		a.unsure(record.Place, "sku", sku)
		record.Damaged = true
	}
	record.Group = parent.get(a.at, "sku")
	record.Item["item_group_id"] = record.Group
	return nil
}

func (a *adobe) item(l line) map[string]any {
	item := map[string]any{}
	for i, c := range a.columns {
		cell := l.cells[i]
		if cell == "" || cell == noValue || c.name == "" || strings.HasPrefix(c.name, "_") {
			continue
		}
		if _, taken := item[c.name]; taken {
			continue
		}
		switch c.name {
		case "additional_attributes":
			item[c.name] = a.attributes(cell, l.place)
		case "configurable_variations":
			item[c.name] = variations(cell)
		case "categories":
			item[c.name] = categories(cell)
		case "additional_images", "related_skus", "crosssell_skus", "upsell_skus", "product_websites":
			item[c.name] = split(cell)
		default:
			item[c.name] = cell
		}
	}
	return item
}

// categories are separated by | or, where there is none, by commas.
func categories(cell string) []any {
	separator := ","
	if strings.Contains(cell, "|") {
		separator = "|"
	}
	var list []any
	for part := range strings.SplitSeq(cell, separator) {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// variations reads sku=A,color=Red|sku=B,color=Blue.
func variations(cell string) []any {
	if cell == "" {
		return nil
	}
	var list []any
	for variation := range strings.SplitSeq(cell, "|") {
		if one := pairs(variation); len(one) > 0 {
			list = append(list, one)
		}
	}
	return list
}

func (a *adobe) attributes(cell string, place Place) any {
	values := pairs(cell)
	if len(values) == 0 {
		a.session.find(KindNested, place, "additional_attributes", cell, "the cell has no pairs of the form code=value: it was read as text")
		return cell
	}
	return values
}

// pairStart is where a pair begins: after a comma, a code and an equals sign. A comma
// inside a value is followed by a code by accident only.
var pairStart = regexp.MustCompile(`(?:^|,)\s*([A-Za-z][A-Za-z0-9_]*)=`)

// maxPairs bounds the attributes in one cell, and with them the time that it takes.
const maxPairs = 500

// pairs reads code=value,code=value. A value may hold commas; what is inside JSON, tags
// or quotes starts no pair.
func pairs(cell string) map[string]any {
	values := map[string]any{}
	name, start := "", 0
	closed := 0 // up to here the text is inside JSON, a tag or quotes
	starts := pairStart.FindAllStringSubmatchIndex(cell, maxPairs+1)
	if len(starts) > maxPairs {
		return nil
	}
	for _, at := range starts {
		if at[0] < closed {
			continue
		}
		if name == "" && at[0] != 0 {
			return nil
		}
		if name != "" {
			put(values, name, cell[start:at[0]])
		}
		name, start = cell[at[2]:at[3]], at[1]
		closed = start + enclosed(cell[start:])
	}
	if name != "" {
		put(values, name, cell[start:])
	}
	return values
}

func put(values map[string]any, name, value string) {
	value = strings.TrimSpace(value)
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		value = strings.ReplaceAll(value[1:len(value)-1], `""`, `"`)
	}
	if value != "" {
		values[name] = value
	}
}

// enclosed is the length of the JSON, markup or quoted text that a value begins with.
func enclosed(value string) int {
	switch {
	case value == "":
		return 0
	case value[0] == '"':
		for i := 1; i < len(value); i++ {
			if value[i] != '"' {
				continue
			}
			if i+1 < len(value) && value[i+1] == '"' {
				i++
				continue
			}
			return i + 1
		}
		return 0
	case value[0] == '{' || value[0] == '[':
		return balanced(value)
	case value[0] == '<':
		return markup(value)
	default:
		return 0
	}
}

var tag = regexp.MustCompile(`<(/?)([A-Za-z][A-Za-z0-9]*)(?:"[^"]*"|'[^']*'|[^>"'])*?(/?)>`)

// void are elements that are never closed.
var void = []string{"br", "img", "hr", "input", "meta", "link", "wbr", "source"}

// markup finds where the element closes that a value begins with. Where none does, the
// first tag is taken.
func markup(value string) int {
	depth, first := 0, 0
	for _, at := range tag.FindAllStringSubmatchIndex(value, -1) {
		closing, self := at[2] != at[3], at[6] != at[7]
		switch {
		case closing:
			depth--
		case !self && !slices.Contains(void, strings.ToLower(value[at[4]:at[5]])):
			depth++
		}
		if depth <= 0 {
			return at[1]
		}
		if first == 0 {
			first = at[1]
		}
	}
	return first
}

// balanced finds where the braces and brackets of JSON close.
func balanced(value string) int {
	depth, quoted := 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}
