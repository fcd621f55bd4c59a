package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder walks the YAML tree beside the declared settings and collects problems.
type decoder struct {
	file     string
	lookup   func(string) (string, bool)
	problems Problems
	// note is added to what is reported while the defaults are read for a platform.
	note string
	// lines remembers where each key stands, for the checks that come later.
	lines map[string]int
	// withoutTokens lets accounts and their defaults lack what the environment does not have.
	withoutTokens bool
}

func (d *decoder) reportf(line int, key, format string, args ...any) {
	problem := Problem{Source: d.file, Line: line, Key: key, Text: fmt.Sprintf(format, args...) + d.note}
	// The defaults section is read once more for each account: say it once.
	reported := d.note != "" && slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Line == line && p.Key == key })
	if !reported {
		d.problems = append(d.problems, problem)
	}
}

// warnAtf notes what may be wrong and keeps nothing from starting.
func (l *loader) warnAtf(key, format string, args ...any) {
	l.config.Warnings = append(l.config.Warnings, Problem{Source: l.file, Line: l.lineOf(key), Key: key, Text: fmt.Sprintf(format, args...)})
}

// lineOf is the line of a key that was read, or of the nearest section around it.
func (d *decoder) lineOf(key string) (line int) {
	for at := key; line == 0 && at != ""; at, _ = parentKey(at) {
		line = d.lines[at]
	}
	return line
}

// reportAtf reports at the line of a key that was read, or of the nearest section
// around it.
func (d *decoder) reportAtf(key, format string, args ...any) {
	d.reportf(d.lineOf(key), key, format, args...)
}

func parentKey(key string) (parent string, found bool) {
	i := strings.LastIndexByte(key, '.')
	if i < 0 {
		return "", false
	}
	return key[:i], true
}

func joinKey(parent, key string) string {
	if parent == "" {
		return key
	}
	return parent + "." + key
}

// section reads a mapping whose keys are declared.
func (d *decoder) section(node *yaml.Node, at string, settings []field) {
	values := d.mapping(node, at)
	for _, s := range settings {
		value, found := values.take(s.Name)
		if !found {
			continue
		}
		d.field(value.node, joinKey(at, s.Name), value.line, s)
	}
	for _, value := range values {
		d.reportf(value.line, joinKey(at, value.key), "is not a known key; known here: %s", keyNames(settings))
	}
}

func (d *decoder) field(node *yaml.Node, at string, line int, s field) {
	d.lines[at] = line
	switch {
	case s.ignored:
	case s.children != nil:
		d.section(node, at, s.children)
	case s.entries != nil:
		d.entries(node, at, s)
	case s.read != nil:
		s.read(node, at)
	default:
		value, ok := d.scalar(node, at)
		if !ok {
			return
		}
		if err := s.assign(value); err != nil {
			d.reportf(line, at, "%s", err)
		}
	}
}

// entries reads a mapping whose keys the user chose.
func (d *decoder) entries(node *yaml.Node, at string, s field) {
	for _, value := range d.mapping(node, at) {
		key := joinKey(at, value.key)
		d.lines[key] = value.line
		settings, err := s.entries(value.key)
		if err != nil {
			d.reportf(value.line, key, "%s", err)
			continue
		}
		d.section(value.node, key, settings)
	}
}

type member struct {
	key  string
	line int
	node *yaml.Node
}

type members []member

func (ms *members) take(key string) (member, bool) {
	i := slices.IndexFunc(*ms, func(m member) bool { return m.key == key })
	if i < 0 {
		return member{}, false
	}
	found := (*ms)[i]
	*ms = slices.Delete(*ms, i, i+1)
	return found, true
}

// mapping lists a mapping's members in the order of the file, each key once.
func (d *decoder) mapping(node *yaml.Node, at string) members {
	node = resolve(node)
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return nil // a section with everything commented out
	}
	if node.Kind != yaml.MappingNode {
		d.reportf(node.Line, at, "must be a section of its own: keys and values, indented below it")
		return nil
	}
	found := make(members, 0, len(node.Content)/2)
	first := make(map[string]int, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if before, twice := first[key.Value]; twice {
			d.reportf(key.Line, joinKey(at, key.Value), "is set twice, first in line %d; keep one", before)
			continue
		}
		first[key.Value] = key.Line
		found = append(found, member{key: key.Value, line: key.Line, node: node.Content[i+1]})
	}
	return found
}

// scalar reads a single value and puts in the environment variables it names.
func (d *decoder) scalar(node *yaml.Node, at string) (string, bool) {
	node = resolve(node)
	if node.Kind != yaml.ScalarNode {
		d.reportf(node.Line, at, "must be a single value")
		return "", false
	}
	if node.Tag == "!!null" && node.Style == 0 {
		d.reportf(node.Line, at, "has no value; give one or remove the key")
		return "", false
	}
	value, missing := expand(node.Value, d.lookup)
	if d.withoutTokens && (strings.HasPrefix(at, "accounts.") || strings.HasPrefix(at, "defaults.")) {
		return value, len(missing) == 0
	}
	for _, name := range missing {
		d.reportf(node.Line, at, "%s", name)
	}
	return value, len(missing) == 0
}

func resolve(node *yaml.Node) *yaml.Node {
	// An alias cannot point at an alias; one step is enough.
	if node.Kind == yaml.AliasNode && node.Alias != nil {
		return node.Alias
	}
	return node
}

// expand puts in ${NAME} from the environment; $${ stands for a plain ${. The
// problems name what could not be put in.
func expand(text string, lookup func(string) (string, bool)) (expanded string, problems []string) {
	var out strings.Builder
	for {
		start := strings.Index(text, "${")
		if start < 0 {
			out.WriteString(text)
			return out.String(), problems
		}
		if start > 0 && text[start-1] == '$' {
			out.WriteString(text[:start-1] + "${")
			text = text[start+2:]
			continue
		}
		out.WriteString(text[:start])
		name, rest, closed := strings.Cut(text[start+2:], "}")
		if !closed || !isVariableName(name) {
			return "", append(problems, "has a ${ that is not ${NAME}; write $${ for the two characters themselves")
		}
		value, found := lookup(name)
		if !found || value == "" {
			problems = append(problems, "the environment variable "+name+" is not set")
		}
		out.WriteString(value)
		text = rest
	}
}

func isVariableName(name string) bool {
	for i, r := range name {
		letter := r == '_' || (r >= 'A' && r <= 'Z') || (r >= 'a' && r <= 'z')
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

func keyNames(settings []field) string {
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.Name
	}
	return strings.Join(names, ", ")
}
