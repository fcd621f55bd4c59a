package rules

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// checkKeyTexts looks for ids that nobody can mean. A blank one is refused on every
// level. White space around an id, or a control character in it, is refused where the
// platform ingests nothing of a request with such an id, and is a rule about a value
// elsewhere: platforms that trim ids answer with another one.
func (c *check) checkKeyTexts() {
	for i, name := range c.table.Keys {
		wrong, blank := wrongID(c.keys[i])
		if wrong == "" {
			continue
		}
		text := "item_id " + wrong
		if len(c.table.Keys) > 1 {
			text = "item_id as " + name + " " + wrong
		}
		switch {
		case blank || c.table.TrimmedKeys:
			c.findings.Add(catalog.Problem{Reason: catalog.BadKey, Field: "item_id", Text: text})
		case c.values:
			c.findings.AddValue(catalog.Problem{Reason: catalog.InvalidValue, Field: "item_id", Text: text})
		}
	}
}

// wrongID says what is wrong with an id, or "".
func wrongID(id string) (wrong string, blank bool) {
	trimmed := strings.TrimFunc(id, invisible)
	switch {
	case trimmed == "":
		return "is blank", true
	case len(trimmed) != len(id):
		return "has white space or invisible characters around it: remove them", false
	case strings.ContainsFunc(id, unicode.IsControl):
		return "has a control character, such as a tab or a line feed: remove it", false
	default:
		return "", false
	}
}

// invisible is white space, a control character, or a mark such as a byte order mark or
// a zero width space.
func invisible(r rune) bool {
	if r < utf8.RuneSelf {
		return r <= ' ' || r == 0x7f
	}
	return unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf)
}
