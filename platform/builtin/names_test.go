package builtin_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

// notTheProgram are the folders of the repository that are not the program: tests,
// benchmarks, examples and the checks of deploy/ are about particular platforms, or only share a word with them, and so are the formats of feeds
// and the presets of mappings, which are data.
var notTheProgram = []string{"test", "bench", "examples", "docs", "deploy/check", "platform/builtin", "source/feed", "source/mapping", "source/webhook"}

// TestNothingElseNamesAPlatform: what the program knows of a platform is in the
// platform's folder, and one line of the list names it. No other file imports that
// folder, or has the platform's name in an identifier or a text.
func TestNothingElseNamesAPlatform(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	checked := 0
	require.NoError(t, fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains(notTheProgram, path) || (path != "." && strings.HasPrefix(entry.Name(), ".")) || isPlatformFolder(path) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		checked++
		for _, word := range namesIn(file) {
			t.Errorf("%s names a platform: %s", path, word)
		}
		return nil
	}))
	require.Greater(t, checked, 200, "the files are found")
}

func isPlatformFolder(path string) bool {
	return slices.ContainsFunc(builtin.Platforms(), namedBy(strings.TrimPrefix(path, "platform/")))
}

// namesIn are the identifiers and texts of a file that have a platform's name in them as
// a word of its own.
func namesIn(file *ast.File) (found []string) {
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.Ident:
			if hasName(words(node.Name)) {
				found = append(found, node.Name)
			}
		case *ast.BasicLit:
			if node.Kind == token.STRING && hasName(words(node.Value)) {
				found = append(found, node.Value)
			}
		}
		return true
	})
	return found
}

func hasName(words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return slices.Contains(platformNames(), word) })
}

// platformNames are found once: they are compared with each word of the program.
var platformNames = sync.OnceValue(func() (names []string) {
	for _, descriptor := range builtin.Platforms() {
		names = append(names, descriptor.Name)
	}
	return names
})

func namedBy(word string) func(platform.Descriptor) bool {
	return func(d platform.Descriptor) bool { return d.Name == word }
}

// words are the words of a text in lower case; a capital begins one, as in MetaURL.
func words(text string) []string {
	var spaced strings.Builder
	before := ' '
	for _, r := range text {
		if unicode.IsUpper(r) && unicode.IsLower(before) {
			spaced.WriteByte(' ')
		}
		spaced.WriteRune(r)
		before = r
	}
	return strings.FieldsFunc(strings.ToLower(spaced.String()), func(r rune) bool { return !unicode.IsLetter(r) })
}
