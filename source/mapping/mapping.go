package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Target is the kind of destination.
type Target struct {
	Platform string       // meta, pinterest
	Type     catalog.Type // such as PRODUCT_ITEM
}

func (t Target) String() string { return t.Platform + "/" + string(t.Type) }

// Spec is what a mapping is compiled from. The fields win over the same keys of Data,
// and those over the preset's; filters are joined: all of them must be true.
type Spec struct {
	// File is the name of the file in errors, and Line the number of lines before Data in it.
	File string
	Line int
	// Preset is a name out of [Presets], or "" where Data names one or none is wanted.
	Preset string
	// Data is the mapping in YAML, as docs/mapping.md describes it; it may be empty.
	Data []byte

	ItemID   string // template of item ids, such as "{handle}-{sku}"
	Group    string // path of the item group
	Currency string // ISO 4217, of prices without one
	Decimal  string // point or comma, of prices that can be read in two ways
	Zone     string // IANA name, of sale dates without one
	Filter   string // CEL over the source record

	// KeyParts is of how many parts an item's id is made, for destinations of which this
	// package knows nothing; 0 means one.
	KeyParts int

	StoreView string // code of the store view of Adobe Commerce that is sent, such as de
	Market    string // name of the market of Shopify whose prices are sent, such as Germany
	Language  string // of the records that are sent, such as de: others do not belong to the destination
	// InheritPrice says that a price which the market leaves blank is the shop's.
	InheritPrice bool
}

// Item is what is sent for a record.
type Item struct {
	// ID is set wherever it can be made, also when the item is skipped or has errors: the
	// item is in the source, so it must not be deleted for an error. It is "" with a finding
	// of kind [KindItemID] where a placeholder has no value or an id is no text.
	ID string
	// Group is shared by the variants of a product, or "".
	Group string
	// Attributes is a JSON object with sorted keys.
	Attributes json.RawMessage
	// Skipped says that a filter, the market or the language leaves the item out.
	Skipped bool
	// Foreign says that the language does: where records of several languages share an id,
	// the record says nothing about the item that another one makes of it here.
	Foreign bool
}

// Mapping is compiled and safe for concurrent use.
type Mapping struct {
	target   Target
	settings settings
	itemID   template
	escape   func(string) string
	group    *path
	filters  []*filter
	jq       *program
	view     view
	rules    []rule // sorted by attribute
	below    []*rule
	lists    []*rule // with most or without
	required []*rule
	revision string
}

// engine is part of each revision: raise it when the same mapping gives other bytes.
const engine = "1"

// storeProduct has prices that are integers, without a currency.
var storeProduct = Target{"meta", "STORE_PRODUCT_ITEM"}

// composite are the types whose item id has several parts, joined by "/".
var composite = []Target{{"meta", "FLIGHT"}, {"meta", "HOTEL_ROOM"}, storeProduct, {"pinterest", "LOCAL_INVENTORY"}}

// Compile checks a mapping and prepares it. The error is [Problems].
func Compile(spec Spec, target Target) (*Mapping, error) {
	compiler := &compiler{file: spec.File, offset: spec.Line, target: target}
	if compiler.file == "" {
		compiler.file = "mapping"
	}
	m := compiler.compile(spec)
	if len(compiler.problems) > 0 {
		return nil, compiler.problems
	}
	digest := sha256.New()
	for _, part := range []string{
		engine, target.String(), compiler.presetName, string(compiler.presetData), string(spec.Data),
		spec.ItemID, spec.Group, spec.Currency, spec.Decimal, spec.Zone, spec.Filter, m.view.revision(),
	} {
		fmt.Fprintf(digest, "%d:%s", len(part), part)
	}
	m.revision = hex.EncodeToString(digest.Sum(nil)[:16])
	return m, nil
}

// Revision is a digest of all that the output depends on besides the record: 32
// hexadecimal digits.
func (m *Mapping) Revision() string { return m.revision }

// Language is that of the records that are mapped, "" for all.
func (m *Mapping) Language() string { return m.view.language }

// Map makes the item of a record. It does not change the record and keeps nothing of it.
// The item must not be sent where a finding has the severity [Error].
func (m *Mapping) Map(record map[string]any) (Item, []Finding) {
	e := &evaluation{settings: m.settings}
	var item Item
	item.Foreign = m.view.foreign(e, record)
	belongs := !item.Foreign
	if belongs {
		record, belongs = m.view.apply(e, record)
	}
	e.root = record
	id, missing := m.itemID.fill(record, m.escape)
	if missing != "" {
		e.report(KindItemID, Error, "item_id", "", "the placeholder {"+missing+"} has no value in this record")
	}
	if m.roundedID(record) {
		e.report(KindItemID, Error, "item_id", id, "a spreadsheet has rounded the id: format its column as text, and export again")
		id = ""
	}
	item.ID = printable(id)
	if item.ID != id || strings.ContainsRune(id, utf8.RuneError) {
		e.report(KindItemID, Error, "item_id", id, "the id has bytes that are not text, so that other items may have the same one: correct it, or set the encoding of the feed")
		item.ID = ""
	}
	if m.group != nil {
		item.Group, _ = scalar(m.group.lookup(record))
		item.Group = printable(item.Group)
	}
	if !belongs {
		item.Skipped = true
		return item, e.findings
	}
	for _, filter := range m.filters {
		passes, err := filter.decide(record)
		if err != nil {
			e.report(KindFilter, Error, "filter", "", "the filter cannot decide: "+err.Error())
			return item, e.findings
		}
		if !passes {
			item.Skipped = true
			return item, e.findings
		}
	}
	space := spaces.Get().(*space)
	attributes := e.members(space.attributes, m.rules, record)
	if m.jq != nil {
		e.overlay(m.jq, &attributes)
	}
	if m.target != storeProduct {
		e.checkPrices(&attributes)
	}
	e.checkSales(m.below, &attributes)
	e.shorten(m.lists, &attributes)
	for _, r := range m.required {
		if attributes.get(r.attribute) == nil && !e.failed(r.attribute) {
			e.report(KindMissing, Error, r.attribute, "", "the destination requires a value")
		}
	}
	item.Attributes = space.finish(attributes)
	return item, e.findings
}

// printable replaces what is no text, and zeros, which Postgres does not take.
func printable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// roundedID reports whether a part of the id is a number that has lost digits. Another item
// may have the same one.
func (m *Mapping) roundedID(record map[string]any) bool {
	for i := range m.itemID.fields {
		if text, _ := scalar(m.itemID.fields[i].lookup(record)); isRounded(text) {
			return true
		}
	}
	return false
}

func (e *evaluation) failed(attribute string) bool {
	return slices.ContainsFunc(e.findings, func(f Finding) bool { return f.Field == attribute && f.Severity == Error })
}

// overlay replaces attributes by those that the jq program gives; null takes one away.
func (e *evaluation) overlay(jq *program, attributes *object) {
	value, err := jq.run(e.root)
	if err != nil {
		e.report(KindJQ, Error, "jq", "", "the jq program fails: "+err.Error())
		return
	}
	members, ok := value.(map[string]any)
	if !ok && value != nil {
		e.report(KindJQ, Error, "jq", value, "the jq program must give an object of attributes")
		return
	}
	for name, member := range members {
		if member == nil {
			attributes.remove(name)
			continue
		}
		attributes.set(name, member)
	}
}

// prices are the attributes that Pinterest takes for dollars where they name no currency.
// Whatever rule made them, they have one in the end.
var prices = []string{"base_price", "free_shipping_limit", "min_ad_price", "one_way_price", "price", "sale_price"}

func (e *evaluation) checkPrices(attributes *object) {
	for _, name := range prices {
		value := attributes.get(name)
		if _, done := value.(price); done || value == nil {
			continue
		}
		parsed, err := parsePrice(number(value), '.', e.currency)
		if err != nil {
			e.reportPrice(name, value, err)
			attributes.remove(name)
			continue
		}
		attributes.set(name, parsed)
	}
}

// checkSales leaves sale prices out that are not below the price.
func (e *evaluation) checkSales(below []*rule, attributes *object) {
	for _, r := range below {
		lower, ok := attributes.get(r.attribute).(price)
		if ok && isZero(lower.amount) {
			e.report(KindPrice, Warning, r.attribute, lower.String(), "0 means that there is no sale: left out")
			attributes.remove(r.attribute)
			continue
		}
		higher, known := attributes.get(r.below).(price)
		switch {
		case !ok || !known:
		case lower.currency != higher.currency:
			e.report(KindPrice, Error, r.attribute, lower.String(), "its currency differs from that of "+r.below)
		case !less(lower.amount, higher.amount):
			if less(higher.amount, lower.amount) {
				e.report(KindPrice, Warning, r.attribute, lower.String(), "not below "+r.below+" ("+higher.String()+"): left out")
			}
			attributes.remove(r.attribute)
		}
	}
}

// shorten takes the main picture out of the others, and keeps the most that are allowed.
func (e *evaluation) shorten(lists []*rule, attributes *object) {
	for _, r := range lists {
		at, found := attributes.search(r.attribute)
		if !found {
			continue
		}
		list, ok := (*attributes)[at].value.([]any)
		if !ok {
			continue
		}
		before := len(list)
		if r.without != nil {
			if main, isText := follow(*attributes, r.without.steps).(string); isText {
				repeated := func(each any) bool { text, ok := each.(string); return ok && text == main }
				if slices.ContainsFunc(list, repeated) {
					list = slices.DeleteFunc(slices.Clone(list), repeated)
				}
			}
		}
		if r.most > 0 && len(list) > r.most {
			e.report(KindSeveral, Warning, r.attribute, len(list), fmt.Sprintf("at most %d values: the first are sent", r.most))
			list = list[:r.most]
		}
		switch {
		case len(list) == 0:
			attributes.remove(r.attribute)
		case len(list) < before:
			(*attributes)[at].value = list
		}
	}
}

// number gives a number of jq the form that numbers of records have.
func number(value any) any {
	switch value := value.(type) {
	case int:
		return json.Number(strconv.Itoa(value))
	case *big.Int:
		return json.Number(value.String())
	case float64:
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return nil
		}
		return json.Number(strconv.FormatFloat(value, 'f', -1, 64))
	default:
		return value
	}
}
