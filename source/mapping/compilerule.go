package mapping

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

var (
	sourceKeys = []string{"from", "template", "constant", "jq", "object", "first"}
	ruleKeys   = append(slices.Clone(sourceKeys), "when", "html", "replace", "case", "values", "otherwise", "as", "split", "most", "cut", "below", "without", "required")
)

// maxDepth bounds rules within rules.
const maxDepth = 6

// rule reads the rule of an attribute. One without a source changes the base, which is
// the preset's.
func (c *compiler) rule(node *yaml.Node, key, attribute string, base *rule, known bool, depth int) rule {
	node = resolve(node)
	made := rule{attribute: attribute, as: asText, other: "error"}
	if depth > maxDepth {
		c.reportf(node, key, "rules are nested deeper than %d", maxDepth)
		return made
	}
	if !c.spend(node, key, 1+len(node.Content)) {
		return made
	}
	switch node.Kind {
	case yaml.ScalarNode:
		made.from = c.paths(node, key)
		return made
	case yaml.SequenceNode:
		if slices.ContainsFunc(node.Content, func(n *yaml.Node) bool { return resolve(n).Kind != yaml.ScalarNode }) {
			c.alternates(&made, node, key, depth)
		} else {
			made.from = c.paths(node, key)
		}
		return made
	case yaml.MappingNode:
	default:
		c.reportf(node, key, "must be a path, a list of paths, or a table")
		return made
	}
	members := c.members(node, key, ruleKeys)
	sources := slices.DeleteFunc(slices.Clone(sourceKeys), func(name string) bool { return members[name] == nil })
	switch {
	case len(sources) == 0 && known && len(base.alternates) == 0:
		made = *base
	case len(sources) == 0 && known:
		c.reportf(node, key, "the preset's rule has alternatives: write the whole rule")
	case len(sources) == 0:
		c.reportf(node, key, "has no source: set one of %s", strings.Join(sourceKeys, ", "))
	case len(sources) > 1 && (len(sources) != 2 || members["from"] == nil || members["object"] == nil):
		c.reportf(node, key, "has several sources: %s", strings.Join(sources, ", "))
	}
	c.sources(&made, members, key, depth)
	c.steps(&made, members, key)
	return made
}

func (c *compiler) sources(made *rule, members map[string]*yaml.Node, key string, depth int) {
	if node := members["from"]; node != nil {
		made.from = c.paths(node, key+".from")
		made.each = members["object"] != nil
	}
	if node := members["template"]; node != nil {
		parsed, err := parseTemplate(c.text(node, key+".template"))
		if err != nil {
			c.reportf(node, key+".template", "%v", err)
		}
		made.template = &parsed
	}
	if node := members["constant"]; node != nil {
		made.constant = c.constant(node, key+".constant", 0)
	}
	if node := members["jq"]; node != nil {
		made.jq = c.program(node, key+".jq")
	}
	if node := members["first"]; node != nil {
		c.alternates(made, resolve(node), key+".first", depth)
	}
	if node := members["object"]; node != nil {
		if node = resolve(node); node.Kind != yaml.MappingNode || len(node.Content) == 0 {
			c.reportf(node, key+".object", "must be a table of members and rules")
			return
		}
		for _, each := range c.pairs(node, key+".object") {
			made.object = append(made.object, c.rule(each.value, key+".object."+each.name, each.name, nil, false, depth+1))
		}
		slices.SortFunc(made.object, func(a, b rule) int { return strings.Compare(a.attribute, b.attribute) })
	}
}

func (c *compiler) alternates(made *rule, node *yaml.Node, key string, depth int) {
	if node.Kind != yaml.SequenceNode || len(node.Content) == 0 {
		c.reportf(node, key, "must be a list of rules")
		return
	}
	for _, each := range node.Content {
		made.alternates = append(made.alternates, c.rule(each, key, made.attribute, nil, false, depth+1))
	}
}

func (c *compiler) paths(node *yaml.Node, key string) []path {
	node = resolve(node)
	texts := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		texts = node.Content
	}
	var found []path
	if !c.spend(node, key, len(texts)) {
		return nil
	}
	for _, each := range texts {
		parsed, err := parsePath(c.text(each, key))
		if err != nil {
			c.reportf(each, key, "%v", err)
			continue
		}
		found = append(found, parsed)
	}
	if len(texts) == 0 {
		c.reportf(node, key, "must name a path")
	}
	return found
}

func (c *compiler) constant(node *yaml.Node, key string, depth int) any {
	node = resolve(node)
	switch {
	case !c.spend(node, key, 1+len(node.Content)):
	case depth > maxDepth:
		c.reportf(node, key, "is nested deeper than %d", maxDepth)
	case node.Kind == yaml.SequenceNode:
		list := make([]any, 0, len(node.Content))
		for _, each := range node.Content {
			list = append(list, c.constant(each, key, depth+1))
		}
		return list
	case node.Kind == yaml.MappingNode:
		object := map[string]any{}
		for _, each := range c.pairs(node, key) {
			object[each.name] = c.constant(each.value, join(key, each.name), depth+1)
		}
		return object
	case node.Tag == "!!bool":
		return node.Value == "true"
	case (node.Tag == "!!int" || node.Tag == "!!float") && json.Valid([]byte(node.Value)):
		return json.Number(node.Value)
	case node.Tag == "!!null":
		c.reportf(node, key, "must not be null: write the attribute's name with null to leave it out")
	}
	return node.Value
}

func (c *compiler) steps(made *rule, members map[string]*yaml.Node, key string) {
	for _, name := range ruleKeys {
		node := members[name]
		if node == nil {
			continue
		}
		at := key + "." + name
		switch name {
		case "when":
			if !c.spend(node, at, programWork) {
				continue
			}
			compiled, err := compileFilter(c.text(node, at), c.decimalMark)
			if err != nil {
				c.reportf(node, at, "not a CEL expression over the fields of a record: %v", err)
			}
			made.when = compiled
		case "html":
			made.html = c.choice(node, at, "strip", "keep") == "strip"
		case "replace":
			made.replace = c.replacements(node, at)
		case "case":
			made.letters = c.choice(node, at, "lower", "upper", "title")
		case "values":
			own := c.values(node, at)
			if made.values = maps.Clone(made.values); made.values == nil { // the preset's, for a rule without a source
				made.values = own
			}
			maps.Copy(made.values, own)
		case "otherwise":
			made.other = c.choice(node, at, "error", "keep", "drop")
		case "as":
			made.as = c.choice(node, at, conversions...)
		case "split":
			if made.split = c.text(node, at); made.split == "" {
				c.reportf(node, at, "must not be empty")
			}
		case "most":
			made.most = c.count(node, at)
		case "cut":
			made.cut = c.count(node, at)
		case "below":
			made.below = c.text(node, at)
		case "without":
			parsed, err := parsePath(c.text(node, at))
			if err != nil {
				c.reportf(node, at, "%v", err)
			}
			made.without = &parsed
		case "required":
			made.need = c.truth(node, at)
		}
	}
	if made.constant != nil && made.as == asText {
		if _, isText := made.constant.(string); !isText {
			made.as = asJSON
		}
	}
}

// replacements are one table with pattern and with, or a list of them.
func (c *compiler) replacements(node *yaml.Node, key string) []replacement {
	node = resolve(node)
	tables := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		tables = node.Content
	}
	var found []replacement
	for _, table := range tables {
		members := c.members(table, key, []string{"pattern", "with"})
		if members["pattern"] == nil || members["with"] == nil {
			c.reportf(table, key, "must have pattern and with")
			continue
		}
		if !c.spend(table, key, programWork) {
			continue
		}
		text := c.text(members["pattern"], key+".pattern")
		if len(text) > 4096 {
			c.reportf(members["pattern"], key+".pattern", "is longer than 4,096 bytes")
			continue
		}
		pattern, err := regexp.Compile(text)
		if err != nil {
			c.reportf(members["pattern"], key+".pattern", "%q is not a regular expression (RE2): %v", text, err)
			continue
		}
		found = append(found, replacement{pattern: pattern, with: c.text(members["with"], key+".with")})
	}
	return found
}

func (c *compiler) values(node *yaml.Node, key string) words {
	node = resolve(node)
	if node.Kind != yaml.MappingNode {
		c.reportf(node, key, "must be a table of words and their translations")
		return nil
	}
	found := words{}
	for _, each := range c.pairs(node, key) {
		if !utf8.ValidString(each.name) {
			continue
		}
		if !c.spend(each.key, key, 1) {
			return found
		}
		found[word(each.name)] = c.text(each.value, join(key, each.name))
	}
	return found
}
