package mapping

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// template is text with placeholders: "{handle}-{sku}". {{ and }} are single braces.
type template struct {
	texts  []string // around the paths: one more than paths
	fields []path
}

// maxFields bounds the placeholders of a template.
const maxFields = 64

func parseTemplate(text string) (template, error) {
	var found template
	var literal strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case (c == '{' || c == '}') && i+1 < len(text) && text[i+1] == c:
			literal.WriteByte(c)
			i++
		case c == '{':
			name, _, closed := strings.Cut(text[i+1:], "}")
			if !closed {
				return template{}, fmt.Errorf("the template %q has a { without its }", text)
			}
			field, err := parsePath(name)
			if err != nil {
				return template{}, fmt.Errorf("in the template %q: %w", text, err)
			}
			found.texts = append(found.texts, literal.String())
			found.fields = append(found.fields, field)
			literal.Reset()
			i += len(name) + 1
		case c == '}':
			return template{}, fmt.Errorf("the template %q has a } without its {: write }} for a brace", text)
		default:
			literal.WriteByte(c)
		}
	}
	found.texts = append(found.texts, literal.String())
	if len(found.fields) > maxFields {
		return template{}, fmt.Errorf("a template has more than %d placeholders", maxFields)
	}
	return found, nil
}

// fill returns the name of the first placeholder without a value, or "".
func (t *template) fill(record map[string]any, escape func(string) string) (filled, missing string) {
	var text strings.Builder
	if len(t.fields) == 1 && t.texts[0] == "" && t.texts[1] == "" && escape == nil {
		value, ok := scalar(t.fields[0].lookup(record))
		if !ok {
			return "", t.fields[0].text
		}
		return value, ""
	}
	for i := range t.fields {
		field := &t.fields[i]
		text.WriteString(t.texts[i])
		value, ok := scalar(field.lookup(record))
		if !ok {
			return "", field.text
		}
		if escape != nil {
			value = escape(value)
		}
		text.WriteString(value)
	}
	text.WriteString(t.texts[len(t.fields)])
	return text.String(), ""
}

// scalar is a single value as text; false where there is none, or a structure.
func scalar(value any) (string, bool) {
	switch value := value.(type) {
	case string:
		value = strings.TrimSpace(value)
		return value, value != ""
	case json.Number:
		return value.String(), value != ""
	case bool:
		return strconv.FormatBool(value), true
	case []any:
		if len(value) == 1 {
			return scalar(value[0])
		}
	case int, float64, *big.Int: // of jq
		return scalar(number(value))
	}
	return "", false
}
