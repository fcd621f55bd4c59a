package metasim

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// Apply changes the state by one mutation at once, as core does; a localized one
// changes the localization of an item.
func (m *Platform) Apply(catalogKey string, itemType catalog.Type, mutation *catalog.Mutation) error {
	if mutation.Localization.IsZero() {
		if err := m.Core.Apply(catalogKey, itemType, mutation); err != nil {
			return err
		}
		if mutation.Operation == catalog.Delete {
			m.Mu.Lock()
			defer m.Mu.Unlock()
			m.dropLocalizations(sandbox.TableKey{Catalog: catalogKey, ItemType: itemType}, mutation.ItemID)
		}
		return nil
	}
	key := overlayOf(sandbox.TableKey{Catalog: catalogKey, ItemType: itemType})
	m.Mu.Lock()
	wrong := m.itemless(key, mutation.ItemID)
	m.Mu.Unlock()
	if len(wrong) > 0 {
		return fmt.Errorf("%w: %s of %q: %s", sandbox.ErrNotApplied, mutation.Operation, mutation.ItemID, wrong[0].Message)
	}
	localized := *mutation
	localized.ItemID = overlayID(mutation.ItemID, mutation.Localization)
	if mutation.Operation != catalog.Delete {
		localized.Operation = catalog.Upsert
	}
	return m.Core.Apply(key.Catalog, itemType, &localized)
}

// Items returns the items of one type in one catalog by item id, and their
// localizations by sandbox.LocalizedID, each as a JSON object with sorted names and
// prices in their shortest form: batch writes 10.00 USD as 1000.
func (m *Platform) Items(catalogKey string, itemType catalog.Type) map[string]string {
	items := m.Core.Items(catalogKey, itemType)
	for id, attributes := range m.Core.Items(catalogKey+overlaySuffix, itemType) {
		items[localizedID(id)] = attributes
	}
	for id, attributes := range items {
		items[id] = shortPrices(attributes)
	}
	return items
}

func shortPrices(attributes string) string {
	if !strings.Contains(attributes, `price"`) {
		return attributes
	}
	short := []byte{'{'}
	gjson.Parse(attributes).ForEach(func(name, value gjson.Result) bool {
		raw := value.Raw
		if strings.HasSuffix(name.Str, "price") && value.Type == gjson.String {
			raw = string(rawjson.AppendString(nil, shortPrice(value.Str)))
		}
		short = sandbox.AppendRaw(short, name.Raw, raw)
		return true
	})
	return string(append(short, '}'))
}

func shortPrice(text string) string {
	amount, currency, _ := strings.Cut(text, " ")
	if strings.Contains(amount, ".") {
		amount = strings.TrimSuffix(strings.TrimRight(amount, "0"), ".")
	}
	return amount + " " + currency
}
