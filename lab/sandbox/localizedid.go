package sandbox

import (
	"fmt"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// LocalizedID is how Items of a platform names the localization of an item.
func LocalizedID(itemID string, localization catalog.Localization) string {
	return fmt.Sprintf("%s (%s %s)", itemID, localization.Type, localization.Value)
}
