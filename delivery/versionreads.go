package delivery

import (
	"context"
	"errors"
	"maps"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// readKnownVersions reads what the store knows of items. Where it refuses to be asked
// for some of them, those have no version: they are refused again when they are
// recorded.
func (s *storeCalls) readKnownVersions(ctx context.Context, keys []catalog.ItemKey) (map[catalog.ItemKey]ledger.ItemVersion, error) {
	known, err := s.readVersions(ctx, keys, rejectedTries-1)
	if !errors.Is(err, ledger.ErrRejected) {
		return known, err
	}
	// Perhaps nothing can be asked for.
	trial := catalog.ItemKey{Lane: otherLane(s.cfg.Lease.Partition), ItemID: "trial"}
	if _, trialErr := s.readVersions(ctx, []catalog.ItemKey{trial}, 1); trialErr != nil {
		return nil, errors.Join(err, trialErr)
	}
	known = map[catalog.ItemKey]ledger.ItemVersion{}
	return known, s.readVersionsApart(ctx, keys, known)
}

func (s *storeCalls) readVersions(ctx context.Context, keys []catalog.ItemKey, tries int) (known map[catalog.ItemKey]ledger.ItemVersion, err error) {
	err = s.insist(ctx, "read versions", storeTimeout, tries, func(ctx context.Context) (err error) {
		known, err = s.cfg.Store.NewestVersions(ctx, keys)
		return err
	})
	return known, err
}

// readVersionsApart reads versions of items some of which are refused.
func (s *storeCalls) readVersionsApart(ctx context.Context, keys []catalog.ItemKey, into map[catalog.ItemKey]ledger.ItemVersion) error {
	known, err := s.readVersions(ctx, keys, 1)
	switch {
	case err == nil:
		maps.Copy(into, known)
		return nil
	case !errors.Is(err, ledger.ErrRejected):
		return err
	case len(keys) == 1:
		return nil
	}
	middle := len(keys) / 2
	if err := s.readVersionsApart(ctx, keys[:middle], into); err != nil {
		return err
	}
	return s.readVersionsApart(ctx, keys[middle:], into)
}
