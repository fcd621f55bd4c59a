package demo

import (
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/simulated"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/test/evidence"
	"github.com/catalog-courier/catalog-courier/test/oracle"
)

// judge has the oracle hold what the platforms and the database say against the
// mutations, which it applies one at a time to fresh platforms.
func judge(
	result *Result, descriptors []platform.Descriptor, held *simulated.Platforms, settings *config.Config,
	mutations []*catalog.Mutation, rows []evidence.Status,
) {
	h := &oracle.History{Places: map[catalog.Lane]oracle.Place{}, Strict: true}
	rules := trouble(descriptors).Behaviour.Rules
	byName := map[string]*oracle.Platform{}
	fresh := map[string]sandbox.Platform{}
	for _, holds := range held.All() {
		descriptor, _ := platform.Find(descriptors, holds.Name)
		fresh[holds.Name] = descriptor.Simulated(sandbox.Options{})
		defer fresh[holds.Name].Close()
		byName[holds.Name] = &oracle.Platform{Name: holds.Name, Holds: holds, Fresh: fresh[holds.Name], Received: holds.Counters()}
		h.Platforms = append(h.Platforms, byName[holds.Name])
		result.Posts += holds.Counters().Posts
	}
	for _, m := range mutations {
		account := settings.Accounts[m.Lane.Account]
		key := fresh[account.Platform].CatalogKey(account.Catalogs[m.Lane.Catalog].Keys)
		place := oracle.Place{Platform: byName[account.Platform], Catalog: key}
		if _, known := h.Places[m.Lane]; !known {
			result.Items += len(place.Platform.Holds.Items(place.Catalog, m.Lane.Type))
		}
		h.Places[m.Lane] = place
		h.Messages = append(h.Messages, oracle.Message{Key: oracle.Key{ID: m.ID}, Mutation: m, Refused: evidence.RefusedByRule(rules, m.ItemID)})
	}
	for _, r := range rows {
		h.Rows = append(h.Rows, r.Row(oracle.Key{ID: r.MutationID}))
	}
	for _, violation := range oracle.Check(h).Violations {
		result.Differences = append(result.Differences, violation.String())
	}
}
