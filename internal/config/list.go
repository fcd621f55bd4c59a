package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/catalog-courier/catalog-courier/internal/setting"
)

// list declares a list of sections. each gives the keys of one more element.
func (l *loader) list(name, doc string, each func() []field) field {
	made := field{Key: setting.Key{Name: name, Doc: doc}}
	made.elements = each
	made.read = func(node *yaml.Node, at string) {
		for i, element := range l.sequence(node, at) {
			key := fmt.Sprintf("%s[%d]", at, i)
			l.lines[key] = element.Line
			l.section(element, key, each())
		}
	}
	return made
}

// texts declares a list of values; one value alone is a list of one.
func (l *loader) texts(key setting.Key, into *[]string) field {
	return field{Key: key, read: func(node *yaml.Node, at string) {
		elements := []*yaml.Node{node}
		if resolve(node).Kind == yaml.SequenceNode {
			elements = resolve(node).Content
		}
		for _, element := range elements {
			text, ok := l.scalar(element, at)
			if !ok {
				continue
			}
			value, err := key.Read(text)
			if err != nil {
				l.reportf(element.Line, at, "%s", err)
				continue
			}
			*into = append(*into, value.(string)) //nolint:forcetypeassert // the key declares a text
		}
	}}
}

// secrets declares a table of secrets whose names the user chooses.
func (l *loader) secrets(name, doc string, into *map[string]Secret) field {
	return field{
		Key: setting.Key{Name: name, Doc: doc, Allowed: "names and texts; better `${VARIABLE}` than the values themselves"},
		read: func(node *yaml.Node, at string) {
			for _, member := range l.mapping(node, at) {
				text, ok := l.scalar(member.node, joinKey(at, member.key))
				if !ok {
					continue
				}
				if *into == nil {
					*into = make(map[string]Secret)
				}
				(*into)[member.key] = NewSecret(text)
			}
		},
	}
}

func (d *decoder) sequence(node *yaml.Node, at string) []*yaml.Node {
	node = resolve(node)
	if node.Kind != yaml.SequenceNode {
		d.reportf(node.Line, at, "must be a list: each element on a line of its own, after a hyphen")
		return nil
	}
	return node.Content
}
