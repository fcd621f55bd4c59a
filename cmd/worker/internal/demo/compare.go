package demo

import (
	"fmt"
	"maps"
	"slices"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/simulated"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
)

// compare applies the mutations one at a time to fresh stores, never by the code
// that merges, and compares those with what the platforms hold.
func compare(
	result *Result, descriptors []platform.Descriptor, held *simulated.Platforms, settings *config.Config,
	mutations []*catalog.Mutation, applied map[string]bool,
) {
	fresh := map[string]sandbox.Platform{}
	for _, descriptor := range descriptors {
		fresh[descriptor.Name] = descriptor.Simulated(sandbox.Options{})
		defer fresh[descriptor.Name].Close()
	}
	lanes := map[catalog.Lane]bool{}
	for _, m := range mutations {
		lanes[m.Lane] = true
		if !applied[m.ID] {
			continue
		}
		store := fresh[settings.Accounts[m.Lane.Account].Platform]
		if err := store.Apply(keyOf(store, settings, m.Lane), m.Lane.Type, m); err != nil {
			result.Differences = append(result.Differences, fmt.Sprintf("%s is said to have succeeded, but %s", m.ID, err))
		}
	}
	for lane := range lanes {
		expecting := fresh[settings.Accounts[lane.Account].Platform]
		holding, _ := held.Find(settings.Accounts[lane.Account].Platform)
		key := keyOf(expecting, settings, lane)
		expected, found := expecting.Items(key, lane.Type), holding.Items(key, lane.Type)
		result.Items += len(found)
		result.Differences = append(result.Differences, differences(lane, expected, found)...)
	}
	slices.Sort(result.Differences)
	for _, one := range held.All() {
		result.Posts += one.Counters().Posts
	}
}

// keyOf is the name of a lane's catalog in a store.
func keyOf(store sandbox.Platform, settings *config.Config, lane catalog.Lane) string {
	return store.CatalogKey(settings.Accounts[lane.Account].Catalogs[lane.Catalog].Keys)
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
