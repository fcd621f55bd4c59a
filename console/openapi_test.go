package console

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
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

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

// document describes the API.
func document(c *Console) map[string]any {
	paths, schemas := map[string]any{}, map[string]any{}
	problem := map[string]any{"description": "What is wrong.", "content": map[string]any{"application/problem+json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/Problem"}}}}
	schemas["Problem"] = map[string]any{
		"type": "object", "required": []string{"detail", "status", "title"},
		"properties": map[string]any{"title": map[string]any{"type": "string"}, "status": map[string]any{"type": "integer"}, "detail": map[string]any{"type": "string"}},
	}
	for _, e := range c.endpoints() {
		parameters := []any{}
		for _, name := range placeholder.FindAllStringSubmatch(e.Path, -1) {
			parameters = append(parameters, map[string]any{"name": name[1], "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
		}
		for _, p := range e.Query {
			parameters = append(parameters, map[string]any{"name": p.Name, "in": "query", "required": p.Required, "description": p.Meaning, "schema": map[string]any{"type": "string"}})
		}
		operation := map[string]any{
			"summary": e.Summary, "parameters": parameters,
			"responses": map[string]any{
				"200":     map[string]any{"description": "The answer.", "content": map[string]any{"application/json": map[string]any{"schema": describe(reflect.TypeOf(e.Shape), schemas)}}},
				"default": problem,
			},
		}
		if e.Form != nil {
			properties, required := map[string]any{}, []string{}
			for _, f := range e.Form {
				properties[f.Name] = map[string]any{"type": "string", "description": f.Meaning}
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
			"description": "What became of items, and the actions of the console, for programs. The rules of the pages hold: whoever may look may read, operators may act where console.actions is true, and each action is in the audit log. Written by go test ./console -run OpenAPI -update.",
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
		path := strings.NewReplacer("{id}", "7", "{name}", "a").Replace(e.Path)
		if strings.HasPrefix(e.Path, "/api/v1/batches/") {
			path = strings.Replace(path, "/7", "/01a22495-0000-7000-8000-000000000001", 1)
		}
		answer := ask(c.Handler(), e.Method, path+"?id=x", "127.0.0.1:1", nil)
		if e.Method == http.MethodPost {
			answer = post(c, path, `why=because&expected=`+map[bool]string{true: "90", false: "2"}[strings.Contains(path, "approve")]+`&id=1&body={"item_id":"x","operation":"DELETE"}`)
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

func TestTheAPIAnswersProblems(t *testing.T) {
	t.Parallel()
	c := newFull(t, allActions())
	for path, code := range map[string]int{
		"/api/v1/batches/x": http.StatusBadRequest, "/api/v1/batches?before=x": http.StatusBadRequest, "/api/v1/series?step=1m": http.StatusBadRequest,
		"/api/v1/series?from=yesterday": http.StatusBadRequest, "/api/v1/dead-letters/x": http.StatusNotFound, "/api/v1/nothing": http.StatusNotFound,
	} {
		answer := ask(c.Handler(), http.MethodGet, path, "127.0.0.1:1", nil)
		require.Equal(t, code, answer.Code, path)
		require.Equal(t, "application/problem+json", answer.Header().Get("Content-Type"), path)
	}
	for form, code := range map[string]int{
		"why=x&expected=2&id=1": http.StatusUnprocessableEntity, "why=because&id=1": http.StatusBadRequest,
		"why=because&expected=3&id=1": http.StatusConflict, "why=because&expected=2": http.StatusUnprocessableEntity,
		"why=because&expected=2&id=x": http.StatusBadRequest, "why=a;b": http.StatusBadRequest,
	} {
		require.Equal(t, code, post(c, "/api/v1/dead-letters/replay", form).Code, form)
	}
	require.Equal(t, http.StatusUnprocessableEntity, post(c, "/api/v1/dead-letters/7/edit", "why=because&body={").Code)
	require.Equal(t, http.StatusRequestEntityTooLarge, post(c, "/api/v1/dead-letters/7/edit", "why=because&body="+strings.Repeat("x", maxBody)).Code)
}
