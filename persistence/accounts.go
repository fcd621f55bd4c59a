package persistence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// ErrNoAccount is returned for an account that was never registered.
var ErrNoAccount = errors.New("no such account")

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
	for i := range rows {
		states[rows[i].Name] = accountState(query.AccountsOfRow(rows[i]))
	}
	return states, nil
}

func accountState(row query.AccountsOfRow) ledger.AccountState {
	state := ledger.AccountState{
		Account: row.Name, State: row.State, Reason: row.Reason, ByHand: row.ByHand, ResumesAt: timeOf(row.ResumesAt),
		Pause: time.Duration(row.PauseNs), Removing: row.Removing,
	}
	if row.State == "active" {
		state.ResumesAt = time.Time{} // of a pause by hand that is over
	}
	return state
}

// Account is an account of the configuration.
type Account struct {
	Name     string
	Platform string
	// Scopes are the quota scopes it draws on, for the quota column of
	// account_status.
	Scopes []string
	// Catalogs are those of its configuration.
	Catalogs []string
}

// RegisterAccounts makes the accounts of the configuration visible in
// account_status. States are left alone, and so are accounts not named. What somebody
// asked to have removed stays.
func (s *Store) RegisterAccounts(ctx context.Context, accounts []Account) error {
	for some := range slices.Chunk(accounts, registerAtOnce) {
		if err := s.registerSome(ctx, some); err != nil {
			return fmt.Errorf("registering accounts: %w", err)
		}
	}
	return nil
}

// registerAtOnce is how many accounts one call to the database registers.
const registerAtOnce = 1_000

func (s *Store) registerSome(ctx context.Context, accounts []Account) error {
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
	return all(s.query.RegisterAccount(ctx, params))
}

// PauseEnd is when a pause by hand ends by itself: after a length, or at a time, by the
// database's clock and whether a worker runs or not. The zero value is until ResumeAccount.
type PauseEnd struct {
	After time.Duration
	At    time.Time
}

// PauseAccount pauses an account by hand: only ResumeAccount ends that. Unknown
// accounts are ErrNoAccount.
func (s *Store) PauseAccount(ctx context.Context, account, reason string) error {
	return s.PauseAccountUntil(ctx, account, reason, PauseEnd{})
}

// PauseAccountUntil is PauseAccount with an end.
func (s *Store) PauseAccountUntil(ctx context.Context, account, reason string, end PauseEnd) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	paused, err := s.query.PauseAccounts(ctx, query.PauseAccountsParams{Name: account, Reason: clean(reason), Seconds: end.After.Seconds(), Until: timeOrNull(end.At)})
	return changedAccount(account, int64(len(paused)), err)
}

// PauseAllAccounts pauses every account by hand, in one step, and names them.
func (s *Store) PauseAllAccounts(ctx context.Context, reason string, end PauseEnd) ([]string, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	paused, err := s.query.PauseAccounts(ctx, query.PauseAccountsParams{Every: true, Reason: clean(reason), Seconds: end.After.Seconds(), Until: timeOrNull(end.At)})
	if err != nil {
		return nil, fmt.Errorf("pausing all accounts: %w", err)
	}
	return paused, nil
}

// ResumeAccount ends every pause of an account. Unknown accounts are
// ErrNoAccount.
func (s *Store) ResumeAccount(ctx context.Context, account string) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.query.ResumeAccount(ctx, account)
	return changedAccount(account, rows, err)
}

// ResumeAllAccounts ends every pause by hand, and names the accounts.
func (s *Store) ResumeAllAccounts(ctx context.Context) ([]string, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	resumed, err := s.query.ResumeAccounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("resuming all accounts: %w", err)
	}
	return resumed, nil
}

// Overview is how many workers run, what they own, and what is left to look at.
type Overview = query.OverviewRow

// Overview counts workers, partitions and open dead letters.
func (s *Store) Overview(ctx context.Context) (Overview, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	row, err := s.query.Overview(ctx)
	if err != nil {
		return Overview{}, fmt.Errorf("counting workers and dead letters: %w", err)
	}
	return row, nil
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
