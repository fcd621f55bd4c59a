package webhook_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/source/webhook"
)

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func read(t *testing.T, kind webhook.Kind, header http.Header, body string) webhook.Delivery {
	t.Helper()
	delivery, err := webhook.Read(kind, header, []byte(body), now, nil)
	require.NoError(t, err)
	return delivery
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	encoded, err := json.Marshal(value)
	require.NoError(t, err)
	return string(encoded)
}

const shopifyProduct = `{"id":788032119674292922,"title":"Lamp","body_html":"<p>Bright</p>","vendor":"Acme","product_type":"Lamps",
"handle":"lamp","updated_at":"2026-11-28T06:30:00-05:00","status":"active","tags":"a, b",
"options":[{"name":"Colour","position":1,"values":["Red","Blue"]}],
"images":[{"id":1,"src":"https://cdn.example/1.jpg"},{"id":2,"src":"https://cdn.example/2.jpg"}],"image":{"id":1,"src":"https://cdn.example/1.jpg"},
"variants":[
 {"id":808950810,"product_id":788032119674292922,"title":"Red","price":"10.00","compare_at_price":"12.00","sku":"LAMP-R","option1":"Red","option2":null,"barcode":"","inventory_quantity":0,"inventory_policy":"deny","image_id":2,"updated_at":"2026-11-28T06:00:00-05:00"},
 {"id":808950811,"title":"Blue","price":"10.00","compare_at_price":null,"sku":"LAMP-B","option1":"Blue","inventory_quantity":3,"inventory_policy":"continue","image_id":null}]}`

func TestShopifyProduct(t *testing.T) {
	t.Parallel()
	header := headers("X-Shopify-Topic", "products/update", "X-Shopify-Webhook-Id", "b54557e4", "X-Shopify-Event-Id", "98880550", "X-Shopify-Triggered-At", "2026-11-28T11:30:05Z")
	d := read(t, webhook.Shopify, header, shopifyProduct)
	require.Equal(t, "b54557e4", d.ID)
	require.Equal(t, time.Date(2026, 11, 28, 11, 30, 0, 0, time.UTC), d.At, "the product's own time")
	require.Len(t, d.Items, 2)
	require.JSONEq(t, `{"id":"808950810","variant_id":"808950810","product_id":"788032119674292922","item_group_id":"788032119674292922",
		"title":"Lamp","variant_title":"Red","body_html":"<p>Bright</p>","vendor":"Acme","product_type":"Lamps","handle":"lamp","status":"active","tags":"a, b",
		"updated_at":"2026-11-28T06:30:00-05:00","images":["https://cdn.example/1.jpg","https://cdn.example/2.jpg"],"variant_image":"https://cdn.example/2.jpg",
		"price":"10.00","compare_at_price":"12.00","sku":"LAMP-R","option1":"Red","options":{"Colour":"Red"},"inventory_quantity":0,"inventory_policy":"deny"}`, asJSON(t, d.Items[0]))
	require.NotContains(t, d.Items[1], "variant_image")
	require.NotContains(t, d.Items[1], "compare_at_price")

	plain := headers("Shopify-Topic", "products/update", "Shopify-Webhook-Id", "x")
	require.Equal(t, "x", read(t, webhook.Shopify, plain, shopifyProduct).ID, "the newer names of headers")
}

// TestShopifyPublication: an export has Published false for what is in no shop window, and a
// body has a null; a body without the field says nothing of it.
func TestShopifyPublication(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]any{
		`"published_at":null,`: false, `"published_at":"",`: false, `"published_at":"2026-11-01T00:00:00Z",`: nil, ``: nil,
	} {
		d := read(t, webhook.Shopify, headers("X-Shopify-Topic", "products/update"), `{"id":1,`+field+`"status":"active","variants":[{"id":2}]}`)
		require.Equal(t, want, d.Items[0]["published"], field)
	}
}

func TestShopifyDelete(t *testing.T) {
	t.Parallel()
	d := read(t, webhook.Shopify, headers("X-Shopify-Topic", "products/delete", "X-Shopify-Webhook-Id", "d", "X-Shopify-Triggered-At", "2026-11-28T11:00:00Z"), `{"id":788032119674292922}`)
	require.Equal(t, "788032119674292922", d.DeletedGroup, "a number beyond 2^53 stays exact")
	require.Equal(t, time.Date(2026, 11, 28, 11, 0, 0, 0, time.UTC), d.At)
	require.Empty(t, d.Items)
}

func TestTopicsThatAreNotAboutItems(t *testing.T) {
	t.Parallel()
	for topic, says := range map[string]string{
		"app/uninstalled": "not about products", "inventory_levels/update": "products/update", "": "not about products",
	} {
		d := read(t, webhook.Shopify, headers("X-Shopify-Topic", topic), `not even JSON`)
		require.Contains(t, d.Ignored, says)
		require.NotEmpty(t, d.ID)
	}
	require.NotEmpty(t, read(t, webhook.WooCommerce, headers("X-WC-Webhook-Topic", "order.created"), `{}`).Ignored)
}

func TestTimesOfSenders(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		updated string
		want    time.Time
	}{
		"in the future": {`"2026-11-28T12:00:01Z"`, now},
		"none":          {`null`, now},
		"no time":       {`"yesterday"`, now},
		"microseconds":  {`"2026-11-28T11:00:00.123456Z"`, time.Date(2026, 11, 28, 11, 0, 0, 123456000, time.UTC)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := read(t, webhook.Shopify, headers("X-Shopify-Topic", "products/update"), `{"id":1,"updated_at":`+test.updated+`,"variants":[]}`)
			require.Equal(t, test.want, d.At)
		})
	}
}

func TestWooCommerce(t *testing.T) {
	t.Parallel()
	header := headers("X-WC-Webhook-Topic", "product.updated", "X-WC-Webhook-Delivery-Id", "same")
	simple := `{"id":12,"name":"Lamp","type":"simple","sku":"L","price":"9.5","regular_price":"10","sale_price":"9.5","parent_id":0,
		"date_modified_gmt":"2026-11-28T10:00:00","images":[{"id":1,"src":"https://shop.example/1.jpg"}],"categories":[{"id":3,"name":"Lamps"}],"permalink":"https://shop.example/lamp"}`
	d := read(t, webhook.WooCommerce, header, simple)
	require.Equal(t, time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC), d.At)
	require.Empty(t, d.Incomplete)
	require.JSONEq(t, `{"id":"12","name":"Lamp","type":"simple","sku":"L","price":"9.5","regular_price":"10","sale_price":"9.5","date_modified_gmt":"2026-11-28T10:00:00",
		"images":["https://shop.example/1.jpg"],"categories":["Lamps"],"permalink":"https://shop.example/lamp"}`, asJSON(t, d.Items[0]))
	other := read(t, webhook.WooCommerce, header, `{"id":12,"name":"Lamp 2","date_modified_gmt":"2026-11-28T10:00:00"}`)
	require.NotEqual(t, d.ID, other.ID, "two in one second share WooCommerce's id and are two")
	require.Equal(t, d.ID, read(t, webhook.WooCommerce, header, simple).ID)

	require.Equal(t, "13", read(t, webhook.WooCommerce, header, `{"id":13,"type":"variable","variations":[14,15]}`).Incomplete)
	variation := read(t, webhook.WooCommerce, header, `{"id":14,"type":"variation","parent_id":13,"image":{"src":"https://shop.example/2.jpg"}}`)
	require.Equal(t, "13", variation.Items[0]["item_group_id"])
	require.Equal(t, []any{"https://shop.example/2.jpg"}, variation.Items[0]["images"])

	gone := read(t, webhook.WooCommerce, headers("X-WC-Webhook-Topic", "product.deleted"), `{"id":13}`)
	require.Equal(t, "13", gone.DeletedGroup)
	require.Equal(t, "13", gone.DeletedItem, "a simple product is an item itself")

	require.True(t, webhook.IsPing(webhook.WooCommerce, headers("Content-Type", "application/x-www-form-urlencoded"), []byte("webhook_id=7")))
	require.False(t, webhook.IsPing(webhook.WooCommerce, headers("X-WC-Webhook-Topic", "product.updated"), []byte("webhook_id=7")))
	require.False(t, webhook.IsPing(webhook.WooCommerce, headers(), []byte(`{"webhook_id":7}`)))
	require.False(t, webhook.IsPing(webhook.Shopify, headers(), []byte("webhook_id=7")))
	require.NotEmpty(t, read(t, webhook.WooCommerce, headers(), "webhook_id=7").Ignored)
}

func TestStandard(t *testing.T) {
	t.Parallel()
	header := headers("webhook-id", "msg_1")
	d := read(t, webhook.Standard, header, `{"type":"product.updated","timestamp":"2026-11-28T11:00:00Z","data":{"id":"1","price":10.50}}`)
	require.Equal(t, "msg_1", d.ID)
	require.False(t, d.Deletes(webhook.Standard))
	require.JSONEq(t, `{"id":"1","price":10.50}`, asJSON(t, d.Items[0]))
	require.Equal(t, json.Number("10.50"), d.Items[0]["price"])
	many := read(t, webhook.Standard, header, `{"type":"product.deleted","data":[{"id":"1"},{"id":"2"}]}`)
	require.True(t, many.Deletes(webhook.Standard))
	for _, topic := range []string{"Product.Deleted", "PRODUCT.DELETED", "products/Delete", "product.Delete", "Products/DELETED"} {
		require.True(t, read(t, webhook.Standard, header, `{"type":"`+topic+`","data":{"id":"1"}}`).Deletes(webhook.Standard), topic)
	}
	require.False(t, read(t, webhook.Standard, header, `{"type":"product.undeleted","data":{"id":"1"}}`).Deletes(webhook.Standard))
	require.Len(t, many.Items, 2)
	require.Equal(t, now, many.At)
}

func TestBodiesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	product := headers("X-Shopify-Topic", "products/update")
	for name, test := range map[string]struct {
		kind   webhook.Kind
		header http.Header
		body   string
	}{
		"no JSON":            {webhook.Shopify, product, `<html>`},
		"cut":                {webhook.Shopify, product, shopifyProduct[:200]},
		"two values":         {webhook.Shopify, product, `{"id":1} {"id":2}`},
		"a list":             {webhook.Shopify, product, `[]`},
		"null":               {webhook.Shopify, product, `null`},
		"no id":              {webhook.Shopify, product, `{"title":"x"}`},
		"woo without topic":  {webhook.WooCommerce, headers(), `{"id":1}`},
		"woo without id":     {webhook.WooCommerce, headers("X-WC-Webhook-Topic", "product.updated"), `{}`},
		"standard, no data":  {webhook.Standard, headers(), `{"type":"product.x"}`},
		"standard, bad list": {webhook.Standard, headers(), `{"type":"product.x","data":[1]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := webhook.Read(test.kind, test.header, []byte(test.body), now, nil)
			require.ErrorIs(t, err, webhook.ErrBody)
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add("products/update", []byte(shopifyProduct))
	f.Add("inventory_levels/update", []byte(`{"inventory_item_id":808950810,"location_id":905684977,"available":6,"updated_at":"2018-05-07T15:51:26-04:00"}`))
	f.Add("products/update", []byte(`{"id":1,"variants":[{"id":2}],"variant_gids":[{"admin_graphql_api_id":"a"},{"admin_graphql_api_id":"b"}],"options":[{"name":"Title"}]}`))
	f.Add("product.updated", []byte(`{"id":14,"type":"variation","parent_id":13,"attributes":[{"name":"Color","option":"Red"}],"date_modified_gmt":"2026-11-28T11:00:00"}`))
	f.Add("product.deleted", []byte(`{"type":"product.deleted","timestamp":"2026-11-28T11:00:00Z","data":[{"id":"1"}]}`))
	f.Add("product.updated", []byte(`{"id":13,"type":"variable","images":[{"src":1}],"categories":{}}`))
	f.Fuzz(func(t *testing.T, topic string, body []byte) {
		for _, kind := range webhook.Kinds() {
			header := headers("X-Shopify-Topic", topic, "X-WC-Webhook-Topic", topic, "webhook-id", "1")
			delivery, err := webhook.Read(kind, header, body, now, nil)
			require.NotEmpty(t, delivery.ID, "also of a body that cannot be read")
			require.LessOrEqual(t, len(delivery.ID), 200)
			require.LessOrEqual(t, len(delivery.Topic), 100)
			require.True(t, utf8.ValidString(delivery.ID) && utf8.ValidString(delivery.Topic))
			if err != nil {
				require.ErrorIs(t, err, webhook.ErrBody)
				continue
			}
			require.False(t, delivery.At.After(now))
			require.False(t, delivery.TrueAt.After(now))
			require.False(t, delivery.TrueAt.IsZero())
			if delivery.Ignored == "" && kind != webhook.Standard {
				require.NotEmpty(t, delivery.Product)
			}
			for _, item := range delivery.Items {
				_, err := json.Marshal(webhook.WooVariation(item, item))
				require.NoError(t, err)
			}
			for _, item := range delivery.Items {
				_, err := json.Marshal(item)
				require.NoError(t, err)
			}
		}
	})
}

// TestTimestampsOfStandardWebhooks: what names no zone is in the source's, and what is no
// time is said: a name such as EST has several meanings.
func TestTimestampsOfStandardWebhooks(t *testing.T) {
	t.Parallel()
	arrived := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	home, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	for stamp, want := range map[string]string{
		`"2026-11-28T11:00:00Z"`: "11:00", `1795863600`: "11:00", `1795863600000`: "11:00", `"1795863600"`: "11:00", `"soon"`: "12:00!", `17`: "12:00!", `null`: "12:00",
		`"2026-11-28T11:00:00+0000"`: "11:00", `"2026-11-28T11:00Z"`: "11:00", `"20261128T110000Z"`: "11:00", `"2026-11-28t11:00:00z"`: "11:00",
		`"2026-11-28 06:00:00 EST"`: "12:00!", `"2026-11-28 11:00:00 UTC"`: "11:00",
		`"2026-11-28T06:00:00"`: "11:00", `"2026-11-28 06:00"`: "11:00", `"2026-11-28"`: "05:00",
	} {
		header := http.Header{"Webhook-Id": {"m"}}
		d, err := webhook.Read(webhook.Standard, header, []byte(`{"type":"product.updated","timestamp":`+stamp+`,"data":{"id":"1"}}`), arrived, home)
		require.NoError(t, err)
		got := d.At.Format("15:04")
		if d.Unclear != "" {
			got += "!"
		}
		require.Equal(t, want, got, stamp)
	}
	d, err := webhook.Read(webhook.Standard, http.Header{"Webhook-Id": {"m"}}, []byte(`{"type":"customer.deleted","data":{"id":"1"}}`), arrived, nil)
	require.NoError(t, err)
	require.NotEmpty(t, d.Ignored, "the product with the customer's number stays")
	require.Empty(t, d.Items)
}
