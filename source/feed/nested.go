package feed

import (
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"strings"
)

// jsonStart is what a JSON object, or a list of objects or texts, begins with. A title
// such as [New] shoes does not.
var jsonStart = regexp.MustCompile(`^(\{\s*["}]|\[\s*[\[{"\]])`)

// plainTexts are columns in which nobody means JSON.
var plainTexts = []string{
	"id", "title", "name", "description", "short_description", "summary", "brand", "link", "image_link", "sku", "mpn", "gtin", "body_html",
}

// parseCell reads a JSON cell. It returns false where the cell is text.
func (s *session) parseCell(c column, cell string, place Place) (any, bool) {
	if cell[0] != '{' && cell[0] != '[' || slices.Contains(plainTexts, c.name) || !jsonStart.MatchString(cell) {
		return nil, false
	}
	value, ok := decodeJSON(cell)
	if !ok {
		s.find(KindNested, place, c.name, cell, "the cell begins as JSON and is not: it was read as text")
	}
	return value, ok
}

// decodeJSON reads one JSON value and nothing after it. Numbers stay as written.
func decodeJSON(text string) (any, bool) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, false
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, false
	}
	return prune(value), true
}

// prune removes nulls, empty texts and what is empty without them, and trims texts, so
// that JSON and tables have one form for "no value".
func prune(value any) any {
	switch value := value.(type) {
	case string:
		if trimmed := strings.TrimSpace(value); trimmed != "" {
			return trimmed
		}
		return nil
	case map[string]any:
		for name, member := range value {
			if member = prune(member); member == nil {
				delete(value, name)
			} else {
				value[name] = member
			}
		}
		if len(value) == 0 {
			return nil
		}
		return value
	case []any:
		kept := value[:0]
		for _, element := range value {
			if element = prune(element); element != nil {
				kept = append(kept, element)
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	default:
		return value
	}
}

// set lays a value where a path leads. It returns false where something else is there.
func set(item map[string]any, path []step, value any) bool {
	name := path[0].name
	inside, ok := setIn(item[name], path[1:], value)
	if ok {
		item[name] = inside
	}
	return ok
}

func setIn(node any, path []step, value any) (any, bool) {
	if len(path) == 0 {
		return value, node == nil
	}
	if path[0].name != "" {
		object, ok := node.(map[string]any)
		if node == nil {
			object, ok = map[string]any{}, true
		}
		if !ok {
			return node, false
		}
		inside, ok := setIn(object[path[0].name], path[1:], value)
		if ok {
			object[path[0].name] = inside
		}
		return object, ok
	}
	list, ok := node.([]any)
	if node == nil {
		ok = true
	}
	if !ok {
		return node, false
	}
	for len(list) <= path[0].index {
		list = append(list, nil)
	}
	inside, ok := setIn(list[path[0].index], path[1:], value)
	if ok {
		list[path[0].index] = inside
	}
	return list, ok
}

// parts reads a cell whose header names its parts: shipping(country:price). Several are
// separated by commas.
func parts(subs []string, cell string) ([]any, bool) {
	var list []any
	for entry := range strings.SplitSeq(cell, ",") {
		values := strings.Split(entry, ":")
		if len(values) != len(subs) {
			return nil, false
		}
		object := map[string]any{}
		for i, value := range values {
			if value = strings.TrimSpace(value); value != "" {
				object[subs[i]] = value
			}
		}
		if len(object) > 0 {
			list = append(list, object)
		}
	}
	return list, len(list) > 0
}

var (
	commaBeforeURL  = regexp.MustCompile(`\s*,\s*(https?://)`)
	betweenURLs     = regexp.MustCompile(`[\s,;|]+(https?://)`)
	startsAsAddress = regexp.MustCompile(`^\s*https?://`)
)

// split makes a list of a cell: of addresses at commas, semicolons, bars and blanks before the
// next one, because each but a blank may be in an address; of anything else at each comma.
func split(cell string) []any {
	var list []any
	separator := ","
	switch {
	case startsAsAddress.MatchString(cell):
		cell, separator = betweenURLs.ReplaceAllString(cell, "\x00$1"), "\x00"
	case strings.Contains(cell, "://"):
		cell, separator = commaBeforeURL.ReplaceAllString(cell, "\x00$1"), "\x00"
	}
	for part := range strings.SplitSeq(cell, separator) {
		if part = strings.Trim(strings.TrimSpace(part), ","); part != "" {
			list = append(list, part)
		}
	}
	return list
}
