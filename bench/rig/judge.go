package rig

import (
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/evidence"
	"github.com/catalog-courier/catalog-courier/test/oracle"
)

// Judge has the oracle judge the messages and rows of a history. It adds the platforms,
// and where they have the items of the lanes. succeeded, when not nil, is the records that
// the database says succeeded on each, where every one was sent once.
func (r *Rig) Judge(h *oracle.History, lanes []catalog.Lane, succeeded map[config.Platform]int) *oracle.Verdict {
	h.Places = map[catalog.Lane]oracle.Place{}
	platforms := map[config.Platform]*oracle.Platform{}
	for kind, holds := range map[config.Platform]evidence.Simulated{config.Pinterest: r.Pinterest, config.Meta: r.Meta} {
		fresh := evidence.Fresh(kind, sandbox.Options{})
		defer fresh.Close()
		platforms[kind] = &oracle.Platform{Name: string(kind), Holds: holds, Fresh: fresh, Received: holds.Counters()}
		if count, ok := succeeded[kind]; ok {
			platforms[kind].Succeeded = &count
		}
		h.Platforms = append(h.Platforms, platforms[kind])
	}
	for _, lane := range lanes {
		account := r.Config.Accounts[lane.Account]
		platform := platforms[account.Platform]
		platform.MaxItems, platform.MaxBytes = max(platform.MaxItems, account.Batch.MaxItems), max(platform.MaxBytes, account.Batch.MaxBytes)
		h.Places[lane] = oracle.Place{Platform: platform, Catalog: evidence.CatalogKey(r.Config, lane)}
	}
	return oracle.Check(h)
}
