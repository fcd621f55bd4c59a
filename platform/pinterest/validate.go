package pinterest

import (
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform/wire"
)

// Validate implements platform.Endpoint.
func (e *endpoint) Validate(m *catalog.Mutation) (*catalog.Problem, []catalog.Problem) {
	if problem := e.refuseOperation(m.Operation); problem != nil {
		return problem, nil
	}
	if !m.Localization.IsZero() {
		return &catalog.Problem{
			Reason: catalog.InvalidValue, Field: "localization",
			Text: "Pinterest items have no localization: the language belongs to the catalog",
		}, nil
	}
	return e.validateAttributes(m), nil
}

func (e *endpoint) validateAttributes(m *catalog.Mutation) (problem *catalog.Problem) {
	wire.Members(m.Attributes, func(member wire.Member) bool {
		problem = e.validateMember(m, member)
		return problem == nil
	})
	return problem
}

func (e *endpoint) validateMember(m *catalog.Mutation, member wire.Member) *catalog.Problem {
	if e.row.repeatsKey(member.Name) {
		return e.validateKey(m, member)
	}
	switch m.Operation {
	case catalog.Update:
		return e.validateUpdate(member)
	case catalog.Create, catalog.Upsert:
		if member.Kind == wire.Null && !e.row.canBeNull(member.Name) {
			return problem(catalog.InvalidValue, member.Name, " cannot be null: give a value or leave it out")
		}
	default: // a DELETE sends no attributes
	}
	return nil
}

func (e *endpoint) validateUpdate(member wire.Member) *catalog.Problem {
	if !e.row.canUpdate(member.Name) {
		return problem(catalog.NotUpdatable, member.Name,
			" cannot be changed by UPDATE on Pinterest: send the whole item with UPSERT")
	}
	if member.Kind == wire.Null && !e.row.canMask(member.Name) {
		return problem(catalog.NotClearable, member.Name,
			" cannot be cleared on Pinterest: update_mask does not take it; send the whole item with UPSERT instead")
	}
	return nil
}

// validateKey holds a repeated item id to the one of the message. Only a string
// can agree: 7 and "7" may be two items.
func (e *endpoint) validateKey(m *catalog.Mutation, member wire.Member) *catalog.Problem {
	if member.Kind == wire.String && member.Text == m.ItemID {
		return nil
	}
	return problem(catalog.KeyMismatch, member.Name,
		" must be the same string as item_id of the message, or be left out")
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
