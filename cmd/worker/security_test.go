package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/platformtest"
	"github.com/catalog-courier/catalog-courier/publish"
)

// The canaries. What producers send is data: it may be shown with dead letters, and
// nowhere else.
const (
	tokenCanary     = "canary-token-5f1c"
	appSecretCanary = "canary-app-secret-8d2f"
	passwordCanary  = "canary-password-e07b"
	pathCanary      = "canary-base-path-0a6c"
	collectorCanary = "canary-collector-key-b91d"
	messageCanary   = "canary-message-19aa"
)

func secrets() []string {
	proof := hmac.New(sha256.New, []byte(appSecretCanary))
	proof.Write([]byte(tokenCanary))
	return []string{
		tokenCanary, appSecretCanary, passwordCanary, pathCanary, collectorCanary, hex.EncodeToString(proof.Sum(nil)),
	}
}

// requireNone fails when one of the canaries is in the text, in any of its forms.
func requireNone(t *testing.T, what, text string, canaries ...string) {
	t.Helper()
	for _, canary := range canaries {
		for _, form := range []string{canary, url.QueryEscape(canary), base64.StdEncoding.EncodeToString([]byte(canary))} {
			require.NotContains(t, text, form, what)
		}
	}
	require.NotContains(t, text, "appsecret_proof=", what) // with or without its value
}

// indiscreetPlant has platforms that throw back everything they are told, and
// canaries wherever a secret may stand.
func indiscreetPlant(t *testing.T) (p *plant, fronts []*platformtest.Indiscreet) {
	t.Helper()
	p = newPlant(t, sandbox.Options{})
	text := "defaults: {batch: {max_age: 50ms}, poll: {min: 50ms, max: 100ms}, retry: {min: 200ms, max: 200ms}, settle: 200ms}\naccounts:\n"
	for _, account := range []struct {
		text, version string
		platform      http.Handler
	}{
		{"demo-meta: {platform: meta, app_secret: " + appSecretCanary + ", catalogs: {products: {catalog_id: '1000000001'}}", "/v25.0", simulatedPlatform(t, p.environment, "meta")},
		{"demo-pinterest: {platform: pinterest, catalogs: {us: {country: US, language: en-US, catalog_id: '1'}}", "/v5", simulatedPlatform(t, p.environment, "pinterest")},
	} {
		front := &platformtest.Indiscreet{Platform: account.platform, Prefix: "/" + pathCanary}
		server := httptest.NewServer(front)
		t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
		text += "  " + account.text + ", access_token: " + tokenCanary + ", base_url: '" + server.URL + front.Prefix + account.version + "'}\n"
		fronts = append(fronts, front)
	}
	require.NoError(t, os.WriteFile(p.config, []byte(text), 0o600))
	for _, name := range []string{"NATS_URL", "DATABASE_URL"} {
		p.variables[name] = withPassword(t, p.variables[name])
	}
	return p, fronts
}

// withPassword adds a password to an address, for a server that asks for none.
func withPassword(t *testing.T, address string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	if _, guarded := parsed.User.Password(); !guarded {
		user := parsed.User.Username()
		if user == "" {
			user = "courier"
		}
		parsed.User = url.UserPassword(user, passwordCanary)
	}
	return parsed.String()
}

// TestOutputsTellNoSecret (I7): canaries in tokens, secrets of apps, addresses,
// headers and bodies are in no output of a worker and of the commands.
func TestOutputsTellNoSecret(t *testing.T) {
	t.Parallel()
	p, fronts := indiscreetPlant(t)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "no such key: "+strings.TrimPrefix(r.Header.Get("Api-Key"), "Bearer "))
	}))
	t.Cleanup(collector.Close)
	maps.Copy(p.variables, map[string]string{
		"OTEL_TRACES_EXPORTER": "otlp,console", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "200",
		"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL, "OTEL_EXPORTER_OTLP_HEADERS": "x=1,api-key=Bearer%20" + collectorCanary,
	})
	w := startProcess(t, p.variables, "run", "--config", p.config, "--log-level", "debug", "--log-format", "json")
	p.awaitStream(t)
	p.publishCanaries(t)
	status := func() string { return p.outputs(t, []string{"status"}, []string{"status", "--output", "json"}) }
	outputs, before := "", ""
	eventually(t, "both platforms were indiscreet in every way", func() bool {
		if now := p.lastErrors(t); now != before {
			outputs += status()
			before = now
		}
		return fronts[0].Done() && fronts[1].Done() && strings.Count(before, "paused") == 2
	})
	eventually(t, "there are dead letters", func() bool { return p.count(t, "WHERE status = 'invalid'") == 4 })
	letters := p.outputs(t, []string{"dead-letters", "list"}, []string{"dead-letters", "list", "--output", "json"})
	outputs += status() + p.outputs(t,
		[]string{"accounts", "pause", "demo-meta"}, []string{"accounts", "resume", "demo-meta"},
		[]string{"check", "--config", p.config}, []string{"check", "--config", p.config, "--output", "json"},
		[]string{"migrate"}, []string{"dead-letters", "replay", "--all", "--yes"})
	pages := w.pages(t, "/metrics", "/readyz", "/livez", "/startupz", "/")
	w.terminate(t)
	require.Zero(t, w.exitCode(t))

	require.Contains(t, outputs, "demo-pinterest/us/RETAIL")
	require.Contains(t, letters, messageCanary, "dead letters have the whole message")
	require.Contains(t, pages, `account="demo-meta"`)
	require.Contains(t, w.said.String(), collector.URL, "the collector refused what it was sent")
	require.Contains(t, w.said.String(), "no such key: [redacted]")
	requireNone(t, "dead letters", letters, secrets()...)
	for what, text := range map[string]string{"commands": outputs, "pages": pages, "log and spans": w.said.String()} {
		requireNone(t, what, text, append(secrets(), messageCanary)...)
	}
}

// TestWrongVariablesTellNoSecret: what libraries say of variables that they cannot
// read.
func TestWrongVariablesTellNoSecret(t *testing.T) {
	t.Parallel()
	p := &plant{config: filepath.Join(t.TempDir(), "courier.yaml")}
	require.NoError(t, os.WriteFile(p.config, []byte("accounts:\n  a: {platform: meta, access_token: t, catalogs: {c: {catalog_id: '1'}}}\n"), 0o600))
	w := startProcess(t, map[string]string{
		"NATS_URL": "nats://u:" + passwordCanary + "@127.0.0.1:1", "DATABASE_URL": "postgres://u:" + passwordCanary + "@127.0.0.1:1/x",
		"COURIER_HTTP_LISTEN": "127.0.0.1:0", "OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp",
		"OTEL_EXPORTER_OTLP_HEADERS":  collectorCanary + ",api-key=" + collectorCanary + "%zz",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://u:" + collectorCanary + "%zz@127.0.0.1:1",
	}, "run", "--config", p.config, "--log-level", "debug")
	eventually(t, "it waits for the database", func() bool { return strings.Contains(w.said.String(), "the database cannot be used yet") })
	requireNone(t, "log", w.said.String(), secrets()...)
	for _, said := range []string{"parse headers", "escape header value", "parse url"} {
		require.Contains(t, w.said.String(), said, "what is wrong is told all the same")
	}
}

// publishCanaries publishes messages that can be sent and messages that cannot.
func (p *plant) publishCanaries(t *testing.T) {
	t.Helper()
	attributes := lampOf("lamp")
	attributes["description"] = messageCanary
	p.publish(t, publish.Mutation{ItemID: "GOOD-1", Operation: catalog.Upsert, Attributes: attributes})
	for _, subject := range []string{"catalog.mutations.demo-meta.products.PRODUCT_ITEM", "catalog.mutations.demo-pinterest.us.RETAIL"} {
		for _, body := range []string{`{"item_id":"B","operation":"` + messageCanary + `"}`, `{"` + messageCanary} {
			message := &nats.Msg{Subject: subject, Header: nats.Header{"Authorization": {"Bearer " + messageCanary}}, Data: []byte(body)}
			_, err := p.js.PublishMsg(t.Context(), message)
			require.NoError(t, err)
		}
	}
	retail := publish.Mutation{Account: "demo-pinterest", Catalog: "us", Type: "RETAIL", ItemID: "GOOD-1", Operation: catalog.Upsert, Attributes: map[string]any{
		"title": "A lamp", "description": messageCanary, "link": "https://shop.example/1", "image_link": []string{"https://shop.example/1.jpg"},
		"price": "24.99 USD", "availability": "in stock",
	}}
	_, err := p.publisher.PublishMutations(t.Context(), retail)
	require.NoError(t, err)
}

// lastErrors is what the views say of trouble.
func (p *plant) lastErrors(t *testing.T) (said string) {
	t.Helper()
	p.ask(t, &said, `SELECT concat((SELECT string_agg(concat(state, ' ', reason), ' ') FROM courier.account_status), ' ',
		(SELECT string_agg(last_error, ' ' ORDER BY batch_id) FROM courier.batch_status))`)
	return said
}

// outputs is what the commands say.
func (p *plant) outputs(t *testing.T, commands ...[]string) string {
	t.Helper()
	var said strings.Builder
	for _, args := range commands {
		got := p.run(t, args...)
		require.Zero(t, got.code, "%v: %s", args, got.err)
		said.WriteString(got.out + got.err)
	}
	return said.String()
}

var listening = regexp.MustCompile(`"msg":"listening for probes and metrics","address":"([^"]+)"`)

// pages are what a worker's listener answers, headers and bodies.
func (p *process) pages(t *testing.T, paths ...string) string {
	t.Helper()
	found := listening.FindStringSubmatch(p.said.String())
	require.NotNil(t, found)
	var said strings.Builder
	for _, path := range paths {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+found[1]+path, nil)
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		text, err := httputil.DumpResponse(answer, true)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		said.Write(text)
	}
	return said.String()
}

// TestDevShowsNoPassword: what dev says about the database that was named to it can
// be used, but for the password.
func TestDevShowsNoPassword(t *testing.T) {
	t.Parallel()
	address := withPassword(t, pgtest.Database(t))
	w := startProcess(t, map[string]string{"COURIER_HTTP_LISTEN": "127.0.0.1:0"}, "dev", "--nats-port", "-1", "--console-listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0", "--database", address)
	eventually(t, "it works", func() bool { return strings.Contains(w.said.String(), "Query:") })
	w.terminate(t)
	require.Zero(t, w.exitCode(t))
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	password, _ := parsed.User.Password()
	requireNone(t, "dev", w.said.String(), ":"+password+"@")
	require.Contains(t, w.said.String(), "psql 'postgres://"+parsed.User.Username()+"@")

	for address, shown := range map[string]string{
		"postgres://u:p@h/d?sslmode=disable":            "postgres://u@h/d?sslmode=disable",
		"postgres://u@h/d?password=p&sslpassword=q&x=y": "postgres://u@h/d?x=y",
		"postgres:///d?host=%2Ftmp":                     "postgres:///d?host=%2Ftmp",
		"postgres://u:p%zz@h/d":                         "[redacted]",
	} {
		require.Equal(t, shown, withoutPassword(address))
	}
}
