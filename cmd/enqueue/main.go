// Command enqueue publishes catalog mutations, one JSON object per line.
package main

import (
	"os"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
)

// linked is set by the linker to the version of a release.
var linked string

// version is what the program calls itself.
var version = cli.Version(linked)

func main() {
	streams := cli.Standard()
	os.Exit(cli.Run(newCommand(streams, connect), streams, os.Args[1:]))
}
