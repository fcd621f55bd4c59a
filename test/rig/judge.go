package rig

import (
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/evidence"
	"github.com/catalog-courier/catalog-courier/test/oracle"
)

// simulated is a simulated platform, and the options of a fresh one to hold it against.
type simulated struct {
	evidence.Simulated

	fresh sandbox.Options
}

// addPlatforms adds to a history the platforms, each with a fresh one, and where they have
// the items of the lanes. end closes the fresh ones.
func addPlatforms(h *oracle.History, c *config.Config, platforms map[string]simulated, lanes []catalog.Lane) (end func()) {
	byKind := map[string]*oracle.Platform{}
	fresh := make([]evidence.Simulated, 0, len(platforms))
	for kind, holds := range platforms {
		untouched := evidence.Fresh(kind, holds.fresh)
		fresh = append(fresh, untouched)
		byKind[kind] = &oracle.Platform{Name: kind, Holds: holds, Fresh: untouched, Received: holds.Counters()}
		h.Platforms = append(h.Platforms, byKind[kind])
	}
	for _, account := range c.Accounts {
		platform := byKind[account.Platform]
		platform.MaxItems, platform.MaxBytes = max(platform.MaxItems, account.Batch.MaxItems), max(platform.MaxBytes, account.Batch.MaxBytes)
	}
	h.Places = map[catalog.Lane]oracle.Place{}
	for _, lane := range lanes {
		if account, known := c.Accounts[lane.Account]; known {
			h.Places[lane] = oracle.Place{Platform: byKind[account.Platform], Catalog: evidence.CatalogKey(c, lane)}
		}
	}
	return func() {
		for _, platform := range fresh {
			platform.Close()
		}
	}
}

// Judge has the oracle judge the messages and rows of a history. It adds the platforms,
// and where they have the items of the lanes. succeeded, when not nil, is the records that
// the database says succeeded on each, where every one was sent once.
func (s *Servers) Judge(h *oracle.History, lanes []catalog.Lane, succeeded map[string]int) *oracle.Verdict {
	platforms := map[string]simulated{"pinterest": {Simulated: s.Pinterest}, "meta": {Simulated: s.Meta}}
	end := addPlatforms(h, s.Config, platforms, lanes)
	defer end()
	for _, platform := range h.Platforms {
		if count, ok := succeeded[platform.Name]; ok {
			platform.Succeeded = &count
		}
	}
	return oracle.Check(h)
}
