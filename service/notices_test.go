package service_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestWorkersTellOfAccounts: two workers, a token that is revoked and comes back; the
// receiver learns of each once. A receiver that hangs keeps nothing back.
func TestWorkersTellOfAccounts(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var events []string
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		events = append(events, gjson.GetBytes(body, "type").Str+" "+gjson.GetBytes(body, "data.subjects.0.name").Str)
	}))
	t.Cleanup(receiver.Close)
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(func() { close(release); hanging.Close() })
	got := func(event string) bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(events, event)
	}

	env := rig.Start(t, rig.Options{Settings: rig.Settings{
		"notices.after": "0s",
		"notices.targets": []map[string]any{
			{"name": "slow", "kind": "webhook", "url": hanging.URL},
			{"name": "ops", "kind": "webhook", "url": receiver.URL, "events": []string{"account.paused"}},
		},
	}})
	env.Pinterest.RevokeTokens(true)
	env.StartWorker("a", rig.WorkerOptions{})
	env.StartWorker("b", rig.WorkerOptions{})
	stuck := env.Publish(upserts(rig.Retail, "stuck", 3)...)
	free := env.Publish(upserts(rig.Products, "free", 3)...)
	for _, id := range free {
		env.AwaitStatus(id, "succeeded", patience)
	}
	env.Await("the receiver is told", 2*patience, func() bool { return got("account.paused " + rig.PinterestAccount) })
	env.Pinterest.RevokeTokens(false)
	for _, id := range stuck {
		env.AwaitStatus(id, "succeeded", patience)
	}
	env.Await("the receiver is told of the recovery", 2*patience, func() bool { return got("account.recovered " + rig.PinterestAccount) })
	mu.Lock()
	defer mu.Unlock()
	require.LessOrEqual(t, len(events), 4, "%v", events) // each look may fall between two calls that try the token
	env.CheckInvariants()
}
