// Package schema_test holds the published description of the message to the
// decoder, and the other way round.
package schema_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
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
