package schema_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/outcome"
)

// outcomeSchemas are those of the data and of the headers.
func outcomeSchemas(t *testing.T) (body, headers *jsonschema.Schema) {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	body, err := compiler.Compile("outcome.schema.json")
	require.NoError(t, err)
	content, err := os.ReadFile("asyncapi.yaml")
	require.NoError(t, err)
	var document struct {
		Components struct {
			Schemas map[string]any `yaml:"schemas"`
		} `yaml:"components"`
	}
	require.NoError(t, yaml.Unmarshal(content, &document))
	asJSON, err := json.Marshal(document.Components.Schemas["outcomeHeaders"])
	require.NoError(t, err)
	require.NoError(t, compiler.AddResource("headers.json", parse(t, asJSON)))
	headers, err = compiler.Compile("headers.json")
	require.NoError(t, err)
	return body, headers
}

func TestOutcomeExamplesAreValid(t *testing.T) {
	t.Parallel()
	body, headers := outcomeSchemas(t)
	content, err := os.ReadFile("outcome.schema.json")
	require.NoError(t, err)
	var document struct {
		Examples []json.RawMessage `json:"examples"`
	}
	require.NoError(t, json.Unmarshal(content, &document))
	require.Len(t, document.Examples, 3)
	for _, example := range document.Examples {
		require.NoError(t, body.Validate(parse(t, example)), "%s", example)
	}
	content, err = os.ReadFile("asyncapi.yaml")
	require.NoError(t, err)
	var async struct {
		Components struct {
			Messages map[string]struct {
				Examples []struct {
					Headers map[string]any `yaml:"headers"`
					Payload any            `yaml:"payload"`
				} `yaml:"examples"`
			} `yaml:"messages"`
		} `yaml:"components"`
	}
	require.NoError(t, yaml.Unmarshal(content, &async))
	examples := async.Components.Messages["outcome"].Examples
	require.Len(t, examples, 1)
	for _, example := range examples {
		for value, schema := range map[any]*jsonschema.Schema{&example.Payload: body, &example.Headers: headers} {
			asJSON, err := json.Marshal(value)
			require.NoError(t, err)
			require.NoError(t, schema.Validate(parse(t, asJSON)), "%s", asJSON)
		}
	}
}

// TestEventsFollowTheSchema draws outcomes: what Courier sends is what the schema says.
func TestEventsFollowTheSchema(t *testing.T) {
	t.Parallel()
	body, headers := outcomeSchemas(t)
	text := rapid.SampledFrom([]string{"", "x", "SKU 1", "ż\"%", strings.Repeat("y", 512), "\uFFFD"})
	issues := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ledger.Issue {
		return ledger.Issue{Code: text.Draw(t, "code"), Attribute: text.Draw(t, "attribute"), Message: strings.Repeat("m", rapid.SampledFrom([]int{0, 1, 50_000}).Draw(t, "length"))}
	}), 0, 5)
	rapid.Check(t, func(r *rapid.T) {
		o := outcome.Outcome{
			Lane:       catalog.Lane{Account: text.Draw(r, "account"), Catalog: "us", Type: "RETAIL"},
			MutationID: text.Draw(r, "id"), ItemID: text.Draw(r, "item"), Operation: catalog.Operation(rapid.IntRange(0, 5).Draw(r, "operation")),
			Status: rapid.SampledFrom(ledger.OutcomeStatuses()).Draw(r, "status"), Reason: catalog.Reason(rapid.SampledFrom([]string{"", "refused"}).Draw(r, "reason")),
			Errors: issues.Draw(r, "errors"), Warnings: issues.Draw(r, "warnings"), SupersededBy: text.Draw(r, "by"), Attempts: rapid.IntRange(0, 9).Draw(r, "attempts"),
			ReceivedAt: time.Unix(1_800_000_000, 1000), FinishedAt: time.Unix(1_800_000_100, 0),
		}
		if rapid.Bool().Draw(r, "in a batch") {
			o.BatchID, o.Handle, o.PublishedAt = uuid.New(), text.Draw(r, "handle"), time.Unix(1_800_000_000, 0)
		}
		event, err := outcome.EventOf(&o)
		require.NoError(r, err)
		require.NoError(r, body.Validate(parse(t, event.Data)), "%s", event.Data)
		flat := map[string]any{}
		for name, values := range event.Message().Header {
			require.Len(r, values, 1)
			require.NotEmpty(r, values[0], "an attribute is never empty")
			require.Regexp(r, `^[!-~]+$`, values[0])
			flat[name] = values[0]
		}
		asJSON, err := json.Marshal(flat)
		require.NoError(r, err)
		require.NoError(r, headers.Validate(parse(t, asJSON)), "%s", asJSON)
	})
}
