package migrations

import (
	"strconv"
	"strings"
)

// Newest is the number of the last migration.
func Newest() (newest int64) {
	entries, err := Files.ReadDir(".")
	if err != nil {
		return 0 // never: they are part of the program
	}
	for _, entry := range entries {
		number, _, _ := strings.Cut(entry.Name(), "_")
		if version, err := strconv.ParseInt(number, 10, 64); err == nil {
			newest = max(newest, version)
		}
	}
	return newest
}
