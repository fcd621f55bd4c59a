package receive_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/source/feed"
	"github.com/catalog-courier/catalog-courier/source/receive"
	"github.com/catalog-courier/catalog-courier/source/run"
	"github.com/catalog-courier/catalog-courier/source/webhook"
)

// export reads an export of a shop as a feed run does.
func export(t *testing.T, table string) *records {
	t.Helper()
	reader, err := feed.Open(strings.NewReader(table), feed.Options{})
	require.NoError(t, err)
	defer reader.Close()
	r := &records{at: start}
	for record, err := range reader.All(t.Context()) {
		require.NoError(t, err)
		r.list = append(r.list, record.Item)
	}
	return r
}

// work reads the feed once.
func (b *bench) work(feed *records) run.Result {
	b.t.Helper()
	b.options.Source.Open = feed.open
	b.restart()
	runner := &run.Runner{Store: b.store, Publish: b.options.Publish, Logger: discard, Name: "test", Folder: b.t.TempDir()}
	plan, err := runner.Plan(b.t.Context(), b.options.Source, run.Request{Trigger: "test"})
	require.NoError(b.t, err)
	result, err := plan.Apply(b.t.Context())
	require.NoError(b.t, err)
	return result
}

// TestExportAndWebhookOfShopifyAreEqual: with the mapping that docs/webhooks.md gives for a
// source with both, each of them finds that the other sent everything.
func TestExportAndWebhookOfShopifyAreEqual(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{
		"new columns": `Title,URL handle,Description,Vendor,Type,Tags,Published on online store,Status,SKU,Barcode,Option1 name,Option1 value,Price,Inventory tracker,Inventory quantity,Continue selling when out of stock,Product image URL,Variant image URL`,
		"old columns": `Title,Handle,Body (HTML),Vendor,Type,Tags,Published,Status,Variant SKU,Variant Barcode,Option1 Name,Option1 Value,Variant Price,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Image Src,Variant Image`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policy := "deny"
			if name == "new columns" {
				policy = "FALSE"
			}
			table := header + "\n" +
				`Lamp,lamp,<p>Bright</p>,Acme,Lamps,"a, b",TRUE,Active,LAMP-R,,Color,Red,10.00,shopify,5,` + policy + `,https://cdn.example/1.jpg,https://cdn.example/2.jpg` + "\n" +
				`,lamp,,,,,,,LAMP-B,,,Red,12.00,shopify,5,` + policy + `,https://cdn.example/2.jpg,https://cdn.example/2.jpg` + "\n"
			both := "group: handle\nattributes:\n  item_group_id: handle\n  link: {template: \"https://shop.example/products/{handle}\"}\n"
			b := newBench(t, webhook.Shopify, func(o *receive.Options) {
				o.Source.Routes = []run.Route{
					routeOf(t, "shopify", "{sku}", "meta", "PRODUCT_ITEM", both), routeOf(t, "shopify", "{sku}", "pinterest", catalog.Type("RETAIL"), both),
				}
			})
			require.Equal(t, int64(4), b.work(export(t, table)).Published)
			outcome := b.send("products/update", "1", lamp(start, "LAMP-R 10.00", "LAMP-B 12.00"))
			require.Equal(t, []int{0, 4}, []int{outcome.Published, outcome.Unchanged}, "%v", b.messages())
			// A deletion ends what the feed has brought.
			require.Equal(t, 4, b.send("products/delete", "2", removed).Published)
		})
	}
}

func TestExportAndWebhookOfWooCommerceAreEqual(t *testing.T) {
	t.Parallel()
	const table = `ID,Type,SKU,Name,Published,Visibility in catalog,Description,In stock?,Sale price,Regular price,Categories,Images,Parent,Attribute 1 name,Attribute 1 value(s),External URL
794,simple,,Cup,1,visible,<p>Hot</p>,1,,21.99,Clothing,https://shop.example/cup.jpg,,,,
799,variable,SHIRT,Shirt,1,visible,<p>Warm</p>,1,,,Clothing,https://shop.example/shirt.jpg,,Color,"Black, Green",
800,variation,SHIRT-800,Shirt - Black,1,visible,,1,,10.00,,https://shop.example/800.jpg,SHIRT,Color,Black,
801,variation,SHIRT-801,Shirt - Green,1,visible,,1,,11.00,,https://shop.example/801.jpg,SHIRT,Color,Green,
`
	const both = "attributes:\n  link: {template: \"https://shop.example/?p={id}\"}\n"
	b, woo := newWooBench(t)
	b.options.Source.Routes = []run.Route{
		routeOf(t, "woocommerce", "{id}", "meta", "PRODUCT_ITEM", both), routeOf(t, "woocommerce", "{id}", "pinterest", catalog.Type("RETAIL"), both),
	}
	require.Equal(t, int64(6), b.work(export(t, table)).Published)
	require.Len(t, b.items("meta"), 3)
	woo.Set("799", shirt(start, ""), variation(800, start, "Black", "10.00"), variation(801, start, "Green", "11.00"))
	variable := b.send("product.updated", "1", shirt(start, ""))
	b.pending(1)
	row := b.row(variable.ID)
	require.Zero(t, row.Published, "%v", b.messages())
	simple := b.send("product.updated", "2", `{"id":794,"name":"Cup","permalink":"https://shop.example/cup","type":"simple","status":"publish","description":"<p>Hot</p>\n","sku":"",
		"price":"21.99","regular_price":"21.99","sale_price":"","stock_status":"instock","parent_id":0,"date_modified_gmt":"2026-11-28T11:00:00",
		"categories":[{"id":9,"name":"Clothing"}],"images":[{"id":1,"src":"https://shop.example/cup.jpg"}],"attributes":[]}`)
	require.Equal(t, []int{0, 2}, []int{simple.Published, simple.Unchanged}, "%v", b.messages())
	require.Equal(t, 4, b.send("product.deleted", "3", `{"id":799}`).Published)
	require.Equal(t, 2, b.send("product.deleted", "4", `{"id":794}`).Published, "of a simple product that only the feed had: its id is the item's")
}
