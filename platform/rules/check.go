package rules

import (
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/platform"
)

// Check holds a mutation to the table: its key and every attribute. Which operations
// a type takes depends on the request too, so the platform looks at that itself. With
// RulesOff only the hard rules are looked at. It does not keep m, and allocates
// nothing for a clean item whose texts have no escapes.
func (t *Table) Check(m *catalog.Mutation, level platform.RuleLevel) Findings {
	c := check{table: t, operation: m.Operation, values: level != platform.RulesOff}
	c.run(m)
	return c.findings
}

// CheckLocalized is Check for a record that localizes an existing item: only some
// fields may be localized, and none is required. forCountry says that it is for a
// country alone, whose records may carry prices.
func (t *Table) CheckLocalized(m *catalog.Mutation, level platform.RuleLevel, forCountry bool) Findings {
	c := check{
		table: t, operation: m.Operation, values: level != platform.RulesOff,
		localized: true, forCountry: forCountry,
	}
	c.run(m)
	return c.findings
}

// maxKeyParts and maxDepth are more than any table needs.
const (
	maxKeyParts = 4
	maxDepth    = 8
	maxKept     = 4
)

// check is one run over one mutation.
type check struct {
	table      *Table
	operation  catalog.Operation
	values     bool // look at values too
	localized  bool
	forCountry bool

	keys   [maxKeyParts]string
	keysOK bool
	inKey  bool // what is checked is a part of item_id
	kept   [maxKept + 1]rawjson.Value
	place  [maxDepth]step
	depth  int

	// unknown are the names of attributes without a row, as a text that shows so many
	// of all.
	unknown                 []byte
	unknowns, unknownsShown int
	carried                 int // attributes that are sent, without the key's

	findings Findings
}

// step is one step of the way to a nested value: a name, or a place in a list.
type step struct {
	name  string
	index int // of a list when the name is ""
}

func (c *check) run(m *catalog.Mutation) {
	t := c.table
	c.splitKey(m.ItemID)
	if c.keysOK {
		c.checkKeyTexts()
	}
	if c.values && c.keysOK {
		c.checkKeyValues()
	}
	if len(m.Attributes) > 0 || t.createdBy.has(c.operation) {
		c.attributes(rawjson.View(m.Attributes))
	}
}

// splitKey finds the parts of the item's key without allocating in the usual
// case, where no part has anything escaped.
func (c *check) splitKey(itemID string) {
	names := c.table.Keys
	if len(names) == 1 {
		c.keys[0], c.keysOK = itemID, true
		return
	}
	rest := itemID
	for i := range names {
		part, after, more := strings.Cut(rest, "/")
		c.keys[i], rest = part, after
		if part == "" || more != (i < len(names)-1) || strings.Contains(part, "%") {
			c.splitEscapedKey(itemID)
			return
		}
	}
	c.keysOK = true
}

func (c *check) splitEscapedKey(itemID string) {
	parts, wrong := catalog.SplitItemID(itemID, c.table.Keys)
	if wrong != nil {
		c.findings.Add(*wrong)
		return
	}
	copy(c.keys[:], parts)
	c.keysOK = true
}

// checkKeyValues holds the parts of the key to the rows of their fields.
func (c *check) checkKeyValues() {
	c.inKey = true
	for i, name := range c.table.Keys {
		if rule := c.table.top.find(name); rule != nil {
			c.enter(step{name: name})
			c.checkText(rule, rawjson.Text(c.keys[i]))
			c.leave()
		}
	}
	c.inKey = false
}

// attributes walks over the top-level members.
func (c *check) attributes(object string) {
	nulls := c.table.nulls[c.operation]
	carries := c.operation == catalog.Create || c.operation == catalog.Upsert || c.operation == catalog.Update
	var seen, given uint64
	members := rawjson.Scan(object)
	for {
		name, v, ok := members.Member()
		if !ok {
			break
		}
		attribute := name.Text()
		rule := c.table.top.find(attribute)
		c.enter(step{name: attribute})
		switch {
		case rule != nil && rule.Key > 0:
			c.checkKey(rule, v)
		case carries:
			c.carried++
			if c.checkAttribute(rule, v, nulls) {
				seen |= rule.bit
				if !empty(v) {
					given |= rule.bit
				}
			}
		default: // a DELETE sends no attributes
		}
		c.leave()
	}
	c.reportUnknown()
	if c.values && !c.localized && c.table.createdBy.has(c.operation) {
		c.missing(c.table.top, seen)
		if c.carried == 0 && c.table.top.required == 0 {
			c.findings.AddDoubt(catalog.Problem{
				Reason: catalog.MissingField, Field: "attributes", Text: "the item has no attributes: it will have nothing to show",
			})
		}
	}
	c.across(given)
}

// checkKey holds a repeated part of the key to the one in item_id. Only a string
// can agree: 7 and "7" may be two items.
func (c *check) checkKey(rule *rule, v rawjson.Value) {
	if !c.keysOK || v.Kind == rawjson.String && v.Text() == c.keys[rule.Key-1] {
		return
	}
	where := "item_id of the message"
	if len(c.table.Keys) > 1 {
		where += " (" + strings.Join(c.table.Keys, "/") + ")"
	}
	c.hard(catalog.KeyMismatch, " must be the same string as in "+where+", or be left out")
}

// checkAttribute checks one attribute that is to be sent, and reports whether it
// has a row and a value.
func (c *check) checkAttribute(rule *rule, v rawjson.Value, nulls *NullRule) (present bool) {
	field := unknown
	if rule != nil {
		field = rule.Field
	}
	if c.operation == catalog.Update && field.Has(Fixed) {
		c.hard(catalog.NotUpdatable, c.table.NotUpdatable)
	}
	if v.Kind == rawjson.Null && nulls != nil && !nulls.Allows(field) {
		if c.operation != catalog.Update || !field.Has(Fixed) { // one reason is enough
			c.hard(nulls.Reason, nulls.Text)
		}
		return false
	}
	if !c.values && !field.Has(Enforced) {
		return false
	}
	if rule == nil {
		c.unknownAttribute(c.place[0].name)
		return false
	}
	if c.localized {
		c.checkLocalizable(rule)
	}
	if v.Kind == rawjson.Null {
		return false
	}
	if rule.slot > 0 {
		c.kept[rule.slot] = v
	}
	c.checkValue(rule, v)
	return true
}

func (c *check) checkLocalizable(rule *rule) {
	switch {
	case !rule.Has(Localizable):
		c.wrong(rule, catalog.InvalidValue, "cannot be localized", rawjson.Value{})
	case rule.Has(CountryOnly) && !c.forCountry:
		c.wrong(rule, catalog.InvalidValue, "can be localized for a COUNTRY only", rawjson.Value{})
	}
}

// missing reports the required fields that were not seen.
func (c *check) missing(o *object, seen uint64) {
	if o.required&^seen == 0 && len(o.requires) == 0 {
		return
	}
	for _, rule := range o.tracked {
		if o.required&rule.bit == 0 || seen&(rule.bit|rule.alternative) != 0 {
			continue
		}
		what := "is required"
		if rule.AlternativeTo != "" {
			what += " unless there is " + rule.AlternativeTo
		}
		c.enter(step{name: rule.Name})
		c.wrong(rule, catalog.MissingField, what, rawjson.Value{})
		c.leave()
	}
	for _, rule := range o.requires {
		if seen&rule.bit != 0 && seen&rule.requires == 0 {
			c.enter(step{name: rule.Name})
			c.wrong(rule, catalog.MissingField, "means nothing without "+rule.Requires, rawjson.Value{})
			c.leave()
		}
	}
}
