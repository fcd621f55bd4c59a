package rules

import (
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

func (c *check) enter(s step) {
	if c.depth < maxDepth {
		c.place[c.depth] = s
	}
	c.depth++
}

func (c *check) leave() { c.depth-- }

// subject names what a finding is about: the field of the message, and the
// beginning of a sentence.
func (c *check) subject() (field, sentence string) {
	path := c.path()
	if c.inKey {
		return "item_id", "item_id as " + path
	}
	return "attributes." + path, "the attribute " + path
}

// path is where the value in question stands: attributes.image[2].url.
func (c *check) path() string {
	var path strings.Builder
	for _, s := range c.place[:min(c.depth, maxDepth)] {
		switch {
		case s.name == "":
			path.WriteString("[" + strconv.Itoa(s.index) + "]")
		case path.Len() > 0:
			path.WriteString("." + legible.Cut(s.name, maxName))
		default:
			path.WriteString(legible.Cut(s.name, maxName))
		}
	}
	return path.String()
}

// hard adds a rule that holds on every level. The text begins with a space.
func (c *check) hard(reason catalog.Reason, text string) {
	field, sentence := c.subject()
	c.findings.Add(catalog.Problem{Reason: reason, Field: field, Text: sentence + text})
}

// unknownAttribute notes the name of an attribute without a row. All of an item go
// into one warning: a producer with ten of its own has them in every message.
func (c *check) unknownAttribute(name string) {
	if c.unknowns++; len(c.unknown) >= maxUnknown {
		return
	}
	if c.unknown == nil {
		c.unknown = make([]byte, 0, maxUnknown/2)
	} else {
		c.unknown = append(c.unknown, ", "...)
	}
	c.unknown = append(c.unknown, legible.Cut(name, maxName)...)
	c.unknownsShown++
}

func (c *check) reportUnknown() {
	if c.unknowns == 0 {
		return
	}
	names := string(c.unknown)
	warning := catalog.Problem{Reason: catalog.UnknownAttribute, Field: "attributes"}
	what, end := "the attributes ", " are not documented for "+c.table.Platform+"'s "+string(c.table.Type)+" items; they are sent as they are"
	if c.unknowns == 1 {
		warning.Field = "attributes." + names
		what, end = "the attribute ", " is not documented for "+c.table.Platform+"'s "+string(c.table.Type)+" items; it is sent unchanged"
	}
	if more := c.unknowns - c.unknownsShown; more > 0 {
		names += " and " + strconv.Itoa(more) + " more"
	}
	warning.Text = what + names + end
	c.findings.unknown = []catalog.Problem{warning}
}

// wrong adds a rule about a value: which, what is wrong, the value, the source.
func (c *check) wrong(rule *rule, reason catalog.Reason, what string, v rawjson.Value) {
	if c.values && len(c.findings.values) < maxFindings {
		c.findings.AddValue(c.problem(rule, reason, what, v))
	}
}

// wrongOr adds a rule about a value; where the platform enforces it, on every level.
func (c *check) wrongOr(enforced Trait, rule *rule, reason catalog.Reason, what string, v rawjson.Value) {
	switch {
	case !rule.Has(enforced):
		c.wrong(rule, reason, what, v)
	case len(c.findings.hard) < maxFindings:
		c.findings.Add(c.problem(rule, reason, what+", else "+c.table.Platform+" refuses the whole request", v))
	}
}

// doubtful adds a warning about a value.
func (c *check) doubtful(rule *rule, what string, v rawjson.Value) {
	if c.values && len(c.findings.doubts) < maxFindings {
		c.findings.AddDoubt(c.problem(rule, catalog.InvalidValue, what, v))
	}
}

func (c *check) problem(rule *rule, reason catalog.Reason, what string, v rawjson.Value) catalog.Problem {
	field, sentence := c.subject()
	parts := []string{sentence, " ", what}
	if v.Kind != rawjson.Broken {
		parts = append(parts, ": ", truncated(v))
	}
	if rule.Source != "" {
		parts = append(parts, " (source: ", rule.Source, ")")
	}
	return catalog.Problem{Reason: reason, Field: field, Text: strings.Join(parts, "")}
}

// truncated is a value cut short, for people.
func truncated(v rawjson.Value) string {
	if v.Kind == rawjson.String {
		return strconv.Quote(legible.Cut(v.Text(), maxShown))
	}
	return legible.Cut(v.Raw, maxShown)
}
