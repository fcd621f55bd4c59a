package reason_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/reason"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

// TestEveryCodeIsInTheRegistry: what the code can emit, and nothing else. Codes are
// collected from the sources, so that a new one without an entry fails.
func TestEveryCodeIsInTheRegistry(t *testing.T) {
	t.Parallel()
	for kind, emitted := range map[reason.Kind][]string{
		reason.Mutation: constants(t, "../../catalog", "Reason"),
		reason.Account:  without(viewStates(t, "account_status", "state"), "active"),
		reason.Batch: without(append(viewStates(t, "batch_status", "state"), constants(t, "../ledger", "BatchState")...),
			"sending", "submitted", "completed"),
		reason.Finding: findingKinds(t),
	} {
		var listed []string
		for _, entry := range reason.Entries() {
			if entry.Kind == kind {
				listed = append(listed, entry.Code)
			}
		}
		require.NotEmpty(t, emitted, kind)
		assert.ElementsMatch(t, distinct(emitted), listed, kind)
	}
	for _, code := range catalog.DeadLetterReasons() {
		assert.NotEqual(t, reason.None, reason.Of(code).Replay, code)
	}
}

func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

func without(list []string, ordinary ...string) []string {
	return slices.DeleteFunc(list, func(code string) bool { return slices.Contains(ordinary, code) })
}

// files parses the Go files below a folder, without tests.
func files(t *testing.T, root string) (parsed []*ast.File) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		parsed = append(parsed, file)
		return err
	}))
	return parsed
}

func literal(t *testing.T, expression ast.Expr) string {
	t.Helper()
	text, err := strconv.Unquote(expression.(*ast.BasicLit).Value)
	require.NoError(t, err)
	return text
}

// constants are the values of the constants of a type.
func constants(t *testing.T, root, typeName string) (values []string) {
	t.Helper()
	for _, file := range files(t, root) {
		ast.Inspect(file, func(node ast.Node) bool {
			if spec, ok := node.(*ast.ValueSpec); ok {
				if named, ok := spec.Type.(*ast.Ident); ok && named.Name == typeName && len(spec.Values) == 1 {
					values = append(values, literal(t, spec.Values[0]))
				}
			}
			return true
		})
	}
	return values
}

// findingKinds are those of findings: constants called Kind…, and texts in literals.
func findingKinds(t *testing.T) (kinds []string) {
	t.Helper()
	kinds = constants(t, "../../source/feed", "Kind")
	for _, file := range files(t, "../../source/mapping") {
		ast.Inspect(file, func(node ast.Node) bool {
			if spec, ok := node.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Kind") && len(spec.Values) == 1 {
				kinds = append(kinds, literal(t, spec.Values[0]))
			}
			return true
		})
	}
	for _, file := range files(t, "../../source") {
		ast.Inspect(file, func(node ast.Node) bool {
			pair, ok := node.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			if key, ok := pair.Key.(*ast.Ident); !ok || key.Name != "Kind" {
				return true
			}
			if text, ok := pair.Value.(*ast.BasicLit); ok {
				kinds = append(kinds, literal(t, text))
			}
			return true
		})
	}
	return kinds
}

var quoted = regexp.MustCompile(`(?:THEN|ELSE) '([a-z_ ]+)'`)

// viewStates are the states that the newest definition of a view can have.
func viewStates(t *testing.T, view, column string) (states []string) {
	t.Helper()
	paths, err := filepath.Glob("../../migrations/*.sql")
	require.NoError(t, err)
	slices.Sort(paths)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		_, definition, found := strings.Cut(up, "VIEW courier."+view+" AS")
		if !found {
			continue
		}
		before, _, found := strings.Cut(definition, "END AS "+column)
		require.True(t, found, path)
		states = nil
		for _, match := range quoted.FindAllStringSubmatch(before[strings.LastIndex(before, "CASE\n"):], -1) {
			states = append(states, match[1])
		}
	}
	return states
}

// TestEntriesAreSentences: each says what to do, in sentences of a readable length, and each
// anchor is there once.
func TestEntriesAreSentences(t *testing.T) {
	t.Parallel()
	check := func(where, meaning, action string, who reason.Who) {
		for _, text := range []string{meaning, action} {
			assert.Regexp(t, `^[A-Z].*\.$`, text, where)
			assert.Less(t, len(text), 260, where)
		}
		assert.Contains(t, []reason.Who{reason.Shop, reason.Operator, reason.Support, reason.Nobody}, who, where)
	}
	for _, entry := range reason.Entries() {
		check(entry.Code, entry.Meaning, entry.Action, entry.Who)
	}
	registry := platform.Reasons(builtin.Platforms())
	for _, p := range builtin.Platforms() {
		require.NotEmpty(t, p.Reasons, p.Name)
		for i := range p.Reasons {
			code := &p.Reasons[i]
			check(p.Name+" "+strconv.Itoa(code.Code), code.Meaning, code.Action, code.Who)
			assert.NotEmpty(t, code.Source, p.Name)
		}
	}
	anchors := regexp.MustCompile(`<a id="([^"]+)">`).FindAllStringSubmatch(registry.Reference(), -1)
	seen := map[string]bool{}
	for _, anchor := range anchors {
		assert.False(t, seen[anchor[1]], anchor[1])
		assert.Regexp(t, `^[a-z0-9_-]+$`, anchor[1])
		seen[anchor[1]] = true
	}
	require.Greater(t, len(seen), 100)
}

// TestExplain: the platform's own code, ours, one that nobody lists.
func TestExplain(t *testing.T) {
	t.Parallel()
	registry := platform.Reasons(builtin.Platforms())

	own := registry.Explain("meta", ledger.Issue{Code: "not_clearable", Attribute: "attributes.brand"})
	require.Equal(t, "not_clearable", own.Code)
	require.Contains(t, own.URL, "docs/errors.md#not_clearable")

	title := registry.Explain("pinterest", ledger.Issue{Code: "106", Attribute: "title", Message: "Title is missing."})
	require.Equal(t, "106", title.Code)
	require.Equal(t, reason.Shop, title.Who)
	require.Contains(t, title.URL, "#pinterest-106")

	unlisted := registry.Explain("pinterest", ledger.Issue{Code: "8", Attribute: "price", Message: "no"})
	require.Contains(t, unlisted.Action, "Correct price in the shop's data", "8 of an item is not the rate limit of a call")
	require.Contains(t, registry.Explain("pinterest", ledger.Issue{Code: "8"}).Meaning, "rate limit")

	denied := registry.Explain("meta", ledger.Issue{Code: "100", Message: "Object with ID '1' cannot be loaded due to missing permissions"})
	require.Contains(t, denied.Action, "catalog_id")
	require.Equal(t, reason.Shop, registry.Explain("meta", ledger.Issue{Code: "100", Message: "Invalid parameter"}).Who)

	nobody := registry.Explain("", ledger.Issue{Message: "no"})
	require.Contains(t, nobody.Meaning, "The platform says this")
}

// TestExplainCalls: what an account is paused for and what a batch failed for.
func TestExplainCalls(t *testing.T) {
	t.Parallel()
	registry := platform.Reasons(builtin.Platforms())
	for text, anchor := range map[string]string{
		"POST items_batch: HTTP 401, code 190, subcode 463: Session has expired":       "#meta-190",
		"POST items_batch: HTTP 400, code 100, subcode 33: Unsupported post request":   "#meta-100-33",
		"POST items_batch: HTTP 400, code 100: Invalid appsecret_proof":                "#meta-100-appsecret_proof",
		"POST items_batch: HTTP 400, code 80004: There have been too many calls":       "#meta-80000",
		"POST items_batch: HTTP 500, code -3: internal":                                "#meta-negative",
		"POST items_batch: HTTP 401: Unauthorized":                                     "#meta-http-401",
		"POST items_batch: HTTP 500, code 1: Please reduce the amount of data (may …)": "#meta-1-reduce-the-amount-of-data",
	} {
		advice, found := registry.Call("meta", text)
		require.True(t, found, text)
		require.True(t, strings.HasSuffix(advice.URL, anchor), "%s: %s", text, advice.URL)
	}
	_, found := registry.Call("pinterest", "POST catalogs/items/batch: HTTP 400, code 192: x")
	require.False(t, found, "192 is a code of items")
	for _, text := range []string{"dial tcp: connection refused", "POST x: HTTP 418: teapot", ""} {
		_, found := registry.Call("meta", text)
		require.False(t, found, text)
	}
}

// TestLetterAdvice has each piece of advice once, the reason's first.
func TestLetterAdvice(t *testing.T) {
	t.Parallel()
	registry := platform.Reasons(builtin.Platforms())
	list := registry.Letter("pinterest", catalog.Refused, []ledger.Issue{
		{Code: "106", Attribute: "title"}, {Code: "106", Attribute: "link"}, {Code: "999", Attribute: "price"},
	})
	require.Len(t, list, 3)
	require.Equal(t, []string{"refused", "106", "999"}, []string{list[0].Code, list[1].Code, list[2].Code})
	require.Len(t, registry.Letter("pinterest", catalog.NotClearable, []ledger.Issue{{Code: "not_clearable"}, {Message: "no"}}), 1)
}
