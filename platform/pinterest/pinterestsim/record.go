package pinterestsim

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// recordReader reads the records of one body.
type recordReader struct {
	face      pinterestFace
	form      bodyForm
	known     *pinterestType
	itemType  catalog.Type
	feedOwned bool
}

// readAll reads the items into the batch. wrong says why all are refused.
func (r *recordReader) readAll(b *sandbox.Batch, items gjson.Result) (wrong string) {
	b.Changes = make([]sandbox.Change, 0, maxPinterestItems)
	seen := make(map[string]struct{}, maxPinterestItems)
	items.ForEach(func(_, item gjson.Result) bool {
		if len(b.Changes) == maxPinterestItems && !r.form.unbounded {
			wrong = "items has more than 1000 entries"
			return false
		}
		var one sandbox.Change
		if one, wrong = r.read(item); wrong != "" {
			wrong = fmt.Sprintf("items/%d: %s", len(b.Changes), wrong)
			return false
		}
		if _, one.Twice = seen[one.ID]; !one.Twice {
			seen[one.ID] = struct{}{}
		}
		b.Changes = append(b.Changes, one)
		return true
	})
	if wrong == "" && len(b.Changes) == 0 && !r.form.unbounded {
		wrong = "items is empty"
	}
	return wrong
}

// read reads one record.
func (r *recordReader) read(item gjson.Result) (one sandbox.Change, wrong string) {
	var attributes, mask, updated gjson.Result
	one.Operation = r.form.operation
	parts := make([]string, len(r.known.keys))
	item.ForEach(func(name, value gjson.Result) bool {
		switch {
		case slices.Contains(r.known.keys, name.Str):
			parts[slices.Index(r.known.keys, name.Str)] = value.Str
		case name.Str == "operation" && r.form.operation == 0:
			one.Operation, _ = catalog.ParseOperation(value.Str)
		case name.Str == "attributes":
			attributes = value
		case name.Str == "update_mask":
			mask = value
		case name.Str == lastUpdated && r.form.operation == 0:
			updated = value
		case r.form.operation != 0:
			wrong = fmt.Sprintf("additional property %.40q", name.Str)
		}
		return wrong == ""
	})
	switch {
	case wrong != "":
		return one, wrong
	case slices.Contains(parts, ""):
		return one, strings.Join(r.known.keys, " or ") + " is missing or no string"
	case !slices.Contains(r.form.operations, one.Operation):
		return one, "operation is not one of CREATE, UPDATE, UPSERT, DELETE"
	case one.Operation.NeedsAttributes() && !attributes.IsObject():
		return one, "attributes is missing or no object"
	case !one.Operation.NeedsAttributes() && r.form.operation != 0 && (attributes.Exists() || mask.Exists()):
		return one, "additional property \"attributes\""
	case updated.Exists() && kindsOf(updated)&jsonInteger == 0:
		return one, lastUpdated + " is not of type integer"
	}
	if one.ID = parts[0]; len(parts) > 1 {
		one.ID = catalog.JoinItemID(parts...)
	}
	one.Content = r.face.Hash.Of(item.Raw)
	if one.Operation.NeedsAttributes() {
		one.Attributes = attributes.Raw
	}
	if one.Mask, wrong = r.readMask(one.Operation, mask); wrong != "" {
		return one, wrong
	}
	if r.feedOwned && isForFeeds(one) {
		one.Errors = []sandbox.Issue{{Code: codeFeedOwned, Message: feedText}}
	}
	if !r.face.Options.SkipValidation {
		wrong = r.check(&one, attributes, mask.IsArray())
	}
	return one, wrong
}

const lastUpdated = "last_updated_time"

func (r *recordReader) readMask(operation catalog.Operation, mask gjson.Result) (names []string, wrong string) {
	if !mask.Exists() || mask.Type == gjson.Null {
		return nil, ""
	}
	if r.itemType != "RETAIL" || operation != catalog.Update || !mask.IsArray() {
		return nil, "update_mask does not belong here"
	}
	mask.ForEach(func(_, name gjson.Result) bool {
		if !r.known.attributes[name.Str].maskable {
			wrong = fmt.Sprintf("update_mask: %.40q is not in the enumeration", name.Str)
		}
		names = append(names, name.Str)
		return wrong == ""
	})
	return names, wrong
}

// check holds the attributes to the schema (wrong refuses the batch) and to what
// is only prose (an error of the item).
func (r *recordReader) check(one *sandbox.Change, attributes gjson.Result, masked bool) (wrong string) {
	var outside string
	attributes.ForEach(func(name, value gjson.Result) bool {
		known, ok := r.known.attributes[name.Str]
		if ok {
			wrong = known.check(name.Str, value, one.Operation)
		}
		if ok && wrong == "" && value.Type == gjson.String && known.prose != nil && !known.prose(value.Str) {
			one.Errors = append(one.Errors, sandbox.Issue{
				Attribute: strings.Clone(name.Str), Code: codeInvalid, Message: "The " + name.Str + " is not valid.",
			})
		}
		if masked && outside == "" && !slices.Contains(one.Mask, name.Str) {
			outside = name.Str
		}
		return wrong == ""
	})
	if wrong == "" && outside != "" {
		// Not documented: the strict reading finds a client that relies on it.
		wrong = outside + " has a value but is not in update_mask"
	}
	return wrong
}

// check holds one value to the schema.
func (s attributeSchema) check(name string, value gjson.Result, operation catalog.Operation) (wrong string) {
	switch {
	case operation == catalog.Update && s.fixed:
		return name + " cannot be updated"
	case value.Type == gjson.Null && s.nullable && operation == catalog.Update:
		return name + ": a null without a mask has no defined effect"
	default:
		return s.shape(name, value)
	}
}

// shape holds a value to the schema, with all that is in it: Pinterest holds the whole
// request to its schema, on every level.
func (s attributeSchema) shape(path string, value gjson.Result) (wrong string) {
	switch {
	case value.Type == gjson.Null && !s.nullable:
		return path + " cannot be null"
	case value.Type == gjson.Null:
		return ""
	case kindsOf(value)&s.kinds == 0:
		return fmt.Sprintf("('%.40s' of %s is not of type '%s')", value.Raw, path, s.kinds)
	case s.maxLength > 0 && len(value.Str) > s.maxLength && utf8.RuneCountInString(value.Str) > s.maxLength:
		return path + " is too long"
	case value.IsArray():
		return s.elements(path, value)
	case value.IsObject():
		value.ForEach(func(name, member gjson.Result) bool {
			if known, ok := s.members[name.Str]; ok {
				wrong = known.shape(path+"/"+name.Str, member)
			}
			return wrong == ""
		})
	}
	return wrong
}

func (s attributeSchema) elements(path string, list gjson.Result) (wrong string) {
	count := 0
	list.ForEach(func(_, element gjson.Result) bool {
		if s.element != nil {
			wrong = s.element.shape(fmt.Sprintf("%s/%d", path, count), element)
		}
		count++
		return wrong == ""
	})
	switch {
	case wrong != "":
		return wrong
	case count < s.minItems:
		return fmt.Sprintf("%s has fewer than %d entries", path, s.minItems)
	case s.maxItems > 0 && count > s.maxItems:
		return fmt.Sprintf("%s has more than %d entries", path, s.maxItems)
	default:
		return ""
	}
}
