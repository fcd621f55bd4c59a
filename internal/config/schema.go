package config

import (
	"bytes"
	"encoding/json"
)

type object = map[string]any

// Schema is a JSON Schema of the configuration file, from the same declarations that
// read it. It knows keys, their meaning and the form of values, for editors; what keys
// must be to each other only Load knows.
func Schema(platforms []Platform) ([]byte, error) {
	l := newDeclarations(platforms)
	l.options.WithSources = true
	fields := append(l.settings(), l.accountsSettings()...)
	fields = append(fields, l.sourcesSettings()...)
	root := sectionSchema(fields)
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["$id"] = "https://github.com/catalog-courier/catalog-courier/raw/main/schema/courier.schema.json"
	root["title"] = "Configuration of Catalog Courier (courier.yaml)"
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(root)
	return out.Bytes(), err
}

// newDeclarations makes a loader whose declarations are looked at, and never read with.
func newDeclarations(platforms []Platform) *loader {
	l := &loader{
		config: infrastructureDefaults(), catalogs: map[string]*Catalog{}, options: Options{Platforms: platforms},
		accountKeys: accountKeys(platforms), catalogKeys: catalogKeys(platforms),
	}
	l.lookup = func(string) (string, bool) { return "", false }
	return l
}

func sectionSchema(fields []field) object {
	properties := object{}
	for i := range fields {
		properties[fields[i].Name] = fieldSchema(&fields[i])
	}
	return object{"type": []string{"object", "null"}, "additionalProperties": false, "properties": properties}
}

func fieldSchema(f *field) object {
	made := valueSchema(f)
	if f.Doc != "" {
		made["description"] = f.Doc
	}
	if f.Allowed != "" {
		made["description"] = f.Doc + "\n\nAllowed: " + f.Allowed
	}
	if f.shown != nil && !f.Secret {
		if usual := f.shown(); usual != "" && usual != "0s" && usual != "0" {
			made["default"] = usual
		}
	}
	return made
}

func valueSchema(f *field) object {
	switch {
	case f.children != nil:
		return sectionSchema(f.children)
	case f.entries != nil:
		const name = "name"
		fields, err := f.entries(name)
		if err != nil {
			return object{}
		}
		return object{
			"type": []string{"object", "null"}, "propertyNames": object{"pattern": token.String()}, "additionalProperties": sectionSchema(fields),
		}
	case f.elements != nil:
		return object{"type": "array", "items": sectionSchema(f.elements())}
	case f.read != nil && f.Read != nil:
		one := scalarSchema(f.Schema)
		return object{"anyOf": []any{one, object{"type": "array", "items": one}}}
	case f.read != nil:
		return object{"type": "object", "additionalProperties": scalarSchema(nil)}
	default:
		return scalarSchema(f.Schema)
	}
}

// scalarSchema is a value, or a text that takes a variable.
func scalarSchema(value object) object {
	if value == nil {
		return object{"type": []string{"string", "number", "boolean"}}
	}
	return object{"anyOf": []any{value, object{"type": "string", "pattern": `\$\{`}}}
}
