package meta

import (
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform/wire"
)

// Validate implements platform.Endpoint.
func (e *endpoint) Validate(m *catalog.Mutation) (*catalog.Problem, []catalog.Problem) {
	switch m.Operation {
	case catalog.Create, catalog.Upsert, catalog.Update, catalog.Delete:
	default:
		return &catalog.Problem{
			Reason: catalog.UnsupportedOperation, Field: "operation",
			Text: m.Operation.String() + " is not an operation of Meta's catalogs",
		}, nil
	}
	if wrong := e.dialect.check(m); wrong != nil {
		return wrong, nil
	}
	parts, wrong := e.keyParts(m.ItemID)
	if wrong != nil {
		return wrong, nil
	}
	return e.validateAttributes(m, parts), nil
}

// keyParts are the parts of an item's key. An id of one part is taken as it is:
// only composite ids are joined and escaped.
func (e *endpoint) keyParts(itemID string) ([]string, *catalog.Problem) {
	if len(e.row.keys) == 1 {
		return []string{itemID}, nil
	}
	return catalog.SplitItemID(itemID, e.row.keys)
}

func (e *endpoint) validateAttributes(m *catalog.Mutation, parts []string) (wrong *catalog.Problem) {
	wire.Members(m.Attributes, func(member wire.Member) bool {
		if i := slices.Index(e.row.keys, member.Name); i >= 0 {
			wrong = e.validateKey(member, parts[i])
		} else if member.Kind == wire.Null {
			wrong = e.validateNull(m.Operation, member)
		}
		return wrong == nil
	})
	return wrong
}

// validateKey holds a repeated key part to the one in item_id. Only a string can
// agree: 7 and "7" may be two items.
func (e *endpoint) validateKey(member wire.Member, part string) *catalog.Problem {
	if member.Kind == wire.String && member.Text == part {
		return nil
	}
	return problem(catalog.KeyMismatch, member.Name,
		" must be the same string as in item_id of the message ("+strings.Join(e.row.keys, "/")+"), or be left out")
}

// validateNull decides about a null, which UPDATE and UPSERT read as "clear". A
// CREATE may say null of anything: what cannot be cleared is then left out.
func (e *endpoint) validateNull(op catalog.Operation, member wire.Member) *catalog.Problem {
	if op == catalog.Create || op == catalog.Delete {
		return nil
	}
	if _, clearable := e.row.cleared[member.Name]; clearable {
		return nil
	}
	return problem(catalog.NotClearable, member.Name,
		" cannot be cleared on Meta: only optional strings and lists have an empty value; send a value")
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
