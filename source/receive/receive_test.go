package receive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/difference"
	"github.com/catalog-courier/catalog-courier/source/receive"
	"github.com/catalog-courier/catalog-courier/source/run"
	"github.com/catalog-courier/catalog-courier/source/webhook"
)

// lamp is a product as Shopify sends it, changed at a time, with variants by SKU and price.
func lamp(at time.Time, variants ...string) string {
	product := map[string]any{
		"id": json.Number("788032119674292922"), "title": "Lamp", "body_html": "<p>Bright</p>", "vendor": "Acme", "product_type": "Lamps", "handle": "lamp",
		"updated_at": at.Format(time.RFC3339), "created_at": "2026-01-01T00:00:00-05:00", "published_at": "2026-01-01T00:00:00-05:00", "status": "active",
		"tags": "a, b", "template_suffix": nil, "admin_graphql_api_id": "gid://shopify/Product/788032119674292922",
		"options": []any{map[string]any{"id": 1, "name": "Color", "position": 1, "values": []string{"Red", "Blue"}}},
		"images":  []any{map[string]any{"id": 1, "src": "https://cdn.example/1.jpg"}, map[string]any{"id": 2, "src": "https://cdn.example/2.jpg"}},
	}
	list, gids := make([]any, 0, len(variants)), make([]any, 0, len(variants))
	for i, variant := range variants {
		sku, price, _ := strings.Cut(variant, " ")
		id := 808950810 + i
		list = append(list, map[string]any{
			"id": id, "product_id": json.Number("788032119674292922"), "title": "Red", "price": price, "compare_at_price": nil, "sku": sku, "barcode": "", "position": i + 1,
			"option1": "Red", "option2": nil, "option3": nil, "inventory_quantity": 5, "old_inventory_quantity": 5, "inventory_policy": "deny", "inventory_management": "shopify",
			"image_id": 2, "inventory_item_id": 39072856 + i, "taxable": true, "updated_at": at.Format(time.RFC3339), "admin_graphql_api_id": fmt.Sprint("gid://shopify/ProductVariant/", id),
		})
		gids = append(gids, map[string]any{"admin_graphql_api_id": fmt.Sprint("gid://shopify/ProductVariant/", id), "updated_at": at.Format(time.RFC3339)})
	}
	product["variants"], product["variant_gids"] = list, gids
	encoded, err := json.Marshal(product)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

const removed = `{"id":788032119674292922}`

func TestVariantsFanOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, nil)
	body := lamp(start, "LAMP-R 10.00", "LAMP-B 12.00")
	outcome := b.send("products/create", "1", body)
	require.Equal(t, persistence.DeliveryAccepted, outcome.State, outcome.Reason)
	require.Equal(t, 4, outcome.Published, "two variants on two routes")
	require.Equal(t, map[string]any{
		"availability": "in stock", "brand": "Acme", "color": "Red", "condition": "new", "description": "Bright", "image_link": "https://cdn.example/2.jpg",
		"additional_image_link": []any{"https://cdn.example/1.jpg"}, "item_group_id": "788032119674292922", "link": "https://shop.example/products/lamp",
		"price": "10.00 EUR", "product_type": "Lamps", "title": "Lamp",
	}, b.items("meta")["LAMP-R"])
	require.Len(t, b.items("pinterest"), 2)

	repeated := b.send("products/create", "1", body)
	require.True(t, repeated.Repeated)
	require.Zero(t, repeated.Published)
	b.later(time.Minute)
	order := b.send("products/update", "2", lamp(b.now, "LAMP-R 10.00", "LAMP-B 12.00"))
	require.Equal(t, []int{0, 4}, []int{order.Published, order.Unchanged}, "an order changes nothing that is sent")
	b.later(time.Minute)
	require.Equal(t, 2, b.send("products/update", "3", lamp(b.now, "LAMP-R 9.00")).Published)
	require.Equal(t, "9.00 EUR", b.items("meta")["LAMP-R"]["price"])
	require.Contains(t, b.items("meta"), "LAMP-B", "a variant that a body lacks is never deleted")

	rows, err := b.store.Deliveries(t.Context(), "shop", "", 0, 10)
	require.NoError(t, err)
	require.Len(t, rows, 3)
	status, err := b.store.Status(t.Context())
	require.NoError(t, err)
	require.NotNil(t, status[0].LastWebhookAt)
}

// TestZerosAreNoOutage: a body that Postgres would not take as it is would come again and
// again, and the shop would remove the webhook in the end.
func TestZerosAreNoOutage(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, nil)
	b.send("products/update", "1", strings.Replace(lamp(start, "LAMP-R 10.00"), `788032119674292922,`, `"7\u00008",`, 1))
	b.send("products/delete", "2", `{"id":"7\u00008"}`)
	outcome := b.send("products/update", "3", lamp(b.now, "LAMP\x00R 10.00"))
	require.Equal(t, persistence.DeliveryRejected, outcome.State)
	require.Contains(t, outcome.Reason, "the id has bytes that are not text")
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	const former = "former"
	b := newBench(t, webhook.Shopify, func(o *receive.Options) { o.Secrets = []string{secret, former} })
	body := lamp(start, "LAMP-R 10.00")
	good := sign(secret, body)
	off := []byte(good)
	off[3]++
	for name, header := range map[string][2]string{
		"one byte off":            {"X-Shopify-Hmac-Sha256", string(off)},
		"another secret":          {"X-Shopify-Hmac-Sha256", sign("another", body)},
		"none":                    {"X-Shopify-Hmac-Sha256", ""},
		"cut":                     {"X-Shopify-Hmac-Sha256", good[:20]},
		"of another body":         {"X-Shopify-Hmac-Sha256", sign(secret, body+" ")},
		"under another's headers": {"X-Wc-Webhook-Signature", good},
	} {
		request := b.request("products/update", "1", body)
		request.Header.Del("X-Shopify-Hmac-Sha256")
		request.Header.Set(header[0], header[1])
		status, _ := b.serve(request)
		require.Equal(t, http.StatusUnauthorized, status, name)
	}
	status, _ := b.serve(b.request("products/update", "1", body[:len(body)-1], "X-Shopify-Hmac-Sha256", good))
	require.Equal(t, http.StatusUnauthorized, status, "a body that was cut")
	rows, err := b.store.Deliveries(t.Context(), "", "", 0, 10)
	require.NoError(t, err)
	require.Empty(t, rows, "nothing of it is kept")
	require.Empty(t, b.messages())

	b.send("products/update", "1", body, "X-Shopify-Hmac-Sha256", sign(former, body))
	request := b.request("products/update", "2", body)
	request.Header.Set("Shopify-Hmac-Sha256", request.Header.Get("X-Shopify-Hmac-Sha256"))
	request.Header.Del("X-Shopify-Hmac-Sha256")
	status, _ = b.serve(request)
	require.Equal(t, http.StatusOK, status, "the newer name of the header")

	_, err = receive.New(receive.Options{Kind: webhook.Standard, Secrets: []string{"not base64!"}})
	require.ErrorIs(t, err, webhook.ErrSecret)
	require.NotContains(t, err.Error(), "not base64!")
}

func TestRequestsThatAreNotDeliveries(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, func(o *receive.Options) { o.MaxBody = 10_000 })
	request := httptest.NewRequest(http.MethodGet, "/v1/webhooks/shop", http.NoBody)
	recorder := httptest.NewRecorder()
	b.ServeHTTP(recorder, request)
	require.Equal(t, http.StatusMethodNotAllowed, recorder.Code)
	require.Equal(t, http.MethodPost, recorder.Header().Get("Allow"))

	large := strings.Repeat("x", 10_001)
	status, _ := b.serve(b.request("products/update", "1", large))
	require.Equal(t, http.StatusRequestEntityTooLarge, status)
	request = b.request("products/update", "1", large)
	request.ContentLength = -1
	status, _ = b.serve(request)
	require.Equal(t, http.StatusRequestEntityTooLarge, status, "without a length")

	// A sender that ends early, over a real connection.
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	body := lamp(start, "LAMP-R 10.00")
	half := b.request("products/update", "1", body)
	outgoing, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, &broken{Reader: strings.NewReader(body[:100])})
	require.NoError(t, err)
	outgoing.Header, outgoing.ContentLength = half.Header, int64(len(body))
	answer, err := server.Client().Do(outgoing)
	if err == nil {
		require.NotEqual(t, http.StatusOK, answer.StatusCode)
		require.NoError(t, answer.Body.Close())
	}
	require.Empty(t, b.messages())
}

type broken struct{ *strings.Reader }

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if n == 0 {
		return 0, errors.New("the sender ends")
	}
	return n, err
}

// TestDeletedProducts: a delivery about a deletion has the product's id only.
func TestDeletedProducts(t *testing.T) {
	t.Parallel()
	for name, missing := range map[string]difference.Missing{"delete": difference.Delete, "out of stock": difference.OutOfStock, "keep": difference.Keep} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, webhook.Shopify, func(o *receive.Options) {
				o.Source.Routes[0].Missing, o.Source.Routes[0].MissingRuns = missing, 3
			})
			b.send("products/create", "1", lamp(start, "LAMP-R 10.00", "LAMP-B 12.00"))
			older := lamp(start.Add(time.Second), "LAMP-R 11.00")
			b.later(time.Minute)
			outcome := b.send("products/delete", "2", removed)
			require.Equal(t, persistence.DeliveryAccepted, outcome.State)
			require.Empty(t, b.items("pinterest"))
			switch missing {
			case difference.Delete:
				require.Empty(t, b.items("meta"), "at once, however many runs a feed needs")
			case difference.OutOfStock:
				require.Equal(t, "out of stock", b.items("meta")["LAMP-R"]["availability"])
			case difference.Keep:
				require.Equal(t, "in stock", b.items("meta")["LAMP-R"]["availability"])
			}
			// What was sent before the deletion comes late.
			before := len(b.messages())
			late := b.send("products/update", "3", older, "X-Shopify-Triggered-At", start.Add(time.Second).Format(time.RFC3339))
			require.Equal(t, 2, late.Older)
			require.Len(t, b.messages(), before)
			require.True(t, b.send("products/delete", "2", removed).Repeated)
			require.Len(t, b.messages(), before)
		})
	}
	t.Run("of a product that is not known, before its creation comes", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, webhook.Shopify, nil)
		created := lamp(start, "LAMP-R 10.00")
		b.later(time.Minute)
		outcome := b.send("products/delete", "2", removed)
		require.Equal(t, persistence.DeliveryAccepted, outcome.State)
		require.Contains(t, outcome.Reason, "no items of the product are known")
		b.send("products/create", "1", created)
		require.Empty(t, b.messages())
	})
}

// TestItemsThatAFilterLeavesOut end at once, and come back.
func TestItemsThatAFilterLeavesOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, nil)
	b.send("products/create", "1", lamp(start, "LAMP-R 10.00"))
	b.later(time.Minute)
	draft := strings.Replace(lamp(b.now, "LAMP-R 10.00"), `"active"`, `"draft"`, 1)
	require.Equal(t, 2, b.send("products/update", "2", draft).Published)
	require.Empty(t, b.items("meta"))
	b.later(time.Minute)
	require.Zero(t, b.send("products/update", "3", strings.Replace(lamp(b.now, "LAMP-R 10.00"), `"active"`, `"archived"`, 1)).Published)
	b.later(time.Minute)
	require.Equal(t, 2, b.send("products/update", "4", lamp(b.now, "LAMP-R 10.00")).Published)
	require.Contains(t, b.items("meta"), "LAMP-R")

	// One that was never sent: an older delivery that comes later does not bring it.
	other := newBench(t, webhook.Shopify, nil)
	active := lamp(start, "LAMP-R 10.00")
	other.later(time.Minute)
	other.send("products/update", "2", strings.Replace(lamp(other.now, "LAMP-R 10.00"), `"active"`, `"draft"`, 1))
	require.Equal(t, 2, other.send("products/update", "1", active).Older)
	require.Empty(t, other.messages())
}

// TestPartlyBad: good items go, bad ones are named, and neither sent nor deleted.
func TestPartlyBad(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, nil)
	b.send("products/create", "1", lamp(start, "LAMP-R 10.00", "LAMP-B 12.00"))
	b.later(time.Minute)
	outcome := b.send("products/update", "2", lamp(b.now, "LAMP-R 9.00", "LAMP-B many"))
	require.Equal(t, persistence.DeliveryPartial, outcome.State)
	require.Equal(t, 2, outcome.Published)
	require.Regexp(t, `^cannot be sent: item "LAMP-B", `, outcome.Reason, "one item on two routes")
	require.NotEmpty(t, outcome.Findings)
	require.Equal(t, "12.00 EUR", b.items("meta")["LAMP-B"]["price"], "as it was")
	b.later(time.Minute)
	outcome = b.send("products/update", "3", lamp(b.now, " 9.00"))
	require.Equal(t, persistence.DeliveryRejected, outcome.State, "a variant without SKU has no id")
	require.Contains(t, outcome.Reason, "sku")
	b.later(time.Minute)
	outcome = b.send("products/update", "4", lamp(b.now, "LAMP-R 8.00", "LAMP-R 7.00"))
	require.Equal(t, "DUPLICATE_ID", outcome.Findings[0].Kind)
	require.Equal(t, "7.00 EUR", b.items("meta")["LAMP-R"]["price"])

	for body, says := range map[string]string{"<html>": "not what its topic promises: it has no whole JSON object", `{"title":"x"}`: "no id", lamp(start)[:200]: "unexpected EOF"} {
		outcome = b.send("products/update", body, body)
		require.Equal(t, persistence.DeliveryRejected, outcome.State)
		require.Contains(t, outcome.Reason, says)
		require.NotZero(t, outcome.ID, "it can be replayed")
	}
	require.Equal(t, persistence.DeliveryIgnored, b.send("orders/create", "9", "{}").State)
	rows, err := b.store.Deliveries(t.Context(), "shop", persistence.DeliveryRejected, 0, 10)
	require.NoError(t, err)
	require.Len(t, rows, 4)
}

func TestReplay(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, nil)
	goodRoutes := b.options.Source.Routes
	b.options.Source.Routes = []run.Route{routeOf(t, "shopify", "{sku}", "meta", "PRODUCT_ITEM", "attributes:\n  mpn: {from: nowhere, required: true}\n"), goodRoutes[1]}
	b.restart()
	first := b.send("products/create", "1", lamp(start, "LAMP-R 10.00", "LAMP-B 12.00"))
	require.Equal(t, persistence.DeliveryPartial, first.State)
	require.Empty(t, b.items("meta"))
	// It is delivered again, and the mapping is still bad.
	require.True(t, b.send("products/create", "1", lamp(start, "LAMP-R 10.00", "LAMP-B 12.00")).Repeated)

	b.options.Source.Routes = goodRoutes
	b.restart()
	b.later(time.Minute)
	b.send("products/update", "2", lamp(b.now, "LAMP-R 9.00"))
	outcome, err := b.Replay(t.Context(), first.ID)
	require.NoError(t, err)
	require.Equal(t, persistence.DeliveryAccepted, outcome.State)
	require.Equal(t, "9.00 EUR", b.items("meta")["LAMP-R"]["price"], "what was sent since stays")
	require.Equal(t, "12.00 EUR", b.items("meta")["LAMP-B"]["price"], "what was not is made up for")
	require.Equal(t, 1, outcome.Published)
	rows, err := b.store.Deliveries(t.Context(), "shop", "", 0, 10)
	require.NoError(t, err)
	require.Equal(t, persistence.DeliveryAccepted, rows[1].State)
	require.NotNil(t, rows[1].ReplayedAt)

	_, err = b.Replay(t.Context(), 999)
	require.ErrorIs(t, err, persistence.ErrNoSuchDelivery)
	b.options.Source.Name = "other"
	b.restart()
	_, err = b.Replay(t.Context(), first.ID)
	require.ErrorIs(t, err, receive.ErrOtherSource)
}

// TestOtherItemIDs: the configuration has another template than the source's first run.
func TestOtherItemIDs(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, nil)
	b.send("products/create", "1", lamp(start, "LAMP-R 10.00"))
	b.options.Source.ItemID = "{variant_id}"
	b.restart()
	outcome := b.send("products/update", "2", lamp(start, "LAMP-R 9.00"))
	require.Equal(t, persistence.DeliveryRejected, outcome.State)
	require.Contains(t, outcome.Reason, "{sku}")
	require.Len(t, b.messages(), 2)
}

// TestNothingIsLostWhileAPartIsAway: the answer is 503 and the repeat does the rest.
func TestNothingIsLostWhileAPartIsAway(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, nil)
	body := lamp(start, "LAMP-R 10.00", "LAMP-B 12.00")
	away := errors.New("the database is away")
	for _, method := range []string{"ChangeItems", "SaveDelivery"} {
		b.store.fail[method] = away
		request := b.request("products/update", "1", body)
		recorder := httptest.NewRecorder()
		b.ServeHTTP(recorder, request)
		require.Equal(t, http.StatusServiceUnavailable, recorder.Code)
		require.NotEmpty(t, recorder.Header().Get("Retry-After"))
		require.NotContains(t, recorder.Body.String(), away.Error(), "the cause is for the log")
	}
	outcome := b.send("products/update", "1", body)
	require.Equal(t, persistence.DeliveryAccepted, outcome.State)
	ids := map[string]bool{}
	for _, arrival := range b.messages() {
		ids[arrival.Mutation.ID] = true
	}
	require.Len(t, ids, 4, "each change has one id, however often it was published")
	require.Len(t, b.messages(), 4, "the stream drops the repeats")

	// The stream is away.
	b.options.Publish = func(context.Context, []publishMutation) error { return errors.New("no stream") }
	b.restart()
	b.later(time.Minute)
	changed := lamp(b.now, "LAMP-R 9.00")
	status, _ := b.serve(b.request("products/update", "2", changed))
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Len(t, b.messages(), 4)
}

func TestStreamThatIsDown(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, func(o *receive.Options) { o.Timeout = 2 * time.Second })
	b.server.Stop()
	status, _ := b.serve(b.request("products/update", "1", lamp(start, "LAMP-R 10.00")))
	require.Equal(t, http.StatusServiceUnavailable, status, "within the time that a sender waits")
	b.server.Run(t)
	require.Eventually(t, func() bool {
		status, _ := b.serve(b.request("products/update", "1", lamp(start, "LAMP-R 10.00")))
		return status == http.StatusOK
	}, 20*time.Second, 100*time.Millisecond)
	require.Len(t, b.items("meta"), 1)
}

func TestEqualDeliveriesAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, nil)
	body := lamp(start, "LAMP-R 10.00", "LAMP-B 12.00")
	var wait sync.WaitGroup
	for range 8 {
		request := b.request("products/update", "1", body)
		wait.Go(func() {
			recorder := httptest.NewRecorder()
			b.ServeHTTP(recorder, request)
			if recorder.Code != http.StatusOK {
				t.Error(recorder.Code, recorder.Body.String())
			}
		})
	}
	wait.Wait()
	require.Len(t, b.messages(), 4)
	// Different ones at once: the newest wins, in whatever order they come.
	for i := range 8 {
		request := b.request("products/update", fmt.Sprint("n", i), lamp(start.Add(time.Duration(i-8)*time.Second), fmt.Sprintf("LAMP-R 1%d.00", i)))
		wait.Go(func() { b.ServeHTTP(httptest.NewRecorder(), request) })
	}
	last := b.request("products/update", "last", lamp(start, "LAMP-R 9.00"))
	wait.Go(func() { b.ServeHTTP(httptest.NewRecorder(), last) })
	wait.Wait()
	require.Equal(t, "9.00 EUR", b.items("meta")["LAMP-R"]["price"])
}

// TestFullReceiverAnswersInTime: more deliveries than are worked on at a time wait, and are
// told to come again before their sender gives up.
func TestFullReceiverAnswersInTime(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}, 8), make(chan struct{})
	b := newBench(t, webhook.Shopify, func(o *receive.Options) {
		publishNow := o.Publish
		o.MaxConcurrent, o.Timeout = 1, time.Second
		o.Publish = func(ctx context.Context, mutations []publishMutation) error {
			entered <- struct{}{}
			select {
			case <-leave:
			case <-ctx.Done():
				return ctx.Err()
			}
			return publishNow(ctx, mutations)
		}
	})
	var wait sync.WaitGroup
	first := b.request("products/update", "1", lamp(start, "LAMP-R 10.00"))
	recorder := httptest.NewRecorder()
	wait.Go(func() { b.ServeHTTP(recorder, first) })
	<-entered
	status, _ := b.serve(b.request("products/update", "2", lamp(start, "LAMP-R 10.00")))
	require.Equal(t, http.StatusServiceUnavailable, status)
	close(leave)
	wait.Wait()
	require.Equal(t, http.StatusServiceUnavailable, recorder.Code, "its own time was over")
	b.send("products/update", "1", lamp(start, "LAMP-R 10.00"))
	require.Len(t, b.items("meta"), 1)
}

// TestLargestProduct: 2,048 variants fit into a body, and are sent within Shopify's 5 s.
func TestLargestProduct(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, nil)
	variants := make([]string, 2048)
	for i := range variants {
		variants[i] = fmt.Sprintf("LAMP-%d 10.00", i)
	}
	body := lamp(start, variants...)
	require.Less(t, 2*len(body), receive.DefaultMaxBody)
	outcome := b.send("products/update", "1", body)
	require.Equal(t, 4096, outcome.Published)
	require.Len(t, b.items("meta"), 2048)
	b.later(time.Minute)
	require.Equal(t, 4096, b.send("products/delete", "2", removed).Published, "all pages of the group")
	require.Empty(t, b.items("meta"))
}

func TestStandardWebhooks(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Standard, nil)
	item := func(id, price string) string {
		return fmt.Sprintf(`{"id":%q,"title":"Cup","description":"Hot","link":"https://shop.example/%s","image_link":"https://shop.example/%s.jpg","availability":"in_stock","condition":"new","price":%q}`, id, id, id, price)
	}
	event := func(kind string, at time.Time, data ...string) string {
		return fmt.Sprintf(`{"type":%q,"timestamp":%q,"data":[%s]}`, kind, at.Format(time.RFC3339), strings.Join(data, ","))
	}
	first := b.send("", "m1", event("product.updated", start.Add(-time.Minute), item("1", "5 EUR"), item("2", "6 EUR")))
	require.Equal(t, 4, first.Published, "%+v", first)
	b.send("", "m3", event("product.updated", start.Add(-10*time.Second), item("1", "3 EUR")))
	require.Equal(t, 2, b.send("", "m2", event("product.updated", start.Add(-30*time.Second), item("1", "4 EUR"))).Older, "they come in another order")
	require.Equal(t, "3 EUR", strings.Replace(b.items("meta")["1"]["price"].(string), ".00", "", 1))
	require.Equal(t, 2, b.send("", "m4", event("product.deleted", start.Add(-5*time.Second), `{"id":"1"}`)).Published)
	require.NotContains(t, b.items("meta"), "1")
	outcome := b.send("", "m5", event("product.deleted", start, `{"sku":"1"}`))
	require.Equal(t, persistence.DeliveryRejected, outcome.State)
	require.Contains(t, outcome.Reason, "id")
	require.Equal(t, persistence.DeliveryRejected, b.send("", "m6", `{"type":"product.updated"}`).State)

	// What was caught on the way and is sent again, and what was changed on the way.
	before := len(b.messages())
	request := b.request("", "m9", event("product.updated", start, item("2", "1 EUR")))
	b.later(5*time.Minute + time.Second)
	recorder := httptest.NewRecorder()
	b.ServeHTTP(recorder, request)
	require.Equal(t, http.StatusUnauthorized, recorder.Code)
	require.Contains(t, recorder.Body.String(), "old delivery")
	request = b.request("", "m9", event("product.updated", start, item("2", "1 EUR")), "Webhook-Id", "m10")
	status, _ := b.serve(request)
	require.Equal(t, http.StatusUnauthorized, status, "the id is signed")
	require.Len(t, b.messages(), before)
}

// TestAnotherLanguage: a record of another language says nothing about the item of its id, also
// where it comes later or is deleted there.
func TestAnotherLanguage(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Standard, func(options *receive.Options) {
		options.Source.Routes = []run.Route{
			routeOf(t, "google", "{id}", "meta", "PRODUCT_ITEM", "language: de\n"), routeOf(t, "google", "{id}", "pinterest", "RETAIL", "language: en\n"),
		}
	})
	cup := func(title, language string) string {
		return fmt.Sprintf(`{"id":"1","title":%q,"description":"Hot","link":"https://shop.example/1","image_link":"https://shop.example/1.jpg","availability":"in_stock","condition":"new","price":"5 EUR","language":%q}`, title, language)
	}
	event := func(kind string, at time.Time, data ...string) string {
		return fmt.Sprintf(`{"type":%q,"timestamp":%q,"data":[%s]}`, kind, at.Format(time.RFC3339), strings.Join(data, ","))
	}
	first := b.send("", "m1", event("product.updated", start.Add(-time.Minute), cup("Tasse", "de"), cup("Cup", "en")))
	require.Equal(t, 2, first.Published, "%+v", first)
	require.Empty(t, first.Findings)
	require.Equal(t, 1, b.send("", "m2", event("product.updated", start.Add(-30*time.Second), cup("Mug", "en"))).Published)
	require.Equal(t, "Tasse", b.items("meta")["1"]["title"])
	require.Equal(t, "Mug", b.items("pinterest")["1"]["title"])
	require.Equal(t, 1, b.send("", "m3", event("product.deleted", start.Add(-20*time.Second), cup("Mug", "en"))).Published)
	require.Contains(t, b.items("meta"), "1")
	require.NotContains(t, b.items("pinterest"), "1")
	require.Equal(t, 1, b.send("", "m4", event("product.deleted", start.Add(-10*time.Second), `{"id":"1"}`)).Published)
	require.Empty(t, b.items("meta"))
	other := b.send("", "m5", event("product.updated", start, `{"id":"1","language":"fr"}`))
	require.Equal(t, persistence.DeliveryAccepted, other.State)
	require.Contains(t, other.Reason, "language")
}

// TestFeedAndWebhook share what is known: neither undoes what is newer of the other.
func TestFeedAndWebhook(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, nil)
	feed := &records{at: start}
	b.options.Source.Open = feed.open
	b.restart()
	runner := &run.Runner{Store: b.store, Publish: b.options.Publish, Logger: discard, Name: "test", Folder: t.TempDir()}
	price := func() any { return b.items("meta")["LAMP-R"]["price"] }
	work := func() run.Result {
		t.Helper()
		plan, err := runner.Plan(t.Context(), b.options.Source, run.Request{Trigger: "test"})
		require.NoError(t, err)
		result, err := plan.Apply(t.Context())
		require.NoError(t, err)
		return result
	}
	feed.set(t, lamp(start, "LAMP-R 10.00", "LAMP-B 9.00"))
	require.Equal(t, int64(4), work().Published)

	// A webhook after the file was made, and a run of the file after the webhook.
	feed.at = start.Add(time.Minute)
	feed.set(t, lamp(start, "LAMP-R 11.00", "LAMP-B 9.00"))
	b.later(2 * time.Minute)
	b.send("products/update", "1", lamp(b.now, "LAMP-R 12.00"))
	require.Zero(t, work().Published)
	require.Equal(t, "12.00 EUR", price(), "the file is older than the webhook")

	// A file after the webhook, and the webhook's repeat and an older one after the run.
	feed.at = start.Add(3 * time.Minute)
	feed.set(t, lamp(start, "LAMP-R 13.00", "LAMP-B 9.00"))
	b.later(2 * time.Minute)
	work()
	late := b.send("products/update", "2", lamp(start.Add(2*time.Minute+time.Second), "LAMP-R 12.50"), "X-Shopify-Triggered-At", start.Add(2*time.Minute+time.Second).Format(time.RFC3339))
	require.Equal(t, 2, late.Older)
	require.Equal(t, "13.00 EUR", price())

	// A change that was taken back between two files: the second finds nothing changed and
	// keeps no time, and the webhook in between comes late.
	feed.at = start.Add(6 * time.Minute)
	b.later(3 * time.Minute)
	require.Zero(t, work().Published)
	between := start.Add(5 * time.Minute).Format(time.RFC3339)
	late = b.send("products/update", "3", lamp(start.Add(5*time.Minute), "LAMP-R 14.00"), "X-Shopify-Triggered-At", between)
	require.Equal(t, 2, late.Older)
	require.Contains(t, late.Reason, "newer")
	require.Equal(t, "13.00 EUR", price())

	// A product whose own time did not grow, seen after the file.
	b.later(time.Minute)
	b.send("products/update", "4", lamp(start, "LAMP-R 15.00"))
	require.Equal(t, "15.00 EUR", price())
	// A file without it ends what a webhook brought, when it is newer.
	feed.at = b.now.Add(-2 * time.Second)
	feed.set(t, lamp(start, "LAMP-B 9.00"))
	work()
	require.NotContains(t, b.items("meta"), "LAMP-R")
}

// TestRunAndWebhooksAtOnce: an item is changed by webhooks while runs go on. The last change
// of the shop wins.
func TestRunAndWebhooksAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, nil)
	feed := &records{at: start}
	b.options.Source.Open = feed.open
	b.now = start.Add(time.Hour)
	b.restart()
	feed.set(t, lamp(start, "LAMP-R 10.00", "LAMP-B 10.00"))
	runner := &run.Runner{Store: b.store, Publish: b.options.Publish, Logger: discard, Name: "test", Folder: t.TempDir()}
	for round := range 5 {
		feed.at = start.Add(time.Duration(10*round) * time.Second)
		feed.set(t, lamp(start, fmt.Sprintf("LAMP-R %d.50", 20+round), fmt.Sprintf("LAMP-B %d.50", 20+round)))
		plan, err := runner.Plan(t.Context(), b.options.Source, run.Request{Trigger: "test"})
		require.NoError(t, err)
		changed := feed.at.Add(time.Second)
		request := b.request("products/update", strconv.Itoa(round), lamp(changed, fmt.Sprintf("LAMP-R %d.00", 40+round)), "X-Shopify-Triggered-At", changed.Format(time.RFC3339))
		var wait sync.WaitGroup
		wait.Go(func() { b.ServeHTTP(httptest.NewRecorder(), request) })
		wait.Go(func() {
			if _, err := plan.Apply(t.Context()); err != nil {
				t.Error(err)
			}
		})
		wait.Wait()
		require.Equal(t, fmt.Sprintf("%d.00 EUR", 40+round), b.items("meta")["LAMP-R"]["price"])
		require.Equal(t, fmt.Sprintf("%d.50 EUR", 20+round), b.items("meta")["LAMP-B"]["price"])
	}
}

// TestRefusedItems: one that can never be stored does not keep the others away.
func TestRefusedItems(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, nil)
	long := strings.Repeat("x", 2<<20)
	body := strings.Replace(lamp(start, "LAMP-R 10.00", "LAMP-B 10.00"), `"title":"Lamp"`, `"title":"`+long+`"`, 1)
	outcome := b.send("products/update", "1", body)
	require.Equal(t, persistence.DeliveryRejected, outcome.State, outcome.Reason)
	require.Zero(t, outcome.Published)
	require.Equal(t, "NOT_PUBLISHED", outcome.Findings[0].Kind)
	b.later(time.Minute)
	require.Equal(t, 4, b.send("products/update", "2", lamp(b.now, "LAMP-R 10.00", "LAMP-B 10.00")).Published)
}

func TestOldDeliveriesAreForgotten(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, func(o *receive.Options) { o.Keep = time.Nanosecond })
	b.send("orders/create", "1", "{}")
	require.NoError(t, b.Forget(t.Context()))
	rows, err := b.store.Deliveries(t.Context(), "", "", 0, 10)
	require.NoError(t, err)
	require.Empty(t, rows)
	b.options.Keep = time.Hour
	b.restart()
	b.send("orders/create", "1", "{}")
	require.NoError(t, b.Forget(t.Context()))
	rows, err = b.store.Deliveries(t.Context(), "", "", 0, 10)
	require.NoError(t, err)
	require.Len(t, rows, 1)
}

// TestHeadersAreKept: all that is needed to read a body again, and nothing secret.
func TestHeadersAreKept(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.Shopify, nil)
	outcome := b.send("products/update\x00\xff", strings.Repeat("i", 5000), "{}", "Authorization", "Bearer x")
	kept, err := b.store.Delivery(t.Context(), outcome.ID)
	require.NoError(t, err)
	require.Equal(t, []byte("{}"), kept.Body)
	encoded, err := json.Marshal(kept.Headers)
	require.NoError(t, err)
	require.NotContains(t, string(encoded), "Bearer")
	require.NotContains(t, strings.ToLower(string(encoded)), "hmac")
	require.Less(t, len(encoded), 2000)
	require.True(t, b.send("products/update\x00\xff", strings.Repeat("i", 5000), "{}").Repeated)
	require.False(t, b.send("products/update", strings.Repeat("i", 5001), "{}").Repeated)
}

// records is a feed that has the variants of products as a reader gives them.
type records struct {
	list []map[string]any
	at   time.Time
}

func (r *records) set(t *testing.T, body string) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(body)))
	decoder.UseNumber()
	var product map[string]any
	require.NoError(t, decoder.Decode(&product))
	r.list = webhook.ShopifyItems(product)
}

func (r *records) open(_ context.Context, _ string) (run.Snapshot, error) {
	return &snapshot{list: slices.Clone(r.list), at: r.at}, nil
}
