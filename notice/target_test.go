package notice_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/notice"
)

var example = notice.Content{
	Event: "account.paused", Text: "Account acme is paused: the token <expired> & gone", Installation: "here", Count: 1, At: time.Unix(1_764_000_000, 0).UTC(),
	Subjects: []notice.Subject{{Subject: "account/acme", Name: "acme", State: "paused", Accounts: []string{"acme"}, Since: time.Unix(1_764_000_000, 0).UTC()}},
}

// TestWebhookIsSigned checks the signature as the specification of Standard Webhooks says,
// with nothing of the program.
func TestWebhookIsSigned(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	sender := notice.NewSender(r.target("ops"), nil)
	defer sender.Close()
	_, err := sender.Send(t.Context(), "msg_1", time.Unix(1_764_000_123, 0), example)
	require.NoError(t, err)
	got := r.got()[0]
	require.Equal(t, "msg_1", got.header.Get("Webhook-Id"))
	require.Equal(t, "1764000123", got.header.Get("Webhook-Timestamp"))
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	require.NoError(t, err)
	digest := hmac.New(sha256.New, key)
	digest.Write([]byte("msg_1.1764000123." + string(got.body)))
	require.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(digest.Sum(nil)), got.header.Get("Webhook-Signature"))
	require.Equal(t, example, got.content(t))
	require.JSONEq(t, `{"type":"account.paused","timestamp":"2025-11-24T16:00:00Z","data":{"event":"account.paused","installation":"here",
		"text":"Account acme is paused: the token <expired> & gone","count":1,"at":"2025-11-24T16:00:00Z","subjects":[{"subject":"account/acme","name":"acme",
		"state":"paused","before":"","accounts":["acme"],"since":"2025-11-24T16:00:00Z"}]}}`, string(got.body))
}

func TestSlack(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	target := r.target("chat")
	target.Kind, target.Secret = config.NoticeSlack, config.Secret{}
	sender := notice.NewSender(target, nil)
	defer sender.Close()
	_, err := sender.Send(t.Context(), "msg_1", time.Now(), example)
	require.NoError(t, err)
	got := r.got()[0]
	require.Empty(t, got.header.Get("Webhook-Signature"))
	type said struct {
		Text string `json:"text"`
	}
	var body struct {
		Text   string `json:"text"`
		Blocks []struct {
			Text     said   `json:"text"`
			Elements []said `json:"elements"`
		} `json:"blocks"`
	}
	require.NoError(t, json.Unmarshal(got.body, &body))
	require.Equal(t, "Account acme is paused: the token &lt;expired&gt; &amp; gone", body.Text)
	require.Equal(t, ":warning: "+body.Text, body.Blocks[0].Text.Text)
	require.Contains(t, body.Blocks[1].Elements[0].Text, "account.paused since 2025-11-24 16:00:00 UTC, installation here")
}

// TestErrorsTellNoSecret: neither the address of a receiver nor the secret is in an error,
// whatever the receiver does.
func TestErrorsTellNoSecret(t *testing.T) {
	t.Parallel()
	elsewhere := newReceiver(t, nil)
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request, n int){
		"refuses": func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Error(w, "no hook at "+r.URL.Path+" for "+secret+" \x1b[31m", http.StatusNotFound)
		},
		"redirects": func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Redirect(w, r, elsewhere.URL+"/canary-5e1f", http.StatusTemporaryRedirect)
		},
		"redirects nowhere": func(w http.ResponseWriter, r *http.Request, _ int) {
			w.Header().Set("Location", r.URL.Path+"%zz")
			w.WriteHeader(http.StatusFound)
		},
		"breaks": func(w http.ResponseWriter, _ *http.Request, _ int) {
			connection, _, err := w.(http.Hijacker).Hijack() //nolint:forcetypeassert // it is one
			if err == nil {
				_ = connection.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, answer)
			sender := notice.NewSender(r.target("ops"), nil)
			defer sender.Close()
			_, err := sender.Send(t.Context(), "msg_1", time.Now(), example)
			require.Error(t, err)
			require.Contains(t, err.Error(), "notice to ops: ")
			require.NotContains(t, err.Error(), "canary")
			require.NotContains(t, err.Error(), "whsec_")
			require.NotContains(t, err.Error(), "\x1b")
		})
	}
	t.Run("is not there", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, listener.Close())
		sender := notice.NewSender(config.NoticeTarget{Name: "ops", Kind: config.NoticeWebhook, URL: config.NewSecret("http://" + listener.Addr().String() + "/canary-5e1f")}, nil)
		defer sender.Close()
		_, err = sender.Send(t.Context(), "msg_1", time.Now(), example)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "canary")
	})
	t.Cleanup(func() { require.Empty(t, elsewhere.got(), "a redirect gets nothing") })
}

// hanging answers nothing until the caller gives up.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestReceiverThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sender := notice.NewSender(config.NoticeTarget{Name: "ops", Kind: config.NoticeWebhook, URL: config.NewSecret("http://receiver.example/canary-5e1f")}, hanging{})
		began := time.Now()
		_, err := sender.Send(t.Context(), "msg_1", time.Now(), example)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "canary")
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]time.Duration{"7": 7 * time.Second, "": 0, "soon": 0, "-3": 0, "999999": time.Hour} {
		r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Retry-After", said)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		sender := notice.NewSender(r.target("ops"), nil)
		wait, err := sender.Send(t.Context(), "msg_1", time.Now(), example)
		sender.Close()
		require.ErrorIs(t, err, notice.ErrRefused)
		require.Contains(t, err.Error(), strconv.Itoa(http.StatusTooManyRequests))
		require.Equal(t, want, wait)
	}
}
