package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
	"github.com/stretchr/testify/require"
)

// TestRelease: GoReleaser reads its configuration strictly, as its command check does, and
// builds programs that there are.
func TestRelease(t *testing.T) {
	t.Parallel()
	const root = "../.."
	release, err := config.Load(filepath.Join(root, ".goreleaser.yaml"))
	require.NoError(t, err)
	require.Len(t, release.Builds, 2)
	for _, build := range release.Builds {
		require.FileExists(t, filepath.Join(root, build.Main, "main.go"))
		require.Equal(t, []string{"-s -w -X main.linked={{ .Tag }}"}, []string(build.Ldflags))
		require.Equal(t, []string{"CGO_ENABLED=0"}, build.Env)
		require.Equal(t, []string{"linux", "darwin"}, build.Goos, "%s: what the anchor says holds for both", build.ID)
	}
	for _, file := range release.Archives[0].Files {
		found, err := filepath.Glob(filepath.Join(root, strings.ReplaceAll(file.Source, "**/", "")))
		require.NoError(t, err)
		require.NotEmpty(t, found, file.Source)
	}

	text, err := os.ReadFile(filepath.Join(root, ".goreleaser.yaml"))
	require.NoError(t, err)
	_, err = config.LoadReader(strings.NewReader(strings.Replace(string(text), "draft: true", "drafts: true", 1)))
	require.ErrorContains(t, err, "drafts", "a misspelt key")
}
