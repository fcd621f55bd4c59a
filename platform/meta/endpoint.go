package meta

import (
	"context"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

const (
	// maxItems and maxBytes are Meta's: 5000 records, 28 MB. It recommends fewer than
	// 3000 records, which is a matter of settings.
	maxItems = 5000
	maxBytes = 28_000_000
)

// groupNoUpsert is the group of requests that must not create items.
const groupNoUpsert = "allow_upsert=false"

// endpoint carries one item type to one catalog with items_batch.
type endpoint struct {
	row     *catalogType
	rest    *rest.Client
	address string // of the catalog
	scopes  scopes
}

// scopes are the quotas that calls of one catalog draw on.
type scopes struct {
	batch      string // POSTs of the three batch endpoints
	management string // other calls, such as the status
	app        string
}

// Rules implements platform.Endpoint.
func (e *endpoint) Rules() catalog.Rules { return catalog.Rules{Semantics: catalog.MetaSemantics} }

// Group implements platform.Endpoint. allow_upsert is said once per request, and
// decides whether the method UPDATE may create an item. It means nothing to
// CREATE and DELETE, which travel with UPSERT.
func (e *endpoint) Group(op catalog.Operation) string {
	if op == catalog.Update {
		return groupNoUpsert
	}
	return ""
}

// Limits implements platform.Endpoint.
func (e *endpoint) Limits() platform.Limits {
	return platform.Limits{MaxItems: maxItems, MaxBytes: maxBytes}
}

// Split implements platform.Endpoint: one record carries any change.
func (e *endpoint) Split(change catalog.Change) (first catalog.Change, rest *catalog.Change) {
	return change, nil
}

// Base implements platform.Endpoint.
func (e *endpoint) Base() string { return "" }

// SubmitScopes implements platform.Endpoint.
func (e *endpoint) SubmitScopes() []string { return []string{e.scopes.batch, e.scopes.app} }

// PollScopes implements platform.Endpoint.
func (e *endpoint) PollScopes() []string { return []string{e.scopes.management, e.scopes.app} }

// Submit implements platform.Endpoint.
func (e *endpoint) Submit(ctx context.Context, body []byte, _ string, records []catalog.Record) (platform.Submission, error) {
	submission, failure := e.submit(ctx, body, records)
	if failure != nil {
		return platform.Submission{}, failure
	}
	return submission, nil
}

// Poll implements platform.Endpoint.
func (e *endpoint) Poll(ctx context.Context, handle string, _ string, records []catalog.Record) (platform.Report, error) {
	report, failure := e.poll(ctx, handle, records)
	if failure != nil {
		return platform.Report{}, failure
	}
	return report, nil
}
