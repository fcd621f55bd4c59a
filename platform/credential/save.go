package credential

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// unsaved are tokens that the platform gave and the database does not have yet.
type unsaved struct {
	next    tokens
	before  tokens // those that next follows
	follows int64  // the version that next follows
	expires time.Time
	due     time.Time
	told    bool // that they could not be saved
}

const (
	// saveTimeout bounds one attempt to save.
	saveTimeout = 10 * time.Second
	// saveRounds bounds how often other workers may come in between.
	saveRounds = 10
)

var errChanging = errors.New("the credential keeps changing")

// savePending uses and saves what was renewed. It is called by renewals, of which
// there is one at a time, and after the last one. The tokens are used also when
// they cannot be saved yet: the platform may not take the old ones any more.
func (o *OAuth) savePending(ctx context.Context) error {
	o.mu.Lock()
	renewed := o.unsaved
	if renewed == nil {
		o.mu.Unlock()
		return nil
	}
	o.replace(renewed.next)
	o.expires, o.due = renewed.expires, renewed.due
	o.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	if err := o.save(ctx, renewed); err != nil {
		if !renewed.told {
			renewed.told = true
			o.logger.ErrorContext(ctx, "renewed tokens cannot be saved; they are used and saved as soon as it works: do not end this worker before",
				slog.Any("error", err))
		}
		return err
	}
	if renewed.told {
		o.logger.InfoContext(ctx, "the renewed tokens are saved")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unsaved = nil
	return nil
}

// save writes renewed tokens. It needs no claim and no lease: a worker that was
// frozen between the platform's answer and this may hold the only refresh token
// that still works. Where others renewed meanwhile, theirs stay the first choice.
func (o *OAuth) save(ctx context.Context, renewed *unsaved) error {
	for range saveRounds {
		keyID, sealed, err := renewed.next.seal(o.keys, o.name)
		if err != nil {
			return err
		}
		saved, err := o.store.RenewCredential(ctx, ledger.Credential{
			Name: o.name, Version: renewed.follows, KeyID: keyID, Sealed: sealed,
			ExpiresIn: time.Until(renewed.expires), RefreshIn: time.Until(renewed.due),
		})
		if err != nil || saved {
			return err
		}
		row, _, err := o.store.Credential(ctx, o.name)
		if err != nil {
			return err
		}
		theirs, err := openTokens(o.keys, o.name, row.KeyID, row.Sealed)
		if err != nil {
			return err
		}
		if theirs.Access == renewed.before.Access {
			renewed.follows = row.Version // only sealed again
			continue
		}
		if theirs.Access == renewed.next.Access {
			return nil // written by an attempt whose answer was lost
		}
		merged := row
		if merged.KeyID, merged.Sealed, err = renewed.next.beside(theirs).seal(o.keys, o.name); err != nil {
			return err
		}
		if saved, err = o.store.ResealCredential(ctx, merged); err != nil || saved {
			return err
		}
	}
	return errChanging
}

// saveLast is the last attempt before the worker ends.
func (o *OAuth) saveLast(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	if err := o.savePending(ctx); err != nil {
		o.logger.ErrorContext(ctx, "renewed tokens are lost: where the platform takes no older refresh token, new credentials are needed",
			slog.Any("error", err))
	}
}
