package credential

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// Store is what the database does for credentials; persistence.Store implements it.
type Store interface {
	Credential(ctx context.Context, name string) (c ledger.Credential, ok bool, err error)
	PlantCredential(ctx context.Context, c ledger.Credential) error
	ClaimCredential(ctx context.Context, claim ledger.CredentialClaim) (bool, error)
	RenewCredential(ctx context.Context, c ledger.Credential) (bool, error)
	ResealCredential(ctx context.Context, c ledger.Credential) (bool, error)
	FailCredential(ctx context.Context, c ledger.Credential, claimer uuid.UUID) error
}

// OAuthConfig is what a source of renewed tokens needs.
type OAuthConfig struct {
	// URL is the token endpoint.
	URL          string
	ClientID     string
	ClientSecret config.Secret
	// RefreshToken is the first one, from which all others follow. Without one the
	// app acts in its own name.
	RefreshToken config.Secret
	// OAuth is what the platform's token endpoint has of its own.
	OAuth platform.OAuth
	Keys  *Keyring
	Store Store
	// HTTP makes the calls. No lease binds them.
	HTTP   *http.Client
	Logger *slog.Logger
}

// OAuth is a source of tokens that are renewed: before they expire, and when the
// platform refuses one. However many calls and workers wait, one of them renews;
// the database says who, and carries the tokens to the others.
//
// The claim in the database runs out, so that a worker that died or is frozen is
// not waited for; no transaction is open while the platform is asked. A worker
// that ends between the platform's answer and writing it down loses a rotated
// refresh token, which nothing can prevent: then the tokens before are tried.
type OAuth struct {
	name     string
	seed     config.Secret
	endpoint *endpoint
	keys     *Keyring
	store    Store
	logger   *slog.Logger
	me       uuid.UUID

	mu      sync.Mutex
	tokens  *tokens // never changed, only replaced
	expires time.Time
	due     time.Time // when to renew
	refused bool      // the platform did not take the access token
	// rest is until when no further renewal begins; problem is why the last one gave
	// no token.
	rest    time.Time
	problem error
	flight  chan struct{} // closed when the renewal under way is over; nil: none
	unsaved *unsaved
	closed  bool

	stopped chan struct{} // closed with closed
	flights sync.WaitGroup
}

// NewOAuth makes a source. It makes no call before the first Token.
func NewOAuth(c OAuthConfig) *OAuth {
	// The first refresh token is part of the name: another one, from a new consent, is
	// another credential, also while workers with the old one still run.
	name := platform.CredentialsHash("oauth", c.URL, c.ClientID, c.RefreshToken.Reveal())
	return &OAuth{
		name: name, seed: c.RefreshToken, endpoint: newEndpoint(c), keys: c.Keys, store: c.Store, me: uuid.New(),
		logger: c.Logger.With(slog.String("credential", name)), tokens: &tokens{}, stopped: make(chan struct{}),
	}
}

// Name implements Source.
func (o *OAuth) Name() string { return o.name }

// Format keeps the tokens out of whatever is printed.
func (o *OAuth) Format(state fmt.State, _ rune) { printName(state, "credential", o.name) }

// errNone is returned when there is no token and no reason is known: the worker
// stops, or the platform gave one that lasted no time.
var errNone = &platform.Error{Scope: platform.ScopePlatform, Operation: operation, Message: "there is no access token for now"}

// Token implements Source. It waits only where there is no token that may work:
// one that is merely due is used on while it is renewed.
func (o *OAuth) Token(ctx context.Context) (string, error) {
	o.mu.Lock()
	now := time.Now()
	usable := o.usable(now)
	flight := o.flight
	if flight == nil && !o.settled(now) && !now.Before(o.rest) {
		flight = o.launch(ctx)
	}
	token := o.tokens.Access
	o.mu.Unlock()
	if usable {
		return token, nil
	}
	if flight != nil {
		select {
		case <-flight:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return o.best()
}

// best is the token to go with when nothing more can be done for now.
func (o *OAuth) best() (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	switch {
	case o.usable(now):
		return o.tokens.Access, nil
	case o.problem != nil:
		return "", o.problem
	case o.tokens.Access != "" && now.Before(o.expires):
		// Refused, but renewed a moment ago: asking again is all that is left.
		return o.tokens.Access, nil
	default:
		return "", errNone
	}
}

// settled reports whether there is nothing to do. o.mu must be held.
func (o *OAuth) settled(now time.Time) bool {
	return o.usable(now) && now.Before(o.due) && o.unsaved == nil
}

// usable reports whether the access token may work. o.mu must be held.
func (o *OAuth) usable(now time.Time) bool {
	return o.tokens.Access != "" && !o.refused && now.Before(o.expires)
}

// Refused implements Source.
func (o *OAuth) Refused(token string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if token != o.tokens.Access || o.refused {
		return // of an older token, or known
	}
	o.refused = true
	o.logger.Warn("the platform refuses the access token; another one is asked for")
}

// launch starts a renewal; it returns nil when none may start any more. The
// renewal outlives who asked for it: between the platform's answer and writing
// it down nothing must be cut off. o.mu must be held.
func (o *OAuth) launch(ctx context.Context) chan struct{} {
	if o.closed {
		return nil
	}
	flight := make(chan struct{})
	o.flight = flight
	o.flights.Go(func() { // Run waits for it
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewalTimeout)
		defer cancel()
		err := o.renew(ctx)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.problem, o.flight = err, nil
		if now := time.Now(); !o.settled(now) {
			o.rest = now.Add(lookAgain)
		}
		close(flight)
	})
	return flight
}

// tendInterval is how often an idle credential is looked after.
const tendInterval = time.Minute

// Run keeps the tokens alive where no call asks for them, until ctx ends. Then it
// waits for a renewal under way, and no further one begins.
func (o *OAuth) Run(ctx context.Context) {
	ticker := time.NewTicker(tendInterval)
	defer ticker.Stop()
	for {
		// What is wrong is known already, or will be when a call asks.
		_, _ = o.Token(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			o.close()
			o.flights.Wait()
			o.saveLast(ctx)
			return
		}
	}
}

// close lets no further renewal begin, and none wait for another worker's.
func (o *OAuth) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.closed = true
		close(o.stopped)
	}
}

// problemOf is the error of a row whose last renewal gave no token.
func problemOf(row ledger.Credential) error {
	failure := &platform.Error{Scope: platform.ScopePlatform, Operation: operation, Message: row.Problem, RetryAfter: row.RetryIn}
	if row.Refused {
		failure.Scope, failure.RetryAfter = platform.ScopeAccount, 0
	}
	return failure
}

// databaseTrouble is the error of a credential that cannot be read or written.
func databaseTrouble(err error) error {
	scope := platform.ScopePlatform
	if errors.Is(err, ErrUnknownKey) {
		scope = platform.ScopeAccount
	}
	return &platform.Error{Scope: scope, Operation: "read credentials", Message: err.Error(), Err: err}
}
