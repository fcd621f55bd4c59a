package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// generated is what a page takes from the program; its texts are the program's.
var generated = regexp.MustCompile(`(?s)<!-- reference -->.*|<!-- ([^>]+) -->\n.*?<!-- end of [^>]+ -->`)

// banned are phrases that cost a reader whose first language is not English a second
// reading, with what to write instead.
var banned = map[*regexp.Regexp]string{
	regexp.MustCompile(`(?i)\bfor good\b`):                          "permanently",
	regexp.MustCompile(`(?i)\b(made|written|asked|encrypted) anew`): "recreated, written again",
	regexp.MustCompile(`(?i)\bsomething else than\b`):               "other than, must not be",
	regexp.MustCompile(`(?i)\bhangs? on\b`):                         "depends on",
	regexp.MustCompile(`(?i)\bput back\b`):                          "restored from an older copy",
	regexp.MustCompile(`(?i)\bmend(s|ed|ing)?\b`):                   "fix",
	regexp.MustCompile(`(?i)\b(lay|lays|laid|laying) over\b`):       "overlay, shallow merge",
	regexp.MustCompile(`(?i)\bthat many\b`):                         "as many",
	regexp.MustCompile(`(?i)\bgoes before\b`):                       "takes precedence",
	regexp.MustCompile(`\b(is|are) no [a-z]`):                       "is not a",
	regexp.MustCompile(`(?i)\bhas not [0-9a-z]+ (digits|letters)`):  "must have",
	regexp.MustCompile(`(?i)\bstands?\b`):                           "is",
	regexp.MustCompile(`(?i)\bby itself\b`):                         "automatically, or nothing",
	regexp.MustCompile(`(?i)\btold\b`):                              "reported",
	regexp.MustCompile(`(?i)\bfor ever\b`):                          "forever, or a limit",
	regexp.MustCompile(`(?i)\bwhat people call\b`):                  "the name of",
	regexp.MustCompile(`(?i)\bnobody (documents|tells|says)\b`):     "not documented, unknown",
	regexp.MustCompile(`(?i)\buntil a signal comes\b`):              "until SIGINT or SIGTERM",
}

// allowed looks like a banned phrase and is not one.
var allowed = regexp.MustCompile(`(?i)\bthere (is|are) no\b|\bno longer\b`)

// TestPlainWords: the pages use none of the banned phrases outside generated parts
// and code.
// The changelog is a record of its time and is left alone.
func TestPlainWords(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		if strings.HasSuffix(page, "CHANGELOG.md") {
			continue
		}
		text := generated.ReplaceAllString(prose(t, page), "")
		text = allowed.ReplaceAllString(codeSpan.ReplaceAllString(text, ""), "")
		for line := range strings.Lines(text) {
			for phrase, instead := range banned {
				assert.NotRegexpf(t, phrase, line, "%s: write: %s", page, instead)
			}
		}
	}
}

// bannedInCode are those of the phrases that are never right in code, comments and
// messages.
var bannedInCode = regexp.MustCompile(`(?i)\b(for good|anew|something else than|hangs? on|put back|mend(s|ed|ing)?|la(id|y|ys|ying) over|goes before|` +
	`what people call|until a signal comes|has not [a-z0-9]+ (digits|letters|colons)|(it|code|amount|rate) is no [a-z]+)\b`)

// TestPlainWordsInCode looks at Go and at queries. Migrations are released and stay.
func TestPlainWordsInCode(t *testing.T) {
	t.Parallel()
	files := 0
	require.NoError(t, filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name := entry.Name(); len(name) > 2 && strings.HasPrefix(name, ".") || name == "testdata" || name == "migrations" {
				return fs.SkipDir
			}
			return nil
		case filepath.Ext(path) != ".go" && filepath.Ext(path) != ".sql", entry.Name() == "words_test.go":
			return nil
		}
		content, err := os.ReadFile(path)
		files++
		for number, line := range strings.Split(string(content), "\n") {
			if found := bannedInCode.FindString(line); found != "" {
				t.Errorf("%s:%d: %q: docs/words_test.go has what to write", path, number+1, found)
			}
		}
		return err
	}))
	require.Greater(t, files, 500)
}

// TestGlossaryHasEachWordOnce: a word with two lines would have two meanings.
func TestGlossaryHasEachWordOnce(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("glossary.md")
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+) \| [^|]+ \|[^|]*\|$`).FindAllStringSubmatch(string(page), -1) {
		if word := row[1]; word != "word" {
			require.Falsef(t, seen[word], "%q has two lines", word)
			seen[word] = true
		}
	}
	require.Greater(t, len(seen), 50, "the glossary is not read any more")
}
