package catalog_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// createMeaning is what a platform does with a CREATE of an item that exists.
// Nobody documents it, so that merging has to be right for all three.
type createMeaning int

const (
	createReplaces createMeaning = iota
	createRefused
	createLaysOver
)

var createMeanings = []createMeaning{createReplaces, createRefused, createLaysOver}

// model is a platform that applies one change at a time. It knows nothing of
// merging.
type model struct {
	rules        catalog.MergeRules
	create       createMeaning
	nullInCreate bool // a null in a CREATE that is overlaid on an item clears
	nested       bool // an UPDATE merges object values member by member

	decoded map[string]map[string]any // attributes seen, as decoding takes most of the time
}

func (m model) String() string {
	return fmt.Sprintf("semantics %v, create %d, null in create %t, nested %t", m.rules.Semantics, m.create, m.nullInCreate, m.nested)
}

func models() []model {
	var all []model
	for _, rules := range []catalog.MergeRules{pinterest, meta} {
		for _, create := range createMeanings {
			for _, nullInCreate := range []bool{false, true} {
				if nullInCreate && create != createLaysOver {
					continue // makes no difference
				}
				for _, nested := range []bool{false, true} {
					all = append(all, model{rules, create, nullInCreate, nested, map[string]map[string]any{}})
				}
			}
		}
	}
	return all
}

// state is the attributes of an item; nil when there is no item.
type state map[string]any

// apply makes the state after the change. refused is what the platform says where
// the change has no effect because it cannot apply.
func (m model) apply(item state, c catalog.Change) (after state, refused bool) {
	attributes, known := m.decoded[string(c.Attributes)]
	if !known {
		attributes = decodeObject(string(c.Attributes))
		m.decoded[string(c.Attributes)] = attributes
	}
	switch c.Operation {
	case catalog.Create:
		return m.applyCreate(item, attributes)
	case catalog.Upsert:
		if item == nil || m.rules.Semantics == replacing {
			return lay(state{}, attributes, true, m.nested), false
		}
		return lay(item, attributes, true, m.nested), false
	case catalog.Update:
		if item == nil {
			return nil, true
		}
		return lay(item, attributes, true, m.nested), false
	case catalog.Delete:
		return nil, false
	case catalog.DeleteDiscontinued:
		if item == nil {
			return nil, false
		}
		return lay(item, map[string]any{"availability": "out of stock"}, true, m.nested), false
	default:
		return item, true
	}
}

func (m model) applyCreate(item state, attributes map[string]any) (after state, refused bool) {
	switch {
	case item == nil || m.create == createReplaces:
		return lay(state{}, attributes, true, m.nested), false
	case m.create == createRefused:
		return item, true
	default:
		return lay(item, attributes, m.nullInCreate, m.nested), false
	}
}

// lay is the item with the attributes overlaid on it.
func lay(item state, attributes map[string]any, nullClears, nested bool) state {
	after := maps.Clone(item)
	for name, value := range attributes {
		if value == nil {
			if nullClears {
				delete(after, name)
			}
			continue
		}
		object, isObject := value.(map[string]any)
		old, wasObject := after[name].(map[string]any)
		if nested && isObject && wasObject {
			joined := maps.Clone(old)
			maps.Copy(joined, object)
			value = joined
		}
		after[name] = value
	}
	return after
}

// record is what a batcher makes of changes: their merged effect and what they are.
type record struct {
	change catalog.Change
	parts  []catalog.Change
}

// fold merges changes the way a batcher does: each one into the last record, or
// behind it.
func fold(rules catalog.MergeRules, changes []catalog.Change) []record {
	var records []record
	for _, c := range changes {
		if len(records) > 0 {
			last := &records[len(records)-1]
			if merged, ok := rules.Merge(last.change, c); ok {
				last.change, last.parts = merged, append(last.parts, c)
				continue
			}
		}
		records = append(records, record{change: c, parts: []catalog.Change{c}})
	}
	return records
}

// send applies records in order. A refused record of several changes is sent
// again as its parts.
func (m model) send(item state, records []record) state {
	for _, r := range records {
		after, refused := m.apply(item, r.change)
		if !refused {
			item = after
			continue
		}
		for _, part := range r.parts {
			item, _ = m.apply(item, part)
		}
	}
	return item
}

func decodeObject(raw string) map[string]any {
	if raw == "" {
		return nil
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(raw), &object); err != nil {
		panic(err)
	}
	return object
}

func encodeObject(object map[string]any) string {
	raw, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func attributeName(i int) string { return "attribute_" + strconv.Itoa(i) }
