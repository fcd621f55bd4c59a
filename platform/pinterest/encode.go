package pinterest

import (
	"fmt"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

const (
	// maxFiller is how many spaces a variant adds at most.
	maxFiller = 64
	// frame is more than all fixed text around an item's id, attributes and mask,
	// with a time that stands in both.
	frame = 192
)

// Overhead implements platform.Endpoint.
func (e *endpoint) Overhead() int { return e.form.overhead() + len("]}") + maxFiller }

// RecordSize implements platform.Endpoint.
func (e *endpoint) RecordSize(key catalog.ItemKey, change catalog.Change) int {
	size := frame + rawjson.StringSize(key.ItemID)
	if !change.Operation.NeedsAttributes() {
		return size
	}
	size += len(change.Attributes)
	if change.HasNull {
		size += len(change.Attributes) // the mask repeats names
	}
	return size
}

// Encode implements platform.Endpoint. A variant begins with another record and
// adds white space: it is not known what Pinterest compares to find a duplicate.
func (e *endpoint) Encode(dst []byte, group string, records []catalog.Record, variant int) ([]byte, error) {
	head, known := e.form.heads[group]
	if !known {
		return nil, fmt.Errorf("no Pinterest body has the group %.32q", group)
	}
	dst = append(dst, head...)
	for range variant % maxFiller {
		dst = append(dst, ' ')
	}
	for i := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		record := &records[(i+variant)%len(records)]
		if operation := record.Change.Operation; e.form.group(operation) != group {
			return nil, fmt.Errorf("item %.128q: %s does not belong in a request of group %q", record.Key.ItemID, operation, group)
		}
		var err error
		if dst, err = e.appendItem(dst, record); err != nil {
			return nil, err
		}
	}
	return append(dst, "]}"...), nil
}

func (e *endpoint) appendItem(dst []byte, record *catalog.Record) ([]byte, error) {
	change := &record.Change
	var err error
	if dst, err = e.appendKey(append(dst, '{'), record.Key.ItemID); err != nil {
		return nil, err
	}
	if !e.form.oneOperation {
		dst = append(append(append(dst, `,"operation":"`...), change.Operation.String()...), '"')
	}
	updated := e.updatedAt(record)
	switch {
	case !change.Operation.NeedsAttributes() && e.form.emptyAttributes:
		return append(dst, `,"attributes":{}}`...), nil
	case !change.Operation.NeedsAttributes():
		return append(appendTime(dst, updated), '}'), nil
	case change.Operation == catalog.Update && change.HasNull:
		return e.appendMasked(dst, record, updated)
	case updated != 0:
		dst = append(append(dst, `,"attributes":{`...), rawjson.Inside(change.Attributes)...)
		return append(appendTime(dst, updated), "}}"...), nil
	default:
		dst = append(append(dst, `,"attributes":`...), change.Attributes...)
		return append(dst, '}'), nil
	}
}

// appendKey appends the parts of the item's id.
func (e *endpoint) appendKey(dst []byte, itemID string) ([]byte, error) {
	parts := []string{itemID}
	if len(e.row.keys) > 1 {
		var wrong *catalog.Problem
		if parts, wrong = catalog.SplitItemID(itemID, e.row.keys); wrong != nil {
			return nil, wrong
		}
	}
	for i, part := range parts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), e.row.keys[i]...), `":`...)
		dst = rawjson.AppendString(dst, part)
	}
	return dst, nil
}

// appendMasked appends the values that are not null, and a mask of all names:
// what the mask names without a value is deleted from the item.
func (e *endpoint) appendMasked(dst []byte, record *catalog.Record, updated int64) ([]byte, error) {
	var unmaskable string
	dst = append(dst, `,"attributes":{`...)
	rawjson.Members(record.Change.Attributes, func(m rawjson.Member) bool {
		if e.row.repeatsKey(m.Name) {
			return true
		}
		if !e.row.canMask(m.Name) {
			unmaskable = m.Name
			return false
		}
		if m.Kind != rawjson.Null {
			dst = rawjson.AppendMember(dst, m, m.Raw)
		}
		return true
	})
	if unmaskable != "" {
		return nil, fmt.Errorf("item %.128q: update_mask cannot name %.128q: the change was not split", record.Key.ItemID, unmaskable)
	}
	dst = append(appendTime(dst, updated), `},"update_mask":[`...)
	rawjson.Members(record.Change.Attributes, func(m rawjson.Member) bool {
		if !e.row.repeatsKey(m.Name) {
			dst = append(append(dst, m.Head...), ',')
		}
		return true
	})
	if updated != 0 {
		dst = append(dst, `"`+lastUpdatedTime+`",`...)
	}
	if dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	return append(dst, "]}"...), nil
}

// Split implements platform.Endpoint. An UPDATE with a null needs a mask, and the
// mask must list every attribute sent; those it cannot list go in a second record.
func (e *endpoint) Split(change catalog.Change) (first catalog.Change, rest *catalog.Change) {
	if change.Operation != catalog.Update || !change.HasNull || !e.hasUnmaskable(change.Attributes) {
		return change, nil
	}
	masked := append(make([]byte, 0, len(change.Attributes)), '{')
	others := []byte{'{'}
	rawjson.Members(change.Attributes, func(m rawjson.Member) bool {
		switch {
		case e.row.repeatsKey(m.Name): // the record names the item anyway
		case e.row.canMask(m.Name):
			masked = rawjson.AppendMember(masked, m, m.Raw)
		default:
			others = rawjson.AppendMember(others, m, m.Raw)
		}
		return true
	})
	first = catalog.Change{Operation: catalog.Update, Attributes: append(masked, '}'), HasNull: true}
	return first, &catalog.Change{Operation: catalog.Update, Attributes: append(others, '}')}
}

func (e *endpoint) hasUnmaskable(attributes []byte) (found bool) {
	rawjson.Members(attributes, func(m rawjson.Member) bool {
		found = !e.row.canMask(m.Name) && !e.row.repeatsKey(m.Name)
		return !found
	})
	return found
}
