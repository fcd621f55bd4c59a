package persistence

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// ErrConfigured is returned for the removal of an account that a running worker has in its
// configuration.
var ErrConfigured = errors.New("the account is configured")

// Remains is what there is of an account.
type Remains struct {
	Waiting     int64 `json:"waiting"`         // changes with a waiting row
	OpenBatches int64 `json:"open_batches"`    // batches that are not finished
	InBatches   int64 `json:"in_open_batches"` // their changes
	DeadLetters int64 `json:"dead_letters"`    // that are open; all of them stay
	// Workers are the running ones that have the account in their configuration.
	Workers []string `json:"configured_by"`
	// Untold says that a running worker does not say which accounts it has: one of an
	// older version, or one that has just begun.
	Untold bool `json:"untold"`
	// Running says that any worker runs.
	Running bool `json:"worker_runs"`
	// Removing says that somebody asked for the removal.
	Removing bool `json:"removing"`
}

// Open reports that something of the account is not final.
func (r *Remains) Open() bool { return r.Waiting+r.OpenBatches > 0 }

// AccountRemains looks at what there is of an account. ErrNoAccount says that there is
// nothing.
func (s *Store) AccountRemains(ctx context.Context, account string) (Remains, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return remains(ctx, s.query, account, false)
}

// remains looks at an account, whose row it locks where it is told to and there is one.
func remains(ctx context.Context, q *query.Queries, account string, lock bool) (Remains, error) {
	var registered, removing bool
	if lock {
		found, err := q.LockAccount(ctx, account)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return Remains{}, fmt.Errorf("locking account %s: %w", account, err)
		}
		registered, removing = err == nil, found
	} else {
		rows, err := q.AccountsNamed(ctx, []string{account})
		if err != nil {
			return Remains{}, fmt.Errorf("reading account %s: %w", account, err)
		}
		if registered = len(rows) > 0; registered {
			removing = rows[0].Removing
		}
	}
	use, err := q.AccountInUse(ctx, account)
	if err != nil {
		return Remains{}, fmt.Errorf("asking who has account %s: %w", account, err)
	}
	left, err := q.AccountRemains(ctx, account)
	if err != nil {
		return Remains{}, fmt.Errorf("counting what there is of account %s: %w", account, err)
	}
	if !registered && left.Waiting+left.Batches == 0 {
		return Remains{}, fmt.Errorf("%w: %s", ErrNoAccount, account)
	}
	return Remains{
		Waiting: left.Waiting, OpenBatches: left.Batches, InBatches: left.InBatches, DeadLetters: left.Letters,
		Workers: use.Workers, Untold: use.Untold, Running: use.Running, Removing: removing,
	}, nil
}

// AskForRemoval asks for an account to be removed that no running worker has in its
// configuration. The owner of its partition ends what is open, through its own
// transactions: see ledger.AccountState. A worker that comes with the account in its
// configuration takes the wish back. ErrConfigured, ErrNoAccount.
func (s *Store) AskForRemoval(ctx context.Context, account string) (found Remains, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	err = s.inTransaction(ctx, func(q *query.Queries) error {
		// Registering an account locks its row, before the worker is one that runs: who
		// comes second sees what the first has done.
		if found, err = remains(ctx, q, account, true); err != nil {
			return err
		}
		if err := mayRemove(account, &found); err != nil {
			return err
		}
		return q.AskForRemoval(ctx, account)
	})
	return found, err
}

func mayRemove(account string, found *Remains) error {
	switch {
	case len(found.Workers) > 0:
		return fmt.Errorf("%w: %s is in the configuration of %s: take it out there first",
			ErrConfigured, account, strings.Join(found.Workers, ", "))
	case found.Untold:
		return fmt.Errorf("%w, perhaps: a running worker does not say whether it has %s; it is of an older version, or has just begun",
			ErrConfigured, account)
	default:
		return nil
	}
}

// mayEnd reports that nothing of the account is open, and nobody uses it.
func mayEnd(account string, found *Remains) bool {
	return found.Removing && !found.Open() && mayRemove(account, found) == nil
}

// StopRemoval takes the wish back, and says whether there was one.
func (s *Store) StopRemoval(ctx context.Context, account string) (bool, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.query.StopRemoval(ctx, account)
	if err != nil {
		return false, fmt.Errorf("taking back the removal of account %s: %w", account, err)
	}
	return rows > 0, nil
}

// EndRemoval forgets an account of which nothing is open any more, with its items in the
// index: see ledger.Standing. Of many items that takes a while. What the index learns of the
// account later became final before the removal, and is left out: see writeItems.
func (s *Store) EndRemoval(ctx context.Context, account string) (removed bool, err error) {
	found, err := s.AccountRemains(ctx, account)
	if errors.Is(err, ErrNoAccount) || err == nil && !mayEnd(account, &found) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := s.forgetItems(ctx, account); err != nil {
		return false, err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	err = s.inTransaction(ctx, func(q *query.Queries) error {
		found, err := remains(ctx, q, account, true)
		if err != nil {
			return err
		}
		if !mayEnd(account, &found) {
			return nil // it is still used
		}
		if err := q.RemoveLanes(ctx, account); err != nil {
			return fmt.Errorf("marking the catalogs of account %s: %w", account, err)
		}
		lanes, err := q.LanesOfAccount(ctx, account)
		if err != nil {
			return fmt.Errorf("listing the catalogs of account %s: %w", account, err)
		}
		if err := q.DeleteIssuesOf(ctx, lanes); err != nil {
			return fmt.Errorf("ending the issues of account %s: %w", account, err)
		}
		rows, err := q.DeleteAccount(ctx, account)
		if err != nil {
			return fmt.Errorf("removing account %s: %w", account, err)
		}
		removed = rows > 0
		return q.DeleteHealth(ctx, account)
	})
	if errors.Is(err, ErrNoAccount) {
		return false, nil
	}
	return removed, err
}
