package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Table describes one catalog type of one platform. Compile makes it usable.
type Table struct {
	// Platform is its name as people write it.
	Platform string
	Type     catalog.Type
	// CreatedBy are the operations that must carry every required field.
	CreatedBy []catalog.Operation
	// Keys names the parts of the item's key in the order of item_id. An id of one
	// part is taken as it is, one of several is joined (catalog.JoinItemID).
	Keys []string
	// TrimmedKeys says that the platform ingests nothing of a request with an id that
	// has white space around it or a control character in it.
	TrimmedKeys bool
	// Nulls says what null means in each operation; an operation that is not in it
	// may say null of anything.
	Nulls map[catalog.Operation]NullRule
	// NotUpdatable is what to do about an attribute that UPDATE cannot carry.
	NotUpdatable string
	Fields       []Field

	top       *object
	createdBy operationSet
	nulls     [maxOperations]*NullRule
}

// NullRule says which fields may be null in an operation, and what it is called
// when another one is.
type NullRule struct {
	Allows func(*Field) bool
	Reason catalog.Reason
	// Text says what is wrong and what to do, beginning with a space.
	Text string
}

const maxOperations = int(catalog.DeleteDiscontinued) + 1

type operationSet uint16

func setOf(operations []catalog.Operation) (set operationSet) {
	for _, op := range operations {
		set |= 1 << op
	}
	return set
}

func (s operationSet) has(op catalog.Operation) bool { return s&(1<<op) != 0 }

// unknown stands for every attribute without a row.
var unknown = &Field{Traits: Nullable}

// Compile builds the look-ups and returns the table. A table is part of the
// program: Compile panics where one contradicts itself.
func (t *Table) Compile() *Table {
	t.createdBy = setOf(t.CreatedBy)
	for op, rule := range t.Nulls {
		t.nulls[op] = &rule
	}
	t.top = newObject(t.Fields, "")
	if len(t.Keys) > maxKeyParts {
		panic(fmt.Sprintf("rules: the key of %s has more than %d parts", t.Type, maxKeyParts))
	}
	for i, key := range t.Keys {
		if rule := t.top.find(key); rule != nil && rule.Key != i+1 {
			panic(fmt.Sprintf("rules: %s is key part %d of %s and its row says %d", key, i+1, t.Type, rule.Key))
		}
	}
	return t
}

// WithoutNulls is a compiled table without its rules about null.
func (t *Table) WithoutNulls() *Table {
	other := *t
	other.Nulls, other.nulls = nil, [maxOperations]*NullRule{}
	return &other
}

// Clears reports whether null takes the attribute away in an operation.
func (t *Table) Clears(op catalog.Operation, attribute string) bool {
	field := t.Field(attribute)
	if field == nil {
		field = unknown
	}
	return t.nulls[op] == nil || t.nulls[op].Allows(field)
}

// Field finds the row of an attribute, also of a family's; nil when there is none.
func (t *Table) Field(attribute string) *Field {
	if rule := t.top.find(attribute); rule != nil {
		return rule.Field
	}
	return nil
}

// Has reports whether the attribute has a row with all these traits.
func (t *Table) Has(attribute string, traits Trait) bool {
	rule := t.top.find(attribute)
	return rule != nil && rule.Has(traits)
}

// RepeatsKey reports whether the attribute says a part of the item's key.
func (t *Table) RepeatsKey(attribute string) bool {
	rule := t.top.find(attribute)
	return rule != nil && rule.Key > 0
}

// Cleared is the raw JSON that clears the attribute; "" when nothing does.
func (t *Table) Cleared(attribute string) string {
	if rule := t.top.find(attribute); rule != nil {
		return rule.Cleared
	}
	return ""
}

// Names lists every attribute, families expanded, in the order of the rows.
func (t *Table) Names() []string {
	names := make([]string, 0, len(t.Fields))
	for i := range t.Fields {
		names = append(names, expand(t.Fields[i].Name)...)
	}
	return names
}

// object is the look-up of one level of nesting.
type object struct {
	byName map[string]*rule
	// tracked are the rules whose presence matters, by their bit.
	tracked  []*rule
	required uint64
	together uint64
	requires []*rule
	lessThan []*rule
	asMany   []*rule
	// overriding are the rules that make the platform ignore others.
	overriding []*rule
	kept       int
}

// rule is a row ready for use.
type rule struct {
	*Field

	bit         uint64 // in what was seen; 0 when presence does not matter
	alternative uint64
	requires    uint64
	slot        int   // of the value that is kept for a comparison, counted from 1
	lessThan    *rule // the price that this one must be lower than
	asMany      *rule // the list that has as many entries
	// overridden are the bits of the fields that this one makes the platform ignore.
	overridden uint64
	members    *object
	element    *rule
}

func (o *object) find(name string) *rule { return o.byName[name] }

func newObject(fields []Field, source string) *object {
	o := &object{byName: make(map[string]*rule, 2*len(fields))}
	for i := range fields {
		compiled := newRule(&fields[i], source)
		for _, name := range expand(fields[i].Name) {
			if o.byName[name] != nil {
				panic(fmt.Sprintf("rules: two rows for %q", name))
			}
			o.byName[name] = compiled
		}
	}
	for i := range fields {
		o.track(o.byName[expand(fields[i].Name)[0]])
	}
	return o
}

// track gives a bit to what is required, to what must come together, and to the
// fields that these speak of.
func (o *object) track(r *rule) {
	if r.Required && r.Key == 0 {
		o.required |= o.bitOf(r)
	}
	if r.Has(RequiredTogether) {
		o.together |= o.bitOf(r)
	}
	if r.AlternativeTo != "" {
		r.alternative = o.bitOf(o.mustFind(r.AlternativeTo))
	}
	if r.Requires != "" {
		o.bitOf(r)
		r.requires = o.bitOf(o.mustFind(r.Requires))
		o.requires = append(o.requires, r)
	}
	if r.LessThan != "" {
		r.lessThan = o.mustFind(r.LessThan)
		o.keep(r)
		o.keep(r.lessThan)
		o.lessThan = append(o.lessThan, r)
	}
	if r.AsMany != "" {
		r.asMany = o.mustFind(r.AsMany)
		o.keep(r)
		o.keep(r.asMany)
		o.asMany = append(o.asMany, r)
	}
	for _, name := range r.Overrides {
		o.bitOf(r)
		r.overridden |= o.bitOf(o.mustFind(name))
	}
	if len(r.Overrides) > 0 {
		o.overriding = append(o.overriding, r)
	}
}

// keep gives a slot to a rule whose value is compared with another's.
func (o *object) keep(r *rule) {
	if r.slot == 0 {
		if o.kept++; o.kept > maxKept {
			panic("rules: too many values to compare")
		}
		r.slot = o.kept
	}
}

func (o *object) mustFind(name string) *rule {
	found := o.find(name)
	if found == nil {
		panic(fmt.Sprintf("rules: a row speaks of %q, which has none", name))
	}
	return found
}

func (o *object) bitOf(r *rule) uint64 {
	if r.bit == 0 {
		const bits = 64
		if len(o.tracked) == bits {
			panic("rules: more than 64 fields of one object are required")
		}
		r.bit = 1 << len(o.tracked)
		o.tracked = append(o.tracked, r)
	}
	return r.bit
}

func newRule(field *Field, source string) *rule {
	if field.Source == "" {
		field.Source = source
	}
	compiled := &rule{Field: field}
	if field.Members != nil {
		for i := range field.Members {
			field.Members[i].Traits |= field.Traits & Enforced
		}
		compiled.members = newObject(field.Members, field.Source)
	}
	if field.Element != nil {
		field.Element.Traits |= field.Traits & Enforced
		compiled.element = newRule(field.Element, field.Source)
	}
	return compiled
}

// expand lists the names of a family: "label_{0..4}" is label_0 to label_4.
func expand(name string) []string {
	before, rest, family := strings.Cut(name, "{")
	if !family {
		return []string{name}
	}
	bounds, after, _ := strings.Cut(rest, "}")
	from, to, _ := strings.Cut(bounds, "..")
	first, err1 := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	if err1 != nil || err2 != nil || last < first {
		panic(fmt.Sprintf("rules: %q is not a family such as label_{0..4}", name))
	}
	names := make([]string, 0, last-first+1)
	for i := first; i <= last; i++ {
		names = append(names, before+strconv.Itoa(i)+after)
	}
	return slices.Clip(names)
}
