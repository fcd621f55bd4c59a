package pinterest

import (
	"fmt"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/wire"
)

const (
	// maxFiller is how many spaces a variant adds at most.
	maxFiller = 64
	// frame is more than all fixed text around an item's id, attributes and mask.
	frame = 128
)

// head is the body up to the items.
func head(row *catalogType, settings platform.CatalogSettings) string {
	text := []byte(`{"catalog_type":`)
	text = wire.AppendString(text, string(row.name))
	text = wire.AppendString(append(text, `,"country":`...), settings.Country)
	text = wire.AppendString(append(text, `,"language":`...), settings.Language)
	if settings.CatalogID != "" {
		text = wire.AppendString(append(text, `,"catalog_id":`...), settings.CatalogID)
	}
	return string(append(text, `,"items":[`...))
}

// Overhead implements platform.Endpoint.
func (e *endpoint) Overhead() int { return len(e.head) + len("]}") + maxFiller }

// RecordSize implements platform.Endpoint.
func (e *endpoint) RecordSize(key catalog.ItemKey, change catalog.Change) int {
	size := frame + wire.StringSize(key.ItemID)
	if change.Operation == catalog.Delete {
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
func (e *endpoint) Encode(dst []byte, _ string, records []catalog.Record, variant int) ([]byte, error) {
	dst = append(dst, e.head...)
	for range variant % maxFiller {
		dst = append(dst, ' ')
	}
	for i := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = e.appendItem(dst, &records[(i+variant)%len(records)]); err != nil {
			return nil, err
		}
	}
	return append(dst, "]}"...), nil
}

func (e *endpoint) appendItem(dst []byte, record *catalog.Record) ([]byte, error) {
	change := &record.Change
	dst = append(append(append(dst, `{"`...), e.row.idField...), `":`...)
	dst = wire.AppendString(dst, record.Key.ItemID)
	dst = append(append(append(dst, `,"operation":"`...), change.Operation.String()...), '"')
	switch {
	case change.Operation == catalog.Delete:
		return append(dst, '}'), nil
	case change.Operation == catalog.Update && change.HasNull:
		return e.appendMasked(dst, record)
	default:
		dst = append(append(dst, `,"attributes":`...), change.Attributes...)
		return append(dst, '}'), nil
	}
}

// appendMasked appends the values that are not null, and a mask of all names:
// what the mask names without a value is deleted from the item.
func (e *endpoint) appendMasked(dst []byte, record *catalog.Record) ([]byte, error) {
	var unmaskable string
	dst = append(dst, `,"attributes":{`...)
	wire.Members(record.Change.Attributes, func(m wire.Member) bool {
		if e.row.repeatsKey(m.Name) {
			return true
		}
		if !e.row.canMask(m.Name) {
			unmaskable = m.Name
			return false
		}
		if m.Kind != wire.Null {
			dst = wire.AppendMember(dst, m, m.Raw)
		}
		return true
	})
	if unmaskable != "" {
		return nil, fmt.Errorf("item %.128q: update_mask cannot name %.128q: the change was not split", record.Key.ItemID, unmaskable)
	}
	dst = append(dst, `},"update_mask":[`...)
	first := true
	wire.Members(record.Change.Attributes, func(m wire.Member) bool {
		if e.row.repeatsKey(m.Name) {
			return true
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, m.Head...)
		return true
	})
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
	wire.Members(change.Attributes, func(m wire.Member) bool {
		switch {
		case e.row.repeatsKey(m.Name): // the record names the item anyway
		case e.row.canMask(m.Name):
			masked = wire.AppendMember(masked, m, m.Raw)
		default:
			others = wire.AppendMember(others, m, m.Raw)
		}
		return true
	})
	first = catalog.Change{Operation: catalog.Update, Attributes: append(masked, '}'), HasNull: true}
	return first, &catalog.Change{Operation: catalog.Update, Attributes: append(others, '}')}
}

func (e *endpoint) hasUnmaskable(attributes []byte) (found bool) {
	wire.Members(attributes, func(m wire.Member) bool {
		found = !e.row.canMask(m.Name) && !e.row.repeatsKey(m.Name)
		return !found
	})
	return found
}
