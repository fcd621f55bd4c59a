package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

var (
	codeSpan  = regexp.MustCompile("`[^`\n]*`")
	link      = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	reference = regexp.MustCompile(`(?m)^\[[^\]]+\]:\s+(\S+)`)
	remote    = regexp.MustCompile(`^[a-z]+:`) // https:, mailto:
)

// TestLinksLead: every relative link of every page in the repository leads to a file
// that exists, and its anchor to a heading of that file.
func TestLinksLead(t *testing.T) {
	t.Parallel()
	links := 0
	for _, page := range pages(t) {
		for _, target := range linksOf(t, page) {
			links++
			path, anchor, _ := strings.Cut(target, "#")
			file := page
			if path != "" {
				file = filepath.Join(filepath.Dir(page), filepath.FromSlash(path))
			}
			_, err := os.Stat(file)
			require.NoErrorf(t, err, "%s links to %s", page, target)
			if anchor != "" {
				require.Containsf(t, anchorsOf(t, file), anchor, "%s links to %s", page, target)
			}
		}
	}
	require.Greater(t, links, 30, "the pages link to nothing any more")
}

func TestAnchors(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(path, []byte(
		"# 1. What's `courier.batch`?\n```sh\n# no heading\n```\n## Twice\n## Twice\n### Słowa, [a link](x.md)\n<a id=\"set\"></a>text\n"), 0o600))
	require.Equal(t, []string{"1-whats-courierbatch", "twice", "twice-1", "słowa-a-link", "set"}, anchorsOf(t, path))
	require.Equal(t, []string{"x.md"}, linksOf(t, path))
}

// pages lists the Markdown files of the repository.
func pages(t *testing.T) (paths []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && len(entry.Name()) > 2 && strings.HasPrefix(entry.Name(), ".") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".md" && entry.Name() != "chaos-report.md" { // a run writes that one
			paths = append(paths, path)
		}
		return nil
	}))
	return paths
}

// prose is a page without its code blocks.
func prose(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var text strings.Builder
	code := false
	for line := range strings.Lines(string(content)) {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			code = !code
		case !code:
			text.WriteString(line)
		}
	}
	return text.String()
}

// linksOf lists the targets of a page's links within the repository.
func linksOf(t *testing.T, path string) (targets []string) {
	t.Helper()
	text := codeSpan.ReplaceAllString(prose(t, path), "")
	for _, match := range append(link.FindAllStringSubmatch(text, -1), reference.FindAllStringSubmatch(text, -1)...) {
		if !remote.MatchString(match[1]) {
			targets = append(targets, match[1])
		}
	}
	return targets
}

// named are the anchors that a page sets itself.
var named = regexp.MustCompile(`<a id="([^"]+)"></a>`)

// anchorsOf names a page's headings as GitHub does, and the anchors that it sets itself.
func anchorsOf(t *testing.T, path string) (anchors []string) {
	t.Helper()
	seen := map[string]bool{}
	for line := range strings.Lines(prose(t, path)) {
		for _, match := range named.FindAllStringSubmatch(line, -1) {
			anchors = append(anchors, match[1])
		}
		marks := len(line) - len(strings.TrimLeft(line, "#"))
		if marks == 0 || marks > 6 || line[marks] != ' ' {
			continue
		}
		heading := link.ReplaceAllString(strings.TrimSpace(line[marks:]), "]")
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, heading)
		if seen[anchor] {
			anchor += "-1" // a third heading of one name would be -2: none is linked to
		}
		seen[anchor] = true
		anchors = append(anchors, anchor)
	}
	return anchors
}
