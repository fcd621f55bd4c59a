// Command worker delivers catalog mutations to ad platforms and keeps what became
// of each.
package main

import (
	"os"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

// version is set by the linker.
var version = "dev"

func main() {
	streams := cli.Standard()
	os.Exit(cli.Run(newCommand(streams, builtin.Platforms()), streams, os.Args[1:]))
}
