package meta

import (
	"context"
	"time"

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

// semantics: an UPSERT is overlaid on what is there.
var semantics = catalog.Semantics{Merges: true}

// endpoint carries one item type to one catalog through one of the three edges.
type endpoint struct {
	dialect dialect
	row     *catalogType
	level   platform.RuleLevel
	rest    *rest.Client
	address string // of the catalog
	scopes  scopes
	// localized says that another catalog of the account localizes these items.
	localized bool
}

// scopes are the quotas that calls of one catalog draw on.
type scopes struct {
	batch      string // POSTs of the three batch endpoints
	management string // other calls, such as the status
	app        string
	// window is what Meta's percentages of them are of.
	window time.Duration
}

// Rules implements platform.Endpoint.
func (e *endpoint) Rules() catalog.MergeRules {
	return catalog.MergeRules{Semantics: semantics, StickyAttribute: e.dialect.lasting()}
}

// Group implements platform.Endpoint.
func (e *endpoint) Group(op catalog.Operation) string { return e.dialect.group(op) }

// Limits implements platform.Endpoint.
func (e *endpoint) Limits() platform.Limits {
	return platform.Limits{MaxItems: maxItems, MaxBytes: maxBytes}
}

// Split implements platform.Endpoint.
func (e *endpoint) Split(change catalog.Change) (first catalog.Change, rest *catalog.Change) {
	return e.dialect.split(change)
}

// Base implements platform.Endpoint.
func (e *endpoint) Base() string { return e.dialect.base() }

// Localized implements platform.Localizable.
func (e *endpoint) Localized() bool { return e.localized }

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
