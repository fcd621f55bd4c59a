package pinterest

import (
	"context"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
)

const (
	// maxItems is maxItems of both bodies in the OpenAPI file. The legacy DELETE and
	// DELETE_DISCONTINUED name none; they get the same.
	maxItems = 1000
	// maxBytes is our own: Pinterest documents no limit of a body.
	maxBytes = 10 << 20
)

// semantics: an UPSERT replaces the whole item.
var semantics = catalog.Semantics{Merges: true, UpsertReplaces: true}

// endpoint carries one catalog type to one catalog.
type endpoint struct {
	row       *catalogType
	form      *form
	feedOwned bool // a feed fills the catalog: no CREATE and no UPSERT
	timed     bool // records say when the change happened, where the producer did
	level     platform.RuleLevel
	client    *client
}

// Rules implements platform.Endpoint.
func (e *endpoint) Rules() catalog.MergeRules { return catalog.MergeRules{Semantics: e.row.semantics} }

// Group implements platform.Endpoint.
func (e *endpoint) Group(op catalog.Operation) string { return e.form.group(op) }

// Limits implements platform.Endpoint.
func (e *endpoint) Limits() platform.Limits {
	return platform.Limits{MaxItems: maxItems, MaxBytes: maxBytes}
}

// Base implements platform.Endpoint.
func (e *endpoint) Base() string { return "" }

// SubmitScopes implements platform.Endpoint.
func (e *endpoint) SubmitScopes() []string { return e.client.write.names() }

// PollScopes implements platform.Endpoint.
func (e *endpoint) PollScopes() []string { return e.client.read.names() }

// Submit implements platform.Endpoint.
func (e *endpoint) Submit(ctx context.Context, body []byte, _ string, records []catalog.Record) (platform.Submission, error) {
	submission, failure := e.client.submit(ctx, e.form.resource, body, e.row.keys, records)
	if failure != nil {
		return platform.Submission{}, failure
	}
	return submission, nil
}

// Poll implements platform.Endpoint.
func (e *endpoint) Poll(ctx context.Context, handle string, _ string, records []catalog.Record) (platform.Report, error) {
	report, failure := e.client.poll(ctx, e.form.resource, handle, e.row.keys, records)
	if failure != nil {
		return platform.Report{}, failure
	}
	return report, nil
}
