package meta

import (
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// Validate implements platform.Endpoint.
func (e *endpoint) Validate(m *catalog.Mutation) (*catalog.Problem, []catalog.Problem) {
	findings := e.checkFields(m)
	if wrong := refuseOperation(m.Operation); wrong != nil {
		findings.Add(*wrong)
	}
	if wrong := e.dialect.check(m); wrong != nil {
		findings.Add(*wrong)
	}
	return findings.Result(e.level)
}

func (e *endpoint) checkFields(m *catalog.Mutation) rules.Findings {
	table := e.dialect.fields(e.row)
	if e.dialect.edge() == localizedBatchEdge {
		return table.CheckLocalized(m, e.level, m.Localization.Type == byCountry)
	}
	return table.Check(m, e.level)
}

// refuseOperation says which operation Meta does not have; nil when it has it.
func refuseOperation(op catalog.Operation) *catalog.Problem {
	switch op {
	case catalog.Create, catalog.Upsert, catalog.Update, catalog.Delete:
		return nil
	default:
		return &catalog.Problem{
			Reason: catalog.UnsupportedOperation, Field: "operation",
			Text: op.String() + " is not an operation of Meta's catalogs",
		}
	}
}

func problem(reason catalog.Reason, attribute, text string) *catalog.Problem {
	const limit = 100 // a name is the producer's own text
	shown := attribute
	if len(shown) > limit {
		shown = strings.ToValidUTF8(shown[:limit], "") + "…"
	}
	shown = strings.Clone(shown)
	return &catalog.Problem{Reason: reason, Field: "attributes." + shown, Text: "the attribute " + shown + text}
}
