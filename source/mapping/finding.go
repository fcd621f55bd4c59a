package mapping

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// Severity says whether an item can be sent in spite of a finding.
type Severity string

const (
	// Error means that the item must not be sent.
	Error Severity = "error"
	// Warning means that the item is sent without the value, or with it shortened.
	Warning Severity = "warning"
)

// Kinds of findings.
const (
	KindItemID    = "ITEM_ID"   // a placeholder of the item id has no value
	KindValue     = "VALUE"     // a word without a translation
	KindPrice     = "PRICE"     // a price that is not one, or can be read in two ways
	KindCurrency  = "CURRENCY"  // a price without a currency
	KindWindow    = "WINDOW"    // a sale window that is not one, or has no time zone
	KindNumber    = "NUMBER"    // a number or a truth value that is not one
	KindSeveral   = "SEVERAL"   // more values than the attribute takes
	KindCut       = "CUT"       // a text was cut, as the mapping asked
	KindMissing   = "MISSING"   // an attribute that the destination requires has no value
	KindShipping  = "SHIPPING"  // a shipping entry that cannot be read
	KindFilter    = "FILTER"    // the filter of the route could not decide
	KindCondition = "CONDITION" // the condition of a rule could not decide
	KindView      = "VIEW"      // a value that is not of the store view, market or language that is sent
	KindJQ        = "JQ"        // the jq program failed, or ran into its limits
)

// Finding says what is wrong with one value of one record.
type Finding struct {
	Kind     string   `json:"kind"`
	Severity Severity `json:"severity"`
	Field    string   `json:"field"`           // the destination's attribute, or item_id, filter, jq
	Value    string   `json:"value,omitempty"` // what was found: at most 80 columns, printable
	Rule     string   `json:"rule"`            // what is expected, and what to do
	// More counts further values of the item with the same kind and field.
	More int `json:"more,omitempty"`
}

// valueWidth bounds a value in a finding, in columns of a terminal.
const valueWidth = 80

// shownBytes is what of a value is looked at: a column takes few bytes.
const shownBytes = valueWidth * 16

func show(value any) string {
	switch value := value.(type) {
	case string:
		return legible.Clip(head(value), valueWidth)
	case int:
		return strconv.Itoa(value)
	default:
		return legible.Clip(head(string(appendHead(nil, value, 0))), valueWidth)
	}
}

func head(text string) string {
	if len(text) <= shownBytes {
		return text
	}
	return strings.ToValidUTF8(text[:shownBytes], "")
}

// appendHead writes the beginning of a value as JSON.
func appendHead(to []byte, value any, depth int) []byte {
	if len(to) > shownBytes || depth > 8 {
		return append(to, "…"...)
	}
	switch value := value.(type) {
	case string:
		return appendText(to, head(value))
	case []any:
		to = append(to, '[')
		for i, element := range value {
			if i > 0 {
				to = append(to, ',')
			}
			if to = appendHead(to, element, depth+1); len(to) > shownBytes {
				break
			}
		}
		return append(to, ']')
	case map[string]any:
		to = append(to, '{')
		for i, name := range slices.Sorted(maps.Keys(value)) {
			if i > 0 {
				to = append(to, ',')
			}
			to = append(appendText(to, head(name)), ':')
			if to = appendHead(to, value[name], depth+1); len(to) > shownBytes {
				break
			}
		}
		return append(to, '}')
	default:
		return appendJSON(to, value)
	}
}
