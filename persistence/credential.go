package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// Credential reads a credential; ok is false when there is none of the name.
func (s *Store) Credential(ctx context.Context, name string) (c ledger.Credential, ok bool, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	row, err := s.query.CredentialNamed(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return ledger.Credential{}, false, nil
	}
	if err != nil {
		return ledger.Credential{}, false, fmt.Errorf("reading a credential: %w", err)
	}
	return ledger.Credential{
		Name: name, Version: row.Version, KeyID: row.KeyID, Sealed: row.Sealed,
		ExpiresIn: fromSeconds(row.ExpiresIn), RefreshIn: fromSeconds(row.RefreshIn),
		Age: fromSeconds(row.Age), RetryIn: fromSeconds(row.RetryIn),
		Failures: int(row.Failures), Refused: row.Refused, Problem: row.Problem,
	}, true, nil
}

// PlantCredential makes a credential's row with its first tokens, unless it is
// there already.
func (s *Store) PlantCredential(ctx context.Context, c ledger.Credential) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if err := s.query.PlantCredential(ctx, query.PlantCredentialParams{Name: c.Name, KeyID: c.KeyID, Sealed: c.Sealed}); err != nil {
		return fmt.Errorf("making a credential's row: %w", err)
	}
	return nil
}

// ClaimCredential makes the claimer the one that renews the credential. It is
// false when another is at it, it was renewed or changed meanwhile, or must rest.
func (s *Store) ClaimCredential(ctx context.Context, claim ledger.CredentialClaim) (bool, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	claimed, err := s.query.ClaimCredential(ctx, query.ClaimCredentialParams{
		Name: claim.Name, Version: claim.Version, Claimer: claim.By, Hold: claim.Hold.Seconds(), Rest: claim.Rest.Seconds(),
	})
	if err != nil {
		return false, fmt.Errorf("claiming a credential: %w", err)
	}
	return claimed == 1, nil
}

// RenewCredential writes new tokens with what is told of their life. c.Version is
// the version that they follow; it is false when that is not the present one. The
// caller need not hold a claim: tokens that the platform gave must not be lost.
func (s *Store) RenewCredential(ctx context.Context, c ledger.Credential) (bool, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	changed, err := s.query.RenewCredential(ctx, query.RenewCredentialParams{
		Name: c.Name, Version: c.Version, KeyID: c.KeyID, Sealed: c.Sealed,
		ExpiresIn: c.ExpiresIn.Seconds(), RefreshIn: c.RefreshIn.Seconds(),
	})
	if err != nil {
		return false, fmt.Errorf("writing renewed tokens: %w", err)
	}
	return changed == 1, nil
}

// ResealCredential writes the sealed tokens and nothing else; it is false when
// c.Version is not the present one.
func (s *Store) ResealCredential(ctx context.Context, c ledger.Credential) (bool, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	changed, err := s.query.ResealCredential(ctx, query.ResealCredentialParams{Name: c.Name, Version: c.Version, KeyID: c.KeyID, Sealed: c.Sealed})
	if err != nil {
		return false, fmt.Errorf("writing sealed tokens: %w", err)
	}
	return changed == 1, nil
}

// FailCredential ends the claim of a renewal that gave no token: c.RetryIn,
// c.Refused and c.Problem say what everybody should know.
func (s *Store) FailCredential(ctx context.Context, c ledger.Credential, claimer uuid.UUID) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	err := s.query.FailCredential(ctx, query.FailCredentialParams{
		Name: c.Name, Claimer: claimer, RetryIn: c.RetryIn.Seconds(), Refused: c.Refused, Problem: clean(c.Problem),
	})
	if err != nil {
		return fmt.Errorf("writing why a credential was not renewed: %w", err)
	}
	return nil
}

// fromSeconds is a duration of the database, of which nobody needs more than some
// years.
func fromSeconds(seconds float64) time.Duration {
	const most = 50 * 365 * 24 * time.Hour
	return time.Duration(max(min(seconds, most.Seconds()), -most.Seconds()) * float64(time.Second))
}
