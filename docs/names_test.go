// Package docs has no code. Its test holds the pages to the program.
package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	quoted   = regexp.MustCompile("`([^`]+)`")
	function = regexp.MustCompile(`^[A-Za-z]+\.[A-Za-z]+$`)
	table    = regexp.MustCompile(`^courier\.[a-z_]+$`)
)

// TestNamesExist: a function that a line of the map names is declared in a file that
// the same line names.
func TestNamesExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("life-of-a-mutation.md")
	require.NoError(t, err)
	tables := migrated(t)
	functions := 0
	for number, line := range strings.Split(string(page), "\n") {
		var names, files []string
		for _, match := range quoted.FindAllStringSubmatch(line, -1) {
			switch name := match[1]; {
			case table.MatchString(name):
				require.Containsf(t, tables, name, "line %d: there is no such table", number+1)
			case strings.HasSuffix(name, ".go"):
				files = append(files, name)
			case function.MatchString(name):
				names = append(names, name)
			}
		}
		if len(files) == 0 {
			continue // settings, statuses
		}
		declared := map[string]bool{}
		for _, file := range files {
			for _, name := range namesOf(t, filepath.Join("..", filepath.FromSlash(file))) {
				declared[name] = true
			}
		}
		for _, name := range names {
			require.Truef(t, declared[name], "line %d: %s is not declared in %v", number+1, name, files)
			functions++
		}
	}
	require.Greater(t, functions, 30, "the page names no functions any more")
}

// namesOf lists a file's methods as Type.method, its functions and types as package.Name.
func namesOf(t *testing.T, path string) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	for _, declaration := range file.Decls {
		if types, ok := declaration.(*ast.GenDecl); ok {
			for _, spec := range types.Specs {
				if declared, ok := spec.(*ast.TypeSpec); ok {
					names = append(names, file.Name.Name+"."+declared.Name.Name)
				}
			}
		}
		f, ok := declaration.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if f.Recv == nil {
			names = append(names, file.Name.Name+"."+f.Name.Name)
			continue
		}
		receiver := f.Recv.List[0].Type
		if star, ok := receiver.(*ast.StarExpr); ok {
			receiver = star.X
		}
		if name, ok := receiver.(*ast.Ident); ok {
			names = append(names, name.Name+"."+f.Name.Name)
		}
	}
	return names
}

// migrated lists the tables that migrations create.
func migrated(t *testing.T) (tables map[string]bool) {
	t.Helper()
	tables = map[string]bool{}
	created := regexp.MustCompile(`(?m)^CREATE (?:TABLE|VIEW) (courier\.[a-z_]+)`)
	require.NoError(t, fs.WalkDir(os.DirFS("../migrations"), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".sql") {
			return err
		}
		content, err := os.ReadFile(filepath.Join("../migrations", path))
		for _, match := range created.FindAllStringSubmatch(string(content), -1) {
			tables[match[1]] = true
		}
		return err
	}))
	return tables
}
