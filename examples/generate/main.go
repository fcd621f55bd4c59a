// Command generate writes examples/mutations.jsonl, examples/magic.jsonl and examples/shop.xml: the same each time.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/catalog-courier/catalog-courier/catalog"
)

const (
	mutationsPath = "examples/mutations.jsonl"
	magicPath     = "examples/magic.jsonl"
	feedPath      = "examples/shop.xml"
)

func main() {
	check := flag.Bool("check", false, "fail if the file is not what would be written")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	wanted, err := encode(mutations())
	if err != nil {
		return err
	}
	endings, err := encode(magic())
	if err != nil {
		return err
	}
	return errors.Join(file(mutationsPath, wanted, check), file(magicPath, endings, check), file(feedPath, feed(), check))
}

// file writes a file, or fails if it is not what would be written.
func file(path string, wanted []byte, check bool) error {
	if !check {
		return os.WriteFile(path, wanted, 0o644) //nolint:gosec // published with the sources
	}
	found, err := os.ReadFile(path) //nolint:gosec // one of those above
	if err != nil {
		return err
	}
	if !bytes.Equal(found, wanted) {
		return errors.New(path + " is not up to date: run make generate")
	}
	return nil
}

// line is one line of the file; the order of fields is the order people read.
type line struct {
	Account    string         `json:"account"`
	Catalog    string         `json:"catalog"`
	Type       catalog.Type   `json:"type"`
	ID         string         `json:"id,omitempty"`
	ItemID     string         `json:"item_id"`
	Operation  string         `json:"operation"`
	Attributes map[string]any `json:"attributes,omitempty"`
	OccurredAt string         `json:"occurred_at,omitempty"`

	Localization *localization `json:"localization,omitempty"`
}

type localization struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

func encode(lines []line) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	for _, l := range lines {
		if err := encoder.Encode(l); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}
