package mapping

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// compiler collects all problems of a mapping.
type compiler struct {
	file       string
	offset     int
	target     Target
	presetName string
	presetData []byte
	work       int // done so far
	problems   Problems
	// decimalMark is that of the mapping once it is compiled: filters read prices by it.
	decimalMark *byte
}

func (c *compiler) reportf(node *yaml.Node, key, format string, args ...any) {
	line := 0
	if node != nil {
		line = node.Line + c.offset
	}
	if len(c.problems) >= maxProblems {
		return
	}
	c.problems = append(c.problems, Problem{File: c.file, Line: line, Key: key, Text: fmt.Sprintf(format, args...)})
}

const (
	maxProblems = 200    // that are reported
	maxWork     = 50_000 // nodes of a mapping: an alias counts wherever it is used
	programWork = 50     // nodes that a regular expression, a filter or a jq program counts for
)

// spend reports false where a mapping is too large: an alias can be used a million times.
func (c *compiler) spend(node *yaml.Node, key string, work int) bool {
	before := c.work
	c.work += work
	if c.work <= maxWork {
		return true
	}
	if before <= maxWork {
		c.reportf(node, key, "the mapping is too large: more than %d rules, words and values, or 1,000 programs", maxWork)
	}
	return false
}

// maxSpec bounds a mapping, in bytes.
const maxSpec = 1 << 20

var mappingKeys = []string{"extends", "item_id", "group", "currency", "decimal", "zone", "store_view", "market", "language", "inherit_price", "filter", "jq", "attributes"}

func (c *compiler) compile(spec Spec) *Mapping {
	m := &Mapping{target: c.target}
	c.decimalMark = &m.settings.decimal
	own := c.document(spec.Data)
	keys := c.members(own, "", mappingKeys)
	c.presetName = spec.Preset
	if node, ok := keys["extends"]; ok && c.presetName == "" {
		c.presetName = c.text(node, "extends")
	}
	table := map[string]rule{}
	if c.presetName != "" {
		c.preset(m, table)
	}
	if len(c.problems) == 0 || own != nil {
		c.apply(m, table, keys)
	}
	c.settings(m, spec)
	if m.itemID.texts == nil && len(c.problems) == 0 {
		c.reportf(own, "item_id", "a template of the item ids is required, as in item_id: \"{id}\"")
	}
	if spec.KeyParts > 1 || slices.Contains(composite, c.target) {
		m.escape = func(part string) string { return catalog.JoinItemID(part) }
	}
	for _, each := range table {
		m.rules = append(m.rules, each)
	}
	slices.SortFunc(m.rules, func(a, b rule) int { return strings.Compare(a.attribute, b.attribute) })
	for i := range m.rules {
		r := &m.rules[i]
		if _, ok := table[r.below]; r.below != "" && !ok {
			c.reportf(own, "attributes."+r.attribute+".below", "there is no attribute %q", r.below)
		}
		if r.below != "" {
			m.below = append(m.below, r)
		}
		if r.without != nil || r.most > 0 {
			m.lists = append(m.lists, r)
		}
		if r.need {
			m.required = append(m.required, r)
		}
	}
	if len(m.rules) == 0 && m.jq == nil && len(c.problems) == 0 {
		c.reportf(own, "attributes", "the mapping has no attributes: name some, a preset with extends, or a jq program")
	}
	return m
}

// apply adds the keys of a mapping to those of its preset.
func (c *compiler) apply(m *Mapping, table map[string]rule, keys map[string]*yaml.Node) {
	for _, key := range mappingKeys {
		node, ok := keys[key]
		if !ok {
			continue
		}
		switch key {
		case "item_id":
			c.itemID(m, node, c.text(node, key))
		case "group":
			c.group(m, node, c.text(node, key))
		case "currency":
			c.currency(m, node, c.text(node, key))
		case "decimal":
			c.decimal(m, node, c.text(node, key))
		case "zone":
			c.zone(m, node, c.text(node, key))
		case "store_view":
			c.storeView(m, node, c.text(node, key))
		case "market":
			c.market(m, node, c.text(node, key))
		case "language":
			c.language(m, node, c.text(node, key))
		case "inherit_price":
			m.view.inherit = c.truth(node, key)
		case "filter":
			c.filter(m, node, c.text(node, key))
		case "jq":
			m.jq = c.program(node, key)
		case "attributes":
			c.attributes(node, table)
		}
	}
}

func (c *compiler) settings(m *Mapping, spec Spec) {
	for _, each := range []struct {
		value string
		set   func(*Mapping, *yaml.Node, string)
	}{
		{spec.ItemID, c.itemID},
		{spec.Group, c.group},
		{spec.Currency, c.currency},
		{spec.Decimal, c.decimal},
		{spec.Zone, c.zone},
		{spec.Filter, c.filter},
		{spec.StoreView, c.storeView},
		{spec.Market, c.market},
		{spec.Language, c.language},
	} {
		if each.value != "" {
			each.set(m, nil, each.value)
		}
	}
	m.view.inherit = m.view.inherit || spec.InheritPrice
	if m.view.inherit && m.view.market == "" {
		c.reportf(nil, "inherit_price", "is about the prices of a market: set market too")
	}
}

func (c *compiler) itemID(m *Mapping, node *yaml.Node, text string) {
	parsed, err := parseTemplate(text)
	switch {
	case err != nil:
		c.reportf(node, "item_id", "%v", err)
	case len(parsed.fields) == 0:
		c.reportf(node, "item_id", "%q has no placeholder: all items would have one id", text)
	default:
		m.itemID = parsed
	}
}

func (c *compiler) group(m *Mapping, node *yaml.Node, text string) {
	parsed, err := parsePath(text)
	if err != nil {
		c.reportf(node, "group", "%v", err)
		return
	}
	m.group = &parsed
}

func (c *compiler) currency(m *Mapping, node *yaml.Node, text string) {
	code, ok := currencyOf(text)
	if !ok {
		c.reportf(node, "currency", "%q is not a currency of ISO 4217, such as EUR", text)
		return
	}
	m.settings.currency = code
}

func (c *compiler) decimal(m *Mapping, node *yaml.Node, text string) {
	switch text {
	case "point":
		m.settings.decimal = '.'
	case "comma":
		m.settings.decimal = ','
	default:
		c.reportf(node, "decimal", "%q must be point or comma", text)
	}
}

func (c *compiler) zone(m *Mapping, node *yaml.Node, text string) {
	zone, err := time.LoadLocation(text)
	if err != nil || text == "Local" {
		c.reportf(node, "zone", "%q is not a time zone, such as Europe/Warsaw or UTC", text)
		return
	}
	m.settings.zone = zone
}

func (c *compiler) storeView(m *Mapping, node *yaml.Node, text string) {
	if !storeViewCode.MatchString(text) {
		c.reportf(node, "store_view", "%q is not the code of a store view, such as de or german_ch", text)
	}
	m.view.store = text
}

func (c *compiler) market(m *Mapping, node *yaml.Node, text string) {
	if text != strings.TrimSpace(text) || text == "" || len(text) > 255 {
		c.reportf(node, "market", "%q is not the name of a market, such as Germany", text)
	}
	m.view.market = text
}

func (c *compiler) language(m *Mapping, node *yaml.Node, text string) {
	if !languageCode.MatchString(text) {
		c.reportf(node, "language", "%q is not a language, such as de or de-AT", text)
	}
	m.view.language = text
}

func (c *compiler) filter(m *Mapping, node *yaml.Node, text string) {
	compiled, err := compileFilter(text, c.decimalMark)
	if err != nil {
		c.reportf(node, "filter", "not a CEL expression over the fields of a record: %v", err)
		return
	}
	m.filters = append(m.filters, compiled)
}

func (c *compiler) program(node *yaml.Node, key string) *program {
	if !c.spend(node, key, programWork) {
		return nil
	}
	compiled, err := compileJQ(c.text(node, key))
	if err != nil {
		c.reportf(node, key, "not a jq program that can be run here: %v", err)
		return nil
	}
	return compiled
}

func (c *compiler) attributes(node *yaml.Node, table map[string]rule) {
	node = resolve(node)
	if node.Kind != yaml.MappingNode {
		c.reportf(node, "attributes", "must be a table of attributes and rules")
		return
	}
	for _, pair := range c.pairs(node, "attributes") {
		name, key := pair.name, "attributes."+pair.name
		if omitted(pair.value) {
			delete(table, name)
			continue
		}
		base, known := table[name]
		made := c.rule(pair.value, key, name, &base, known, 0)
		table[name] = made
	}
}

// omitted reports whether null or false takes an attribute of the preset away.
func omitted(node *yaml.Node) bool {
	node = resolve(node)
	return node.Kind == yaml.ScalarNode && (node.Tag == "!!null" || node.Tag == "!!bool" && node.Value == "false")
}
