// Command worker delivers catalog mutations to ad platforms and keeps what became
// of each.
package main

import (
	"os"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	streams := cli.Standard()
	os.Exit(cli.Run(newCommand(streams), streams, os.Args[1:]))
}
