package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// storeTimeout bounds one call to the store that carries little.
const storeTimeout = 30 * time.Second

// rejectedTries is how often a call is made that the store rejects permanently. More
// than once, as what refuses it may pass after all: a day whose partition another
// process has just dropped, a migration that is being made.
const rejectedTries = 6

// storeCalls makes calls to the store, again where they fail. Any goroutine may.
type storeCalls struct {
	cfg *Config
	log *slog.Logger
}

// retryStore repeats a call to the store until it works, the lease is lost or
// ctx ends: without the store there is nothing else to do. Repeating is safe, see
// ledger.Store. What the store refuses permanently is given up after rejectedTries in
// a row, with ledger.ErrRejected.
func (s *storeCalls) retryStore(ctx context.Context, what string, call func(context.Context) error) error {
	return s.insist(ctx, what, storeTimeout, rejectedTries, call)
}

// insist is retryStore with a time-out of each try and so many tries of what is
// refused.
func (s *storeCalls) insist(ctx context.Context, what string, timeout time.Duration, tries int, call func(context.Context) error) error {
	policy := s.cfg.backOff(50*time.Millisecond, 5*time.Second) // until ctx ends: the lease bounds it
	refused := 0
	operation := func() error {
		err := withTimeout(ctx, timeout, call)
		switch {
		case errors.Is(err, ledger.ErrLeaseLost), errors.Is(err, errSplit), errors.Is(err, errStuck):
			return backoff.Permanent(err)
		case !errors.Is(err, ledger.ErrRejected):
			refused = 0
			return err
		}
		if refused++; refused >= tries {
			return backoff.Permanent(fmt.Errorf("%s: %w", what, err))
		}
		return err
	}
	return backoff.RetryNotify(operation, backoff.WithContext(policy, ctx), func(err error, wait time.Duration) {
		s.log.WarnContext(ctx, "the database call failed, trying again",
			slog.String("call", what), slog.Duration("wait", wait), slog.Any("error", err))
	})
}

// withTimeout makes one call. One that ran out of its time is ledger.ErrSlow.
func withTimeout(ctx context.Context, timeout time.Duration, call func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := call(bounded)
	if err != nil && ctx.Err() == nil && bounded.Err() != nil && !errors.Is(err, ledger.ErrSlow) {
		return fmt.Errorf("%w: %w", ledger.ErrSlow, err)
	}
	return err
}

// answer is what a server says of a call that it does not carry out.
type answer interface {
	error
	SQLState() string
}

// answered reports that the server said so itself.
func answered(err error) bool {
	var said answer
	return errors.As(err, &said)
}

// Words is what the database said, for people: bounded, and without the values of
// rows, which its details may hold.
func Words(err error) string {
	const longest = 300
	text := "the database did not answer"
	var said answer
	switch {
	case errors.As(err, &said):
		text = said.Error()
	case errors.Is(err, ledger.ErrSlow):
		text = "the database did not answer in time"
	case errors.Is(err, ledger.ErrRejected):
		text = err.Error()
	}
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
