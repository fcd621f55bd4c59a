package pinterest

import (
	"github.com/catalog-courier/catalog-courier/catalog"
)

// Validate implements platform.Endpoint.
func (e *endpoint) Validate(m *catalog.Mutation) (*catalog.Problem, []catalog.Problem) {
	findings := e.row.table.Check(m, e.level)
	if wrong := e.refuseOperation(m.Operation); wrong != nil {
		findings.Add(*wrong)
	}
	if !m.Localization.IsZero() {
		findings.Add(catalog.Problem{
			Reason: catalog.InvalidValue, Field: "localization",
			Text: "Pinterest items have no localization: the language belongs to the catalog",
		})
	}
	return findings.Result(e.level)
}
