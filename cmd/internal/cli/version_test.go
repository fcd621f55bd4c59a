package cli

import (
	"os"
	"regexp"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	require.Equal(t, "v1.2.3", Version("v1.2.3"))
	require.NotEmpty(t, Version(""))
	checkout := func(settings ...string) *debug.BuildInfo {
		info := &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}
		for i := 0; i < len(settings); i += 2 {
			info.Settings = append(info.Settings, debug.BuildSetting{Key: settings[i], Value: settings[i+1]})
		}
		return info
	}
	require.Equal(t, "v1.2.3", versionOf(&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}))
	require.Equal(t, Release, versionOf(checkout()))
	require.Equal(t, Release+"+0123456789ab", versionOf(checkout("vcs.revision", "0123456789abcdef", "vcs.modified", "false")))
	require.Equal(t, Release+"+0123456789ab.dirty", versionOf(checkout("vcs.revision", "0123456789abcdef", "vcs.modified", "true")))
	tagless := checkout("vcs.revision", "0123456789abcdef")
	tagless.Main.Version = "v0.0.0-20261128160000-0123456789ab"
	require.Equal(t, Release+"+0123456789ab", versionOf(tagless))
}

// TestReleaseIsInTheChangelog: the newest version there is what programs say.
func TestReleaseIsInTheChangelog(t *testing.T) {
	t.Parallel()
	changelog, err := os.ReadFile("../../../CHANGELOG.md")
	require.NoError(t, err)
	newest := regexp.MustCompile(`(?m)^## \[?(v[0-9.]+)`).FindSubmatch(changelog)
	require.NotNil(t, newest)
	require.Equal(t, Release, string(newest[1]))
}
