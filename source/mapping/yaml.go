package mapping

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// document parses a mapping; nil where there is none.
func (c *compiler) document(data []byte) *yaml.Node {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	if len(data) > maxSpec {
		c.reportf(nil, "", "a mapping must not be larger than 1 MiB")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var node yaml.Node
	if err := decoder.Decode(&node); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		text, place := err.Error(), (*yaml.Node)(nil)
		if match := yamlLine.FindStringSubmatch(text); match != nil {
			line, _ := strconv.Atoi(match[1])
			text, place = text[len(match[0]):], &yaml.Node{Line: line}
		}
		c.reportf(place, "", "not YAML: %s", text)
		return nil
	}
	if len(node.Content) == 0 {
		return nil
	}
	return node.Content[0]
}

// resolve follows aliases.
func resolve(node *yaml.Node) *yaml.Node {
	for range 16 {
		if node.Kind != yaml.AliasNode {
			break
		}
		node = node.Alias
	}
	return node
}

type pair struct {
	name  string
	key   *yaml.Node
	value *yaml.Node
}

// pairs are the members of a table, with those of "<<" first; later ones win.
func (c *compiler) pairs(node *yaml.Node, at string) []pair {
	var merged, own []pair
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Value == "<<" {
			from := resolve(value)
			tables := []*yaml.Node{from}
			if from.Kind == yaml.SequenceNode {
				tables = from.Content
			}
			for _, table := range tables {
				table = resolve(table)
				if table.Kind != yaml.MappingNode || table == node {
					c.reportf(key, at, "<< must name a table")
					continue
				}
				for j := 0; j+1 < len(table.Content); j += 2 {
					if table.Content[j].Value != "<<" {
						merged = append(merged, pair{table.Content[j].Value, table.Content[j], table.Content[j+1]})
					}
				}
			}
			continue
		}
		if seen[key.Value] {
			c.reportf(key, join(at, key.Value), "is set twice")
		}
		seen[key.Value] = true
		own = append(own, pair{key.Value, key, value})
	}
	all := make([]pair, 0, len(merged)+len(own))
	for _, each := range slices.Backward(merged) {
		if !seen[each.name] {
			seen[each.name] = true
			all = append(all, each)
		}
	}
	slices.Reverse(all)
	return append(all, own...)
}

func join(at, key string) string {
	if at == "" {
		return key
	}
	return at + "." + key
}

// members checks the names of a table.
func (c *compiler) members(node *yaml.Node, at string, known []string) map[string]*yaml.Node {
	found := map[string]*yaml.Node{}
	if node == nil {
		return found
	}
	node = resolve(node)
	if node.Kind != yaml.MappingNode {
		c.reportf(node, at, "must be a table of keys and values")
		return found
	}
	for _, each := range c.pairs(node, at) {
		if !slices.Contains(known, each.name) {
			c.reportf(each.key, join(at, each.name), "is not known here: use %s", strings.Join(known, ", "))
			continue
		}
		found[each.name] = each.value
	}
	return found
}

func (c *compiler) text(node *yaml.Node, key string) string {
	node = resolve(node)
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		c.reportf(node, key, "must be a text")
		return ""
	}
	return node.Value
}

func (c *compiler) count(node *yaml.Node, key string) int {
	text := c.text(node, key)
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1_000_000 {
		c.reportf(node, key, "%q must be a whole number from 1 to 1000000", text)
		return 0
	}
	return n
}

func (c *compiler) truth(node *yaml.Node, key string) bool {
	text := c.text(node, key)
	if text != "true" && text != "false" {
		c.reportf(node, key, "%q must be true or false", text)
	}
	return text == "true"
}

func (c *compiler) choice(node *yaml.Node, key string, known ...string) string {
	text := c.text(node, key)
	if !slices.Contains(known, text) {
		c.reportf(node, key, "%q must be one of %s", text, strings.Join(known, ", "))
	}
	return text
}
