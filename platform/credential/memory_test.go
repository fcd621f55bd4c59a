package credential_test

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform/credential"
)

var discard = slog.New(slog.DiscardHandler)

// memory is the store for tests whose time is not the database's: it knows one row.
type memory struct {
	mu      sync.Mutex
	row     *ledger.Credential
	expires time.Time
	due     time.Time
	renewed time.Time
	retry   time.Time
	claimer uuid.UUID
	claimed time.Time
}

var _ credential.Store = (*memory)(nil)

func newMemory() *memory { return &memory{} }

// expire lets the life of the access token be over.
func (m *memory) expire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expires, m.due = time.Now(), time.Now()
}

func (m *memory) Credential(context.Context, string) (ledger.Credential, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.row == nil {
		return ledger.Credential{}, false, nil
	}
	row := *m.row
	row.ExpiresIn, row.RefreshIn = time.Until(m.expires), time.Until(m.due)
	row.Age, row.RetryIn = time.Since(m.renewed), time.Until(m.retry)
	return row, true, nil
}

func (m *memory) PlantCredential(_ context.Context, c ledger.Credential) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.row == nil {
		c.Version = 1
		m.row = &c
	}
	return nil
}

func (m *memory) ClaimCredential(_ context.Context, c ledger.CredentialClaim) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if c.Version != m.row.Version || now.Before(m.claimed) || now.Before(m.retry) || now.Sub(m.renewed) < c.Rest {
		return false, nil
	}
	m.claimer, m.claimed = c.By, now.Add(c.Hold)
	return true, nil
}

func (m *memory) RenewCredential(_ context.Context, c ledger.Credential) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.Version != m.row.Version {
		return false, nil
	}
	now := time.Now()
	m.row = &ledger.Credential{Name: c.Name, Version: c.Version + 1, KeyID: c.KeyID, Sealed: c.Sealed}
	m.expires, m.due, m.renewed = now.Add(c.ExpiresIn), now.Add(c.RefreshIn), now
	m.claimed, m.retry = time.Time{}, time.Time{}
	return true, nil
}

func (m *memory) ResealCredential(_ context.Context, c ledger.Credential) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.Version != m.row.Version {
		return false, nil
	}
	m.row.Version, m.row.KeyID, m.row.Sealed = c.Version+1, c.KeyID, c.Sealed
	return true, nil
}

func (m *memory) FailCredential(_ context.Context, c ledger.Credential, claimer uuid.UUID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if claimer == m.claimer {
		m.claimed, m.retry = time.Time{}, time.Now().Add(c.RetryIn)
		m.row.Failures++
		m.row.Refused, m.row.Problem = c.Refused, c.Problem
	}
	return nil
}
