// Command enqueue publishes catalog mutations, one JSON object per line.
package main

import (
	"os"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	streams := cli.Standard()
	os.Exit(cli.Run(newCommand(streams, connect), streams, os.Args[1:]))
}
