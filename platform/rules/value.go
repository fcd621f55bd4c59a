package rules

import (
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

// checkValue holds a value to its row.
func (c *check) checkValue(rule *rule, v rawjson.Value) {
	if !fits(rule.Types, v) {
		enforced := Enforced
		if rule.Types&Integer != 0 && v.Kind == rawjson.Number && v.Whole() {
			enforced = never // 4.0 is an integer to newer drafts of JSON Schema
		}
		c.wrongOr(enforced, rule, catalog.WrongType, "must be "+rule.Types.String(), v)
		return
	}
	switch v.Kind {
	case rawjson.String:
		c.checkText(rule, v)
	case rawjson.Number:
		c.checkFormat(rule, v, v.Raw)
	case rawjson.Array:
		c.checkList(rule, v)
	case rawjson.Object:
		if rule.members != nil {
			c.checkMembers(rule.members, v)
		}
	case rawjson.Null, rawjson.Boolean, rawjson.Broken:
	}
}

// checkText holds a string to its row. Characters are counted only where there
// are more bytes than characters allowed.
func (c *check) checkText(rule *rule, v rawjson.Value) {
	if limit := rule.MaxLength; limit > 0 && v.Size() > limit {
		if count := v.Characters(); count > limit {
			c.wrongOr(EnforcedLength, rule, catalog.InvalidValue,
				"has "+strconv.Itoa(count)+" characters, more than "+strconv.Itoa(limit), v)
		}
	}
	if rule.Required && rule.Key == 0 && rule.AlternativeTo == "" && c.depth == 1 && blank(v) {
		c.wrong(rule, catalog.InvalidValue, "is required and must not be blank", v)
		return
	}
	if len(rule.Values) == 0 && rule.Format.check == nil || v.Size() == 0 && rule.Cleared == EmptyString {
		return // no rule, or cleared
	}
	plain := v.Text()
	switch {
	case len(rule.Values) == 0 || allowed(rule.Values, plain):
	case allowed(rule.Contested, plain):
		c.doubtful(rule, "has a value that only some sources have; all have "+strings.Join(rule.Values, ", "), v)
	default:
		c.wrong(rule, catalog.InvalidValue, "must be one of "+strings.Join(rule.Values, ", "), v)
	}
	c.checkFormat(rule, v, plain)
}

// checkFormat holds the text of a string or number to the format of its row.
func (c *check) checkFormat(rule *rule, v rawjson.Value, plain string) {
	if rule.Format.check == nil {
		return
	}
	if why := rule.Format.check(plain); why != "" {
		c.wrong(rule, catalog.InvalidValue, "must be "+rule.Format.Name+", but "+why, v)
	} else if rule.Format.doubt != nil {
		if why := rule.Format.doubt(plain); why != "" {
			c.doubtful(rule, "should be "+rule.Format.Name+", but "+why, v)
		}
	}
}

// empty reports whether the value is "" or []: what clears a field.
func empty(v rawjson.Value) bool {
	return v.Kind == rawjson.String && v.Size() == 0 || v.Kind == rawjson.Array && v.Len() == 0
}

// blank reports whether a text has nothing but white space.
func blank(v rawjson.Value) bool { return strings.TrimSpace(v.Text()) == "" }

func allowed(values []string, plain string) bool {
	for _, one := range values {
		if len(one) == len(plain) && strings.EqualFold(one, plain) {
			return true
		}
	}
	return false
}

func (c *check) checkList(rule *rule, v rawjson.Value) {
	count := 0
	elements := rawjson.Scan(v.Raw)
	for {
		element, ok := elements.Element()
		if !ok {
			break
		}
		if rule.element != nil && c.depth < maxDepth {
			c.enter(step{index: count})
			c.checkValue(rule.element, element)
			c.leave()
		}
		count++
	}
	if count < rule.MinItems && (count > 0 || rule.Cleared != EmptyList) {
		c.wrongOr(EnforcedCount, rule, catalog.InvalidValue, "has "+entries(count)+", fewer than "+strconv.Itoa(rule.MinItems), rawjson.Value{})
	}
	if rule.MaxItems > 0 && count > rule.MaxItems {
		c.wrongOr(EnforcedCount, rule, catalog.InvalidValue, "has "+entries(count)+", more than "+strconv.Itoa(rule.MaxItems), rawjson.Value{})
	}
}

// checkMembers walks over a nested object. Members without a row are ignored:
// what a platform does with them is its own affair.
func (c *check) checkMembers(o *object, v rawjson.Value) {
	var seen uint64
	count := 0
	members := rawjson.Scan(v.Raw)
	for {
		name, member, ok := members.Member()
		if !ok {
			break
		}
		count++
		known := name.Text()
		rule := o.find(known)
		if rule == nil || c.depth >= maxDepth {
			continue
		}
		if member.Kind == rawjson.Null && rule.Has(Nullable) {
			seen |= rule.bit
			continue
		}
		c.enter(step{name: known})
		c.checkValue(rule, member)
		c.leave()
		if member.Kind != rawjson.Null {
			seen |= rule.bit
		}
	}
	c.missing(o, seen)
	if c.localized && count > 0 {
		c.missingTogether(o, seen)
	}
}

// missingTogether reports the members that a localized object must have because
// it has others.
func (c *check) missingTogether(o *object, seen uint64) {
	if o.together&^seen == 0 {
		return
	}
	for _, rule := range o.tracked {
		if o.together&rule.bit != 0 && seen&rule.bit == 0 {
			c.enter(step{name: rule.Name})
			c.wrong(rule, catalog.MissingField, "is required where any other part is localized", rawjson.Value{})
			c.leave()
		}
	}
}

// fits reports whether a value has one of the JSON types. A row without types
// takes any.
func fits(types Type, v rawjson.Value) bool {
	if types == 0 {
		return true
	}
	switch v.Kind {
	case rawjson.String:
		return types&String != 0
	case rawjson.Number:
		return types&Number != 0 || types&Integer != 0 && v.Integral()
	case rawjson.Boolean:
		return types&Boolean != 0
	case rawjson.Array:
		return types&List != 0
	case rawjson.Object:
		return types&Object != 0
	case rawjson.Null, rawjson.Broken:
	}
	return false
}

// String names the types for people: "a string or an integer".
func (t Type) String() string {
	names := [...]string{"a string", "a number", "an integer", "a boolean", "an object", "a list"}
	var parts []string
	for i, name := range names {
		if t&(1<<i) != 0 {
			parts = append(parts, name)
		}
	}
	return strings.Join(parts, " or ")
}
