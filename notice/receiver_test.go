package notice_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/notice"
)

// secret is a secret of Standard Webhooks.
const secret = "whsec_bm90aWNlcy1vZi10aGUtdGVzdHMtMDAwMQ=="

// call is one that a receiver got.
type call struct {
	header http.Header
	body   []byte
}

func (c *call) content(t *testing.T) notice.Content {
	t.Helper()
	var envelope struct {
		Type string         `json:"type"`
		Data notice.Content `json:"data"`
	}
	require.NoError(t, json.Unmarshal(c.body, &envelope))
	require.Equal(t, envelope.Type, envelope.Data.Event)
	return envelope.Data
}

// receiver is a real HTTP server that keeps what it gets.
type receiver struct {
	*httptest.Server

	mu    sync.Mutex
	calls []call
}

// newReceiver answers with answer, which may be nil; n counts the calls before.
func newReceiver(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int)) *receiver {
	t.Helper()
	got := &receiver{}
	got.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		got.mu.Lock()
		n := len(got.calls)
		got.calls = append(got.calls, call{r.Header.Clone(), body})
		got.mu.Unlock()
		if answer != nil {
			answer(w, r, n)
		}
	}))
	t.Cleanup(got.Close)
	return got
}

func (r *receiver) got() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]call(nil), r.calls...)
}

func (r *receiver) await(t *testing.T, calls int) []call {
	t.Helper()
	eventually(t, func() bool { return len(r.got()) >= calls }, "%d calls", calls)
	return r.got()
}

func eventually(t *testing.T, condition func() bool, what string, arguments ...any) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, 10*time.Millisecond, append([]any{what}, arguments...)...)
}

// target is a webhook that is signed.
func (r *receiver) target(name string) config.NoticeTarget {
	return config.NoticeTarget{Name: name, Kind: config.NoticeWebhook, URL: config.NewSecret(r.URL + "/hooks/canary-5e1f"), Secret: config.NewSecret(secret)}
}
