package credential

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

const (
	// renewalTimeout bounds one renewal: waiting for another worker's, asking, and
	// writing down.
	renewalTimeout = time.Minute
	// askTimeout bounds asking, with every refresh token that is known.
	askTimeout = 20 * time.Second
	// claimHold is how long a claim keeps other workers off: longer than asking and
	// writing take, and short enough to wait for a worker that died.
	claimHold = 30 * time.Second
	// claimPause is the time between two looks at another worker's renewal.
	claimPause = 300 * time.Millisecond
	// lookAgain is the pause after a renewal that came to nothing. Whether it is time
	// to ask the platform again stands in the row; another worker may be luckier.
	lookAgain = 5 * time.Second
	// refusedRest is the least time between two renewals because of a refused access
	// token: one that is refused when it is new is not the renewal's to cure.
	refusedRest = time.Minute
)

// renew sees to it that there is a good access token: another worker's, or a new
// one. The error is why there is none.
func (o *OAuth) renew(ctx context.Context) error {
	if err := o.savePending(ctx); err != nil {
		return databaseTrouble(err)
	}
	for {
		row, err := o.read(ctx)
		if err != nil {
			o.logger.WarnContext(ctx, "credentials cannot be read, trying again", slog.Any("error", err))
			return databaseTrouble(err)
		}
		usable, due, refused := o.state()
		switch {
		case usable && !due:
			return nil
		case row.RetryIn > 0:
			return problemOf(row)
		case refused && row.Age < refusedRest:
			return nil
		}
		claim := ledger.CredentialClaim{Name: o.name, Version: row.Version, By: o.me, Hold: claimHold}
		if refused {
			claim.Rest = refusedRest
		}
		began := time.Now()
		claimed, err := o.store.ClaimCredential(ctx, claim)
		switch {
		case err != nil:
			return databaseTrouble(err)
		case claimed && time.Since(began) <= claimHold-askTimeout:
			return o.exchange(ctx, row)
			// A worker that was frozen meanwhile does not ask: the claim may be over before
			// the answer is written down, and another worker ask with the same refresh token.
		case usable:
			return nil // another worker is at it
		}
		select {
		case <-time.After(claimPause):
		case <-o.stopped:
			return errNone
		case <-ctx.Done():
			return databaseTrouble(ctx.Err())
		}
	}
}

// state is what is known of the access token.
func (o *OAuth) state() (usable, due, refused bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	return o.usable(now), !now.Before(o.due), o.refused
}

// read reads the row, or makes it, and takes over what it holds.
func (o *OAuth) read(ctx context.Context) (ledger.Credential, error) {
	row, ok, err := o.store.Credential(ctx, o.name)
	if err != nil {
		return ledger.Credential{}, err
	}
	if !ok {
		if err := o.plant(ctx); err != nil {
			return ledger.Credential{}, err
		}
		if row, _, err = o.store.Credential(ctx, o.name); err != nil {
			return ledger.Credential{}, err
		}
	}
	opened, err := openTokens(o.keys, o.name, row.KeyID, row.Sealed)
	if err != nil {
		return ledger.Credential{}, err
	}
	if row.KeyID != o.keys.current {
		row = o.reseal(ctx, row, opened)
	}
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.replace(opened)
	o.expires, o.due = now.Add(row.ExpiresIn), now.Add(row.RefreshIn)
	return row, nil
}

// replace puts other tokens in. o.mu must be held.
func (o *OAuth) replace(next tokens) {
	o.refused = o.refused && next.Access == o.tokens.Access
	o.tokens = &next
}

func (o *OAuth) plant(ctx context.Context) error {
	keyID, sealed, err := tokens{}.remember(o.seed.Reveal()).seal(o.keys, o.name)
	if err != nil {
		return err
	}
	return o.store.PlantCredential(ctx, ledger.Credential{Name: o.name, KeyID: keyID, Sealed: sealed})
}

// reseal brings tokens under the current key. Where that fails the former key
// still opens them.
func (o *OAuth) reseal(ctx context.Context, row ledger.Credential, opened tokens) ledger.Credential {
	next := row
	var err error
	if next.KeyID, next.Sealed, err = opened.seal(o.keys, o.name); err != nil {
		return row
	}
	if changed, err := o.store.ResealCredential(ctx, next); err != nil || !changed {
		return row
	}
	next.Version++
	o.logger.InfoContext(ctx, "tokens are sealed with the current encryption key now")
	return next
}

// exchange asks the platform for an access token. The row is claimed.
func (o *OAuth) exchange(ctx context.Context, row ledger.Credential) error {
	o.mu.Lock()
	before := *o.tokens
	o.mu.Unlock()
	given, used, failure := o.ask(ctx, before)
	if failure != nil {
		return o.fail(ctx, row, failure)
	}
	now := time.Now()
	renewed := &unsaved{
		next: before.with(given, used), before: before, follows: row.Version,
		expires: now.Add(given.life), due: now.Add(refreshAfter(given.life)),
	}
	o.logger.InfoContext(ctx, "the access token is renewed", slog.Duration("expires_in", given.life))
	o.mu.Lock()
	o.unsaved = renewed
	o.mu.Unlock()
	if err := o.savePending(ctx); err != nil {
		return databaseTrouble(err)
	}
	return nil
}

// ask asks with the newest refresh token that is known. The older ones come next
// only where that one is refused: any other refusal would be theirs too, and some
// platforms end a consent whose used tokens come again (RFC 9700, section 4.14.2).
func (o *OAuth) ask(ctx context.Context, known tokens) (given grant, used string, failure *platform.Error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	candidates := known.Refresh
	if o.seed.IsZero() {
		candidates = []string{""} // in the app's own name
	}
	for _, used = range candidates {
		given, failure = o.endpoint.ask(ctx, used)
		if failure == nil || ctx.Err() != nil || !errors.Is(failure, errInvalidGrant) {
			return given, used, failure
		}
	}
	return given, used, failure
}

// fail writes down why there is no new token, and for how long nobody should ask.
func (o *OAuth) fail(ctx context.Context, row ledger.Credential, failure *platform.Error) error {
	first := !row.Refused
	row.Refused = failure.Scope == platform.ScopeAccount
	row.RetryIn = retryDelay(row.Failures, row.Refused, failure.RetryAfter)
	failure.Operation = "no new access token"
	if errors.Is(failure, errInvalidGrant) && !o.seed.IsZero() {
		failure.Operation = "refresh token refused"
	}
	row.Problem = failure.Error()
	if err := o.store.FailCredential(ctx, row, o.me); err != nil {
		o.logger.WarnContext(ctx, "why a credential was not renewed cannot be written down", slog.Any("error", err))
	}
	usable, _, _ := o.state()
	switch {
	case row.Refused && first && usable:
		// Once it expires the account is paused, with an alert of its own.
		o.logger.ErrorContext(ctx, "the platform refuses to renew the access token: it works on until it expires; give new credentials before",
			slog.Any("error", failure))
	default:
		o.logger.WarnContext(ctx, "the access token is not renewed, trying again", slog.Duration("wait", row.RetryIn), slog.Any("error", failure))
	}
	return problemOf(row)
}

// retryDelay is how long to wait after so many failures.
func retryDelay(failures int, refused bool, wish time.Duration) time.Duration {
	first, longest := 5*time.Second, 5*time.Minute
	if refused {
		first, longest = time.Minute, 15*time.Minute
	}
	return max(min(first<<min(failures, 10), longest), min(wish, time.Hour))
}

// refreshAfter is when a token of that life is renewed: at 80 % of it and at least
// 5 minutes before its end, but not in its first half.
func refreshAfter(life time.Duration) time.Duration {
	return max(min(life*8/10, life-5*time.Minute), life/2)
}
