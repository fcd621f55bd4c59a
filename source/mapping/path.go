package mapping

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// path leads to a value in a record: names joined by ".", [2] for an element of a list
// (the first is 0) and [] for all of them. Where a list is found and a name is asked for,
// the first element is meant.
type path struct {
	text  string
	steps []step
}

type step struct {
	name  string
	index int
	kind  stepKind
}

type stepKind uint8

const (
	byName stepKind = iota
	byIndex
	all
)

// maxSteps bounds a path.
const maxSteps = 16

var segment = regexp.MustCompile(`^([^.\[\]{}]*)((?:\[\d{0,4}\])*)$`)

func parsePath(text string) (path, error) {
	if text == "" {
		return path{}, errors.New("a path must not be empty")
	}
	found := path{text: text}
	for part := range strings.SplitSeq(text, ".") {
		match := segment.FindStringSubmatch(part)
		if match == nil || part == "" {
			return path{}, fmt.Errorf("%q is not a path: write names joined by \".\", with [0] or [] for elements of a list", text)
		}
		if match[1] != "" {
			found.steps = append(found.steps, step{name: match[1]})
		}
		for _, index := range strings.FieldsFunc(strings.ReplaceAll(match[2], "[]", "[*]"), func(r rune) bool { return r == '[' || r == ']' }) {
			if index == "*" {
				found.steps = append(found.steps, step{kind: all})
				continue
			}
			n, _ := strconv.Atoi(index)
			found.steps = append(found.steps, step{kind: byIndex, index: n})
		}
	}
	if len(found.steps) > maxSteps {
		return path{}, fmt.Errorf("the path %q has more than %d steps", text, maxSteps)
	}
	return found, nil
}

// lookup returns nil where there is no value.
func (p *path) lookup(record map[string]any) any {
	if len(p.steps) == 1 && p.steps[0].kind == byName {
		return record[p.steps[0].name]
	}
	// A column may be named like a path.
	if len(p.steps) > 1 {
		if value, ok := record[p.text]; ok {
			return value
		}
	}
	return follow(record, p.steps)
}

func follow(value any, steps []step) any {
	for i, next := range steps {
		switch next.kind {
		case byName:
			if list, ok := value.([]any); ok {
				if len(list) == 0 {
					return nil
				}
				value = list[0]
			}
			switch members := value.(type) {
			case map[string]any:
				value = members[next.name]
			case object:
				value = members.get(next.name)
			default:
				return nil
			}
		case byIndex:
			list, ok := value.([]any)
			if !ok {
				list = []any{value}
			}
			if next.index >= len(list) {
				return nil
			}
			value = list[next.index]
		case all:
			list, ok := value.([]any)
			if !ok {
				return follow(value, steps[i+1:])
			}
			found := make([]any, 0, len(list))
			for _, element := range list {
				if inner := follow(element, steps[i+1:]); !empty(inner) {
					found = append(found, inner)
				}
			}
			return found
		}
	}
	return value
}

// empty reports whether a value counts as missing.
func empty(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case string:
		// What begins with a letter or a digit needs no trimming.
		return value == "" || value[0] <= ' ' && strings.TrimSpace(value) == "" || value[0] >= utf8.RuneSelf && strings.TrimSpace(value) == ""
	case []any:
		for _, element := range value {
			if !empty(element) {
				return false
			}
		}
		return true
	case map[string]any:
		return len(value) == 0
	default:
		return false
	}
}
