package sandbox

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// change is one record as the platform reads it. Its strings share the body's
// memory until it is applied.
type change struct {
	id         string // item id of the contract
	operation  catalog.Operation
	attributes string   // raw JSON object, "" for none
	mask       []string // Pinterest: names whose missing value deletes
	content    uint64   // hash of the record
	errors     []issue  // known when the body is read: it will not be applied
	warnings   []issue
	twice      bool   // an earlier record of the body names the same item
	item       *entry // from when it is expected until it is settled
}

type issue struct {
	attribute string
	code      int
	message   string
}

// tableKey names the items of one catalog type in one catalog.
type tableKey struct {
	catalog  string
	itemType catalog.Type
}

// entry is one item.
type entry struct {
	attributes string // raw JSON object
	exists     bool
	inFlight   int    // accepted changes not applied yet
	content    uint64 // of the newest accepted change
}

// table keeps the items of one catalog type in one catalog.
type table struct {
	rules meaning
	items map[string]*entry
}

// meaning is what a platform's operations do.
type meaning struct {
	upsertReplaces bool // Pinterest: UPSERT is the whole item
	existing       CreateOnExisting
	// required are the attributes without which an item cannot be.
	required []string
	// missing says that an attribute is missing.
	missing func(id, attribute string) issue
	absent  func(id string) issue // UPDATE of no item
	taken   func(id string) issue // CREATE of an existing one, where that is refused
	emptied func(raw string) bool // the value means "no value"
	keys    []string              // attributes that only repeat the key
}

func newTable(rules meaning) *table {
	return &table{rules: rules, items: make(map[string]*entry)}
}

func (t *table) entryOf(id string) *entry {
	found := t.items[id]
	if found == nil {
		found = &entry{}
		t.items[strings.Clone(id)] = found
	}
	return found
}

// expect notes that a change is accepted; overlapping reports that another one
// with other content is still to come, repeated that the one before was the same.
func (t *table) expect(c *change) (overlapping, repeated bool) {
	item := t.entryOf(c.id)
	overlapping = item.inFlight > 0 && item.content != c.content
	repeated = item.content == c.content
	item.inFlight++
	item.content = c.content
	c.item = item
	return overlapping, repeated
}

// settle applies an expected change, or drops it. Its item is in the table as long as
// it is in flight.
func (t *table) settle(c *change, drop bool) []issue {
	wrong := c.errors
	if !drop && len(wrong) == 0 && !c.twice {
		wrong = t.apply(c)
	}
	c.item.inFlight--
	t.forget(c.id, c.item)
	return wrong
}

func (t *table) forget(id string, item *entry) {
	if !item.exists && item.inFlight <= 0 {
		delete(t.items, id)
	}
}

// apply changes the item. The issues say why it did not.
func (t *table) apply(c *change) []issue {
	item := c.item
	if item == nil {
		item = t.entryOf(c.id)
	}
	switch c.operation {
	case catalog.Create:
		return t.create(c, item)
	case catalog.Upsert:
		if !item.exists || t.rules.upsertReplaces {
			return t.replace(c, item)
		}
		return t.layOver(c, item)
	case catalog.Update:
		if !item.exists {
			t.forget(c.id, item)
			return []issue{t.rules.absent(c.id)}
		}
		return t.layOver(c, item)
	case catalog.DeleteDiscontinued:
		return t.discontinue(c, item)
	default:
		item.attributes, item.exists = "", false
		t.forget(c.id, item)
		return nil
	}
}

func (t *table) create(c *change, item *entry) []issue {
	switch {
	case !item.exists || t.rules.existing == Replace:
		return t.replace(c, item)
	case t.rules.existing == Refuse:
		return []issue{t.rules.taken(c.id)}
	default:
		return t.layOver(c, item)
	}
}

// discontinue "only updates availability to Out of Stock" (Pinterest, OpenAPI
// 5.23.0, BatchOperation).
func (t *table) discontinue(c *change, item *entry) []issue {
	if !item.exists {
		t.forget(c.id, item)
		return []issue{t.rules.absent(c.id)}
	}
	item.attributes = overlay(item.attributes, `{"availability":"out of stock"}`, nil)
	return nil
}

func (t *table) replace(c *change, item *entry) []issue {
	if wrong := t.incomplete(c.id, c.attributes); wrong != nil {
		t.forget(c.id, item)
		return wrong
	}
	item.attributes, item.exists = strings.Clone(c.attributes), true
	return nil
}

func (t *table) layOver(c *change, item *entry) []issue {
	next := overlay(item.attributes, c.attributes, c.mask)
	if wrong := t.incomplete(c.id, next); wrong != nil {
		return wrong
	}
	item.attributes = next
	return nil
}

// incomplete says which required attributes an item would lack.
func (t *table) incomplete(id, attributes string) (wrong []issue) {
	if len(t.rules.required) == 0 {
		return nil
	}
	have := make([]string, 0, 16)
	gjson.Parse(attributes).ForEach(func(name, value gjson.Result) bool {
		if value.Type != gjson.Null && !t.rules.emptied(value.Raw) {
			have = append(have, name.Str)
		}
		return true
	})
	for _, name := range t.rules.required {
		if !slices.Contains(have, name) && !slices.Contains(t.rules.keys, name) {
			wrong = append(wrong, t.rules.missing(id, name))
		}
	}
	return wrong
}

// overlay lays newer top-level members over older ones; a name in the mask that
// has no newer value is deleted.
func overlay(older, newer string, mask []string) string {
	if older == newer && len(mask) == 0 {
		return older
	}
	names := append(make([]string, 0, 24), mask...)
	next := append(make([]byte, 0, len(older)+len(newer)), '{')
	gjson.Parse(newer).ForEach(func(name, value gjson.Result) bool {
		names = append(names, name.Str)
		next = appendRaw(next, name.Raw, value.Raw)
		return true
	})
	gjson.Parse(older).ForEach(func(name, value gjson.Result) bool {
		if !slices.Contains(names, name.Str) {
			next = appendRaw(next, name.Raw, value.Raw)
		}
		return true
	})
	return string(append(next, '}'))
}

func appendRaw(dst []byte, name, value string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(append(append(dst, name...), ':'), value...)
}

// canonical is an item's state in a form that can be compared: names sorted, no
// white space, no member that means "no value" or repeats the key.
func (t *table) canonical(attributes string) string {
	decoder := json.NewDecoder(strings.NewReader(attributes))
	decoder.UseNumber()
	members := map[string]any{}
	if err := decoder.Decode(&members); err != nil {
		return attributes // only without validation: shown as it is
	}
	gjson.Parse(attributes).ForEach(func(name, value gjson.Result) bool {
		if value.Type == gjson.Null || t.rules.emptied(value.Raw) || slices.Contains(t.rules.keys, name.Str) {
			delete(members, name.Str)
		}
		return true
	})
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(members); err != nil {
		return attributes
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// hasher makes content hashes of one sandbox.
type hasher struct{ seed maphash.Seed }

func (h hasher) of(record string) uint64 { return maphash.String(h.seed, record) }
