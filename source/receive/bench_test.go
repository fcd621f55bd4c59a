package receive_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/source/difference"
	"github.com/catalog-courier/catalog-courier/source/mapping"
	"github.com/catalog-courier/catalog-courier/source/receive"
	"github.com/catalog-courier/catalog-courier/source/run"
	"github.com/catalog-courier/catalog-courier/source/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m), natstest.ServersOwn()...) }

// start is when the tests begin, by the clock of the receivers.
var start = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

const secret = "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"

// store fails where a test wants it to.
type store struct {
	*persistence.Sources
	mu   sync.Mutex
	fail map[string]error // by method, once
}

func (s *store) failure(method string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.fail[method]
	delete(s.fail, method)
	return err
}

func (s *store) ChangeItems(ctx context.Context, route int32, ids []string,
	change func(context.Context, map[string]persistence.SourceItem) ([]persistence.SourceItem, error),
) error {
	failure := s.failure("ChangeItems")
	return s.Sources.ChangeItems(ctx, route, ids, func(ctx context.Context, known map[string]persistence.SourceItem) ([]persistence.SourceItem, error) {
		kept, err := change(ctx, known)
		if err == nil && failure != nil {
			return nil, failure // after it was published
		}
		return kept, err
	})
}

func (s *store) SaveDelivery(ctx context.Context, source int32, delivery persistence.WebhookDelivery) (int64, error) {
	if err := s.failure("SaveDelivery"); err != nil {
		return 0, err
	}
	return s.Sources.SaveDelivery(ctx, source, delivery)
}

type bench struct {
	t       *testing.T
	store   *store
	server  *natstest.Server
	js      jetstream.JetStream
	options receive.Options
	now     time.Time
	*receive.Receiver
}

// newBench makes a receiver with real NATS and Postgres. change may change the options.
func newBench(t *testing.T, kind webhook.Kind, change func(*receive.Options)) *bench {
	t.Helper()
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: persistencetest.Database(t), MaxConns: 8})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	b := &bench{t: t, store: &store{Sources: persistence.NewSources(pool, 0), fail: map[string]error{}}, server: natstest.Start(t), now: start}
	b.js = b.server.JetStream(t)
	_, err = queue.Ensure(t.Context(), b.js, queue.StreamConfig{})
	require.NoError(t, err)
	itemID := map[webhook.Kind]string{webhook.Shopify: "{sku}", webhook.WooCommerce: "{id}", webhook.Standard: "{id}"}[kind]
	preset := map[webhook.Kind]string{webhook.Shopify: "shopify", webhook.WooCommerce: "woocommerce", webhook.Standard: "google"}[kind]
	b.options = receive.Options{
		Source: run.Source{Name: "shop", ItemID: itemID, Routes: []run.Route{
			routeOf(t, preset, itemID, "meta", "PRODUCT_ITEM", ""), routeOf(t, preset, itemID, "pinterest", "RETAIL", ""),
		}},
		Kind: kind, Secrets: []string{secret}, Store: b.store, Timeout: 20 * time.Second,
		Publish: run.Publishing(publish.NewPublisher(b.js, publish.Options{Timeout: time.Second})),
		Now:     func() time.Time { return b.now },
	}
	if kind == webhook.Standard {
		b.options.Secrets = []string{"whsec_" + base64.StdEncoding.EncodeToString([]byte(secret))}
	}
	if change != nil {
		change(&b.options)
	}
	b.restart()
	return b
}

// restart makes another receiver of the options, as another process has it.
func (b *bench) restart() {
	b.t.Helper()
	receiver, err := receive.New(b.options)
	require.NoError(b.t, err)
	b.Receiver = receiver
}

// routeOf is a route as a source compiles it.
func routeOf(t *testing.T, preset, itemID, platform string, kind catalog.Type, more string) run.Route {
	t.Helper()
	data := "extends: " + preset + "\ncurrency: EUR\nzone: UTC\n"
	if !strings.Contains(more, "attributes:") && preset == "shopify" {
		more += "attributes:\n  link: {template: \"https://shop.example/products/{handle}\"}\n"
	}
	compiled, err := mapping.Compile(mapping.Spec{File: "mapping", Data: []byte(data + more), ItemID: itemID}, mapping.Target{Platform: platform, Type: kind})
	require.NoError(t, err)
	return run.Route{
		Lane: catalog.Lane{Account: platform, Catalog: "main", Type: kind}, Revision: compiled.Revision(), Operation: catalog.Upsert,
		Unavailable: json.RawMessage(`{"availability":"out of stock"}`), Guard: difference.DefaultGuard,
		Map: func(record map[string]any) run.Mapped {
			item, findings := compiled.Map(record)
			mapped := run.Mapped{Item: difference.Item{ID: item.ID, Group: item.Group, Attributes: item.Attributes}, Skipped: item.Skipped, Foreign: item.Foreign}
			for _, finding := range findings {
				mapped.Invalid = mapped.Invalid || finding.Severity == mapping.Error
				mapped.Findings = append(mapped.Findings, run.Finding{Kind: finding.Kind, Severity: string(finding.Severity), Field: finding.Field, Value: finding.Value, Rule: finding.Rule})
			}
			return mapped
		},
	}
}

func sign(key string, parts ...string) string {
	mac := hmac.New(sha256.New, []byte(key))
	for _, part := range parts {
		mac.Write([]byte(part))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// request is a delivery as its sender sends it.
func (b *bench) request(topic, id, body string, more ...string) *http.Request {
	request := httptest.NewRequest(http.MethodPost, "/v1/webhooks/shop", strings.NewReader(body))
	set := request.Header.Set
	set("Content-Type", "application/json")
	switch b.options.Kind {
	case webhook.Shopify:
		set("X-Shopify-Topic", topic)
		set("X-Shopify-Webhook-Id", id)
		set("X-Shopify-Triggered-At", b.now.Format(time.RFC3339Nano))
		set("X-Shopify-Hmac-Sha256", sign(secret, body))
	case webhook.WooCommerce:
		set("X-Wc-Webhook-Topic", topic)
		set("X-Wc-Webhook-Delivery-Id", id)
		set("X-Wc-Webhook-Signature", sign(secret, body))
	case webhook.Standard:
		stamp := strconv.FormatInt(b.now.Unix(), 10)
		set("Webhook-Id", id)
		set("Webhook-Timestamp", stamp)
		set("Webhook-Signature", "v1,"+sign(secret, id, ".", stamp, ".", body))
	}
	for i := 0; i < len(more); i += 2 {
		set(more[i], more[i+1])
	}
	return request
}

func (b *bench) serve(request *http.Request) (int, receive.Outcome) {
	b.t.Helper()
	recorder := httptest.NewRecorder()
	b.ServeHTTP(recorder, request)
	var outcome receive.Outcome
	require.NoError(b.t, json.Unmarshal(recorder.Body.Bytes(), &outcome), recorder.Body.String())
	return recorder.Code, outcome
}

// send sends a delivery that is taken.
func (b *bench) send(topic, id, body string, more ...string) receive.Outcome {
	b.t.Helper()
	status, outcome := b.serve(b.request(topic, id, body, more...))
	require.Equal(b.t, http.StatusOK, status, outcome.Reason)
	return outcome
}

// messages are the mutations in the stream.
func (b *bench) messages() (all []catalog.Arrival) {
	b.t.Helper()
	stream, err := b.js.Stream(b.t.Context(), queue.DefaultStreamName)
	require.NoError(b.t, err)
	state, err := stream.Info(b.t.Context())
	require.NoError(b.t, err)
	var decoder message.Decoder
	for sequence := state.State.FirstSeq; sequence <= state.State.LastSeq && state.State.Msgs > 0; sequence++ {
		stored, err := stream.GetMsg(b.t.Context(), sequence)
		require.NoError(b.t, err)
		all = decoder.DecodeAll(all, message.Raw{Subject: stored.Subject, Headers: stored.Header, Data: stored.Data})
	}
	for i := range all {
		require.Nil(b.t, all[i].Problem)
	}
	return all
}

// items is what a platform has that applied all mutations: UPSERT and UPDATE overlay.
func (b *bench) items(account string) map[string]map[string]any {
	b.t.Helper()
	items := map[string]map[string]any{}
	for _, arrival := range b.messages() {
		mutation := arrival.Mutation
		if mutation.Lane.Account != account {
			continue
		}
		if mutation.Operation == catalog.Delete {
			delete(items, mutation.ItemID)
			continue
		}
		if items[mutation.ItemID] == nil {
			items[mutation.ItemID] = map[string]any{}
		}
		decoder := json.NewDecoder(bytes.NewReader(mutation.Attributes))
		var attributes map[string]any
		require.NoError(b.t, decoder.Decode(&attributes))
		for name, value := range attributes {
			if value == nil {
				delete(items[mutation.ItemID], name)
			} else {
				items[mutation.ItemID][name] = value
			}
		}
	}
	return items
}

func (b *bench) later(d time.Duration) { b.now = b.now.Add(d) }

type publishMutation = publish.Mutation

var discard = slog.New(slog.DiscardHandler)

type snapshot struct {
	list []map[string]any
	at   time.Time
}

func (s *snapshot) Next() (run.Record, error) {
	if len(s.list) == 0 {
		return run.Record{}, io.EOF
	}
	record := s.list[0]
	s.list = s.list[1:]
	return run.Record{Item: record}, nil
}
func (s *snapshot) At() time.Time           { return s.at }
func (s *snapshot) Fingerprint() string     { return "" }
func (s *snapshot) Unreadable() int64       { return 0 }
func (s *snapshot) Findings() []run.Finding { return nil }
func (s *snapshot) Bytes() int64            { return 0 }
func (s *snapshot) Close() error            { return nil }
