// Package destination tells sources, which know no platform, what they must know of the
// platforms' catalog types.
package destination

import (
	"slices"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/source"
)

// Of looks among the platforms.
func Of(platforms []platform.Descriptor) source.Destinations {
	return func(name string, t catalog.Type) (source.Destination, bool) {
		found, ok := platform.Find(platforms, name)
		if !ok || !slices.Contains(found.Types, t) {
			return source.Destination{}, false
		}
		overlay := found.Overlay(t)
		return source.Destination{
			KeyParts: overlay.KeyParts, Replaces: overlay.Replaces, Clears: overlay.Clears, OutOfStock: overlay.OutOfStock,
			BatchItems: found.Defaults.Batch.MaxItems, BatchesPerHour: found.BatchesPerHour,
		}, true
	}
}
