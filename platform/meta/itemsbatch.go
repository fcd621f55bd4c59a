package meta

import (
	"fmt"
	"slices"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// itemsBatch is the dialect of items_batch, in which producers publish too: the
// attributes travel as they came.
// Source: Meta's reference of product catalog items_batch, 2026-09.
type itemsBatch struct {
	subType string // item_sub_type of every request, "" for none
}

func (itemsBatch) edge() string                      { return itemsBatchEdge }
func (itemsBatch) carries(*catalogType) bool         { return true }
func (itemsBatch) group(op catalog.Operation) string { return upsertGroup(op) }
func (itemsBatch) base() string                      { return "" }
func (itemsBatch) lasting() string                   { return "" }

func (itemsBatch) fields(row *catalogType) *rules.Table { return row.table }

func (itemsBatch) check(m *catalog.Mutation) *catalog.Problem { return notLocalized(m, itemsBatchEdge) }

// split does not: one record carries any change.
func (itemsBatch) split(change catalog.Change) (first catalog.Change, rest *catalog.Change) {
	return change, nil
}

func (d itemsBatch) headSize(row *catalogType) int {
	return len(`{"item_type":"","item_sub_type":"","allow_upsert":false,"requests":[`) + len(row.name) + len(d.subType)
}

func (d itemsBatch) appendHead(dst []byte, row *catalogType, group string) []byte {
	dst = append(append(append(dst, `{"item_type":"`...), row.name...), `",`...)
	if d.subType != "" {
		dst = append(append(append(dst, `"item_sub_type":"`...), d.subType...), `",`...)
	}
	return append(appendUpsert(dst, group), `,"requests":[`...)
}

func (itemsBatch) recordSize(row *catalogType, key catalog.ItemKey, change catalog.Change) int {
	return len(`{"method":"UPDATE","data":}`) + dataSize(row, key, change)
}

func (itemsBatch) appendRecord(dst []byte, row *catalogType, record *catalog.Record) ([]byte, error) {
	dst = append(append(append(dst, `{"method":"`...), methodOf(record.Change.Operation)...), `","data":`...)
	dst, err := appendData(dst, row, record)
	if err != nil {
		return nil, err
	}
	return append(dst, '}'), nil
}

func dataSize(row *catalogType, key catalog.ItemKey, change catalog.Change) int {
	// A part is never longer than in the id, where "/" and "%" are escaped.
	size := len(`{}`) + rawjson.StringSize(key.ItemID)
	for _, name := range row.keys {
		size += len(name) + len(`"":"",`)
	}
	if change.Operation != catalog.Delete {
		size += len(change.Attributes) // "" and [] are shorter than null
	}
	return size
}

// appendData appends the object with the key and the attributes.
func appendData(dst []byte, row *catalogType, record *catalog.Record) ([]byte, error) {
	change := &record.Change
	attributes := change.Attributes
	if change.Operation == catalog.Delete {
		attributes = nil // the key alone
	}
	dst, err := appendKey(append(dst, '{'), row, record.Key.ItemID, attributes)
	if err != nil {
		return nil, err
	}
	if change.HasNull && len(attributes) > 0 {
		dst = appendCleared(dst, row, attributes)
	} else if inside := rawjson.Inside(attributes); len(inside) > 0 {
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(dst, inside...)
	}
	return append(dst, '}'), nil
}

// appendKey appends the parts of the key that the attributes do not carry.
func appendKey(dst []byte, row *catalogType, itemID string, attributes []byte) ([]byte, error) {
	if !rawjson.MayHold(attributes, row.keys...) {
		attributes = nil // no part to look for
	}
	if len(row.keys) == 1 {
		return appendPart(dst, row.keys[0], itemID, attributes), nil
	}
	parts, wrong := catalog.SplitItemID(itemID, row.keys)
	if wrong != nil {
		return nil, fmt.Errorf("encode an item: %w", wrong)
	}
	for i, part := range parts {
		dst = appendPart(dst, row.keys[i], part, attributes)
	}
	return dst, nil
}

func appendPart(dst []byte, name, part string, attributes []byte) []byte {
	if _, present := rawjson.Find(attributes, name); present {
		return dst
	}
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(append(append(dst, '"'), name...), `":`...)
	return rawjson.AppendString(dst, part)
}

// appendCleared appends the attributes with each null as the empty value of its
// type. A null that has none is left out: only CREATE may carry one.
func appendCleared(dst []byte, row *catalogType, attributes []byte) []byte {
	rawjson.Members(attributes, func(m rawjson.Member) bool {
		raw := m.Raw
		if m.Kind == rawjson.Null && !slices.Contains(row.keys, m.Name) {
			if raw = row.table.Cleared(m.Name); raw == "" {
				return true
			}
		}
		dst = rawjson.AppendMember(dst, m, raw)
		return true
	})
	return dst
}
