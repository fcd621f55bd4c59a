package meta

import (
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// The three edges of a catalog to which changes are posted, as settings name them.
const (
	itemsBatchEdge     = "items_batch"
	legacyBatchEdge    = "batch"
	localizedBatchEdge = "localized_items_batch"
)

// dialect is all that sets one of these edges apart from the others: what it can
// carry, and how a body is written.
type dialect interface {
	// edge is the last part of the address.
	edge() string
	// carries reports whether the edge takes items of the type.
	carries(row *catalogType) bool
	// fields are the rules of the item type that hold on the edge.
	fields(row *catalogType) *rules.Table
	// check finds what the edge cannot say, beyond the rules of the item type.
	check(m *catalog.Mutation) *catalog.Problem
	// group names what a request fixes for all its records.
	group(op catalog.Operation) string
	// split cuts off what one record cannot carry, see platform.Endpoint.
	split(change catalog.Change) (first catalog.Change, rest *catalog.Change)
	// lasting names what keeps changes from merging, see catalog.MergeRules.
	lasting() string
	// base names the catalog that has the items themselves, "" for this one.
	base() string
	// appendHead begins a body, up to and with the bracket of its records.
	appendHead(dst []byte, row *catalogType, group string) []byte
	appendRecord(dst []byte, row *catalogType, record *catalog.Record) ([]byte, error)
	// headSize and recordSize are upper bounds of what the two append.
	headSize(row *catalogType) int
	recordSize(row *catalogType, key catalog.ItemKey, change catalog.Change) int
}

// dialectOf finds the dialect of a catalog; base is the catalog of the account that
// has the items which it localizes.
func dialectOf(settings catalogSettings, base string) dialect {
	switch settings.Endpoint {
	case legacyBatchEdge:
		return legacyBatch{}
	case localizedBatchEdge:
		return localizedBatch{baseCatalog: base}
	default:
		return itemsBatch{subType: settings.ItemSubType}
	}
}

// groupNoUpsert is the group of requests that must not create items.
const groupNoUpsert = "allow_upsert=false"

// upsertGroup is the group of an operation where allow_upsert is said once per
// request, and decides whether the method UPDATE may create an item. It means
// nothing to CREATE and DELETE, which travel with UPSERT.
func upsertGroup(op catalog.Operation) string {
	if op == catalog.Update {
		return groupNoUpsert
	}
	return ""
}

func appendUpsert(dst []byte, group string) []byte {
	if group == groupNoUpsert {
		return append(dst, `"allow_upsert":false`...)
	}
	return append(dst, `"allow_upsert":true`...)
}

// methodOf is the word for an operation: an UPSERT is an UPDATE with allow_upsert.
func methodOf(op catalog.Operation) string {
	if op == catalog.Upsert {
		return catalog.Update.String()
	}
	return op.String()
}

// notLocalized refuses a localization where items themselves are written.
func notLocalized(m *catalog.Mutation, edge string) *catalog.Problem {
	if m.Localization.IsZero() {
		return nil
	}
	return &catalog.Problem{
		Reason: catalog.InvalidValue, Field: "localization",
		Text: edge + " takes no localization: publish to a catalog with the endpoint " + localizedBatchEdge,
	}
}
