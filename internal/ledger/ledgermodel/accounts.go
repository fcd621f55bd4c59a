package ledgermodel

import (
	"context"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// SaveAccount writes an account's state; a pause by hand is left alone, unless
// the new state is by hand too, and of two other pauses the later ResumesAt stays.
func (s *Store) SaveAccount(ctx context.Context, state ledger.AccountState) (ledger.AccountState, error) {
	err := s.call(ctx, CallSaveAccount, func() error {
		const paused = "paused"
		have := present(s.accounts[state.Account])
		if have.ByHand && !state.ByHand {
			state = have
		}
		if have.State == paused && state.State == paused && !state.ByHand && have.ResumesAt.After(state.ResumesAt) {
			state.ResumesAt = have.ResumesAt
		}
		state.Removing = have.Removing
		s.accounts[state.Account] = state
		return nil
	})
	return state, err
}

// present is a saved state as it is now: a pause by hand whose time is over is none.
func present(state ledger.AccountState) ledger.AccountState {
	if state.ByHand && !state.ResumesAt.IsZero() && !state.ResumesAt.After(time.Now()) {
		return ledger.AccountState{Account: state.Account, State: "active", Removing: state.Removing}
	}
	return state
}

func (s *database) presentAccounts() map[string]ledger.AccountState {
	states := make(map[string]ledger.AccountState, len(s.accounts))
	for name, state := range s.accounts {
		states[name] = present(state)
	}
	return states
}

// ResumeAccount is what an operator does to end a pause.
func (s *Store) ResumeAccount(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.accounts, account)
}

// AskForRemoval is what an operator does to have an account removed.
func (s *Store) AskForRemoval(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.accounts[account]
	state.Account, state.Removing = account, true
	if state.State == "" {
		state.State = "active"
	}
	s.accounts[account] = state
}

// Configure is what a running worker does that has an account in its configuration, or has it
// no more.
func (s *Store) Configure(account string, has bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.configured[account] = has
	if state, known := s.accounts[account]; known && has {
		state.Removing = false
		s.accounts[account] = state
	}
}

// Accounts reads the states of the accounts named.
func (s *Store) Accounts(ctx context.Context, accounts []string) (map[string]ledger.AccountState, error) {
	states := map[string]ledger.AccountState{}
	err := s.call(ctx, CallAccounts, func() error {
		for _, name := range accounts {
			if state, ok := s.accounts[name]; ok {
				states[name] = present(state)
			}
		}
		return nil
	})
	return states, err
}

// SaveHealth writes how the calls of accounts go.
func (s *Store) SaveHealth(ctx context.Context, lease ledger.Lease, accounts []ledger.AccountHealth) error {
	return s.call(ctx, CallSaveHealth, func() error {
		if s.partition(lease.Partition).token != lease.Token {
			return nil
		}
		for _, a := range accounts {
			a.Reason = text(a.Reason)
			have := s.health[a.Account]
			if have.SucceededAt.After(a.SucceededAt) {
				a.SucceededAt = have.SucceededAt
			}
			if !have.FailingSince.IsZero() && !a.FailingSince.IsZero() && have.FailingSince.Before(a.FailingSince) {
				a.FailingSince = have.FailingSince
			}
			s.health[a.Account] = a
		}
		return nil
	})
}

// SaveStrays writes which lanes of the partition are stray.
func (s *Store) SaveStrays(ctx context.Context, lease ledger.Lease, lanes []ledger.StrayLane) error {
	return s.call(ctx, CallSaveStrays, func() error {
		if s.partition(lease.Partition).token == lease.Token {
			s.strays[lease.Partition] = nil
			for _, l := range lanes {
				if partition, known := s.lanes[l.Lane]; known && partition == lease.Partition {
					l.Problem = text(l.Problem)
					s.strays[lease.Partition] = append(s.strays[lease.Partition], l)
				}
			}
		}
		return nil
	})
}

// EndRemoval forgets an account that was to be removed, once nothing of it is open.
func (s *Store) EndRemoval(ctx context.Context, account string) (removed bool, err error) {
	err = s.call(ctx, CallEndRemoval, func() error {
		if !s.accounts[account].Removing || s.configured[account] {
			return nil
		}
		for lane, rows := range s.waiting {
			if lane.Account == account && len(rows) > 0 {
				return nil
			}
		}
		for _, b := range s.batches {
			if b.Lane.Account == account && b.outcome == nil {
				return nil
			}
		}
		delete(s.accounts, account)
		delete(s.health, account)
		removed = true
		return nil
	})
	return removed, err
}

// Health is what is known of an account's calls.
func (s *Store) Health(account string) ledger.AccountHealth {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.health[account]
}

// Strays are the lanes of the partition that are known to be stray.
func (s *Store) Strays(partitionNumber int) []ledger.StrayLane {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.strays[partitionNumber])
}
