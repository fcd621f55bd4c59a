package persistence

import (
	"context"
	"fmt"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// SaveHealth writes how the calls of accounts go: see ledger.Standing.
func (s *Store) SaveHealth(ctx context.Context, lease ledger.Lease, accounts []ledger.AccountHealth) error {
	if len(accounts) == 0 {
		return nil
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if err := s.checkClock(); err != nil {
		return fmt.Errorf("saving how calls go: %w", err)
	}
	params := query.SaveHealthParams{Partition: int32(lease.Partition), Token: lease.Token} //nolint:gosec // at most maxPartitions
	for i := range accounts {
		a := &accounts[i]
		params.Accounts = append(params.Accounts, a.Account)
		params.Succeeded = append(params.Succeeded, nanoseconds(a.SucceededAt))
		params.Since = append(params.Since, nanoseconds(a.FailingSince))
		params.Reasons = append(params.Reasons, clean(a.Reason))
		params.Next = append(params.Next, nanoseconds(a.NextTry))
		params.Paced = append(params.Paced, nanoseconds(a.PacedUntil))
		params.PacedBy = append(params.PacedBy, clean(a.PacedBy))
		params.Withheld = append(params.Withheld, clean(a.Withheld))
	}
	if err := s.query.SaveHealth(ctx, params); err != nil {
		return fmt.Errorf("saving how calls go: %w", rejected(err))
	}
	return nil
}

// SaveStrays writes which lanes of the partition are stray: see ledger.Standing.
func (s *Store) SaveStrays(ctx context.Context, lease ledger.Lease, lanes []ledger.StrayLane) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	params := query.SaveStraysParams{
		Partition: int32(lease.Partition), Token: lease.Token, //nolint:gosec // at most maxPartitions
		Accounts: []string{}, Catalogs: []string{}, Types: []string{}, Problems: []string{}, Since: []int64{}, Invalid: []int64{},
	}
	for i := range lanes {
		l := &lanes[i]
		params.Accounts = append(params.Accounts, l.Lane.Account)
		params.Catalogs = append(params.Catalogs, l.Lane.Catalog)
		params.Types = append(params.Types, string(l.Lane.Type))
		params.Problems = append(params.Problems, clean(l.Problem))
		params.Since = append(params.Since, nanoseconds(l.Since))
		params.Invalid = append(params.Invalid, nanoseconds(l.InvalidAt))
	}
	if err := s.query.SaveStrays(ctx, params); err != nil {
		return fmt.Errorf("saving which lanes are not configured: %w", rejected(err))
	}
	return nil
}
