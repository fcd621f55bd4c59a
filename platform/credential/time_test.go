package credential_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/credential"
)

// TestIdleCredentialsStayAlive: nobody calls for a year. Each token is renewed once,
// at 80 % of its life, by whichever of three workers comes first.
func TestIdleCredentialsStayAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := bedOn(t, simulated(), newMemory(), nil)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		sources := []*credential.OAuth{b.worker(), b.worker(), b.worker()}
		for _, source := range sources {
			running.Go(func() { source.Run(ctx) })
		}
		const life = 30 * 24 * time.Hour
		time.Sleep(life*8/10 - time.Hour) // the bubble's clock
		require.Equal(t, 1, b.pinterest.Counters().Grants)
		time.Sleep(2 * time.Hour) // the bubble's clock
		require.Equal(t, 2, b.pinterest.Counters().Grants)
		time.Sleep(9*life*8/10 - 3*time.Hour) // the bubble's clock
		require.Equal(t, 10, b.pinterest.Counters().Grants)
		for _, source := range sources {
			require.Equal(t, b.token(sources[0]), b.token(source))
		}
		stop()
		running.Wait()
		require.Zero(t, b.pinterest.Counters().GrantsRefused)
		require.Zero(t, b.log.count(`"level":"WARN"`))
	})
}

// TestRefusalsAndTroubleAreAskedAboutLessAndLess: a day of a platform that says no,
// with calls all the time.
func TestRefusalsAndTroubleAreAskedAboutLessAndLess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := bedOn(t, simulated(), newMemory(), nil)
		b.pinterest.RevokeRefresh("")
		one, two := b.worker(), b.worker()
		for range 24 * 60 {
			_, err := one.Token(t.Context())
			require.Error(t, err)
			_, err = two.Token(t.Context())
			require.Error(t, err)
			time.Sleep(time.Minute) // the bubble's clock
		}
		require.InDelta(t, 24*4, b.pinterest.Counters().GrantsRefused, 10, "every 15 minutes in the end")
		b.pinterest.RevokeRefresh(firstRefresh)
		time.Sleep(15 * time.Minute) // the bubble's clock
		require.Equal(t, b.token(one), b.token(two), "it goes on by itself")
	})
}

// counting counts how often the row is read.
type counting struct {
	*memory
	reads atomic.Int32
}

func (c *counting) Credential(ctx context.Context, name string) (ledger.Credential, bool, error) {
	c.reads.Add(1)
	return c.memory.Credential(ctx, name)
}

// TestCallsAreFreeOfTheDatabase: neither a good token nor the lack of one costs a
// query for each call.
func TestCallsAreFreeOfTheDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &counting{memory: newMemory()}
		b := bedOn(t, simulated(), store, nil)
		b.pinterest.RevokeRefresh("")
		source := b.worker()
		for range 600 { // a minute
			_, err := source.Token(t.Context())
			require.ErrorContains(t, err, "refresh token refused")
			time.Sleep(100 * time.Millisecond) // the bubble's clock
		}
		require.InDelta(t, 12, store.reads.Load(), 3)
		b.pinterest.RevokeRefresh(firstRefresh)
		time.Sleep(time.Minute) // the bubble's clock
		b.token(source)
		before := store.reads.Load()
		for range 600 {
			b.token(source)
			time.Sleep(100 * time.Millisecond) // the bubble's clock
		}
		require.Equal(t, before, store.reads.Load())
	})
}

// TestARefusedTokenIsRenewedOnceAMinute, however often it is refused.
func TestARefusedTokenIsRenewedOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := bedOn(t, simulated(), newMemory(), nil)
		sources := []*credential.OAuth{b.worker(), b.worker()}
		for range 10 * 60 {
			for _, source := range sources {
				source.Refused(b.token(source))
			}
			time.Sleep(time.Second) // the bubble's clock
		}
		require.InDelta(t, 10, b.pinterest.Counters().Grants, 2)
	})
}

// late is a store that answers a claim when its worker was frozen for a while.
type late struct {
	*memory
	frozen time.Duration
}

func (l *late) ClaimCredential(ctx context.Context, c ledger.CredentialClaim) (bool, error) {
	claimed, err := l.memory.ClaimCredential(ctx, c)
	time.Sleep(l.frozen) // the bubble's clock
	l.frozen = 0
	return claimed, err
}

// TestAWorkerThatWasFrozenDoesNotAsk with a claim that may be another's by now.
func TestAWorkerThatWasFrozenDoesNotAsk(t *testing.T) {
	t.Parallel()
	for frozen, asks := range map[time.Duration]int{9 * time.Second: 1, 11 * time.Second: 0, 40 * time.Second: 0} {
		synctest.Test(t, func(t *testing.T) {
			store := newMemory()
			b := bedOn(t, simulated(), store, nil)
			b.store = &late{memory: store, frozen: frozen}
			sleeper := b.worker()
			var asking sync.WaitGroup
			asking.Go(func() { _, _ = sleeper.Token(t.Context()) })
			time.Sleep(frozen + time.Millisecond) // the bubble's clock
			synctest.Wait()
			require.Equal(t, asks, b.pinterest.Counters().Grants, frozen)
			asking.Wait()
			require.Equal(t, "pina_simulated-access-1", b.token(sleeper), "once the claim is over it asks again")
			require.Zero(t, b.pinterest.Counters().GrantsRefused)
		})
	}
}

func TestAHangingEndpointIsTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := bedOn(t, simulated(), newMemory(), nil)
		b.pinterest.InjectNext(sandbox.Authorize, sandbox.Fault{Kind: sandbox.Hang})
		source, began := b.worker(), time.Now()
		_, err := source.Token(t.Context())
		require.ErrorContains(t, err, "not in time")
		require.InDelta(t, 15*time.Second, time.Since(began), float64(time.Second))
	})
}

func TestAFileIsReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	write := func(content string) { require.NoError(t, os.WriteFile(path, []byte(content), 0o600)) }
	synctest.Test(t, func(t *testing.T) {
		told := &logged{}
		write("first\n")
		source := credential.NewFile(path, config.NewSecret("first"), slog.New(slog.NewTextHandler(told, nil)))
		token := func() string {
			token, err := source.Token(t.Context())
			require.NoError(t, err)
			return token
		}
		write("second\n")
		require.Equal(t, "first", token(), "not for each call")
		time.Sleep(30 * time.Second) // the bubble's clock
		require.Equal(t, "second", token())

		write("third")
		source.Refused("first")
		time.Sleep(2 * time.Second) // the bubble's clock
		require.Equal(t, "second", token(), "the refused one is not this one")
		source.Refused("second")
		require.Equal(t, "third", token(), "at once")

		for _, bad := range []string{"", "two\nlines", string(make([]byte, 100<<10))} {
			write(bad)
			source.Refused("third")
			time.Sleep(2 * time.Second) // the bubble's clock
			require.Equal(t, "third", token(), "better than nothing")
		}
		require.NoError(t, os.Remove(path))
		time.Sleep(time.Minute) // the bubble's clock
		require.Equal(t, "third", token())
		require.Equal(t, 4, told.count("cannot be read"))
		require.Equal(t, credential.NewFile(path, config.Secret{}, discard).Name(), source.Name())
	})
}
