package evidence

import (
	"slices"
	"strings"
	"sync"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

// CatalogKey is the simulated platform's name of the catalog that a lane means.
func CatalogKey(c *config.Config, lane catalog.Lane) string {
	account := c.Accounts[lane.Account]
	return namers()[account.Platform].CatalogKey(account.Catalogs[lane.Catalog].Keys)
}

// namers are simulated platforms that only name catalogs.
var namers = sync.OnceValue(func() map[string]sandbox.Platform {
	platforms := make(map[string]sandbox.Platform)
	for _, descriptor := range builtin.Platforms() {
		platforms[descriptor.Name] = descriptor.Simulated(sandbox.Options{})
		platforms[descriptor.Name].Close()
	}
	return platforms
})

// Simulated is a simulated platform.
type Simulated interface {
	Apply(catalogKey string, itemType catalog.Type, m *catalog.Mutation) error
	Items(catalogKey string, itemType catalog.Type) map[string]string
	Counters() sandbox.Counters
	Close()
}

// Fresh makes an untouched simulated platform of a kind; Close ends it.
func Fresh(kind string, options sandbox.Options) Simulated {
	for _, descriptor := range builtin.Platforms() {
		if descriptor.Name == kind {
			return descriptor.Simulated(options)
		}
	}
	panic("no platform is called " + kind)
}

// RefusedByRule reports a rule that refuses an item always.
func RefusedByRule(rules []sandbox.ItemRule, itemID string) bool {
	return slices.ContainsFunc(rules, func(rule sandbox.ItemRule) bool {
		return rule.Action == sandbox.RefuseItem && rule.Times == 0 && rule.Rate == 0 && strings.Contains(itemID, rule.Contains)
	})
}
