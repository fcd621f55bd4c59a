package demo

import (
	"fmt"
	"maps"
	"slices"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/simulated"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// store is what both simulated platforms can do.
type store interface {
	Apply(catalogKey string, itemType catalog.Type, m *catalog.Mutation) error
	Items(catalogKey string, itemType catalog.Type) map[string]string
}

// compare applies the mutations one at a time to fresh stores, never by the code
// that merges, and compares those with what the platforms hold.
func compare(result *Result, platforms *simulated.Platforms, settings *config.Config, mutations []*catalog.Mutation, applied map[string]bool) {
	fresh := map[config.Platform]store{
		config.Pinterest: sandbox.NewPinterest(sandbox.Options{}), config.Meta: sandbox.NewMeta(sandbox.Options{}),
	}
	held := map[config.Platform]store{config.Pinterest: platforms.Pinterest, config.Meta: platforms.Meta}
	lanes := map[catalog.Lane]bool{}
	for _, m := range mutations {
		lanes[m.Lane] = true
		if !applied[m.ID] {
			continue
		}
		platform, key := place(settings, m.Lane)
		if err := fresh[platform].Apply(key, m.Lane.Type, m); err != nil {
			result.Differences = append(result.Differences, fmt.Sprintf("%s is said to have succeeded, but %s", m.ID, err))
		}
	}
	for lane := range lanes {
		platform, key := place(settings, lane)
		expected, found := fresh[platform].Items(key, lane.Type), held[platform].Items(key, lane.Type)
		result.Items += len(found)
		result.Differences = append(result.Differences, differences(lane, expected, found)...)
	}
	slices.Sort(result.Differences)
	result.Posts = platforms.Pinterest.Counters().Posts + platforms.Meta.Counters().Posts
}

// place is which store holds a lane's items, and under which name.
func place(settings *config.Config, lane catalog.Lane) (config.Platform, string) {
	account := settings.Accounts[lane.Account]
	target := account.Catalogs[lane.Catalog]
	if account.Platform == config.Pinterest {
		return account.Platform, sandbox.PinterestCatalog(target.Country, target.Language, target.CatalogID)
	}
	return account.Platform, target.CatalogID
}

func differences(lane catalog.Lane, expected, found map[string]string) []string {
	var list []string
	for _, id := range slices.Sorted(maps.Keys(expected)) {
		got, there := found[id]
		switch {
		case !there:
			list = append(list, fmt.Sprintf("%s %s is missing", lane.Type, id))
		case got != expected[id]:
			list = append(list, fmt.Sprintf("%s %s is %s instead of %s", lane.Type, id, got, expected[id]))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		if _, wanted := expected[id]; !wanted {
			list = append(list, fmt.Sprintf("%s %s should not be there", lane.Type, id))
		}
	}
	return list
}
