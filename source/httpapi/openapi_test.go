package httpapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
)

// description is schema/openapi.yaml, read once.
var description = sync.OnceValues(func() (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = true
	return loader.LoadFromFile("../../schema/openapi.yaml")
})

func described(tb testing.TB) *openapi3.T {
	tb.Helper()
	document, err := description()
	require.NoError(tb, err)
	return document
}

func TestOpenAPIIsValid(t *testing.T) {
	t.Parallel()
	document := described(t)
	require.Equal(t, "3.1.0", document.OpenAPI)
	require.NoError(t, document.Validate(t.Context(), openapi3.EnableExamplesValidation()))
}

// operationOf finds what the description says of a request; nil for paths and methods
// that it does not list.
func operationOf(document *openapi3.T, method, path string) (template string, operation *openapi3.Operation) {
	for template, item := range document.Paths.Map() {
		pattern := "^" + regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(template), "[^/]*") + "$"
		if regexp.MustCompile(pattern).MatchString(path) {
			return template, item.GetOperation(method)
		}
	}
	return "", nil
}

// answered collects which answers the tests have seen.
var answered sync.Map // "METHOD path status"

// kindsSeen collects the types of the problems among them.
var kindsSeen sync.Map

// notAnswered lists the answers and the problems that no test has seen.
func notAnswered() (missing []string) {
	document, err := description()
	if err != nil {
		return []string{err.Error()}
	}
	for template, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			for status := range operation.Responses.Map() {
				name := method + " " + template + " " + status
				if _, seen := answered.Load(name); !seen {
					missing = append(missing, name)
				}
			}
		}
	}
	for _, name := range document.Components.Schemas["ProblemType"].Value.Enum {
		if _, seen := kindsSeen.Load(name); !seen {
			missing = append(missing, name.(string))
		}
	}
	slices.Sort(missing)
	return missing
}

// validate holds an answer to the description.
func validate(t *testing.T, method, path string, got answer) {
	t.Helper()
	document := described(t)
	template, operation := operationOf(document, method, path)
	if method == http.MethodHead || operation == nil {
		if method != http.MethodHead {
			require.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, got.status, string(got.body))
			hold(t, document.Components.Schemas["Problem"], got)
		}
		return
	}
	response := operation.Responses.Status(got.status)
	require.NotNilf(t, response, "%s %s: the description has no answer %d: %s", method, path, got.status, got.body)
	answered.Store(method+" "+template+" "+strconv.Itoa(got.status), true)
	for name, header := range response.Value.Headers {
		value := got.header.Get(name)
		if header.Value.Required {
			require.NotEmptyf(t, value, "%d has no %s", got.status, name)
		}
		if value != "" {
			require.NoError(t, header.Value.Schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020()))
		}
	}
	if len(response.Value.Content) == 0 {
		require.Empty(t, got.body)
		return
	}
	contentType := got.header.Get("Content-Type")
	content := response.Value.Content[contentType]
	require.NotNilf(t, content, "%d: the description has no %q", got.status, contentType)
	if strings.HasPrefix(contentType, "text/") {
		require.NoError(t, content.Schema.Value.VisitJSON(string(got.body), openapi3.EnableJSONSchema2020()))
		return
	}
	hold(t, content.Schema, got)
}

func hold(t *testing.T, schema *openapi3.SchemaRef, got answer) {
	t.Helper()
	var value any
	require.NoError(t, json.Unmarshal(got.body, &value))
	if members, ok := value.(map[string]any); ok && members["type"] != nil {
		kindsSeen.Store(members["type"], true)
	}
	require.NoErrorf(t, schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020()), "%s", got.body)
}

// TestTheDescriptionIsStrict: a validator that accepts everything would prove nothing.
func TestTheDescriptionIsStrict(t *testing.T) {
	t.Parallel()
	document := described(t)
	for _, c := range []struct{ schema, good, bad string }{
		{"Accepted", `{"accepted":1,"ids":["a"]}`, `{"accepted":1,"ids":["a"],"more":1}`},
		{"Accepted", `{"accepted":1,"ids":["a"]}`, `{"accepted":0,"ids":[]}`},
		{"Problem", `{"type":"https://catalog-courier.dev/problems/denied","title":"t","status":503,"detail":"d"}`, `{"type":"about:blank","title":"t","status":503,"detail":"d"}`},
		{"Mutation", `{"item_id":"1","operation":"DELETE"}`, `{"item_id":"1","operation":"UPSERT"}`},
		{"CloudEvent", `{"specversion":"1.0","id":"1","data":{"item_id":"1","operation":"DELETE"}}`, `{"specversion":"1.0","id":"1"}`},
		{"Name", `"acme"`, `"ac me"`},
	} {
		var good, bad any
		require.NoError(t, json.Unmarshal([]byte(c.good), &good))
		require.NoError(t, json.Unmarshal([]byte(c.bad), &bad))
		schema := document.Components.Schemas[c.schema].Value
		require.NoError(t, schema.VisitJSON(good, openapi3.EnableJSONSchema2020()), c.schema)
		require.Error(t, schema.VisitJSON(bad, openapi3.EnableJSONSchema2020()), c.schema)
	}
}

// TestTheDescriptionNamesWhatTheCodeHas: kinds of problems, rules, media types and
// parameters, in both directions.
func TestTheDescriptionNamesWhatTheCodeHas(t *testing.T) {
	t.Parallel()
	document := described(t)
	types := make([]any, 0, len(allKinds))
	for _, k := range allKinds {
		types = append(types, problemBase+k.name)
	}
	require.ElementsMatch(t, types, document.Components.Schemas["ProblemType"].Value.Enum)
	rules := []any{ // of what message.Decode and publish.Check find
		string(catalog.InvalidJSON), string(catalog.MissingField), string(catalog.WrongType), string(catalog.InvalidValue),
		string(catalog.UnknownOperation), string(catalog.MessageTooLarge),
	}
	require.ElementsMatch(t, rules, document.Components.Schemas["LineError"].Value.Properties["rule"].Value.Enum)

	post := document.Paths.Value("/v1/mutations/{account}/{catalog}/{type}").Post
	declared := slices.Collect(maps.Keys(post.RequestBody.Value.Content))
	require.ElementsMatch(t, slices.Collect(maps.Keys(mediaTypes)), declared)
	for mediaType := range strings.SplitSeq(acceptedTypes, ", ") {
		require.Contains(t, declared, mediaType)
	}
	parameters := make([]string, 0, len(post.Parameters))
	for _, parameter := range post.Parameters {
		parameters = append(parameters, parameter.Value.Name)
	}
	require.ElementsMatch(t, []string{
		"partial", headerKey, "Content-Encoding", "traceparent", "ce-specversion", "ce-id", "ce-time",
	}, parameters)
	statuses := map[string]bool{}
	for _, k := range allKinds {
		statuses[strconv.Itoa(k.status)] = true
	}
	for status := range post.Responses.Map() {
		require.True(t, statuses[status] || slices.Contains([]string{"202", "207"}, status), status)
	}
}

// TestParametersAreAsDescribed: the description and the code agree on each value.
func TestParametersAreAsDescribed(t *testing.T) {
	t.Parallel()
	document := described(t)
	post := document.Paths.Value("/v1/mutations/{account}/{catalog}/{type}").Post
	schemaOf := func(name string) *openapi3.Schema {
		for _, parameter := range post.Parameters {
			if parameter.Value.Name == name {
				return parameter.Value.Schema.Value
			}
		}
		require.Fail(t, name)
		return nil
	}
	allowed := func(schema *openapi3.Schema, value string) bool {
		return schema.VisitJSON(value, openapi3.EnableJSONSchema2020()) == nil
	}
	for _, key := range []string{
		"a", `"a"`, "run-1", "!~[]", "", `""`, `"`, `"a`, `a"`, `a"b`, "a b", `a\b`, "é", "a\x7f", strings.Repeat("k", maxKey), strings.Repeat("k", maxKey+1),
		`"` + strings.Repeat("k", maxKey) + `"`, `"` + strings.Repeat("k", maxKey+1) + `"`,
	} {
		_, refused := idempotencyKey(http.Header{headerKey: {key}})
		require.Equal(t, allowed(schemaOf(headerKey), key), refused == nil, "%q", key)
	}
	for _, encoding := range []string{"gzip", "x-gzip", "zstd", "identity", "br", "deflate", "gzip, gzip"} {
		_, refused := encodingOf(http.Header{"Content-Encoding": {encoding}})
		require.Equal(t, allowed(schemaOf("Content-Encoding"), encoding), refused == nil, encoding)
	}
	for _, partial := range []string{"true", "false", "1", "TRUE", "yes"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, lanePath+"?partial="+partial, nil)
		require.NoError(t, err)
		_, refused := parameters(r)
		require.Equal(t, allowed(schemaOf("partial"), partial), refused == nil, partial)
	}
	for _, name := range []string{"a", "A-Z_09", strings.Repeat("x", 128), strings.Repeat("x", 129), "", "a.b", "a b", "*", "é"} {
		_, problem := message.Subject(catalog.Lane{Account: name, Catalog: name, Type: catalog.Type(name)})
		require.Equal(t, allowed(document.Components.Schemas["Name"].Value, name), problem == nil, name)
	}
	for _, k := range allKinds { // Retry-After where the description demands it
		require.Equal(t, k.status == http.StatusServiceUnavailable, k.retryAfter > 0, k.name)
	}
}
