package evidence

import (
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// CatalogKey is the simulated platform's name of the catalog that a lane means.
func CatalogKey(c *config.Config, lane catalog.Lane) string {
	settings := c.Accounts[lane.Account].Catalogs[lane.Catalog]
	if c.Accounts[lane.Account].Platform == config.Pinterest {
		return sandbox.PinterestCatalog(settings.Country, settings.Language, settings.CatalogID)
	}
	return settings.CatalogID
}

// Simulated is a simulated platform.
type Simulated interface {
	Apply(catalogKey string, itemType catalog.Type, m *catalog.Mutation) error
	Items(catalogKey string, itemType catalog.Type) map[string]string
	Counters() sandbox.Counters
	Close()
}

// Fresh makes an untouched simulated platform of a kind; Close ends it.
func Fresh(kind config.Platform, options sandbox.Options) Simulated {
	if kind == config.Meta {
		return sandbox.NewMeta(options)
	}
	return sandbox.NewPinterest(options)
}

// RefusedByRule reports a rule that refuses an item always.
func RefusedByRule(rules []sandbox.ItemRule, itemID string) bool {
	return slices.ContainsFunc(rules, func(rule sandbox.ItemRule) bool {
		return rule.Action == sandbox.RefuseItem && rule.Times == 0 && rule.Rate == 0 && strings.Contains(itemID, rule.Contains)
	})
}
