package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/source/httpapi"
)

// shared is output that is read while it is written.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// freePort is one that nobody listens at.
func freePort(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// serving starts enqueue serve and returns its address and how to end it.
func (s *shop) serving(more string, changes ...func(configuration string) string) (address, metrics, token string, log *shared, end func() int) {
	s.t.Helper()
	token, hash := httpapi.NewToken()
	address, metrics = freePort(s.t), freePort(s.t)
	path := filepath.Join(s.folder, "courier.yaml")
	text, err := os.ReadFile(path)
	require.NoError(s.t, err)
	served := fmt.Sprintf("%s\nserve:\n  listen: %s\n  metrics_listen: %s\n  tokens:\n    - {name: test, sha256: %s, accounts: [acme-meta]}\n",
		strings.Replace(string(text), "feed.csv}", "feed.csv, every: 1h"+more+"}", 1), address, metrics, strings.TrimPrefix(httpapi.FormatHash(hash), "sha256:"))
	for _, change := range changes {
		served = change(served)
	}
	require.NoError(s.t, os.WriteFile(path, []byte(served), 0o600))
	log = &shared{}
	ctx, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	streams := cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: log, Lookup: func(string) (string, bool) { return "", false }}
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Execute(ctx, newCommand(streams, connect), streams, append([]string{"serve", "--log-format", "json"}, s.common...))
	}()
	end = sync.OnceValue(func() int {
		stop()
		return <-ended
	})
	s.t.Cleanup(func() { end() })
	return address, metrics, token, log, end
}

// call makes a request and returns its status and body.
func call(t *testing.T, method, address, token, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+address, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-ndjson")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text)
}

// TestServeWithoutTokens: feeds run, and nobody may publish over HTTP.
func TestServeWithoutTokens(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.has(3)
	address, _, token, log, end := s.serving("", withoutTokens)
	require.Eventually(t, func() bool { return s.messages() == 6 }, time.Minute, 20*time.Millisecond, "the feed is due at once: %s", log)
	for _, given := range []string{"", token} {
		status, _ := call(t, http.MethodPost, address+"/v1/mutations/acme-meta/products/PRODUCT_ITEM", given, `{"item_id":"SKU-9","operation":"DELETE"}`+"\n")
		require.Equal(t, http.StatusUnauthorized, status)
	}
	require.Equal(t, 6, s.messages())
	require.Equal(t, 0, end(), log.String())
}

// withoutTokens leaves out the tokens of the configuration.
func withoutTokens(configuration string) string {
	before, _, _ := strings.Cut(configuration, "  tokens:\n")
	return before
}

func TestServeTakesMutationsAndRunsFeeds(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.has(3)
	address, metrics, token, log, end := s.serving("")
	require.Eventually(t, func() bool { return s.messages() == 6 }, time.Minute, 20*time.Millisecond, "the feed is due at once: %s", log)
	status, body := call(t, http.MethodPost, address+"/v1/mutations/acme-meta/products/PRODUCT_ITEM", token,
		`{"item_id":"SKU-9","operation":"DELETE"}`+"\n")
	require.Equal(t, http.StatusAccepted, status, body)
	require.Contains(t, body, `"accepted"`)
	require.Equal(t, 7, s.messages())
	status, _ = call(t, http.MethodPost, address+"/v1/mutations/acme-pinterest/us/RETAIL", token, `{"item_id":"SKU-9","operation":"DELETE"}`)
	require.Equal(t, http.StatusForbidden, status)
	for _, path := range []string{"//mutations/acme-meta/products/PRODUCT_ITEM", "/mutations/acme-pinterest/../acme-meta/products/PRODUCT_ITEM", "/webhooks/nobody"} {
		status, body = call(t, http.MethodPost, address+"/v1"+path, token, `{"item_id":"SKU-9","operation":"DELETE"}`)
		require.Equal(t, http.StatusNotFound, status, "%s: %s", path, body)
	}
	require.Contains(t, body, "no source of this name has a webhook")
	require.Equal(t, 7, s.messages())
	status, body = call(t, http.MethodGet, address+"/readyz", "", "")
	require.Equal(t, http.StatusOK, status, body)
	require.Eventually(t, func() bool {
		status, body = call(t, http.MethodGet, metrics+"/metrics", "", "")
		return status == http.StatusOK && strings.Contains(body, "courier_source_runs_total")
	}, time.Minute, 20*time.Millisecond, "the run ends after its last message")
	require.Contains(t, body, "courier_http_mutations_total")
	require.Contains(t, body, `courier_source_silent{courier_source="shop"} 0`)
	require.NotContains(t, log.String(), token)
	require.Equal(t, 0, end(), log.String())
	require.Contains(t, s.run("runs").out, "schedule")
}

func TestServeSaysWhatIsWrongBeforeItStarts(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	config := filepath.Join(folder, "courier.yaml")
	for text, said := range map[string]string{
		"nats: {}\n": "there is nothing to serve",
		"sources: {shop: {feed: {url: x.csv}, item_id: '{id}', routes: [{account: a, catalog: b, type: RETAIL, platform: pinterest, mapping: gogle}]}}\n": `no preset of that name`,
		"sources: {shop: {feed: {url: x.csv}, item_id: '{id}', routes: [{account: a, catalog: b, type: RETAI, platform: pinterest, mapping: google}]}}\n": `pinterest has no catalog type "RETAI"`,
		"serve: {tokens: [{name: a, sha256: secret, accounts: '*'}]}\n":                                                                                   "serve.tokens[0].sha256",
	} {
		require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
		got := execute(t, connect, "", "serve", "--config", config)
		require.NotEqual(t, 0, got.code)
		require.Contains(t, got.err, said)
	}
}
