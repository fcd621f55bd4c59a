package evidence

import (
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
)

// CatalogKey is the simulated platform's name of the catalog that a lane means.
func CatalogKey(c *config.Config, lane catalog.Lane) string {
	settings := c.Accounts[lane.Account].Catalogs[lane.Catalog]
	if c.Accounts[lane.Account].Platform == "pinterest" {
		return pinterestsim.Catalog(settings.Keys.Text("country"), settings.Keys.Text("language"), settings.Keys.Text("catalog_id"))
	}
	return settings.Keys.Text("catalog_id")
}

// Simulated is a simulated platform.
type Simulated interface {
	Apply(catalogKey string, itemType catalog.Type, m *catalog.Mutation) error
	Items(catalogKey string, itemType catalog.Type) map[string]string
	Counters() sandbox.Counters
	Close()
}

// Fresh makes an untouched simulated platform of a kind; Close ends it.
func Fresh(kind string, options sandbox.Options) Simulated {
	if kind == "meta" {
		return metasim.New(options)
	}
	return pinterestsim.New(options)
}

// RefusedByRule reports a rule that refuses an item always.
func RefusedByRule(rules []sandbox.ItemRule, itemID string) bool {
	return slices.ContainsFunc(rules, func(rule sandbox.ItemRule) bool {
		return rule.Action == sandbox.RefuseItem && rule.Times == 0 && rule.Rate == 0 && strings.Contains(itemID, rule.Contains)
	})
}
