// Command worker delivers catalog mutations to ad platforms and keeps what became
// of each.
package main

import (
	"os"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

// linked is set by the linker to the version of a release.
var linked string

// version is what the program calls itself.
var version = cli.Version(linked)

func main() {
	streams := cli.Standard()
	os.Exit(cli.Run(newCommand(streams, builtin.Platforms()), streams, os.Args[1:]))
}
