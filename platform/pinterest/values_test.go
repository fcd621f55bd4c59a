package pinterest_test

import (
	"strings"
	"testing"

	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
	"github.com/catalog-courier/catalog-courier/platform/platformtest"
)

// Where the rows are from.
const (
	schemaSays = "OpenAPI 5.23.0, schema: else 400 code 1, “is not of type”, for the whole request"
	proseSays  = "OpenAPI 5.23.0, the attribute's description"
	feedSays   = "OpenAPI 5.23.0, CatalogsFeedValidationErrors"
	draftSays  = "JSON Schema: 4.0 is an integer since draft 6, not in draft 4"
	laterSays  = "change log of the API to 5.28"
	noSource   = "no source: nobody can mean it"
	noneForIt  = "no source forbids it"
)

// TestValues publishes what people publish.
func TestValues(t *testing.T) {
	t.Parallel()
	in := setting.Values{"country": "US", "language": "en-US"}
	older := setting.Values{"country": "US", "language": "en-US", "body": "legacy"}
	rows := make([]platformtest.Value, 0, 256)
	for _, row := range slicesOf(enforcedValues(), retailValues(), otherValues()) {
		rows = append(rows, platformtest.Value{Type: row[0], Operation: row[1], Attributes: row[2], Want: row[3], Source: row[4]})
	}
	for _, row := range enforcedValues() {
		if row[0] == "RETAIL" {
			rows = append(rows, platformtest.Value{Catalog: "older", Type: row[0], Operation: row[1], Attributes: row[2], Want: row[3], Source: row[4]})
		}
	}
	for _, row := range idValues() {
		for _, name := range []string{"RETAIL", "HOTEL", "CREATIVE_ASSETS"} {
			rows = append(rows, platformtest.Value{Type: name, Operation: "DELETE", ItemID: row[0], Want: row[1], Source: row[2]})
		}
	}
	if len(rows) < 150 {
		t.Fatal("only", len(rows))
	}
	platformtest.Values(t, rows, map[string]setting.Values{"main": in, "older": older}, pinterest.New)
}

func slicesOf(tables ...[][5]string) (all [][5]string) {
	for _, table := range tables {
		all = append(all, table...)
	}
	return all
}

// enforcedValues are those that refuse a whole request, and their neighbours that do not.
func enforcedValues() [][5]string {
	label := func(length int) string { return `{"custom_label_0":"` + strings.Repeat("ä", length) + `"}` }
	return [][5]string{
		{"RETAIL", "UPDATE", `{"custom_number_0":"12"}`, "refused custom_number_0", schemaSays},
		{"RETAIL", "UPDATE", `{"custom_number_4":5.5}`, "refused custom_number_4", schemaSays},
		{"RETAIL", "UPDATE", `{"custom_number_0":true}`, "refused custom_number_0", schemaSays},
		{"RETAIL", "UPDATE", `{"custom_number_0":12}`, "ok", schemaSays},
		{"RETAIL", "UPDATE", `{"custom_number_0":12.0}`, "by level custom_number_0", draftSays},
		{"RETAIL", "UPDATE", `{"custom_number_0":1e2}`, "by level custom_number_0", draftSays},
		{"RETAIL", "UPDATE", `{"custom_number_0":-1}`, "by level custom_number_0", proseSays},
		{"RETAIL", "UPDATE", `{"custom_number_0":4294967295}`, "ok", proseSays},
		{"RETAIL", "UPDATE", `{"custom_number_0":4294967296}`, "by level custom_number_0", proseSays},
		{"RETAIL", "UPDATE", `{"adult":"true"}`, "refused adult", schemaSays},
		{"RETAIL", "UPDATE", `{"adult":1}`, "refused adult", schemaSays},
		{"RETAIL", "UPDATE", `{"adult":"no"}`, "refused adult", schemaSays},
		{"RETAIL", "UPDATE", `{"adult":""}`, "refused adult", schemaSays},
		{"RETAIL", "UPDATE", `{"adult":false}`, "ok", schemaSays},
		{"RETAIL", "UPDATE", `{"adult":null}`, "ok", "OpenAPI 5.23.0, UpdateMaskFieldType"},
		{"RETAIL", "UPDATE", `{"free_shipping_label":"no"}`, "refused free_shipping_label", schemaSays},
		{"RETAIL", "UPDATE", `{"checkout_enabled":0}`, "refused checkout_enabled", schemaSays},
		{"RETAIL", "UPDATE", `{"google_product_category":2271}`, "refused google_product_category", schemaSays},
		{"RETAIL", "UPDATE", `{"google_product_category":"2271"}`, "ok", schemaSays},
		{"RETAIL", "UPDATE", `{"google_product_category":["2271"]}`, "refused google_product_category", schemaSays},
		{"RETAIL", "UPDATE", `{"size":42}`, "refused size", schemaSays},
		{"RETAIL", "UPDATE", `{"color":["red","blue"]}`, "refused color", schemaSays},
		{"RETAIL", "UPDATE", `{"brand":{"name":"Acme"}}`, "refused brand", schemaSays},
		{"RETAIL", "UPDATE", `{"price":10}`, "refused price", schemaSays},
		{"RETAIL", "UPDATE", `{"price":10.5}`, "refused price", schemaSays},
		{"RETAIL", "UPDATE", `{"price":{"value":"10","currency":"USD"}}`, "refused price", schemaSays},
		{"RETAIL", "UPDATE", `{"sale_price":9.99}`, "refused sale_price", schemaSays},
		{"RETAIL", "UPDATE", `{"availability":true}`, "refused availability", schemaSays},
		{"RETAIL", "UPDATE", `{"title":7}`, "refused title", schemaSays},
		{"RETAIL", "UPDATE", `{"title":["Lamp"]}`, "refused title", schemaSays},
		{"RETAIL", "UPDATE", `{"mpn":12345}`, "refused mpn", schemaSays},
		{"RETAIL", "UPDATE", `{"gtin":4006381333931}`, "ok", schemaSays + ": a string or an integer"},
		{"RETAIL", "UPDATE", `{"gtin":4006381333931.5}`, "refused gtin", schemaSays},
		{"RETAIL", "UPDATE", `{"gtin":["4006381333931"]}`, "refused gtin", schemaSays},
		{"RETAIL", "UPDATE", `{"average_review_rating":"4.5"}`, "refused average_review_rating", schemaSays},
		{"RETAIL", "UPDATE", `{"average_review_rating":4.5}`, "ok", schemaSays},
		{"RETAIL", "UPDATE", `{"average_review_rating":0}`, "by level average_review_rating", proseSays},
		{"RETAIL", "UPDATE", `{"number_of_ratings":4.0}`, "by level number_of_ratings", draftSays},
		{"RETAIL", "UPDATE", `{"number_of_reviews":"12"}`, "refused number_of_reviews", schemaSays},
		{"RETAIL", "UPDATE", `{"last_updated_time":"2026-11-28T00:00:00Z"}`, "refused last_updated_time", schemaSays},
		{"RETAIL", "UPDATE", `{"variant_names":"Color,Size"}`, "refused variant_names", schemaSays},
		{"RETAIL", "UPDATE", `{"variant_names":["Color",1]}`, "refused variant_names[1]", schemaSays},
		{"RETAIL", "UPDATE", `{"variant_values":["Red",null]}`, "refused variant_values[1]", schemaSays},
		{"RETAIL", "UPDATE", label(511), "ok", schemaSays + ": maxLength"},
		{"RETAIL", "UPDATE", label(512), "refused custom_label_0", schemaSays + ": maxLength"},
		{"RETAIL", "UPDATE", `{"custom_label_0":2026}`, "refused custom_label_0", schemaSays},
		{"RETAIL", "CREATE", whole(`"additional_image_link":"https://e.x/1.jpg,https://e.x/2.jpg"`), "refused additional_image_link", schemaSays},
		{"RETAIL", "UPSERT", whole(`"additional_image_link":[]`), "ok", schemaSays},
		{"RETAIL", "UPSERT", whole(`"additional_image_link":[null]`), "refused additional_image_link[0]", schemaSays},
		{"RETAIL", "UPSERT", whole(`"additional_image_link":["https://e.x/1.jpg",{"url":"x"}]`), "refused additional_image_link[1]", schemaSays},
		{"RETAIL", "UPSERT", whole(`"save_pin_disabled":"yes"`), "refused save_pin_disabled", schemaSays},
		{"RETAIL", "UPSERT", whole(`"brand":null`), "ok", schemaSays + ": nullable"},
		{"RETAIL", "UPSERT", `{` + most + `"image_link":["https://e.x/1.jpg"]}`, "ok", schemaSays},
		{"RETAIL", "UPSERT", `{` + most + `"image_link":["https://e.x/1.jpg","https://e.x/2.jpg"]}`, "refused image_link", schemaSays + ": maxItems"},
		{"RETAIL", "UPSERT", `{` + most + `"image_link":[]}`, "refused image_link", schemaSays + ": minItems"},
		{"RETAIL", "UPSERT", `{` + most + `"image_link":[1]}`, "refused image_link[0]", schemaSays},
		{"RETAIL", "UPSERT", `{` + most + `"image_link":{"url":"https://e.x/1.jpg"}}`, "refused image_link", schemaSays},
		{"RETAIL", "UPSERT", `{` + most + `"image_link":null}`, "refused image_link", schemaSays + ": not nullable"},
		{"RETAIL", "UPSERT", whole(`"ios_deep_link":null`), "refused ios_deep_link", schemaSays + ": not nullable"},
	}
}

// most is a retail item without its picture.
const most = `"title":"Lamp","description":"Light","link":"https://e.x/p","price":"10 USD","availability":"in stock",`

// whole is a complete retail item with one attribute more.
func whole(more string) string {
	return `{` + most + `"image_link":"https://e.x/i.jpg",` + more + `}`
}

func idValues() [][3]string {
	const trims = "no source: an answer with the trimmed id names another item"
	return [][3]string{
		{"SKU-1", "ok", proseSays},
		{"sku b", "ok", noneForIt},
		{"ä/ö:1|2", "ok", noneForIt},
		{" ", "refused item_id", noSource},
		{"\u00a0\u200b", "refused item_id", noSource},
		{" sku b ", "by level item_id", trims},
		{" lead", "by level item_id", trims},
		{"trail ", "by level item_id", trims},
		{"line\n", "by level item_id", trims},
		{"\ufeffSKU", "by level item_id", trims},
		{"A\tB", "by level item_id", trims},
	}
}
