package meta

import (
	"fmt"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// legacyBatch is the dialect of batch, the older edge for products. Producers
// publish what items_batch takes; here it gets the older names and forms. Meta
// silently ignores a record with a field that batch does not know, so what has no
// translation is refused before it is sent.
// Source: Meta's reference of product catalog batch and its guide Migrate to the
// items_batch endpoint, 2026-02.
type legacyBatch struct{}

func (legacyBatch) edge() string                      { return legacyBatchEdge }
func (legacyBatch) carries(row *catalogType) bool     { return row.name == "PRODUCT_ITEM" }
func (legacyBatch) group(op catalog.Operation) string { return upsertGroup(op) }
func (legacyBatch) base() string                      { return "" }

// lasting: a sale price brings a currency, and the item keeps it when the sale price
// is cleared.
func (legacyBatch) lasting() string { return "sale_price" }

// fields say nothing about null: any optional field can be cleared here, also those
// that have no empty value in items_batch, so that check looks at it.
func (legacyBatch) fields(row *catalogType) *rules.Table { return row.nullable }

// check translates each attribute and reports all that cannot be.
func (legacyBatch) check(m *catalog.Mutation) *catalog.Problem {
	if wrong := notLocalized(m, legacyBatchEdge); wrong != nil {
		return wrong
	}
	if m.Operation == catalog.Delete {
		return nil
	}
	var found []catalog.Problem
	var scratch [512]byte
	text := translation{dst: scratch[:0]}
	rawjson.Members(m.Attributes, func(member rawjson.Member) bool {
		text.dst = text.dst[:0]
		why := text.member(member)
		if why == "" {
			return true
		}
		reason := catalog.InvalidValue
		if member.Kind == rawjson.Null && m.Operation != catalog.Create {
			reason = catalog.NotClearable
		}
		found = append(found, *problem(reason, member.Name, " "+why))
		return len(found) < maxIssues
	})
	if len(found) == 0 {
		return nil
	}
	found[0].Others = found[1:]
	return &found[0]
}

// split parts a sale price in another currency from the price: a legacy item has
// one currency for both. One mutation never has two (check refuses it), so this
// only keeps mutations from merging that would.
func (legacyBatch) split(change catalog.Change) (first catalog.Change, rest *catalog.Change) {
	if change.Operation == catalog.Delete || !rawjson.MayHold(change.Attributes, "sale_price") || oneCurrency(change.Attributes) {
		return change, nil
	}
	first = catalog.Change{Operation: change.Operation, HasNull: change.HasNull, Attributes: []byte{'{'}}
	after := catalog.Change{Operation: catalog.Update, Attributes: []byte{'{'}}
	rawjson.Members(change.Attributes, func(m rawjson.Member) bool {
		if m.Name == "sale_price" {
			after.Attributes = rawjson.AppendMember(after.Attributes, m, m.Raw)
		} else {
			first.Attributes = rawjson.AppendMember(first.Attributes, m, m.Raw)
		}
		return true
	})
	first.Attributes, after.Attributes = append(first.Attributes, '}'), append(after.Attributes, '}')
	return first, &after
}

// oneCurrency reports whether price and sale_price, where both are there, agree.
func oneCurrency(attributes []byte) bool {
	first, agree := "", true
	rawjson.Members(attributes, func(m rawjson.Member) bool {
		if m.Name != "price" && m.Name != "sale_price" {
			return true
		}
		_, currency, _ := hundredths(m)
		agree = first == "" || currency == "" || first == currency
		first = max(first, currency)
		return agree
	})
	return agree
}

func (legacyBatch) headSize(*catalogType) int { return len(`{"allow_upsert":false,"requests":[`) }

func (legacyBatch) appendHead(dst []byte, _ *catalogType, group string) []byte {
	return append(appendUpsert(append(dst, '{'), group), `,"requests":[`...)
}

func (legacyBatch) recordSize(_ *catalogType, key catalog.ItemKey, change catalog.Change) int {
	size := len(`{"method":"UPDATE","retailer_id":,"data":{}}`) + rawjson.StringSize(key.ItemID)
	if change.Operation == catalog.Delete {
		return size
	}
	// What longer names, a currency and the nesting of app links add at most.
	const growth = 256
	size += len(change.Attributes) + growth
	for _, rewritten := range [...]string{variantAttribute, "additional_image_link"} {
		const escapes = 6 // bytes that one byte takes when it is escaped
		if !rawjson.MayHold(change.Attributes, rewritten) {
			continue
		}
		if m, ok := rawjson.Find(change.Attributes, rewritten); ok {
			size += escapes * len(m.Raw)
		}
	}
	return size
}

func (legacyBatch) appendRecord(dst []byte, _ *catalogType, record *catalog.Record) ([]byte, error) {
	change := &record.Change
	dst = append(append(append(dst, `{"method":"`...), methodOf(change.Operation)...), `","retailer_id":`...)
	dst = rawjson.AppendString(dst, record.Key.ItemID)
	if change.Operation == catalog.Delete {
		return append(dst, '}'), nil // without data, as in Meta's example
	}
	text := translation{dst: append(dst, `,"data":{`...)}
	var wrong error
	rawjson.Members(change.Attributes, func(m rawjson.Member) bool {
		if m.Kind == rawjson.Null && change.Operation == catalog.Create {
			return true // nothing to clear
		}
		if why := text.member(m); why != "" {
			wrong = fmt.Errorf("encode an item for batch: the attribute %.100s %s", m.Name, why)
		}
		return wrong == nil
	})
	if wrong != nil {
		return nil, wrong
	}
	return append(text.dst, "}}"...), nil
}
