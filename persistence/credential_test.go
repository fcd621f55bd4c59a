package persistence_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence"
)

func planted(t *testing.T) (*persistence.Store, ledger.Credential) {
	t.Helper()
	store, _ := newDatabase(t)
	_, ok, err := store.Credential(t.Context(), "one")
	require.NoError(t, err)
	require.False(t, ok)
	first := ledger.Credential{Name: "one", KeyID: "k1", Sealed: []byte("seed")}
	require.NoError(t, store.PlantCredential(t.Context(), first))
	require.NoError(t, store.PlantCredential(t.Context(), ledger.Credential{Name: "one", KeyID: "k2", Sealed: []byte("late")}))
	return store, read(t, store)
}

func read(t *testing.T, store *persistence.Store) ledger.Credential {
	t.Helper()
	c, ok, err := store.Credential(t.Context(), "one")
	require.NoError(t, err)
	require.True(t, ok)
	return c
}

func claim(t *testing.T, store *persistence.Store, version int64, hold, rest time.Duration) (uuid.UUID, bool) {
	t.Helper()
	me := uuid.New()
	claimed, err := store.ClaimCredential(t.Context(), ledger.CredentialClaim{Name: "one", Version: version, By: me, Hold: hold, Rest: rest})
	require.NoError(t, err)
	return me, claimed
}

func TestACredentialIsRenewedByOneAtATime(t *testing.T) {
	t.Parallel()
	store, c := planted(t)
	require.Greater(t, c.Age, 365*24*time.Hour, "never renewed")
	c.Age = 0
	require.Equal(t, ledger.Credential{Name: "one", Version: 1, KeyID: "k1", Sealed: []byte("seed")}, c, "the first one's")

	_, claimed := claim(t, store, 1, time.Hour, 0)
	require.True(t, claimed)
	_, claimed = claim(t, store, 1, time.Hour, 0)
	require.False(t, claimed, "another is at it")

	c.Sealed, c.ExpiresIn, c.RefreshIn = []byte("next"), time.Hour, 48*time.Minute
	renewed, err := store.RenewCredential(t.Context(), c)
	require.NoError(t, err)
	require.True(t, renewed)
	renewed, err = store.RenewCredential(t.Context(), c)
	require.NoError(t, err)
	require.False(t, renewed, "it follows an old version")

	c = read(t, store)
	require.Equal(t, int64(2), c.Version)
	require.Equal(t, "next", string(c.Sealed))
	require.InDelta(t, time.Hour, c.ExpiresIn, float64(time.Minute))
	require.Less(t, c.Age, time.Minute)
	require.InDelta(t, 48*time.Minute, c.RefreshIn, float64(time.Minute))

	_, claimed = claim(t, store, 1, time.Hour, 0)
	require.False(t, claimed, "it changed")
	_, claimed = claim(t, store, 2, time.Hour, time.Minute)
	require.False(t, claimed, "it rests")
	_, claimed = claim(t, store, 2, time.Hour, 0)
	require.True(t, claimed, "the claim ended with the renewal")
}

func TestAClaimRunsOut(t *testing.T) {
	t.Parallel()
	store, _ := planted(t)
	_, claimed := claim(t, store, 1, 0, 0)
	require.True(t, claimed)
	_, claimed = claim(t, store, 1, time.Hour, 0)
	require.True(t, claimed, "the first one's has run out")
}

func TestAFailedRenewalKeepsEverybodyOff(t *testing.T) {
	t.Parallel()
	store, c := planted(t)
	me, claimed := claim(t, store, 1, time.Hour, 0)
	require.True(t, claimed)
	c.RetryIn, c.Refused, c.Problem = time.Hour, true, "no \x00 more"
	require.NoError(t, store.FailCredential(t.Context(), c, uuid.New()), "of nobody's claim: nothing happens")
	require.Zero(t, read(t, store).Failures)
	require.NoError(t, store.FailCredential(t.Context(), c, me))
	failed := read(t, store)
	require.Equal(t, 1, failed.Failures)
	require.True(t, failed.Refused)
	require.Equal(t, "no \uFFFD more", failed.Problem)
	require.InDelta(t, time.Hour, failed.RetryIn, float64(time.Minute))
	_, claimed = claim(t, store, 1, time.Hour, 0)
	require.False(t, claimed)

	resealed, err := store.ResealCredential(t.Context(), ledger.Credential{Name: "one", Version: 1, KeyID: "k2", Sealed: []byte("again")})
	require.NoError(t, err)
	require.True(t, resealed)
	again := read(t, store)
	require.Equal(t, "k2", again.KeyID)
	require.Equal(t, 1, again.Failures, "nothing else changes")

	again.ExpiresIn = time.Hour
	renewed, err := store.RenewCredential(t.Context(), again)
	require.NoError(t, err)
	require.True(t, renewed, "tokens that are there are written, whatever was thought before")
	healthy := read(t, store)
	require.Zero(t, healthy.Failures)
	require.False(t, healthy.Refused)
	require.Empty(t, healthy.Problem)
	require.Zero(t, healthy.RetryIn)
}

// TestACredentialOutlivesAClockThatWasAhead: what the database wrote down while its
// clock was ahead keeps nobody from renewing once it is right.
func TestACredentialOutlivesAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	for _, column := range []string{"claimed_until", "retry_at", "refreshed_at"} {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			store, pool := newDatabase(t)
			require.NoError(t, store.PlantCredential(t.Context(), ledger.Credential{Name: "one", KeyID: "k1", Sealed: []byte("seed")}))
			_, err := pool.Exec(t.Context(), "update courier.credential set "+column+" = now() + interval '95 days'")
			require.NoError(t, err)
			c := read(t, store)
			require.LessOrEqual(t, c.RetryIn, time.Duration(0))
			require.Greater(t, c.Age, time.Hour)
			_, claimed := claim(t, store, 1, 30*time.Second, time.Minute)
			require.True(t, claimed)
			_, claimed = claim(t, store, 1, 30*time.Second, time.Minute)
			require.False(t, claimed, "one at a time, all the same")
		})
	}
}
