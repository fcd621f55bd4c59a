// Package shelf is a platform that does not exist, and shows all that one needs:
// docs/add-a-platform.md explains it, and a test delivers to it.
package shelf

import (
	"regexp"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/platformtest/shelf/shelfsim"
)

// limits of one request, by Shelf's documentation.
var limits = platform.Limits{MaxItems: 500, MaxBytes: 1 << 20}

// tokenShapes are how Shelf writes its keys, wherever they are.
var tokenShapes = regexp.MustCompile(`\bshelf_[a-z0-9]{8,}`)

var shelfName = regexp.MustCompile(`^[a-z]{1,32}$`)

// Descriptor is all that Courier knows of Shelf.
func Descriptor() platform.Descriptor {
	return platform.Descriptor{
		Platform: config.Platform{
			Name: "shelf", Title: "Shelf", MaxItems: limits.MaxItems, MaxBytes: limits.MaxBytes,
			Defaults: config.Delivery{
				BaseURL: "https://api.shelf.example/v1",
				Batch:   config.Batch{MaxItems: 500, MaxBytes: 1_000_000, MaxAge: 5 * time.Second},
			},
			CatalogKeys: []setting.Key{
				setting.Text("shelf", "the name of the shelf.", "small letters, at most 32", shelfName.MatchString).
					Required("Shelf shows it beside each shelf"),
			},
			Target: func(_ config.Account, c config.Catalog) config.Target {
				return config.Target{Place: c.Keys.Text("shelf")}
			},
		},
		Types:     []catalog.Type{"BOOK"},
		Overlay:   func(catalog.Type) platform.Overlay { return platform.Overlay{Replaces: true} },
		New:       New,
		Simulated: func(o sandbox.Options) sandbox.Platform { return shelfsim.New(o) },
	}
}
