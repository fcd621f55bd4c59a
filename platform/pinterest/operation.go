package pinterest

import (
	"slices"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// refuseOperation says why the catalog does not take the operation; nil when it
// does.
func (e *endpoint) refuseOperation(op catalog.Operation) *catalog.Problem {
	switch {
	case !slices.Contains(e.form.operations, op):
		text := op.String() + " is not an operation of Pinterest's " + string(e.row.name) + " items"
		if op == catalog.DeleteDiscontinued {
			text += "; it exists for RETAIL catalogs with body: legacy"
		}
		return &catalog.Problem{Reason: catalog.UnsupportedOperation, Field: "operation", Text: text}
	case e.feedOwned && e.form.resource.feeds && (op == catalog.Create || op == catalog.Upsert):
		// Source: Pinterest's page "Modify items in batch", the column "Available with
		// feed?", and the note on UPSERT in the OpenAPI file.
		return &catalog.Problem{
			Reason: catalog.UnsupportedOperation, Field: "operation",
			Text: "a feed fills this catalog (feed_owned), and Pinterest then refuses " + op.String() +
				": send UPDATE or DELETE, or remove the feed and the setting",
		}
	default:
		return nil
	}
}
