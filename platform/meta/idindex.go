package meta

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// idIndex finds the records that an id in an answer means. How Meta writes the id
// of an item with a composite key is not documented, so several forms are taken:
// the item id of the contract, the parts joined by one of idSeparators or by
// nothing, and a JSON object with the key fields. A form that fits two items fits
// none. An id says nothing of the localization: it means all records of its item.
type idIndex struct {
	row     *catalogType
	records []catalog.Record
	byForm  map[string]int // the item's last record; made at the first look-up: most answers name no item
	// earlier leads from a record to the one before it of the same item, if any.
	earlier map[int]int
}

// several marks a form that fits more than one item.
const several = -1

var idSeparators = []string{"/", "_", "-", ":", ",", "|", " ", ""}

func newIDIndex(row *catalogType, records []catalog.Record) *idIndex {
	return &idIndex{row: row, records: records}
}

// find calls visit with the index of each record of the one item that the id names,
// and returns how many there are: 0 when it names none.
func (x *idIndex) find(id gjson.Result, visit func(i int, only bool)) int {
	form := id.String()
	if id.IsObject() || strings.HasPrefix(form, "{") {
		form = x.fromObject(form)
	}
	if form == "" || id.IsArray() || id.Type == gjson.Null {
		return 0
	}
	if x.byForm == nil {
		x.build()
	}
	i, ok := x.byForm[form]
	if !ok || i == several {
		return 0
	}
	before, more := x.earlier[i]
	visit(i, !more)
	count := 1
	for ; more; before, more = x.earlier[before] {
		visit(before, false)
		count++
	}
	return count
}

// fromObject makes an item id of the key fields in a JSON object; text that is no
// such object is an id like any other.
func (x *idIndex) fromObject(text string) string {
	object, ok := rest.Parse([]byte(text))
	if !ok || !object.IsObject() {
		return text
	}
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
		if before, taken := x.byForm[itemID]; taken && x.localizes(before, i) {
			if x.earlier == nil {
				x.earlier = make(map[int]int)
			}
			x.earlier[i] = before
		}
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

// add lets a form mean record i, unless it means another item, or the very same
// item twice, which no batch of ours has.
func (x *idIndex) add(form string, i int) {
	other, taken := x.byForm[form]
	if taken && other != i && !x.localizes(other, i) {
		i = several
	}
	x.byForm[form] = i
}

// localizes reports whether two records are different localizations of one item.
func (x *idIndex) localizes(a, b int) bool {
	if a == several {
		return false
	}
	first, second := &x.records[a].Key, &x.records[b].Key
	return first.ItemID == second.ItemID && first.Localization != second.Localization
}
