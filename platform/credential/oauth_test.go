package credential_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/credential"
)

// askAll has every source asked by many at once, and returns the tokens given.
func askAll(t *testing.T, sources ...*credential.OAuth) map[string]int {
	t.Helper()
	given := map[string]int{}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, source := range sources {
		for range 20 {
			asking.Go(func() {
				token, err := source.Token(t.Context())
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					token = err.Error()
				}
				given[token]++
			})
		}
	}
	asking.Wait()
	return given
}

func TestOneRenewalHoweverManyWait(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulated())
	one, two, three := b.worker(), b.worker(), b.worker()
	require.Equal(t, map[string]int{"pina_simulated-access-1": 60}, askAll(t, one, two, three))
	require.Equal(t, 1, b.pinterest.Counters().Grants)

	// The platform takes it no more: again one new one for all.
	b.change(past)
	b.pinterest.RevokeIssued()
	for _, source := range []*credential.OAuth{one, two, three} {
		source.Refused("pina_simulated-access-1")
	}
	require.Equal(t, map[string]int{"pina_simulated-access-2": 60}, askAll(t, one, two, three))
	require.Equal(t, 2, b.pinterest.Counters().Grants)

	// A late word about the old one changes nothing.
	one.Refused("pina_simulated-access-1")
	require.Equal(t, "pina_simulated-access-2", b.token(one))
	// And one that is refused when it is new is not renewed within a minute.
	for range 3 {
		one.Refused("pina_simulated-access-2")
		require.Equal(t, "pina_simulated-access-2", b.token(one))
	}
	require.Equal(t, 2, b.pinterest.Counters().Grants)
	require.Zero(t, b.pinterest.Counters().GrantsRefused)
}

func TestATokenIsRenewedWhileItStillWorks(t *testing.T) {
	t.Parallel()
	life := simulated()
	life.Life, life.KeepAccess = 6*time.Second, true
	b := newBed(t, life)
	one, two := b.worker(), b.worker()
	require.Equal(t, "pina_simulated-access-1", b.token(one))
	require.Equal(t, "pina_simulated-access-1", b.token(two))
	began := time.Now()
	b.await("both have a newer one", func() bool {
		return b.token(one) != "pina_simulated-access-1" && b.token(two) != "pina_simulated-access-1"
	})
	most := 3 + int(time.Since(began)/(3*time.Second)) // each is renewed after half of its life
	require.LessOrEqual(t, b.pinterest.Counters().Grants, most, "not one for each worker and call")
}

func TestRotatedRefreshTokensOutliveWorkers(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulated())
	for i := range 5 {
		source := b.worker() // a restart
		require.Equal(t, fmt.Sprintf("pina_simulated-access-%d", i+1), b.token(source))
		end(source)
		b.change("expires_at = now()")
	}
	require.Zero(t, b.pinterest.Counters().GrantsRefused)
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	oauth := simulated()
	oauth.RefreshToken = ""
	b := newBed(t, oauth)
	app := func(c *credential.OAuthConfig) {
		c.RefreshToken = config.Secret{}
	}
	one, two := b.worker(app), b.worker(app)
	require.Equal(t, map[string]int{"pina_simulated-access-1": 40}, askAll(t, one, two))
	b.change("expires_at = now()")
	require.Equal(t, "pina_simulated-access-2", b.token(b.worker(app)))
}

// TestARefusedRefreshTokenIsTheAccounts: it is said whose failure it is, all
// workers know, and the platform is not asked again and again.
func TestARefusedRefreshTokenIsTheAccounts(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulated())
	b.pinterest.RevokeRefresh("")
	one, two := b.worker(), b.worker()
	for _, source := range []*credential.OAuth{one, two, one} {
		_, err := source.Token(t.Context())
		failure := (*platform.Error)(nil)
		require.ErrorAs(t, err, &failure)
		require.Equal(t, platform.ScopeAccount, failure.Scope)
		require.ErrorContains(t, err, "refresh token refused")
		require.ErrorContains(t, err, "HTTP 400, code 283")
	}
	require.Equal(t, 1, b.pinterest.Counters().GrantsRefused)

	// A new consent is another credential: it works at once, and disturbs no worker
	// that has the old configuration.
	b.pinterest.RevokeRefresh("pinr_canary-new-consent")
	again := b.worker(func(c *credential.OAuthConfig) { c.RefreshToken = config.NewSecret("pinr_canary-new-consent") })
	require.NotEqual(t, one.Name(), again.Name())
	require.Equal(t, "pina_simulated-access-1", b.token(again))
}

func TestAWorkingTokenIsUsedWhileRenewalFails(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulated())
	source := b.worker()
	token := b.token(source)
	end(source)
	b.change("refresh_at = now()")
	b.pinterest.RevokeRefresh("")
	source = b.worker()
	require.Equal(t, token, b.token(source))
	b.await("the refusal is told once", func() bool { return b.log.count("give new credentials before") == 1 })
	require.Equal(t, token, b.token(source))

	b.change("expires_at = now()")
	_, err := b.worker().Token(t.Context())
	require.ErrorContains(t, err, "refresh token refused")
	require.Equal(t, 1, b.log.count("give new credentials before"))
}

func TestTroubleOfThePlatformIsNotTheAccounts(t *testing.T) {
	t.Parallel()
	for kind, words := range map[sandbox.FaultKind]string{
		sandbox.ServerError: "HTTP 503", sandbox.Reset: "no answer", sandbox.HTML: "not what it should be",
		sandbox.Truncated: "not what it should be", sandbox.RateLimited: "HTTP 429", sandbox.HTMLError: "HTTP 502",
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			oauth := simulated()
			oauth.Rotate = false // what is lost with an answer is another test's
			b := newBed(t, oauth)
			b.pinterest.InjectNext(sandbox.Authorize, sandbox.Fault{Kind: kind})
			_, err := b.worker().Token(t.Context())
			failure := (*platform.Error)(nil)
			require.ErrorAs(t, err, &failure)
			require.Equal(t, platform.ScopePlatform, failure.Scope)
			require.ErrorContains(t, err, words)
			require.Positive(t, failure.RetryAfter)
			b.change("retry_at = now()")
			require.Contains(t, b.token(b.worker()), "pina_simulated-access-")
		})
	}
}

// TestAnEarlierRefreshTokenIsTheSecondChoice: the platform's answer was lost, and
// it still takes the token before.
func TestAnEarlierRefreshTokenIsTheSecondChoice(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulated())
	b.token(b.worker())
	b.pinterest.RevokeRefresh(firstRefresh) // the platform was restored, say
	b.change("expires_at = now()")
	require.Equal(t, "pina_simulated-access-2", b.token(b.worker()))
	require.Equal(t, 1, b.pinterest.Counters().GrantsRefused, "the newest came first")
}

// held is a transport that keeps the platform's answers back.
type held struct {
	http.RoundTripper
	answered chan struct{}
	release  chan struct{}
}

func (h *held) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := h.RoundTripper.RoundTrip(request)
	close(h.answered)
	<-h.release
	return response, err
}

// TestAFrozenWorkerSavesWhatOnlyItHas: it got the only refresh token that still
// works, and wakes up when another worker has tried in vain.
func TestAFrozenWorkerSavesWhatOnlyItHas(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulated())
	freezer := &held{RoundTripper: sandbox.Transport(b.pinterest), answered: make(chan struct{}), release: make(chan struct{})}
	frozen := b.worker(func(c *credential.OAuthConfig) { c.HTTP = &http.Client{Transport: freezer} })
	var waiting sync.WaitGroup
	waiting.Go(func() { _, _ = frozen.Token(t.Context()) })
	<-freezer.answered
	b.change("claimed_until = now()")
	other := b.worker()
	_, err := other.Token(t.Context())
	require.ErrorContains(t, err, "refresh token refused")

	close(freezer.release)
	waiting.Wait()
	require.Equal(t, "pina_simulated-access-1", b.token(frozen))
	b.await("the other worker has it too", func() bool {
		token, err := other.Token(t.Context())
		return err == nil && token == "pina_simulated-access-1"
	})
	b.change("expires_at = now()")
	require.Equal(t, "pina_simulated-access-2", b.token(b.worker()), "the rotated refresh token was kept")
}

// TestALostAnswerIsNotASilentLoss: the platform gave a new refresh token, takes the
// old one no more, and nobody heard of it. That is said, and a new consent cures it.
func TestALostAnswerIsNotASilentLoss(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulated())
	b.pinterest.InjectNext(sandbox.Authorize, sandbox.Fault{Kind: sandbox.ResetAfter})
	_, err := b.worker().Token(t.Context())
	failure := (*platform.Error)(nil)
	require.ErrorAs(t, err, &failure)
	require.Equal(t, platform.ScopePlatform, failure.Scope, "nobody knows yet")
	b.change("retry_at = now()")
	_, err = b.worker().Token(t.Context())
	require.ErrorContains(t, err, "refresh token refused")
}

// TestAStoppingWorkerWaitsForNoOther that renews.
func TestAStoppingWorkerWaitsForNoOther(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulated())
	freezer := &held{RoundTripper: sandbox.Transport(b.pinterest), answered: make(chan struct{}), release: make(chan struct{})}
	frozen := b.worker(func(c *credential.OAuthConfig) { c.HTTP = &http.Client{Transport: freezer} })
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer close(freezer.release)
	waiting.Go(func() { _, _ = frozen.Token(t.Context()) })
	<-freezer.answered
	other := b.worker()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := other.Token(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	began := time.Now()
	end(other)
	require.Less(t, time.Since(began), 10*time.Second)
}

// TestTwoRenewalsAtOnceLoseNothing: the platform takes the same refresh token
// twice, and what the slower worker got becomes the second choice.
func TestTwoRenewalsAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	oauth := simulated()
	oauth.KeepAccess = true
	b := newBed(t, oauth)
	freezer := &held{RoundTripper: sandbox.Transport(b.pinterest), answered: make(chan struct{}), release: make(chan struct{})}
	frozen := b.worker(func(c *credential.OAuthConfig) { c.HTTP = &http.Client{Transport: freezer} })
	var waiting sync.WaitGroup
	waiting.Go(func() { _, _ = frozen.Token(t.Context()) })
	<-freezer.answered
	b.change("claimed_until = now()")
	b.pinterest.RevokeRefresh(firstRefresh) // taken once more
	require.Equal(t, "pina_simulated-access-2", b.token(b.worker()))
	close(freezer.release)
	waiting.Wait()
	end(frozen)

	b.pinterest.RevokeRefresh("pinr_simulated-refresh-1") // the slower one's
	b.change("expires_at = now()")
	require.Equal(t, "pina_simulated-access-3", b.token(b.worker()))
}

// broken is a store that cannot write renewed tokens for a while.
type broken struct {
	credential.Store
	mu   sync.Mutex
	down bool
}

func (s *broken) RenewCredential(ctx context.Context, c ledger.Credential) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return false, errors.New("connection refused")
	}
	return s.Store.RenewCredential(ctx, c)
}

func (s *broken) repair() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = false
}

func TestTokensThatCannotBeSavedAreUsedAndSavedLater(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulated())
	store := &broken{Store: b.store, down: true}
	b.store = store
	source := b.worker()
	require.Equal(t, "pina_simulated-access-1", b.token(source))
	require.Equal(t, 1, b.log.count("cannot be saved"))
	store.repair()
	end(source) // the last moment to save them
	require.Zero(t, b.log.count("are lost"))
	b.change("expires_at = now()")
	require.Equal(t, "pina_simulated-access-2", b.token(b.worker()))
	require.Zero(t, b.pinterest.Counters().GrantsRefused)
}

func TestWhoeverAsksMayGiveUpAndTheRenewalGoesOn(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulated())
	freezer := &held{RoundTripper: sandbox.Transport(b.pinterest), answered: make(chan struct{}), release: make(chan struct{})}
	source := b.worker(func(c *credential.OAuthConfig) { c.HTTP = &http.Client{Transport: freezer} })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-freezer.answered
		cancel()
	}()
	_, err := source.Token(ctx)
	require.ErrorIs(t, err, context.Canceled)
	close(freezer.release)
	require.Equal(t, "pina_simulated-access-1", b.token(source))
	require.Equal(t, 1, b.pinterest.Counters().Grants)
}

func TestEncryptionKeysAreReplaced(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulated())
	first := b.token(b.worker())
	with := func(current, former string) func(*credential.OAuthConfig) {
		return func(c *credential.OAuthConfig) { c.Keys = keys(t, current, former) }
	}
	_, err := b.worker(with(secondKey, "")).Token(t.Context())
	require.ErrorIs(t, err, credential.ErrUnknownKey)
	failure := (*platform.Error)(nil)
	require.ErrorAs(t, err, &failure)
	require.Equal(t, platform.ScopeAccount, failure.Scope)

	require.Equal(t, first, b.token(b.worker(with(secondKey, firstKey))))
	require.Equal(t, first, b.token(b.worker(with(secondKey, ""))), "sealed again")
	_, err = b.worker().Token(t.Context())
	require.ErrorIs(t, err, credential.ErrUnknownKey)
	require.Equal(t, 1, b.pinterest.Counters().Grants)
}

func TestASealedTokenOpensForNoOtherName(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulated())
	b.token(b.worker())
	stranger := b.worker(func(c *credential.OAuthConfig) { c.RefreshToken = config.NewSecret("another") })
	_, err := b.pool.Exec(t.Context(), "UPDATE courier.credential SET name = $1", stranger.Name())
	require.NoError(t, err)
	_, err = stranger.Token(t.Context())
	require.ErrorContains(t, err, "do not open")
}
