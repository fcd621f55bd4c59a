package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTroubleshootingQuotesTheProgram: who searches for a text must find the one that is
// logged or printed. Texts of NATS and of the platforms are theirs.
func TestTroubleshootingQuotesTheProgram(t *testing.T) {
	t.Parallel()
	foreign := map[string]bool{
		"maximum bytes exceeded": true, "Permissions Violation": true, "no responders": true, "Duplicate retailer_id": true,
	}
	var program strings.Builder
	for _, folder := range []string{"cmd", "service", "delivery", "internal", "persistence", "queue", "platform", "catalog"} {
		require.NoError(t, filepath.WalkDir("../"+folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			program.Write(text)
			return err
		}))
	}
	page, err := os.ReadFile("troubleshooting.md")
	require.NoError(t, err)
	quoted, texts := regexp.MustCompile("`([^`]+)`"), 0
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		for _, match := range quoted.FindAllStringSubmatch(strings.SplitN(line, "|", 3)[1], -1) {
			texts++
			require.Truef(t, foreign[match[1]] || strings.Contains(program.String(), match[1]), "nothing says %q", match[1])
		}
	}
	require.Greater(t, texts, 20)
}
