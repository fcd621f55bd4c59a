// Package builtin lists the platforms that Courier writes to. It is the one place that
// names them all.
package builtin

import (
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/meta"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
)

// Platforms are all platforms, in the order in which messages and documents name them.
func Platforms() []platform.Descriptor {
	return []platform.Descriptor{
		pinterest.Descriptor(),
		meta.Descriptor(),
	}
}
