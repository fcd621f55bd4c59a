package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// fileBlock is a file's path and its content.
var fileBlock = regexp.MustCompile("(?m)^`(platform/platformtest/shelf/[a-z/]+\\.go)`\n\n```go\n((?s:.*?))^```$")

// lineBlock is the line of the list.
var lineBlock = regexp.MustCompile("`platform/builtin/builtin\\.go`:\n\n```go\n(.*\n)```")

// TestAPlatformIsAddedAsThePageSays: the page has every file of the platform that a real
// worker delivers to, byte for byte, and the one line that lists it.
func TestAPlatformIsAddedAsThePageSays(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("add-a-platform.md")
	require.NoError(t, err)
	shown := map[string]string{}
	for _, block := range fileBlock.FindAllStringSubmatch(string(page), -1) {
		shown[block[1]] = block[2]
	}
	present := map[string]string{}
	for _, pattern := range []string{"*.go", "*/*.go"} {
		paths, err := filepath.Glob("../platform/platformtest/shelf/" + pattern)
		require.NoError(t, err)
		for _, path := range paths {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			present[filepath.ToSlash(path[len("../"):])] = string(content)
		}
	}
	require.NotEmpty(t, present)
	require.Equal(t, present, shown, "copy the file into the page")

	line := lineBlock.FindStringSubmatch(string(page))
	require.NotNil(t, line)
	test, err := os.ReadFile("../cmd/worker/thirdplatform_test.go")
	require.NoError(t, err)
	require.Contains(t, string(test), "return append(builtin.Platforms(),\n"+line[1]+"\t)\n", "the test adds that line and no other")
}
