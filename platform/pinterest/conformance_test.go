package pinterest_test

import (
	"fmt"
	"maps"
	"testing"

	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
	"github.com/catalog-courier/catalog-courier/platform/platformtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	completeRetail = `{"title":"A lamp","description":"Gives light","link":"https://example.com/lamp",` +
		`"image_link":["https://example.com/lamp.jpg"],"price":"24.99 USD","availability":"in stock"}`
	completeHotel = `{"name":"The Lamp","description":"Bright rooms","link":"https://example.com/hotel",` +
		`"main_image":{"link":"https://example.com/hotel.jpg","tag":["front"]},"base_price":"100 USD",` +
		`"address":{"addr1":"1 Light Street","city":"Berlin","region":"Berlin","country":"DE","postal_code":"10115"},` +
		`"latitude":52.5,"longitude":13.4,"neighborhood":["Mitte"]}`
	completeCreative = `{"title":"An advert","description":"Shows light","link":"https://example.com/advert",` +
		`"image_link":"https://example.com/advert.jpg","visibility":"visible"}`
)

// variant is one catalog type by one request body.
type variant struct {
	name  string
	suite platformtest.Suite
}

// variants are all that the catalogs items batch can carry.
func variants() []variant {
	retail := platformtest.Suite{
		Type: "RETAIL", Complete: completeRetail, Update: `{"price":"19.99 USD","custom_number_0":7}`,
		Bad: `{"title":"A lamp","description":"Gives light","link":"https://example.com/lamp",` +
			`"image_link":["https://example.com/lamp.jpg"],"price":"cheap","availability":"in stock"}`,
		Clearable: "sale_price", ClearValue: `"14.99 USD"`,
		Unclearable: "mobile_link", NotUpdatable: "image_link", Beside: "mobile_link", Key: "id",
	}
	legacy := retail
	legacy.Catalog, legacy.Discontinues = setting.Values{"body": "legacy"}, true
	hotel := platformtest.Suite{
		Type: "HOTEL", Complete: completeHotel, Update: `{"base_price":"90 USD","name":"The Lantern"}`,
		Bad:       `{"name":"The Lamp","base_price":"cheap"}`,
		Clearable: "sale_price", ClearValue: `"90 USD"`, NeverClears: true,
		Unclearable: "sale_price", NotUpdatable: "additional_image_link", Key: "hotel_id",
	}
	creative := platformtest.Suite{
		Type: "CREATIVE_ASSETS", Complete: completeCreative, Update: `{"title":"Another advert"}`,
		Bad:       `{"title":"An advert","link":"https://example.com/advert","image_link":"https://example.com/a.jpg","visibility":"perhaps"}`,
		Clearable: "custom_label_0", ClearValue: `"summer"`, NeverClears: true,
		Unclearable: "custom_label_0", NotUpdatable: "image_link", Key: "creative_assets_id",
	}
	all := []variant{{"vertical RETAIL", retail}, {"legacy RETAIL", legacy}, {"vertical HOTEL", hotel}, {"vertical CREATIVE_ASSETS", creative}}
	for i := range all {
		s := &all[i].suite
		s.Platform = pinterest.Descriptor()
		if s.Catalog == nil {
			s.Catalog = setting.Values{"catalog_id": "2680059592705"}
		}
		s.Catalog["country"], s.Catalog["language"] = "US", "en-US"
		s.ItemID = func(i int) string { return fmt.Sprintf("SKU-%d", i) }
		s.KeyValue = `"SKU-0"`
		s.NamesItems = true
	}
	return all
}

// localInventory has an endpoint of its own, which the OpenAPI file does not describe yet.
func localInventory() variant {
	return variant{"LOCAL_INVENTORY", platformtest.Suite{
		Platform: pinterest.Descriptor(), Type: "LOCAL_INVENTORY",
		Catalog:  setting.Values{"catalog_id": "2680059592705", "country": "US", "language": "en-US"},
		Complete: `{"price":"24.99 USD","availability":"in stock"}`, Update: `{"price":"19.99 USD"}`,
		Bad:       `{"price":"cheap","availability":"in stock"}`,
		Clearable: "sale_price", ClearValue: `"14.99 USD"`, NeverClears: true, NoNulls: true, Unclearable: "sale_price",
		Key: "item_id", KeyValue: `"SKU-0"`,
		ItemID:     func(i int) string { return fmt.Sprintf("SKU-%d/store-%d", i, i) },
		NamesItems: true,
	}}
}

// endpointOf is the way out of a variant that makes no calls.
func (v variant) endpointOf(t *testing.T, change ...func(setting.Values)) platform.Endpoint {
	t.Helper()
	s := settings()
	c := maps.Clone(v.suite.Catalog)
	for _, apply := range change {
		apply(c)
	}
	s.Catalogs = map[string]setting.Values{"main": c}
	return openEndpoint(t, s, "main", v.suite.Type)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, v := range append(variants(), localInventory()) {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			platformtest.Run(t, v.suite)
		})
	}
}

// keyOf is the simulated platform's name of a catalog.
func keyOf(keys setting.Values) string {
	return pinterestsim.Catalog(keys.Text("country"), keys.Text("language"), keys.Text("catalog_id"))
}
