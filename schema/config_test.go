package schema_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// configuration reads YAML as an editor does.
func configuration(t *testing.T, text []byte) any {
	t.Helper()
	var tree any
	require.NoError(t, yaml.Unmarshal(text, &tree))
	asJSON, err := json.Marshal(tree)
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	require.NoError(t, err)
	return document
}

func configSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("courier.schema.json")
	require.NoError(t, err)
	return schema
}

// TestConfigurationsAreAsTheSchemaSays: each file of the project, and each example of the
// documentation.
func TestConfigurationsAreAsTheSchemaSays(t *testing.T) {
	t.Parallel()
	schema := configSchema(t)
	files := []string{"../examples/courier.yaml", "../examples/courier.production.yaml", "../deploy/courier.sandbox.yaml"}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, schema.Validate(configuration(t, text)), file)
		first, _, _ := strings.Cut(string(text), "\n")
		at, found := strings.CutPrefix(first, "# yaml-language-server: $schema=")
		require.True(t, found, file)
		require.FileExists(t, filepath.Join(filepath.Dir(file), at))
	}
	fence := regexp.MustCompile("(?s)\n```yaml\n((?:accounts|sources|serve|defaults|worker|nats|database):.*?\n)```\n")
	examples := 0
	pages, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, example := range fence.FindAllSubmatch(text, -1) {
			examples++
			require.NoError(t, schema.Validate(configuration(t, example[1])), "%s:\n%s", page, example[1])
		}
	}
	require.GreaterOrEqual(t, examples, 3)
}

// TestTheSchemaFindsMistakes of the kind that an editor can show.
func TestTheSchemaFindsMistakes(t *testing.T) {
	t.Parallel()
	schema := configSchema(t)
	const account = "accounts: {acme: {platform: meta, access_token: '${TOKEN}', catalogs: {a: {catalog_id: 12}}"
	for text, right := range map[string]bool{
		account + "}}": true,
		account + ", batch: {max_items: '${ITEMS}', max_bytes: 2MiB, max_age: 0}}}":                     true,
		account + ", settle: auto, concurrency: 9, rules: strict}}":                                     true,
		account + ", batch: {max_itmes: 3}}}":                                                           false,
		account + ", rules: stern}}":                                                                    false,
		account + ", concurrency: many}}":                                                               false,
		account + ", settle: 5 minutes}}":                                                               false,
		"acounts: {}":                                                                                   false,
		"accounts: {'a b': {platform: meta}}":                                                           false,
		"worker: {drain_timeout: 1m30s, dead_letters: {max_bytes: 1073741824}}":                         true,
		"sources: {shop: {feed: {url: x, every: 1h}, routes: [{account: a, catalog: b, typ: RETAIL}]}}": false,
		"serve: {tokens: [{name: a, sha256: x, accounts: '*'}, {name: b, accounts: [c, d]}]}":           true,
	} {
		err := schema.Validate(configuration(t, []byte(text)))
		require.Equal(t, right, err == nil, "%s: %v", text, err)
	}
}
