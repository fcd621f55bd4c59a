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

// Change is one record as the platform reads it. Its strings share the body's
// memory until it is applied.
type Change struct {
	ID         string // item id of the contract
	Operation  catalog.Operation
	Attributes string   // raw JSON object, "" for none
	Mask       []string // names whose missing value deletes
	Content    uint64   // hash of the record
	Errors     []Issue  // known when the body is read: it will not be applied
	Warnings   []Issue
	Twice      bool   // an earlier record of the body names the same item
	item       *entry // from when it is expected until it is settled
}

type Issue struct {
	Attribute string
	Code      int
	Message   string
}

// TableKey names the items of one catalog type in one catalog.
type TableKey struct {
	Catalog  string
	ItemType catalog.Type
}

// entry is one item.
type entry struct {
	Attributes string // raw JSON object
	Exists     bool
	inFlight   int    // accepted changes not applied yet
	content    uint64 // of the newest accepted change
}

// table keeps the items of one catalog type in one catalog.
type table struct {
	rules Meaning
	Items map[string]*entry
}

// Meaning is what a platform's operations do.
type Meaning struct {
	UpsertReplaces bool // UPSERT is the whole item
	Existing       CreateOnExisting
	// Required are the attributes without which an item cannot be.
	Required []string
	// Missing says that an attribute is missing.
	Missing func(id, attribute string) Issue
	Absent  func(id string) Issue // UPDATE of no item
	Taken   func(id string) Issue // CREATE of an existing one, where that is refused
	Emptied func(raw string) bool // the value means "no value"
	Keys    []string              // attributes that only repeat the key
}

func newTable(rules Meaning) *table {
	return &table{rules: rules, Items: make(map[string]*entry)}
}

func (t *table) entryOf(id string) *entry {
	found := t.Items[id]
	if found == nil {
		found = &entry{}
		t.Items[strings.Clone(id)] = found
	}
	return found
}

// expect notes that a change is accepted; overlapping reports that another one
// with other content is still to come, repeated that the one before was the same.
func (t *table) expect(c *Change) (overlapping, repeated bool) {
	item := t.entryOf(c.ID)
	overlapping = item.inFlight > 0 && item.content != c.Content
	repeated = item.content == c.Content
	item.inFlight++
	item.content = c.Content
	c.item = item
	return overlapping, repeated
}

// settle applies an expected change, or drops it. Its item is in the table as long as
// it is in flight.
func (t *table) settle(c *Change, drop bool) []Issue {
	wrong := c.Errors
	if !drop && len(wrong) == 0 && !c.Twice {
		wrong = t.apply(c)
	}
	c.item.inFlight--
	t.Forget(c.ID, c.item)
	return wrong
}

func (t *table) Forget(id string, item *entry) {
	if !item.Exists && item.inFlight <= 0 {
		delete(t.Items, id)
	}
}

// apply changes the item. The issues say why it did not.
func (t *table) apply(c *Change) []Issue {
	item := c.item
	if item == nil {
		item = t.entryOf(c.ID)
	}
	switch c.Operation {
	case catalog.Create:
		return t.create(c, item)
	case catalog.Upsert:
		if !item.Exists || t.rules.UpsertReplaces {
			return t.replace(c, item)
		}
		return t.overlay(c, item)
	case catalog.Update:
		if !item.Exists {
			t.Forget(c.ID, item)
			return []Issue{t.rules.Absent(c.ID)}
		}
		return t.overlay(c, item)
	case catalog.DeleteDiscontinued:
		return t.discontinue(c, item)
	default:
		item.Attributes, item.Exists = "", false
		t.Forget(c.ID, item)
		return nil
	}
}

func (t *table) create(c *Change, item *entry) []Issue {
	switch {
	case !item.Exists || t.rules.Existing == Replace:
		return t.replace(c, item)
	case t.rules.Existing == Refuse:
		return []Issue{t.rules.Taken(c.ID)}
	default:
		return t.overlay(c, item)
	}
}

// discontinue "only updates availability to Out of Stock" (Pinterest, OpenAPI
// 5.23.0, BatchOperation).
func (t *table) discontinue(c *Change, item *entry) []Issue {
	if !item.Exists {
		t.Forget(c.ID, item)
		return []Issue{t.rules.Absent(c.ID)}
	}
	item.Attributes = overlay(item.Attributes, `{"availability":"out of stock"}`, nil)
	return nil
}

func (t *table) replace(c *Change, item *entry) []Issue {
	if wrong := t.incomplete(c.ID, c.Attributes); wrong != nil {
		t.Forget(c.ID, item)
		return wrong
	}
	item.Attributes, item.Exists = strings.Clone(c.Attributes), true
	return nil
}

func (t *table) overlay(c *Change, item *entry) []Issue {
	next := overlay(item.Attributes, c.Attributes, c.Mask)
	if wrong := t.incomplete(c.ID, next); wrong != nil {
		return wrong
	}
	item.Attributes = next
	return nil
}

// incomplete says which required attributes an item would lack.
func (t *table) incomplete(id, attributes string) (wrong []Issue) {
	if len(t.rules.Required) == 0 {
		return nil
	}
	have := make([]string, 0, 16)
	gjson.Parse(attributes).ForEach(func(name, value gjson.Result) bool {
		if value.Type != gjson.Null && !t.rules.Emptied(value.Raw) {
			have = append(have, name.Str)
		}
		return true
	})
	for _, name := range t.rules.Required {
		if !slices.Contains(have, name) && !slices.Contains(t.rules.Keys, name) {
			wrong = append(wrong, t.rules.Missing(id, name))
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
		next = AppendRaw(next, name.Raw, value.Raw)
		return true
	})
	gjson.Parse(older).ForEach(func(name, value gjson.Result) bool {
		if !slices.Contains(names, name.Str) {
			next = AppendRaw(next, name.Raw, value.Raw)
		}
		return true
	})
	return string(append(next, '}'))
}

func AppendRaw(dst []byte, name, value string) []byte {
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
		if value.Type == gjson.Null || t.rules.Emptied(value.Raw) || slices.Contains(t.rules.Keys, name.Str) {
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
type hasher struct{ Seed maphash.Seed }

func (h hasher) Of(record string) uint64 { return maphash.String(h.Seed, record) }
