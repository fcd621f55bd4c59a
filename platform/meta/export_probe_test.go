package meta

import "github.com/catalog-courier/catalog-courier/catalog"

// VerticalOf is the vertical that the probe wants for a type.
func VerticalOf(itemType catalog.Type) string { return verticals()[itemType] }
