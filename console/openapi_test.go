package console

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write schema/console.openapi.yaml")

// describe makes a schema of a Go type, as encoding/json writes it. Structures with a name
// go into schemas.
func describe(t reflect.Type, schemas map[string]any) map[string]any {
	switch t {
	case reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.TypeFor[uuid.UUID]():
		return map[string]any{"type": "string", "format": "uuid"}
	case reflect.TypeFor[json.RawMessage]():
		return map[string]any{}
	}
	switch t.Kind() { //nolint:exhaustive // others have no schema, which panics
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": describe(t.Elem(), schemas)}
	case reflect.Pointer:
		inner := describe(t.Elem(), schemas)
		if kind, simple := inner["type"].(string); simple {
			inner["type"] = []string{kind, "null"}
		}
		return inner
	case reflect.Struct:
		name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
		if _, done := schemas[name]; !done {
			schemas[name] = nil // of one that has itself in it
			properties, required := map[string]any{}, []string{}
			fields(t, func(f reflect.StructField, key string, always bool) {
				properties[key] = describe(f.Type, schemas)
				if always {
					required = append(required, key)
				}
			})
			slices.Sort(required)
			schemas[name] = map[string]any{"type": "object", "properties": properties, "required": required}
		}
		return map[string]any{"$ref": "#/components/schemas/" + name}
	}
	panic("no schema for " + t.String())
}

// fields calls visit for each member that encoding/json writes.
func fields(t reflect.Type, visit func(f reflect.StructField, key string, always bool)) {
	for f := range t.Fields() {
		tag := f.Tag.Get("json")
		key, options, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && tag == "":
			fields(f.Type, visit)
		case !f.IsExported() || key == "-":
		default:
			if key == "" {
				key = f.Name
			}
			visit(f, key, !strings.Contains(options, "omitempty"))
		}
	}
}

// schemaOf is what a parameter may be, with an example.
func schemaOf(p *parameter) map[string]any {
	schema := maps.Clone(p.Rule.Schema)
	schema["description"] = "Must be " + p.Rule.Says + "."
	schema["examples"] = []string{p.Rule.Example}
	if schema["type"] == "integer" {
		n, err := strconv.Atoi(p.Rule.Example)
		if err != nil {
			panic(p.Name + " has no example")
		}
		schema["examples"] = []int{n}
		if schema["maximum"] == int64(maxNumber) {
			delete(schema, "maximum")
		}
	}
	if p.Many {
		return map[string]any{"type": "array", "items": schema, "maxItems": maxChosen}
	}
	return schema
}

// document describes the API.
func document(c *Console) map[string]any {
	paths, schemas := map[string]any{}, map[string]any{}
	problem := map[string]any{"description": "What is wrong.", "content": map[string]any{"application/problem+json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/Problem"}}}}
	schemas["Problem"] = map[string]any{
		"type": "object", "required": []string{"detail", "status", "title"},
		"properties": map[string]any{
			"title": map[string]any{"type": "string"}, "status": map[string]any{"type": "integer"}, "detail": map[string]any{"type": "string"},
			"fields": map[string]any{"type": "array", "description": "The parameters that are wrong.", "items": describe(reflect.TypeFor[wrongField](), schemas)},
		},
	}
	content := map[string]any{"application/problem+json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/Problem"}}}
	refused := map[string]any{"description": "Parameters are unknown, missing or wrong. fields names each, with its rule and an example; nothing was done.", "content": content}
	unavailable := map[string]any{
		"description": "The database does not answer.", "content": content,
		"headers": map[string]any{"Retry-After": map[string]any{"description": "In how many seconds to try again.", "schema": map[string]any{"type": "integer"}}},
	}
	for _, e := range c.endpoints() {
		parameters := []any{}
		for _, p := range e.pathParameters() {
			parameters = append(parameters, map[string]any{"name": p.Name, "in": "path", "required": true, "schema": schemaOf(&p)})
		}
		for _, p := range e.Query {
			parameters = append(parameters, map[string]any{"name": p.Name, "in": "query", "required": p.Required, "description": p.Meaning, "schema": schemaOf(&p)})
		}
		operation := map[string]any{
			"summary": e.Summary, "parameters": parameters,
			"responses": map[string]any{
				"200": map[string]any{"description": "The answer.", "content": map[string]any{"application/json": map[string]any{"schema": describe(reflect.TypeOf(e.Shape), schemas)}}},
				"400": refused, "503": unavailable, "default": problem,
			},
		}
		if e.Form != nil {
			properties, required := map[string]any{}, []string{}
			for _, f := range e.Form {
				properties[f.Name] = schemaOf(&f)
				properties[f.Name].(map[string]any)["title"] = f.Meaning
				if f.Required {
					required = append(required, f.Name)
				}
			}
			operation["requestBody"] = map[string]any{"required": true, "content": map[string]any{
				"application/x-www-form-urlencoded": map[string]any{"schema": map[string]any{"type": "object", "properties": properties, "required": required}},
			}}
		}
		at, _ := paths[e.Path].(map[string]any)
		if at == nil {
			at = map[string]any{}
			paths[e.Path] = at
		}
		at[strings.ToLower(e.Method)] = operation
	}
	return map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title": "Catalog Courier console", "version": "1",
			"description": "What became of items, and the actions of the console, for programs. The rules of the pages hold: whoever may look may read, operators may act where console.actions is true, and each action is in the audit log. A parameter that is unknown, given twice or wrong is answered 400, and an empty value counts as left out. Written by go test ./console -run OpenAPI -update.",
		},
		"paths": paths, "components": map[string]any{"schemas": schemas},
	}
}

const documentFile = "../schema/console.openapi.yaml"

func TestOpenAPIDescribesTheAPI(t *testing.T) {
	c := newFull(t, allActions())
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	require.NoError(t, encoder.Encode(document(c)))
	if *update {
		require.NoError(t, os.WriteFile(documentFile, text.Bytes(), 0o644))
	}
	written, err := os.ReadFile(documentFile)
	require.NoError(t, err)
	require.Equal(t, string(written), text.String(), "run go test ./console -run OpenAPI -update")
	loaded, err := openapi3.NewLoader().LoadFromData(written)
	require.NoError(t, err)
	require.NoError(t, loaded.Validate(t.Context()))

	// Every answer is as it is described, and the routes are those that are described.
	described := map[string]bool{}
	for _, e := range c.endpoints() {
		described[e.Method+" "+e.Path] = true
		path := exampleOf(&e)
		query := url.Values{}
		for _, p := range e.Query {
			if p.Required {
				query.Set(p.Name, p.Rule.Example)
			}
		}
		answer := ask(c.Handler(), e.Method, path+"?"+query.Encode(), "127.0.0.1:1", nil)
		if e.Method == http.MethodPost {
			form := url.Values{}
			for _, f := range e.Form {
				if f.Required || f.Name == "id" {
					form.Set(f.Name, f.Rule.Example)
				}
			}
			if strings.Contains(path, "approve") {
				form.Set("expected", "90")
			}
			answer = post(c, path, form.Encode())
		}
		require.Equal(t, http.StatusOK, answer.Code, "%s %s: %s", e.Method, path, answer.Body)
		require.Equal(t, "application/json", answer.Header().Get("Content-Type"))
		var value any
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &value))
		schema := loaded.Paths.Find(e.Path).GetOperation(e.Method).Responses.Status(http.StatusOK).Value.Content["application/json"].Schema.Value
		require.NoError(t, schema.VisitJSON(value), "%s: %s", path, answer.Body)
	}
	for pattern := range c.routes() {
		if _, path, _ := strings.Cut(pattern, " "); strings.HasPrefix(path, "/api/") {
			require.True(t, described[pattern], pattern)
		}
	}
}

// exampleOf is the path of an endpoint, with examples in it.
func exampleOf(e *endpoint) string {
	path := e.Path
	for _, p := range e.pathParameters() {
		path = strings.Replace(path, "{"+p.Name+"}", p.Rule.Example, 1)
	}
	return path
}

// wrongValues are values that a schema does not allow.
func wrongValues(t *testing.T, schema *openapi3.Schema) (values []string) {
	t.Helper()
	switch {
	case schema.Type.Is("array"):
		return wrongValues(t, schema.Items.Value)
	case schema.Type.Is("integer"):
		values = []string{"abc", "1.5", "0x1", "99999999999999999999"}
		if schema.Min != nil {
			values = append(values, strconv.Itoa(int(*schema.Min)-1))
		}
		if schema.Max != nil {
			values = append(values, strconv.Itoa(int(*schema.Max)+1))
		}
	case schema.Enum != nil:
		values = []string{"bogus", "OPEN "}
	case schema.Pattern != "":
		require.NotRegexp(t, schema.Pattern, "bogus!")
		values = []string{"bogus!", "7-"}
	default:
		require.NotNil(t, schema.MaxLength, "every text has an end")
		values = []string{strings.Repeat("x", int(*schema.MaxLength)+1)}
		if schema.MinLength > 0 {
			values = append(values, strings.Repeat("x", int(schema.MinLength)-1), strings.Repeat(" ", int(schema.MinLength)))
		}
	}
	return slices.DeleteFunc(values, func(text string) bool { return text == "" }) // that counts as left out
}

func exampleIn(schema *openapi3.Schema) string {
	if schema.Type.Is("array") {
		schema = schema.Items.Value
	}
	return fmt.Sprint(schema.Examples[0])
}

// TestWrongParametersAreRefused: at every endpoint that the document describes, every
// parameter with every kind of wrong value is answered 400, which names the field, its rule and
// an example that works; and nothing is done.
func TestWrongParametersAreRefused(t *testing.T) {
	t.Parallel()
	c := newFull(t, allActions())
	text, err := os.ReadFile(documentFile)
	require.NoError(t, err)
	document, err := openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	tried := 0
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			query, form, fill := url.Values{}, url.Values{}, strings.NewReplacer()
			type place struct {
				name     string
				schema   *openapi3.Schema
				required bool
				set      func(values ...string)
			}
			var places []place
			address := path
			for _, p := range operation.Parameters {
				schema := p.Value.Schema.Value
				if p.Value.In == "path" {
					address = strings.Replace(address, "{"+p.Value.Name+"}", exampleIn(schema), 1)
					places = append(places, place{name: p.Value.Name, schema: schema, set: func(values ...string) {
						fill = strings.NewReplacer("{"+p.Value.Name+"}", url.PathEscape(values[0]))
					}})
					continue
				}
				places = append(places, place{p.Value.Name, schema, p.Value.Required, func(values ...string) { query[p.Value.Name] = values }})
				if p.Value.Required {
					query.Set(p.Value.Name, exampleIn(schema))
				}
			}
			if operation.RequestBody != nil {
				schema := operation.RequestBody.Value.Content[formType].Schema.Value
				for name, property := range schema.Properties {
					required := slices.Contains(schema.Required, name)
					places = append(places, place{name, property.Value, required, func(values ...string) { form[name] = values }})
					if required || name == "id" {
						form.Set(name, exampleIn(property.Value))
					}
				}
			}
			call := func() (code int, told problemAnswer) {
				at := address
				if filled := fill.Replace(path); filled != path {
					at = filled
				}
				request := httptest.NewRequest(method, "http://127.0.0.1"+at+"?"+query.Encode(), strings.NewReader(form.Encode()))
				request.Header.Set("Content-Type", formType)
				answer := httptest.NewRecorder()
				c.Handler().ServeHTTP(answer, request)
				if answer.Code >= http.StatusBadRequest {
					require.Equal(t, "application/problem+json", answer.Header().Get("Content-Type"))
					require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &told))
				}
				return answer.Code, told
			}
			refused := func(name string, what any) wrongField {
				tried++
				code, told := call()
				require.Equal(t, http.StatusBadRequest, code, "%s %s: %s=%v: %+v", method, path, name, what, told)
				require.Len(t, told.Fields, 1, "%s %s: %s=%v", method, path, name, what)
				require.Equal(t, name, told.Fields[0].Field)
				require.NotEmpty(t, told.Fields[0].Rule)
				require.Contains(t, told.Detail, name)
				return told.Fields[0]
			}
			code, told := call()
			require.NotEqual(t, http.StatusBadRequest, code, "%s %s: %+v", method, path, told)
			beforeQuery, beforeForm := maps.Clone(query), maps.Clone(form)
			reset := func() { query, form, fill = maps.Clone(beforeQuery), maps.Clone(beforeForm), strings.NewReplacer() }
			for _, p := range places {
				for _, value := range wrongValues(t, p.schema) {
					p.set(value)
					if p.name == "scope" {
						form.Del("id")
					}
					require.Equal(t, exampleIn(p.schema), refused(p.name, value).Example)
					reset()
				}
				if p.required {
					p.set()
					refused(p.name, "nothing")
					p.set("")
					refused(p.name, "an empty value")
					reset()
				}
				isPath := strings.Contains(path, "{"+p.name+"}") && !slices.ContainsFunc(operation.Parameters, func(o *openapi3.ParameterRef) bool { return o.Value.In == "query" && o.Value.Name == p.name })
				if _, inForm := form[p.name]; !isPath && !p.schema.Type.Is("array") && (p.required || !inForm) {
					example := exampleIn(p.schema)
					p.set(example, example)
					refused(p.name, "twice")
					reset()
				}
			}
			query.Set("limt", "5")
			unknown := refused("limt", 5)
			if slices.ContainsFunc(places, func(p place) bool { return p.name == "limit" }) {
				require.Equal(t, "limit", unknown.Example)
			}
			reset()
			if method == http.MethodPost {
				form.Set("bogus", "1")
				refused("bogus", 1)
			}
		}
	}
	require.Greater(t, tried, 400)
}

// TestChoosingDeadLetters: numbers choose alone, and a filter only with scope=all, so that no
// field is ignored.
func TestChoosingDeadLetters(t *testing.T) {
	t.Parallel()
	c := newFull(t, allActions())
	for form, field := range map[string]string{
		"why=because&expected=2":                       "id",
		"why=because&expected=2&scope=all&id=1":        "id",
		"why=because&expected=2&id=1&since=2h":         "since",
		"why=because&expected=2&id=1&account=x":        "account",
		"why=because&expected=2&scope=all&since=bogus": "since",
	} {
		for _, action := range []string{"replay", "dismiss"} {
			answer := post(c, "/api/v1/dead-letters/"+action, form)
			require.Equal(t, http.StatusBadRequest, answer.Code, form)
			require.Contains(t, answer.Body.String(), `"field":"`+field+`"`, form)
		}
	}
	chosen := choice{Filter: url.Values{"since": {"2h"}, "until": {"2026-11-28"}}, now: fixtureTime}.filter()
	require.Equal(t, fixtureTime.Add(-2*time.Hour), chosen.FailedSince)
	require.Equal(t, time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC), chosen.FailedBefore)
	// So do the pages, whose forms hold what their address says.
	for _, path := range []string{"/dead-letters?since=bogus", "/dead-letters?state=bogus&format=csv"} {
		require.Equal(t, http.StatusBadRequest, ask(c.Handler(), http.MethodGet, path, "127.0.0.1:1", nil).Code, path)
	}
	require.Equal(t, http.StatusBadRequest, post(c, "/dead-letters/replay", "why=because&expected=2&scope=all&since=bogus").Code)
	answer := ask(c.Handler(), http.MethodPost, "/api/v1/dead-letters/replay", "127.0.0.1:1", nil)
	require.Equal(t, http.StatusUnsupportedMediaType, answer.Code)
	require.Equal(t, http.StatusBadRequest, post(c, "/api/v1/accounts/a/pause", "why=because&for=2h&until=2099-01-01").Code)
}

func TestTheAPIAnswersProblems(t *testing.T) {
	t.Parallel()
	c := newFull(t, allActions())
	for path, code := range map[string]int{
		"/api/v1/batches/x": http.StatusBadRequest, "/api/v1/batches?before=x": http.StatusBadRequest, "/api/v1/series?step=1m": http.StatusBadRequest,
		"/api/v1/series?from=yesterday": http.StatusBadRequest, "/api/v1/dead-letters/x": http.StatusBadRequest, "/api/v1/nothing": http.StatusNotFound,
	} {
		answer := ask(c.Handler(), http.MethodGet, path, "127.0.0.1:1", nil)
		require.Equal(t, code, answer.Code, path)
		require.Equal(t, "application/problem+json", answer.Header().Get("Content-Type"), path)
	}
	for form, code := range map[string]int{
		"why=x&expected=2&id=1": http.StatusBadRequest, "why=because&id=1": http.StatusBadRequest,
		"why=because&expected=3&id=1": http.StatusConflict, "why=because&expected=2": http.StatusBadRequest,
		"why=because&expected=2&id=x": http.StatusBadRequest, "why=a;b": http.StatusBadRequest,
	} {
		require.Equal(t, code, post(c, "/api/v1/dead-letters/replay", form).Code, form)
	}
	require.Equal(t, http.StatusUnprocessableEntity, post(c, "/api/v1/dead-letters/7/edit", "why=because&body={").Code)
	require.Equal(t, http.StatusRequestEntityTooLarge, post(c, "/api/v1/dead-letters/7/edit", "why=because&body="+strings.Repeat("x", maxBody)).Code)
}
