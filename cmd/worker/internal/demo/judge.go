package demo

import (
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/simulated"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/evidence"
	"github.com/catalog-courier/catalog-courier/test/oracle"
)

// judge has the oracle hold what the platforms and the database say against the
// mutations, which it applies one at a time to fresh platforms.
func judge(result *Result, platforms *simulated.Platforms, options simulated.Options, settings *config.Config, mutations []*catalog.Mutation, rows []evidence.Status) {
	h := &oracle.History{Places: map[catalog.Lane]oracle.Place{}, Strict: true}
	rules := map[config.Platform][]sandbox.ItemRule{config.Pinterest: options.Pinterest.Rules, config.Meta: options.Meta.Rules}
	byKind := map[config.Platform]*oracle.Platform{}
	for kind, holds := range map[config.Platform]evidence.Simulated{config.Pinterest: platforms.Pinterest, config.Meta: platforms.Meta} {
		fresh := evidence.Fresh(kind, sandbox.Options{})
		defer fresh.Close()
		byKind[kind] = &oracle.Platform{Name: string(kind), Holds: holds, Fresh: fresh, Received: holds.Counters()}
		h.Platforms = append(h.Platforms, byKind[kind])
		result.Posts += holds.Counters().Posts
	}
	for _, m := range mutations {
		platform := settings.Accounts[m.Lane.Account].Platform
		place := oracle.Place{Platform: byKind[platform], Catalog: evidence.CatalogKey(settings, m.Lane)}
		if _, known := h.Places[m.Lane]; !known {
			result.Items += len(place.Platform.Holds.Items(place.Catalog, m.Lane.Type))
		}
		h.Places[m.Lane] = place
		h.Messages = append(h.Messages, oracle.Message{Key: oracle.Key{ID: m.ID}, Mutation: m, Refused: evidence.RefusedByRule(rules[platform], m.ItemID)})
	}
	for _, r := range rows {
		h.Rows = append(h.Rows, r.Row(oracle.Key{ID: r.MutationID}))
	}
	for _, violation := range oracle.Check(h).Violations {
		result.Differences = append(result.Differences, violation.String())
	}
}
