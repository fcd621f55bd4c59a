// Package schema_test holds the published description of the message to the
// decoder, and the other way round.
package schema_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/message"
)

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile("mutation.schema.json")
	require.NoError(t, err)
	return schema
}

func TestSchemaExamplesAreValid(t *testing.T) {
	t.Parallel()
	schema := compile(t)
	content, err := os.ReadFile("mutation.schema.json")
	require.NoError(t, err)
	var document struct {
		Examples []json.RawMessage `json:"examples"`
	}
	require.NoError(t, json.Unmarshal(content, &document))
	require.NotEmpty(t, document.Examples)
	for _, example := range document.Examples {
		require.NoError(t, schema.Validate(parse(t, example)), "%s", example)
	}
}

func parse(t *testing.T, text []byte) any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	return value
}

// drawn gives a member's value, often a wrong one; nil leaves the member out.
func drawn(t *rapid.T, member string, good ...any) any {
	wrong := []any{nil, "", 7, -1, true, []any{}, map[string]any{}, json.RawMessage("null"), "text", "\x00", strings.Repeat("x", 600)}
	if rapid.IntRange(0, 3).Draw(t, member+" is good") > 0 {
		return rapid.SampledFrom(good).Draw(t, member)
	}
	return rapid.SampledFrom(wrong).Draw(t, member)
}

// TestSchemaAndDecoderAgree draws messages and asks both.
func TestSchemaAndDecoderAgree(t *testing.T) {
	t.Parallel()
	schema := compile(t)
	rapid.Check(t, func(t *rapid.T) {
		body := map[string]any{}
		members := map[string][]any{
			"id":          {nil, "m-1"},
			"item_id":     {"SKU-1", "BOS/JFK", "é", strings.Repeat("x", 512)},
			"operation":   {"CREATE", "UPSERT", "UPDATE", "DELETE", "DELETE_DISCONTINUED"},
			"attributes":  {map[string]any{"title": "t", "sale_price": json.RawMessage("null")}, map[string]any{}},
			"version":     {nil, 1, -5, json.RawMessage("9223372036854775807"), json.RawMessage("9223372036854775808")},
			"occurred_at": {nil, "2026-11-22T10:00:00Z", "2026-11-22T10:00:00.25+01:00", "yesterday", "2026-13-01T00:00:00Z"},
			"localization": {
				nil,
				map[string]any{"type": "LANGUAGE", "value": "pl_PL"},
				map[string]any{"type": "LANGUAGE"},
				map[string]any{"type": "language", "value": "pl_PL"},
				map[string]any{"type": "COUNTRY", "value": ""},
			},
			"unknown": {nil, 1},
		}
		// In one order, or rapid could not repeat a failure.
		for _, member := range slices.Sorted(maps.Keys(members)) {
			if value := drawn(t, member, members[member]...); value != nil {
				body[member] = value
			}
		}
		text, err := json.Marshal(body)
		require.NoError(t, err)
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		require.NoError(t, err)
		arrival := message.Decode(message.Raw{Subject: "catalog.mutations.a.c.RETAIL", Data: text})
		if invalid := schema.Validate(value); invalid != nil {
			require.NotNil(t, arrival.Problem, "only the schema refuses %s: %s", text, invalid)
		} else {
			require.Nil(t, arrival.Problem, "only the decoder refuses %s", text)
		}
	})
}

func TestAsyncAPIReferencesLeadSomewhere(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("asyncapi.yaml")
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, yaml.Unmarshal(content, &document))
	require.Equal(t, "3.0.0", document["asyncapi"])
	references := 0
	walk(document, func(reference string) {
		references++
		if file, isFile := strings.CutPrefix(reference, "./"); isFile {
			require.FileExists(t, file)
			return
		}
		var at any = document
		for name := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
			section, isSection := at.(map[string]any)
			require.True(t, isSection, reference)
			at = section[name]
		}
		require.NotNil(t, at, reference)
	})
	require.Greater(t, references, 10)
}

func TestAsyncAPIExamplesAreValid(t *testing.T) {
	t.Parallel()
	schema := compile(t)
	content, err := os.ReadFile("asyncapi.yaml")
	require.NoError(t, err)
	var document struct {
		Components struct {
			Messages map[string]struct {
				Examples []struct {
					Payload any `yaml:"payload"`
				} `yaml:"examples"`
			} `yaml:"messages"`
		} `yaml:"components"`
	}
	require.NoError(t, yaml.Unmarshal(content, &document))
	examples := document.Components.Messages["mutation"].Examples
	require.Len(t, examples, 3)
	for _, example := range examples {
		asJSON, err := json.Marshal(example.Payload)
		require.NoError(t, err)
		require.NoError(t, schema.Validate(parse(t, asJSON)))
	}
}

// TestAsyncAPIPackIsReadAsItSays: the example is a pack to the decoder, and each line follows
// the schema of a mutation.
func TestAsyncAPIPackIsReadAsItSays(t *testing.T) {
	t.Parallel()
	schema := compile(t)
	content, err := os.ReadFile("asyncapi.yaml")
	require.NoError(t, err)
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct {
					Const     string `yaml:"const"`
					MaxLength int    `yaml:"maxLength"`
				} `yaml:"properties"`
			} `yaml:"schemas"`
			Messages map[string]struct {
				Examples []struct {
					Headers map[string]string `yaml:"headers"`
					Payload any               `yaml:"payload"`
				} `yaml:"examples"`
			} `yaml:"messages"`
		} `yaml:"components"`
	}
	require.NoError(t, yaml.Unmarshal(content, &document))
	described := document.Components.Schemas["packHeaders"].Properties
	require.Equal(t, message.PackContentType, described["Content-Type"].Const)
	require.Equal(t, message.PackEncoding, described["Content-Encoding"].Const)
	require.Equal(t, message.MaxPackID, described["Nats-Msg-Id"].MaxLength)
	example := document.Components.Messages["pack"].Examples[0]
	text, isText := example.Payload.(string)
	require.True(t, isText)
	headers := map[string][]string{}
	for name, value := range example.Headers {
		headers[name] = []string{value}
	}
	var decoder message.Decoder
	arrivals := decoder.DecodeAll(nil, message.Raw{Subject: "catalog.mutations.a.c.RETAIL", Headers: headers, Data: []byte(text)})
	require.Len(t, arrivals, 2)
	for _, arrival := range arrivals {
		require.Nil(t, arrival.Problem)
		require.NoError(t, schema.Validate(parse(t, arrival.Mutation.Message.Data)))
	}
	require.Equal(t, "import-0001/2", arrivals[1].Mutation.ID)
}

func walk(value any, visit func(reference string)) {
	switch value := value.(type) {
	case map[string]any:
		for key, child := range value {
			if reference, isText := child.(string); key == "$ref" && isText {
				visit(reference)
				continue
			}
			walk(child, visit)
		}
	case []any:
		for _, child := range value {
			walk(child, visit)
		}
	}
}
