package delivery

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/ledger/memory"
)

// TestStarvedFlightsKeepTheirOrder: a flight that is tried and finds no slot again
// stays at the head of the line, however often it is tried, and one that came to its
// end meanwhile holds nobody up.
func TestStarvedFlightsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	scopes := NewScopes(memory.New(), slog.New(slog.DiscardHandler))
	e := &Engine{cfg: Config{Scopes: scopes}, starved: map[string][]*flight{}, wake: make(chan struct{}, 1), next: &job{}}
	account := &Account{Name: "acme", Policy: Policy{Concurrency: 1}}
	l := &lane{
		key: catalog.Lane{Account: account.Name}, account: account,
		sender: &sender{scopes: []string{"batch", "app"}, account: &accountState{account: account, loaded: true}},
	}
	flights := make([]*flight, 4)
	for i := range flights {
		flights[i] = &flight{lane: l, attempt: 2, phase: phaseReady, handles: []*handle{}, posts: []post{{}}}
		e.step(flights[i], time.Now()) // the scopes are not read yet: there is no slot
	}
	key := flights[0].starvesFor
	require.NotEmpty(t, key)
	for range 3 {
		e.retryStarved()
		require.Equal(t, flights, e.starved[key])
	}
	flights[0].phase = phaseConcluding
	e.retryStarved()
	require.Equal(t, flights[1:], e.starved[key])

	for _, name := range l.sender.scopes {
		scopes.scopes[name].loaded = true
	}
	e.retryStarved()
	require.NotNil(t, flights[1].slot, "the first in line has the only slot")
	require.Equal(t, flights[2:], e.starved[key])
	for _, waiting := range flights[2:] {
		require.Nil(t, waiting.slot)
	}
}
