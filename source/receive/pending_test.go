package receive_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/receive"
	"github.com/catalog-courier/catalog-courier/source/shop"
	"github.com/catalog-courier/catalog-courier/source/shop/shoptest"
	"github.com/catalog-courier/catalog-courier/source/webhook"
)

// shirt is a variable product as WooCommerce sends it: its variations are ids.
func shirt(at time.Time, more string) string {
	return fmt.Sprintf(`{"id":799,"name":"Shirt","permalink":"https://shop.example/product/shirt/","type":"variable","status":"publish","description":"<p>Warm</p>\n",
		"sku":"SHIRT","price":"","regular_price":"","sale_price":"","stock_status":"instock","parent_id":0,"date_modified_gmt":%q,"related_ids":[472],
		"categories":[{"id":9,"name":"Clothing","slug":"clothing"}],"images":[{"id":795,"src":"https://shop.example/shirt.jpg","date_created":"2017-03-23T14:03:08"}],
		"attributes":[{"id":6,"name":"Color","variation":true,"options":["Black","Green"]}],"variations":[800,801],"meta_data":[]%s}`, at.Format("2006-01-02T15:04:05"), more)
}

func variation(id int, at time.Time, color, price string) string {
	return fmt.Sprintf(`{"id":%d,"type":"variation","parent_id":799,"name":%q,"permalink":"https://shop.example/product/shirt/?attribute_color=%s","status":"publish","sku":"SHIRT-%d",
		"price":%q,"regular_price":%q,"sale_price":"","stock_status":"instock","date_modified_gmt":%q,"image":{"id":1,"src":"https://shop.example/%d.jpg"},
		"attributes":[{"id":6,"name":"Color","slug":"pa_color","option":%q}],"meta_data":[]}`, id, color, color, id, price, price, at.Format("2006-01-02T15:04:05"), id, color)
}

func newWooBench(t *testing.T) (*bench, *shoptest.WooCommerce) {
	t.Helper()
	woo := shoptest.StartWooCommerce(t, "ck_1", "cs_1")
	return newBench(t, webhook.WooCommerce, func(o *receive.Options) {
		client, err := shop.NewWooCommerce(woo.URL, "ck_1", "cs_1")
		require.NoError(t, err)
		t.Cleanup(client.Close)
		o.Shop = client
	}), woo
}

func (b *bench) pending(want int) {
	b.t.Helper()
	worked, err := b.Pending(b.t.Context())
	require.NoError(b.t, err)
	require.Equal(b.t, want, worked)
}

func (b *bench) row(id int64) persistence.DeliveryRow {
	b.t.Helper()
	rows, err := b.store.Deliveries(b.t.Context(), "", "", id+1, 1)
	require.NoError(b.t, err)
	require.Len(b.t, rows, 1)
	return rows[0]
}

func TestWooCommerceWithoutShop(t *testing.T) {
	t.Parallel()
	b := newBench(t, webhook.WooCommerce, nil)
	ping := b.request("", "", "webhook_id=7", "Content-Type", "application/x-www-form-urlencoded")
	ping.Header.Del("X-Wc-Webhook-Topic")
	ping.Header.Del("X-Wc-Webhook-Signature")
	status, _ := b.serve(ping)
	require.Equal(t, http.StatusOK, status, "the check of an address is not signed")

	cup := func(price string) string {
		return fmt.Sprintf(`{"id":794,"name":"Cup","permalink":"https://shop.example/cup","type":"simple","status":"publish","description":"<p>Hot</p>","sku":"","price":%q,"regular_price":%q,"sale_price":"",
			"stock_status":"instock","parent_id":0,"date_modified_gmt":"2026-11-28T11:00:00","images":[{"id":1,"src":"https://shop.example/cup.jpg"}],"related_ids":[53]}`, price, price)
	}
	require.Equal(t, 2, b.send("product.created", "same", cup("21.99")).Published)
	require.Equal(t, "21.99 EUR", b.items("meta")["794"]["price"])
	require.Equal(t, 2, b.send("product.updated", "same", cup("20.99")).Published, "two in one second have one delivery id and the same time of change")
	require.True(t, b.send("product.updated", "same", cup("20.99")).Repeated)
	require.Equal(t, 2, b.send("product.updated", "other", cup("21.99")).Published, "a change back is no repeat")

	outcome := b.send("product.updated", "same", shirt(start, ""))
	require.Equal(t, persistence.DeliveryRejected, outcome.State, "and not taken for a repeat of the other product")
	require.Contains(t, outcome.Reason, "configure the shop")
	require.Len(t, b.items("meta"), 1, "the product itself is no item")

	b.later(time.Minute)
	require.Equal(t, 2, b.send("product.deleted", "d", `{"id":794}`).Published)
	require.Empty(t, b.items("meta"))
	require.Equal(t, persistence.DeliveryIgnored, b.send("order.created", "o", "{}").State)

	// The shop is configured later: the kept delivery is replayed.
	woo := shoptest.StartWooCommerce(t, "ck_1", "cs_1")
	woo.Set("799", shirt(start, ""), variation(800, start, "Black", "10.00"))
	client, err := shop.NewWooCommerce(woo.URL, "ck_1", "cs_1")
	require.NoError(t, err)
	t.Cleanup(client.Close)
	b.options.Shop = client
	b.restart()
	replayed, err := b.Replay(t.Context(), outcome.ID)
	require.NoError(t, err)
	require.Equal(t, 2, replayed.Published)
}

func TestVariationsAreReadFromTheShop(t *testing.T) {
	t.Parallel()
	b, woo := newWooBench(t)
	woo.Set("799", shirt(start, ""), variation(800, start, "Black", "10.00"), variation(801, start, "Green", "11.00"))
	outcome := b.send("product.updated", "1", shirt(start, ""))
	require.Equal(t, persistence.DeliveryPending, outcome.State)
	require.Empty(t, b.messages(), "nothing half")
	require.True(t, b.send("product.updated", "1", shirt(start, "")).Repeated)
	b.pending(1)
	require.Equal(t, persistence.DeliveryAccepted, b.row(outcome.ID).State)
	require.Equal(t, 4, b.row(outcome.ID).Published)
	item := b.items("meta")["800"]
	require.Equal(t, "Shirt - Black", item["title"])
	require.Equal(t, "SHIRT", item["item_group_id"])
	require.Equal(t, "Black", item["color"])
	require.Equal(t, "Warm", item["description"], "the product's")
	require.NotContains(t, b.items("meta"), "799")
	b.pending(0)

	// A variation that the shop no longer lists stays: only a deletion or a feed ends it.
	b.later(time.Minute)
	woo.Set("799", shirt(b.now, ""), variation(800, b.now, "Black", "9.00"))
	b.send("product.updated", "2", shirt(b.now, ""))
	b.pending(1)
	require.Equal(t, "9.00 EUR", b.items("meta")["800"]["price"])
	require.Contains(t, b.items("meta"), "801")
	// A variation that is sent with a product's topic.
	b.later(time.Minute)
	woo.Set("799", shirt(b.now, ""), variation(800, b.now, "Black", "8.00"))
	require.Equal(t, persistence.DeliveryPending, b.send("product.updated", "3", variation(800, b.now, "Black", "8.00")).State)
	b.pending(1)
	require.Equal(t, "8.00 EUR", b.items("meta")["800"]["price"])
	// The product's id ends all of its variations, also by a group that is its SKU.
	b.later(time.Minute)
	require.Equal(t, 4, b.send("product.deleted", "4", `{"id":799}`).Published)
	require.Empty(t, b.items("meta"))
	b.later(time.Minute)
	woo.Set("799", shirt(b.now.Add(-time.Hour), ""), variation(800, b.now.Add(-time.Hour), "Black", "8.00"))
	b.send("product.restored", "5", shirt(b.now.Add(-time.Hour), ""))
	b.pending(1)
	require.Contains(t, b.items("meta"), "800", "its own time is before the deletion, and the shop has it now")
}

// TestManyVariationsAndPages: pages of 100, and deliveries about one product that wait
// together are one reading.
func TestManyVariationsAndPages(t *testing.T) {
	t.Parallel()
	b, woo := newWooBench(t)
	all := make([]string, 0, 250)
	for id := range 250 {
		all = append(all, variation(1000+id, start, fmt.Sprint("c", id), "10.00"))
	}
	woo.Set("799", shirt(start, ""), all...)
	for i := range 5 {
		b.send("product.updated", strconv.Itoa(i), shirt(start, fmt.Sprintf(`,"total_sales":%d`, i)))
	}
	require.Empty(t, b.messages())
	b.pending(5)
	require.Len(t, b.items("meta"), 250)
	require.Less(t, len(woo.Calls()), 3*4, "the product and three pages, once; twice where the last one came at that moment")
}

func TestShopsThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]shoptest.Fault{
		"500": {shoptest.Status(500, "")}, "a page": {shoptest.HTML}, "cut": {shoptest.Cut}, "wrong key": {shoptest.Status(401, "")},
		"a redirect": {shoptest.Redirect("https://elsewhere.example/")}, "a long 429": {shoptest.Status(429, "600")},
		"503 of maintenance": {shoptest.Status(503, "600")}, "another product's": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"id":1,"type":"simple"}`) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, woo := newWooBench(t)
			woo.Set("799", shirt(start, ""), variation(800, start, "Black", "10.00"))
			woo.Next(faults...)
			outcome := b.send("product.updated", "1", shirt(start, ""))
			b.pending(1)
			row := b.row(outcome.ID)
			require.Equal(t, persistence.DeliveryPending, row.State)
			require.NotEmpty(t, row.Reason)
			require.NotContains(t, row.Reason, "cs_1")
			require.Equal(t, 1, row.Attempts)
			require.NotNil(t, row.RetryAt)
			require.Empty(t, b.messages())
			b.pending(0)
			require.NoError(t, b.store.DelayDelivery(t.Context(), outcome.ID, "", 0)) // its time has come
			b.pending(1)
			require.Equal(t, persistence.DeliveryAccepted, b.row(outcome.ID).State)
			require.Len(t, b.items("meta"), 1)
		})
	}
	t.Run("a short 429 within the time of a delivery", func(t *testing.T) {
		t.Parallel()
		b, woo := newWooBench(t)
		woo.Set("799", shirt(start, ""), variation(800, start, "Black", "10.00"))
		woo.Next(shoptest.Status(429, "1"))
		b.send("product.updated", "1", shirt(start, ""))
		b.pending(1)
		require.Len(t, b.items("meta"), 1)
	})
	t.Run("pages without an end", func(t *testing.T) {
		t.Parallel()
		b, woo := newWooBench(t)
		all := make([]string, 0, 100)
		for id := range 100 {
			all = append(all, variation(1000+id, start, "Black", "10.00"))
		}
		woo.Set("799", shirt(start, ""), all...)
		woo.Endless = true
		outcome := b.send("product.updated", "1", shirt(start, ""))
		b.pending(1)
		require.Contains(t, b.row(outcome.ID).Reason, "no end")
		require.Empty(t, b.messages())
	})
	t.Run("given up", func(t *testing.T) {
		t.Parallel()
		b, woo := newWooBench(t)
		b.options.RetryFor = time.Nanosecond
		b.restart()
		woo.Next(shoptest.Status(500, ""))
		outcome := b.send("product.updated", "1", shirt(start, ""))
		b.pending(1)
		row := b.row(outcome.ID)
		require.Equal(t, persistence.DeliveryRejected, row.State)
		require.Contains(t, row.Reason, "given up after 1 tries")
		woo.Next(shoptest.Status(500, ""))
		_, err := b.Replay(t.Context(), outcome.ID)
		require.ErrorIs(t, err, shop.ErrAway)
		woo.Set("799", shirt(start, ""), variation(800, start, "Black", "10.00"))
		replayed, err := b.Replay(t.Context(), outcome.ID)
		require.NoError(t, err)
		require.Equal(t, 2, replayed.Published)
	})
	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		b, woo := newWooBench(t)
		woo.Set("799", shirt(start, ""), variation(800, start, "Black", "10.00"))
		b.send("product.updated", "1", shirt(start, ""))
		b.pending(1)
		woo.Next(shoptest.Status(404, ""))
		b.later(time.Minute)
		outcome := b.send("product.updated", "2", shirt(b.now, ""))
		b.pending(1)
		require.Equal(t, persistence.DeliveryIgnored, b.row(outcome.ID).State)
		require.Len(t, b.items("meta"), 1, "a 404 alone deletes nothing")
	})
}

// TestAProcessThatEndsWhilePending: another one takes the delivery.
func TestAProcessThatEndsWhilePending(t *testing.T) {
	t.Parallel()
	b, woo := newWooBench(t)
	woo.Set("799", shirt(start, ""), variation(800, start, "Black", "10.00"))
	outcome := b.send("product.updated", "1", shirt(start, ""))
	source, err := b.store.Open(t.Context(), "shop", "{id}", b.options.Source.Lanes())
	require.NoError(t, err)
	taken, err := b.store.TakeDeliveries(t.Context(), source.ID, time.Minute, 10)
	require.NoError(t, err)
	require.Len(t, taken, 1)
	b.restart()
	b.pending(0)
	require.NoError(t, b.store.DelayDelivery(t.Context(), outcome.ID, "", 0))
	b.pending(1)
	require.Len(t, b.items("meta"), 1)
	// The first process comes to its end, too.
	taken[0].State = persistence.DeliveryRejected
	require.NoError(t, b.store.FinishDelivery(t.Context(), taken[0], false))
	require.Equal(t, persistence.DeliveryAccepted, b.row(outcome.ID).State)
}

// TestWork takes a delivery that has just come, and ends with its context.
func TestWork(t *testing.T) {
	t.Parallel()
	b, woo := newWooBench(t)
	woo.Set("799", shirt(start, ""), variation(800, start, "Black", "10.00"))
	published := make(chan struct{}, 4)
	publishNow := b.options.Publish
	b.options.Publish = func(ctx context.Context, mutations []publishMutation) error {
		defer func() { published <- struct{}{} }()
		return publishNow(ctx, mutations)
	}
	b.restart()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.Work(ctx)
	}()
	b.send("product.updated", "1", shirt(start, ""))
	for range 2 {
		select {
		case <-published:
		case <-time.After(20 * time.Second):
			t.Fatal("nothing was published")
		}
	}
	require.Len(t, b.items("meta"), 1)
	cancel()
	<-ended
}

func graphQL(at time.Time) map[string]any {
	return map[string]any{
		"title": "Lamp", "descriptionHtml": "<p>Bright</p>", "vendor": "Acme", "productType": "Lamps", "handle": "lamp", "status": "ACTIVE", "tags": []string{"a", "b"},
		"updatedAt": at.Format(time.RFC3339), "createdAt": "2026-01-01T05:00:00Z", "publishedAt": "2026-01-01T05:00:00Z", "templateSuffix": nil,
		"options": []any{map[string]any{"name": "Color", "position": 1, "optionValues": []any{map[string]any{"name": "Red"}}}},
		"media": map[string]any{"nodes": []any{
			map[string]any{"id": "gid://shopify/MediaImage/1", "image": map[string]any{"url": "https://cdn.example/1.jpg"}},
			map[string]any{}, // a video
			map[string]any{"id": "gid://shopify/MediaImage/2", "image": map[string]any{"url": "https://cdn.example/2.jpg"}},
		}},
	}
}

func graphQLVariant(i int, sku, price string) map[string]any {
	return map[string]any{
		"legacyResourceId": strconv.Itoa(808950810 + i), "title": "Red", "price": price, "compareAtPrice": nil, "sku": sku, "barcode": nil, "position": i + 1,
		"inventoryPolicy": "DENY", "inventoryQuantity": 5, "taxable": true, "selectedOptions": []any{map[string]any{"name": "Color", "value": "Red"}},
		"media":         map[string]any{"nodes": []any{map[string]any{"id": "gid://shopify/MediaImage/2"}}},
		"inventoryItem": map[string]any{"tracked": true, "requiresShipping": true},
	}
}

func newShopifyBench(t *testing.T) (*bench, *shoptest.Shopify) {
	t.Helper()
	shopify := shoptest.StartShopify(t, "shpat_1")
	return newBench(t, webhook.Shopify, func(o *receive.Options) {
		client, err := shop.NewShopify(shopify.URL, "shpat_1")
		require.NoError(t, err)
		t.Cleanup(client.Close)
		o.Shop = client
	}), shopify
}

const lampID = "788032119674292922"

// TestTheShopGivesTheSameItemsAsTheBody: what is read from the shop and what is in a body
// are equal, so that one after the other sends nothing.
func TestTheShopGivesTheSameItemsAsTheBody(t *testing.T) {
	t.Parallel()
	b, shopify := newShopifyBench(t)
	require.Equal(t, 4, b.send("products/update", "1", lamp(start, "LAMP-R 10.00", "LAMP-B 12.00")).Published)
	shopify.Set(lampID, graphQL(start), graphQLVariant(0, "LAMP-R", "10.00"), graphQLVariant(1, "LAMP-B", "12.00"))
	outcome := b.send("products/update", "2", lamp(start))
	require.Equal(t, persistence.DeliveryPending, outcome.State)
	b.pending(1)
	row := b.row(outcome.ID)
	require.Equal(t, []any{persistence.DeliveryAccepted, 0, 4}, []any{row.State, row.Published, row.Unchanged}, row.Reason)
}

func TestInventory(t *testing.T) {
	t.Parallel()
	level := `{"inventory_item_id":39072856,"location_id":905684977,"available":0,"updated_at":"2026-11-28T11:59:00Z"}`
	without := newBench(t, webhook.Shopify, nil)
	outcome := without.send("inventory_levels/update", "1", level)
	require.Equal(t, persistence.DeliveryIgnored, outcome.State)
	require.Contains(t, outcome.Reason, "access token")
	require.Empty(t, without.messages())

	b, shopify := newShopifyBench(t)
	b.send("products/update", "1", lamp(start, "LAMP-R 10.00"))
	sold := graphQLVariant(0, "LAMP-R", "10.00")
	sold["inventoryQuantity"] = 0
	b.later(time.Minute)
	shopify.Set(lampID, graphQL(b.now), sold)
	shopify.SetInventoryItem("39072856", lampID)
	outcome = b.send("inventory_levels/update", "2", level)
	require.Equal(t, persistence.DeliveryPending, outcome.State)
	b.pending(1)
	require.Equal(t, "out of stock", b.items("meta")["LAMP-R"]["availability"])
	unknown := b.send("inventory_levels/update", "3", strings.Replace(level, "39072856", "808950810", 1))
	b.pending(1)
	require.Equal(t, persistence.DeliveryIgnored, b.row(unknown.ID).State, "the item of another product, whatever its number is")
	require.Equal(t, persistence.DeliveryIgnored, b.send("inventory_levels/update", "4", "[]").State)
}

// TestLargeProducts: a body has some of the variants in full and names the others.
func TestLargeProducts(t *testing.T) {
	t.Parallel()
	b, shopify := newShopifyBench(t)
	var product map[string]any
	require.NoError(t, json.Unmarshal([]byte(lamp(start, "LAMP-0 10.00", "LAMP-1 10.00", "LAMP-2 10.00")), &product))
	product["id"] = json.Number(lampID)
	product["variants"] = product["variants"].([]any)[:1]
	partial, err := json.Marshal(product)
	require.NoError(t, err)
	variants := make([]map[string]any, 0, 2048)
	for i := range 2048 {
		variants = append(variants, graphQLVariant(i, fmt.Sprint("LAMP-", i), "10.00"))
	}
	shopify.Set(lampID, graphQL(start), variants...)
	shopify.Next(nil, shoptest.Throttled)
	outcome := b.send("products/update", "1", string(partial))
	require.Equal(t, persistence.DeliveryPending, outcome.State)
	b.pending(1)
	require.Equal(t, 4096, b.row(outcome.ID).Published)
	require.Len(t, shopify.Calls(), 22, "21 pages, one of them twice")

	shopify.Endless = true
	b.later(time.Minute)
	outcome = b.send("products/update", "2", string(partial))
	b.pending(1)
	require.Contains(t, b.row(outcome.ID).Reason, "no end")

	without := newBench(t, webhook.Shopify, nil)
	alone := without.send("products/update", "1", string(partial))
	require.Equal(t, persistence.DeliveryPartial, alone.State)
	require.Equal(t, 2, alone.Published)
	require.Contains(t, alone.Reason, "1 of 3 variants")
}

func TestShopifyFaults(t *testing.T) {
	t.Parallel()
	empty := func(t *testing.T) string {
		t.Helper()
		return lamp(start)
	}
	for name, test := range map[string]struct {
		fault shoptest.Fault
		says  string
	}{
		"wrong token": {shoptest.Status(401, ""), "refuses the key"},
		"no scope": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"data":{"product":null},"errors":[{"message":"Access denied for product field. Required access: read_products","extensions":{"code":"ACCESS_DENIED"}}]}`)
		}, "read_products"},
		"an error of the query": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"errors":[{"message":"Internal error"}]}`)
		}, "Internal error"},
		"another address": {shoptest.Status(404, ""), "no Admin API"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, shopify := newShopifyBench(t)
			shopify.Set(lampID, graphQL(start), graphQLVariant(0, "LAMP-R", "10.00"))
			shopify.Next(test.fault)
			outcome := b.send("products/update", "1", empty(t))
			b.pending(1)
			row := b.row(outcome.ID)
			require.Equal(t, persistence.DeliveryPending, row.State)
			require.Contains(t, row.Reason, test.says)
			require.NotContains(t, row.Reason, "shpat_1")
		})
	}
}
