package meta

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// idIndex finds the record that an id in an answer means. How Meta writes the id
// of an item with a composite key is not documented, so several forms are taken:
// the item id of the contract, the parts joined by one of idSeparators or by
// nothing, and a JSON object with the key fields. A form that fits two records
// fits none.
type idIndex struct {
	row     *catalogType
	records []catalog.Record
	byForm  map[string]int // made at the first look-up: most answers name no item
}

// several marks a form that fits more than one record.
const several = -1

var idSeparators = []string{"/", "_", "-", ":", ",", "|", " ", ""}

func newIDIndex(row *catalogType, records []catalog.Record) *idIndex {
	return &idIndex{row: row, records: records}
}

// find returns the index of the one record that the id names.
func (x *idIndex) find(id gjson.Result) (int, bool) {
	form := id.String()
	if id.IsObject() || strings.HasPrefix(form, "{") {
		form = x.fromObject(form)
	}
	if form == "" || id.IsArray() || id.Type == gjson.Null {
		return 0, false
	}
	if x.byForm == nil {
		x.build()
	}
	i, ok := x.byForm[form]
	return i, ok && i != several
}

// fromObject makes an item id of the key fields in a JSON object; text that is no
// such object is an id like any other.
func (x *idIndex) fromObject(text string) string {
	if !gjson.Valid(text) {
		return text
	}
	object := gjson.Parse(text)
	parts := make([]string, len(x.row.keys))
	for i, name := range x.row.keys {
		part := object.Get(name)
		if part.Type != gjson.String || part.Str == "" {
			return text
		}
		parts[i] = part.Str
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return catalog.JoinItemID(parts...)
}

func (x *idIndex) build() {
	x.byForm = make(map[string]int, len(x.records))
	for i := range x.records {
		itemID := x.records[i].Key.ItemID
		x.add(itemID, i)
		if len(x.row.keys) == 1 {
			continue
		}
		parts, wrong := catalog.SplitItemID(itemID, x.row.keys)
		if wrong != nil {
			continue // nothing was sent under such an id
		}
		for _, separator := range idSeparators {
			x.add(strings.Join(parts, separator), i)
		}
	}
}

func (x *idIndex) add(form string, i int) {
	if other, taken := x.byForm[form]; taken && other != i {
		i = several
	}
	x.byForm[form] = i
}
