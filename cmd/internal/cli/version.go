package cli

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// Release is the newest version in CHANGELOG.md: what a program is that is built from a
// checkout, with the commit added.
const Release = "v0.1.0"

// Version is the version of the program: what the linker was given, else the module's
// ("go install …@v0.1.0"), else Release with the commit that it was built from.
func Version(linked string) string {
	if linked != "" {
		return linked
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Release
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	// Of a checkout without tags the toolchain makes v0.0.0 with a date and the commit.
	if version := info.Main.Version; version != "" && version != "(devel)" && !strings.HasPrefix(version, "v0.0.0-") {
		return version
	}
	var revision, modified string
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			revision = setting.Value
		case "vcs.modified":
			if setting.Value == "true" {
				modified = ".dirty"
			}
		}
	}
	const short = 12
	if revision == "" {
		return Release
	}
	return Release + "+" + revision[:min(len(revision), short)] + modified
}

// VersionCommand prints the version, and with which Go the program was built.
func VersionCommand(streams Streams, version string) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			line := strings.Fields(c.Root().Name() + " " + version)
			if info, ok := debug.ReadBuildInfo(); ok {
				line = append(line, info.GoVersion)
			}
			_, err := fmt.Fprintln(streams.Out, strings.Join(line, " "))
			return err
		},
	}
}
