package meta_test

import (
	"testing"

	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform/meta"
	"github.com/catalog-courier/catalog-courier/platform/platformtest"
)

// Where the rows of values are from.
const (
	catalogSays   = "catalog reference, 2026-02"
	itemSays      = "page Item API of Marketplace, which posts to items_batch"
	partnerSays   = "partner guide, samples of errors of check_batch_request_status"
	templateSays  = "template of a country feed"
	supportedSays = "page Supported fields of items_batch and batch"
	localSays     = "page Localized catalog: supported fields"
	sdkSays       = "business SDK 25.0.2"
	pluginSays    = "facebook-for-woocommerce"
	digestSays    = "Meta's pages on disabled_capabilities"
	guideSays     = "guide of batch: requests with unknown fields are ignored"
	noneForIt     = "no source forbids it"
	noSource      = "no source: nobody can mean it"
)

// TestValues publishes what people publish.
func TestValues(t *testing.T) {
	t.Parallel()
	rows := make([]platformtest.Value, 0, 256)
	for _, table := range [][][5]string{priceValues(), wordValues(), linkValues(), productValues(), travelValues()} {
		for _, row := range table {
			rows = append(rows, platformtest.Value{Type: row[0], Operation: row[1], Attributes: row[2], Want: row[3], Source: row[4]})
		}
	}
	for _, row := range olderValues() {
		rows = append(rows, platformtest.Value{Catalog: "older", Type: "PRODUCT_ITEM", Attributes: row[0], Want: row[1], Source: row[2]})
	}
	for _, row := range localValues() {
		rows = append(rows, platformtest.Value{Catalog: "local", Country: "GB", Type: row[0], Attributes: row[1], Want: row[2], Source: row[3]})
	}
	for _, row := range idValues() {
		for _, name := range []string{"PRODUCT_ITEM", "VEHICLE", "HOTEL", "DESTINATION", "HOME_LISTING", "VEHICLE_OFFER", "APP_AND_SOFTWARE", "MEDIA_TITLE"} {
			rows = append(rows, platformtest.Value{Type: name, Operation: "DELETE", ItemID: row[0], Want: row[1], Source: row[2]})
		}
		if row[0] != "" {
			rows = append(rows,
				platformtest.Value{Type: "STORE_PRODUCT_ITEM", Operation: "DELETE", ItemID: row[0] + "/store", Want: row[1], Source: row[2]},
				platformtest.Value{Type: "HOTEL_ROOM", Operation: "DELETE", ItemID: "hotel/" + row[0], Want: row[1], Source: row[2]},
				platformtest.Value{Catalog: "older", Type: "PRODUCT_ITEM", Operation: "DELETE", ItemID: row[0], Want: row[1], Source: row[2]})
		}
	}
	if len(rows) < 250 {
		t.Fatal("only", len(rows))
	}
	platformtest.Values(t, rows, map[string]setting.Values{
		"main": {"catalog_id": "1"}, "older": {"catalog_id": "2", "endpoint": "batch"}, "local": {"catalog_id": "3", "endpoint": "localized_items_batch"},
	}, meta.New)
}

// idValues are of all item types: nothing of a request with such an id is ingested.
func idValues() [][3]string {
	const seen = "seen: “Can not find required field id”, and nothing of the request is ingested"
	return [][3]string{
		{"SKU-1", "ok", reference},
		{"sku b", "ok", noneForIt},
		{"ä.ö:1|2", "ok", noneForIt},
		{" ", "refused item_id", seen},
		{"\t\n", "refused item_id", seen},
		{"\u3000", "refused item_id", seen},
		{" A", "refused item_id", seen},
		{"A ", "refused item_id", seen},
		{"A\u00a0", "refused item_id", seen},
		{"\ufeffA", "refused item_id", seen},
		{"A\tB", "refused item_id", seen},
		{"A\nB", "refused item_id", seen},
	}
}

func olderValues() [][3]string {
	const own = "ours: batch has whole hundredths"
	return [][3]string{
		{`{"price":"10.00 USD"}`, "ok", guideSays},
		{`{"price":"10 usd"}`, "warned price", "no source has it, and none forbids it"},
		{`{"price":"490.00 JPY"}`, "ok", noneForIt},
		{`{"price":"10.00USD"}`, "refused price", own},
		{`{"price":"1,299.00 USD"}`, "refused price", own},
		{`{"price":"10.999 USD"}`, "refused price", own},
		{`{"shipping":"US:CA:Ground:9.99 USD"}`, "refused shipping", supportedSays},
		{`{"video":[{"url":"https://e.x/v.mp4"}]}`, "refused video", guideSays},
		{`{"visibility":"hidden"}`, "refused visibility", guideSays},
		{`{"partner_seller_id":"s"}`, "refused partner_seller_id", guideSays},
		{`{"additional_image_link":["https://e.x/i.jpg"]}`, "ok", supportedSays},
		{`{"additional_image_link":"https://e.x/1.jpg,https://e.x/2.jpg"}`, "ok", itemSays + "; sent as a list"},
		{`{"sale_price_effective_date":"2026-11-01/2026-12-01"}`, "ok", supportedSays},
		{`{"price":"9 USD","sale_price":"12 USD"}`, "by level sale_price", pluginSays + ", add_sale_price"},
		{`{"title":""}`, "by level title", partnerSays},
	}
}

func localValues() [][4]string {
	return [][4]string{
		{"PRODUCT_ITEM", `{"price":"19.99 GBP","availability":"preorder"}`, "ok", templateSays},
		{"PRODUCT_ITEM", `{"status":"archived"}`, "ok", localSays + ": fields of countries"},
		{"PRODUCT_ITEM", `{"status":"gone"}`, "by level status", localSays},
		{"PRODUCT_ITEM", `{"unit_price":"1.99 GBP"}`, "ok", localSays + ": fields of countries"},
		{"HOTEL", `{"status":"active"}`, "ok", localSays + ": fields of countries"},
		{"VEHICLE", `{"status":"active"}`, "ok", localSays + ": fields of countries"},
		{"PRODUCT_ITEM", `{"gtin":"4006381333931"}`, "by level gtin", localSays},
		{"PRODUCT_ITEM", `{"visibility":"hidden"}`, "by level visibility", localSays},
		{"PRODUCT_ITEM", `{"price":"490.00 JPY"}`, "ok", noneForIt},
		{"PRODUCT_ITEM", `{"title":""}`, "by level title", partnerSays},
		{"PRODUCT_ITEM", `{"sale_price_effective_date":"2017-12-01T0:00-23:59/2017-12-31T0:00-23:59"}`, "ok", templateSays},
	}
}
