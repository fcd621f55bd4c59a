package outcome_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/standardwebhooks"
	"github.com/catalog-courier/catalog-courier/outcome"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// receiver is somebody's endpoint.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	answer func(attempt int) int
	posts  []received
}

type received struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T, answer func(attempt int) int) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		content, err := io.ReadAll(request.Body)
		if err != nil {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.posts = append(r.posts, received{request.Header, content})
		w.Header().Set("Location", "http://169.254.169.254/")
		w.WriteHeader(r.answer(len(r.posts)))
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.posts...)
}

const newSecret, oldSecret = "whsec_Y2F0YWxvZy1jb3VyaWVyLWV4YW1wbGUtc2VjcmV0", "whsec_YW5vdGhlci1zZWNyZXQtb2YtdGhlLXNhbWUtc2hvcA=="

func newWebhook(t *testing.T, url string) *outcome.Webhook {
	t.Helper()
	w := &outcome.Webhook{Name: "shop", URL: url, Events: 100, Timeout: 5 * time.Second}
	for _, text := range []string{newSecret, oldSecret} {
		secret, err := standardwebhooks.ParseSecret(text)
		require.NoError(t, err)
		w.Secrets = append(w.Secrets, secret)
	}
	return w
}

// record has the outcomes of a batch written down for the webhook.
func record(t *testing.T, store *persistence.Store, lease ledger.Lease, w *outcome.Webhook) {
	t.Helper()
	reader, err := outcome.Open(t.Context(), store, lease, w.Consumer(), ledger.OutboxLimit{})
	require.NoError(t, err)
	page, err := reader.Read(t.Context())
	require.NoError(t, err)
	require.NoError(t, (&outcome.Recorder{Store: store, Webhook: w}).Work(t.Context(), reader, page))
}

// running sends until the test ends.
func running(t *testing.T, store *persistence.Store, w *outcome.Webhook) {
	t.Helper()
	client := outcome.NewClient()
	sender := &outcome.Sender{Store: store, Webhook: w, Client: client, Logger: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { sender.Run(ctx) })
	t.Cleanup(client.CloseIdleConnections)
	t.Cleanup(group.Wait)
	t.Cleanup(stop)
}

func await(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, 20*time.Millisecond)
}

// TestOutcomesArePosted: each outcome that is wanted is in one POST, signed with each
// secret, and a POST that was not taken is repeated under the same id.
func TestOutcomesArePosted(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	endMany(t, store, lease, 1, 2_500)
	r := newReceiver(t, func(attempt int) int {
		if attempt == 1 {
			return http.StatusInternalServerError
		}
		return http.StatusNoContent
	})
	w := newWebhook(t, r.URL+"/hook?token=canary")
	w.Statuses, w.Accounts = []outcome.Status{"failed"}, []string{"acme", "others"}
	record(t, store, lease, w)
	record(t, store, lease, w) // nothing new
	running(t, store, w)
	await(t, func() bool { return len(r.got()) == 3 })
	listed := func() []persistence.OutcomePost {
		posts, err := store.OutcomePosts(t.Context(), "shop", true, 100)
		require.NoError(t, err)
		return posts
	}
	var failing persistence.OutcomePost
	await(t, func() bool {
		for _, p := range listed() {
			if p.State == "pending" && p.LastStatus != 0 {
				failing = p
			}
		}
		return failing.ID != 0
	})
	require.Equal(t, http.StatusInternalServerError, failing.LastStatus)
	require.Equal(t, "the receiver answered 500 Internal Server Error", failing.LastError)
	require.WithinRange(t, failing.NextAt, failing.LastAt.Add(4*time.Second), failing.LastAt.Add(10*time.Second))
	_, err := pool.Exec(t.Context(), "update courier.outcome_delivery set next_at = now() where state = 'pending'")
	require.NoError(t, err)
	await(t, func() bool { return len(r.got()) == 4 })

	posts := r.got()
	require.Equal(t, posts[0].header.Get("Webhook-Id"), posts[3].header.Get("Webhook-Id"))
	require.Equal(t, posts[0].body, posts[3].body)
	seen := map[string]bool{}
	for _, p := range posts[1:] {
		var content struct {
			Type string `json:"type"`
			Data []struct {
				ID   string `json:"id"`
				Type string `json:"type"`
				Data struct {
					MutationID string `json:"mutation_id"`
				} `json:"data"`
			} `json:"data"`
		}
		require.NoError(t, json.Unmarshal(p.body, &content))
		require.Equal(t, "mutation.outcomes", content.Type)
		require.LessOrEqual(t, len(content.Data), 100)
		for _, event := range content.Data {
			require.Equal(t, "dev.catalog-courier.mutation.failed", event.Type)
			require.False(t, seen[event.Data.MutationID])
			seen[event.Data.MutationID] = true
		}
		verifyInGo(t, p, newSecret)
		verifyInGo(t, p, oldSecret)
	}
	require.Len(t, seen, 250)
	await(t, func() bool {
		for _, p := range listed() {
			if p.State != "delivered" {
				return false
			}
		}
		return true
	})
}

// TestAReceiverThatIsGone: 410 ends it, until somebody resends; redirects are not
// followed; and what is three days old is given up.
func TestAReceiverThatIsGone(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	endMany(t, store, lease, 1, 10)
	r := newReceiver(t, func(attempt int) int {
		return []int{http.StatusFound, http.StatusBadGateway, http.StatusGone, http.StatusOK}[min(attempt, 4)-1]
	})
	w := newWebhook(t, r.URL)
	record(t, store, lease, w)
	only := func() persistence.OutcomePost {
		posts, err := store.OutcomePosts(t.Context(), "", true, 10)
		require.NoError(t, err)
		require.Len(t, posts, 1)
		return posts[0]
	}
	running(t, store, w)
	await(t, func() bool { return only().LastStatus == http.StatusFound })
	_, err := pool.Exec(t.Context(), "update courier.outcome_delivery set next_at = now(), created_at = now() - interval '73 hours'")
	require.NoError(t, err)
	await(t, func() bool { return only().State == "failed" })
	require.Equal(t, http.StatusBadGateway, only().LastStatus)
	require.Equal(t, 2, only().Attempts)

	resent, err := store.ResendOutcomePosts(t.Context(), "shop", nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, resent)
	await(t, func() bool { return only().LastStatus == http.StatusGone && only().State == "failed" })
	endMany(t, store, lease, 101, 10)
	record(t, store, lease, w)
	require.Equal(t, 10, only().Events, "nothing is kept for a webhook that is disabled")
	resent, err = store.ResendOutcomePosts(t.Context(), "", []int64{only().ID})
	require.NoError(t, err)
	require.EqualValues(t, 1, resent)
	await(t, func() bool { return only().State == "delivered" })
	_, disabled, err := store.OutcomeWebhook(t.Context(), "shop", 1)
	require.NoError(t, err)
	require.False(t, disabled, "it is enabled again")
	require.Len(t, r.got(), 4)
}

// TestNobodyListens: no answer is an error without the address, which may have a secret.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	endMany(t, store, lease, 1, 10)
	w := newWebhook(t, "http://127.0.0.1:1/?token=canary")
	record(t, store, lease, w)
	running(t, store, w)
	await(t, func() bool {
		posts, err := store.OutcomePosts(t.Context(), "shop", false, 10)
		require.NoError(t, err)
		return posts[0].LastError != ""
	})
	posts, err := store.OutcomePosts(t.Context(), "shop", false, 10)
	require.NoError(t, err)
	require.NotContains(t, posts[0].LastError, "canary")
	require.Zero(t, posts[0].LastStatus)
}
