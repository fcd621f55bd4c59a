package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// ErrNoAccount is returned for an account that was never registered.
var ErrNoAccount = errors.New("no such account")

// executor is what sqlc's batches have in common.
type executor interface {
	Exec(each func(int, error))
	Close() error
}

// all runs a batch and returns its first error.
func all(batch executor) error {
	var first error
	batch.Exec(func(_ int, err error) {
		if first == nil {
			first = err
		}
	})
	return errors.Join(first, batch.Close())
}

// AppendAttempts records how POSTs ended: see ledger.Store. A handle once written
// is never taken back by a repeat that knows none.
func (s *Store) AppendAttempts(ctx context.Context, attempts []ledger.Attempt) error {
	if len(attempts) == 0 {
		return nil
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	params := make([]query.AppendAttemptParams, len(attempts))
	for i := range attempts {
		a := s.withRightTimes(&attempts[i])
		handles := make([]string, len(a.Handles))
		for j, handle := range a.Handles {
			handles[j] = clean(handle)
		}
		var result *int16
		if a.Result != 0 {
			result = new(int16(a.Result))
		}
		params[i] = query.AppendAttemptParams{
			BatchID: a.BatchID, Number: int32(a.Number), Result: result, At: a.At, NextAt: timeOrNull(a.NextAt), //nolint:gosec // small
			Handles: handles, Error: cleanOrNull(a.Error), Notes: a.Notes,
		}
	}
	if err := all(s.query.AppendAttempt(ctx, params)); err != nil {
		return fmt.Errorf("recording %d attempts: %w", len(attempts), rejected(err))
	}
	return nil
}

// Scopes reads the scopes named: see ledger.Store.
func (s *Store) Scopes(ctx context.Context, scopes []string) ([]ledger.ScopeState, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.query.ScopesNamed(ctx, scopes)
	if err != nil {
		return nil, fmt.Errorf("reading quota scopes: %w", err)
	}
	states := make([]ledger.ScopeState, len(rows))
	for i, row := range rows {
		states[i] = ledger.ScopeState{
			Scope: row.Scope, BlockedUntil: timeOf(row.BlockedUntil), Quota: row.Quota, UpdatedAt: row.UpdatedAt,
			Patience: time.Duration(row.PatienceNs),
		}
	}
	return states, nil
}

// SaveScopes writes what was learnt: see ledger.Store.
func (s *Store) SaveScopes(ctx context.Context, scopes []ledger.ScopeState) error {
	if len(scopes) == 0 {
		return nil
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if err := s.checkClock(); err != nil {
		return fmt.Errorf("saving quota scopes: %w", err)
	}
	params := make([]query.SaveScopeParams, len(scopes))
	for i, scope := range scopes {
		params[i] = query.SaveScopeParams{
			Scope: clean(scope.Scope), BlockedUntil: timeOrNull(scope.BlockedUntil), Quota: scope.Quota, UpdatedAt: timeOrNull(scope.UpdatedAt),
			PatienceNs: scope.Patience.Nanoseconds(),
		}
	}
	if err := all(s.query.SaveScope(ctx, params)); err != nil {
		return fmt.Errorf("saving quota scopes: %w", err)
	}
	return nil
}

// SaveAccount writes an account's state and returns the one that stands: see
// ledger.Store.
func (s *Store) SaveAccount(ctx context.Context, state ledger.AccountState) (ledger.AccountState, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if err := s.checkClock(); err != nil {
		return ledger.AccountState{}, fmt.Errorf("saving account %s: %w", state.Account, err)
	}
	err := s.query.SaveAccount(ctx, query.SaveAccountParams{
		Name: state.Account, State: state.State, Reason: clean(state.Reason), ByHand: state.ByHand, ResumesAt: timeOrNull(state.ResumesAt),
		PauseNs: state.Pause.Nanoseconds(),
	})
	if err != nil {
		return ledger.AccountState{}, fmt.Errorf("saving account %s: %w", state.Account, rejected(err))
	}
	states, err := s.Accounts(ctx, []string{state.Account})
	return states[state.Account], err
}

// Accounts reads the states of accounts: see ledger.Store.
func (s *Store) Accounts(ctx context.Context, accounts []string) (map[string]ledger.AccountState, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.query.AccountsNamed(ctx, accounts)
	if err != nil {
		return nil, fmt.Errorf("reading accounts: %w", err)
	}
	states := make(map[string]ledger.AccountState, len(rows))
	for _, row := range rows {
		states[row.Name] = accountState(row.Name, row.State, row.Reason, row.ByHand, row.ResumesAt, row.PauseNs)
	}
	return states, nil
}

func accountState(name, state, reason string, byHand bool, resumesAt *time.Time, pauseNs int64) ledger.AccountState {
	return ledger.AccountState{
		Account: name, State: state, Reason: reason, ByHand: byHand, ResumesAt: timeOf(resumesAt), Pause: time.Duration(pauseNs),
	}
}

// Account is an account of the configuration.
type Account struct {
	Name     string
	Platform string
	// Scopes are the quota scopes it draws on, for the quota column of
	// account_status.
	Scopes []string
}

// RegisterAccounts makes the accounts of the configuration visible in
// account_status. States are left alone, and so are accounts not named.
func (s *Store) RegisterAccounts(ctx context.Context, accounts []Account) error {
	if len(accounts) == 0 {
		return nil
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	params := make([]query.RegisterAccountParams, len(accounts))
	for i, account := range accounts {
		scopes := account.Scopes
		if scopes == nil {
			scopes = []string{}
		}
		params[i] = query.RegisterAccountParams{Name: account.Name, Platform: account.Platform, Scopes: scopes}
	}
	if err := all(s.query.RegisterAccount(ctx, params)); err != nil {
		return fmt.Errorf("registering accounts: %w", err)
	}
	return nil
}

// PauseAccount pauses an account by hand: only ResumeAccount ends that. Unknown
// accounts are ErrNoAccount.
func (s *Store) PauseAccount(ctx context.Context, account, reason string) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.query.PauseAccount(ctx, query.PauseAccountParams{Name: account, Reason: clean(reason)})
	return changedAccount(account, rows, err)
}

// ResumeAccount ends every pause of an account. Unknown accounts are
// ErrNoAccount.
func (s *Store) ResumeAccount(ctx context.Context, account string) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.query.ResumeAccount(ctx, account)
	return changedAccount(account, rows, err)
}

func changedAccount(account string, rows int64, err error) error {
	if err != nil {
		return fmt.Errorf("changing account %s: %w", account, err)
	}
	if rows == 0 {
		return fmt.Errorf("%w: %s", ErrNoAccount, account)
	}
	return nil
}
