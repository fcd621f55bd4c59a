package service_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/platformtest"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// Canaries besides those of the environment and of credentials_test.go.
const (
	appSecret     = "canary-app-secret-8d2f"
	staticToken   = "canary-static-token-c4b1"
	headerCanary  = "canary-producer-header-19aa"
	bodyCanary    = "canary-attribute-77f0"
	brokenCanary  = "canary-broken-body-e3d9"
	baseURLCanary = "canary-base-path-0a6c"
)

// TestCanaries (I7): secrets in tokens, of apps and in addresses, whatever a
// platform throws back, are in no log line, span, measurement, table or view. What
// producers send is data: it may be in tables, and nowhere else.
func TestCanaries(t *testing.T) {
	t.Parallel()
	const meta, pinterest, static = "accounts." + rig.MetaAccount + ".", pinterestKey, "accounts.second."
	fronts := map[string]*platformtest.Indiscreet{}
	settings := renewed()
	for key, version := range map[string]string{meta: "/v25.0", pinterest: "/v5", static: "/v5"} {
		front := &platformtest.Indiscreet{Prefix: "/" + baseURLCanary}
		server := httptest.NewServer(front)
		t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
		fronts[key], settings[key+"base_url"] = front, server.URL+front.Prefix+version
	}
	settings[meta+"app_secret"] = appSecret
	settings[static+"platform"], settings[static+"access_token"] = "pinterest", staticToken
	settings[static+"catalogs.gb"] = map[string]any{"country": "GB", "language": "en-GB", "catalog_id": "77"}
	simulated := renewing()
	simulated.Tokens = []string{staticToken}
	simulated.Rules = []sandbox.ItemRule{{Contains: "refused", Action: sandbox.RefuseItem, Message: "never"}}
	env := rig.Start(t, rig.Options{Pinterest: simulated, Settings: settings})
	fronts[meta].Platform, fronts[pinterest].Platform, fronts[static].Platform = env.Meta, env.Pinterest, env.Pinterest

	spans, meters := tracetest.NewInMemoryExporter(), metric.NewManualReader()
	w := env.StartWorker("a", rig.WorkerOptions{Spans: spans, Meters: meters})
	published := publishCanaries(env)
	env.Await("each platform was indiscreet", 5*patience, func() bool {
		for _, front := range fronts {
			if !front.Done() {
				return false
			}
		}
		return true
	})
	env.AwaitFinal(published, 3*patience)
	require.NoError(t, w.Stop())

	outside := w.Log.String() + allSpans(spans) + allMeasurements(t, meters)
	require.Greater(t, len(outside), 10_000, "much was looked through")
	tables := allRelations(t, env)
	require.Contains(t, tables, headerCanary, "a dead letter has the whole message")
	secrets := []string{
		staticToken, appSecret, rig.MetaToken, clientSecret, refreshToken, encryptionKey, "pina_simulated",
		base64.StdEncoding.EncodeToString([]byte("app:" + clientSecret)), "appsecret_proof=", "Bearer%20",
	}
	requireNone(t, outside, append(secrets, headerCanary, bodyCanary, brokenCanary, baseURLCanary)...)
	requireNone(t, tables, append(secrets, baseURLCanary)...)
}

// publishCanaries publishes something for each end that a mutation can come to, with
// canaries in headers, attributes and bodies, and returns how many there are.
func publishCanaries(env *rig.Env) int {
	second := catalog.Lane{Account: "second", Catalog: "gb", Type: "RETAIL"}
	published := 0
	for _, lane := range []catalog.Lane{rig.Retail, rig.Products, second} {
		for _, prefix := range []string{"good", "refused"} {
			mutations := upserts(lane, prefix, 3)
			for i := range mutations {
				mutations[i].Attributes.(map[string]any)["description"] = bodyCanary //nolint:forcetypeassert // made by Whole
			}
			env.Publish(mutations...)
			published += len(mutations)
		}
		header := nats.Header{"Authorization": {"Bearer " + headerCanary}, "Cookie": {headerCanary}}
		subject := "catalog.mutations." + lane.Account + "." + lane.Catalog + "." + string(lane.Type)
		for _, body := range []string{
			`{"item_id":"B","operation":"UPSERT","attributes":{"title":{"` + bodyCanary + `":1}}}`,
			`{"item_id":"B","operation":"` + brokenCanary + `"}`, `{"` + brokenCanary, brokenCanary,
			`{"item_id":7,"operation":"UPSERT","attributes":"` + brokenCanary + `"}`,
		} {
			env.PublishRaw(subject, body, header)
			published++
		}
	}
	env.PublishRaw("catalog.mutations.nobody.us.RETAIL", `{"item_id":"X","operation":"DELETE"}`, nats.Header{"Authorization": {headerCanary}})
	return published + 1
}

func allSpans(spans *tracetest.InMemoryExporter) string {
	var text strings.Builder
	for _, span := range spans.GetSpans() {
		fmt.Fprintf(&text, "%s %v %v %+v %+v\n", span.Name, span.Attributes, span.Status, span.Events, span.Links)
	}
	return text.String()
}

func allMeasurements(t *testing.T, meters *metric.ManualReader) string {
	t.Helper()
	var collected metricdata.ResourceMetrics
	require.NoError(t, meters.Collect(t.Context(), &collected))
	text, err := json.Marshal(collected)
	require.NoError(t, err)
	return string(text)
}

// allRelations is the text of all tables and views of the schema. Messages are kept
// compressed in batches; what a view shows of them is in dead_letters.
func allRelations(t *testing.T, env *rig.Env) string {
	t.Helper()
	rows, err := env.DB.Query(t.Context(), `SELECT relname FROM pg_class
		WHERE relnamespace = 'courier'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition`)
	require.NoError(t, err)
	var names []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, rows.Err())
	require.Greater(t, len(names), 15)
	var text strings.Builder
	for _, name := range names {
		text.WriteString(env.Everything(name))
	}
	return text.String()
}

// requireNone fails when one of the secrets is in the text, as it is, in hex or in
// base64, wherever it begins in what is encoded.
func requireNone(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		forms := []string{secret}
		if !strings.ContainsAny(secret, "%=") { // else it is what is before a secret
			forms = append(forms, url.QueryEscape(secret), hex.EncodeToString([]byte(secret)))
			for before := range 3 {
				encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + secret))
				forms = append(forms, encoded[before+min(before, 1):len(encoded)-2]) // what depends on the secret alone
			}
		}
		for _, form := range forms {
			if at := strings.Index(text, form); at >= 0 {
				require.Fail(t, "I7: told", "%s: …%s…", secret, text[max(at-300, 0):min(at+len(form)+50, len(text))])
			}
		}
	}
}
