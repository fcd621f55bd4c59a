package meta

import (
	"fmt"
	"slices"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform/wire"
)

const (
	// maxFiller is how many spaces a variant adds at most.
	maxFiller = 64
	// frame is more than all fixed text around an item's data.
	frame = 48
)

// Overhead implements platform.Endpoint.
func (e *endpoint) Overhead() int {
	return len(`{"item_type":"","allow_upsert":false,"requests":[]}`) + len(e.row.name) + maxFiller
}

// RecordSize implements platform.Endpoint.
func (e *endpoint) RecordSize(key catalog.ItemKey, change catalog.Change) int {
	// A part is never longer than in the id, where "/" and "%" are escaped.
	size := frame + wire.StringSize(key.ItemID)
	for _, name := range e.row.keys {
		size += len(name) + len(`"":"",`)
	}
	if change.Operation != catalog.Delete {
		size += len(change.Attributes) // "" and [] are shorter than null
	}
	return size
}

// Encode implements platform.Endpoint. A variant begins with another record and
// adds white space.
func (e *endpoint) Encode(dst []byte, group string, records []catalog.Record, variant int) ([]byte, error) {
	dst = append(append(append(dst, `{"item_type":"`...), e.row.name...), `","allow_upsert":`...)
	if group == groupNoUpsert {
		dst = append(dst, `false`...)
	} else {
		dst = append(dst, `true`...)
	}
	dst = append(dst, `,"requests":[`...)
	for range variant % maxFiller {
		dst = append(dst, ' ')
	}
	for i := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = e.appendRecord(dst, &records[(i+variant)%len(records)]); err != nil {
			return nil, err
		}
	}
	return append(dst, "]}"...), nil
}

func (e *endpoint) appendRecord(dst []byte, record *catalog.Record) ([]byte, error) {
	change := &record.Change
	method := change.Operation.String()
	if change.Operation == catalog.Upsert {
		method = "UPDATE" // with allow_upsert
	}
	dst = append(append(append(dst, `{"method":"`...), method...), `","data":{`...)
	attributes := change.Attributes
	if change.Operation == catalog.Delete {
		attributes = nil // the key alone
	}
	dst, err := e.appendKey(dst, record.Key.ItemID, attributes)
	if err != nil {
		return nil, err
	}
	if change.HasNull && len(attributes) > 0 {
		dst = e.appendCleared(dst, attributes)
	} else if inside := wire.Inside(attributes); len(inside) > 0 {
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(dst, inside...)
	}
	return append(dst, "}}"...), nil
}

// appendKey appends the parts of the key that the attributes do not carry.
func (e *endpoint) appendKey(dst []byte, itemID string, attributes []byte) ([]byte, error) {
	if !wire.MayHold(attributes, e.row.keys...) {
		attributes = nil // no part to look for
	}
	if len(e.row.keys) == 1 {
		return e.appendPart(dst, 0, itemID, attributes), nil
	}
	parts, wrong := catalog.SplitItemID(itemID, e.row.keys)
	if wrong != nil {
		return nil, fmt.Errorf("encode an item: %w", wrong)
	}
	for i, part := range parts {
		dst = e.appendPart(dst, i, part, attributes)
	}
	return dst, nil
}

func (e *endpoint) appendPart(dst []byte, i int, part string, attributes []byte) []byte {
	if _, present := wire.Find(attributes, e.row.keys[i]); present {
		return dst
	}
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(append(append(dst, '"'), e.row.keys[i]...), `":`...)
	return wire.AppendString(dst, part)
}

// appendCleared appends the attributes with each null as the empty value of its
// type. A null that has none is left out: only CREATE may carry one.
func (e *endpoint) appendCleared(dst, attributes []byte) []byte {
	wire.Members(attributes, func(m wire.Member) bool {
		raw := m.Raw
		if m.Kind == wire.Null && !slices.Contains(e.row.keys, m.Name) {
			empty, clearable := e.row.cleared[m.Name]
			if !clearable {
				return true
			}
			raw = empty
		}
		dst = wire.AppendMember(dst, m, raw)
		return true
	})
	return dst
}
