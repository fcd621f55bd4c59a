// Package migrations holds the numbered SQL files that make the schema courier.
// Package persistence applies them.
package migrations

import "embed"

// Files are the migrations, in goose's format, named by their number.
//
//go:embed *.sql
var Files embed.FS
