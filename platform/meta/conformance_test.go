package meta_test

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/meta"
	"github.com/catalog-courier/catalog-courier/platform/platformtest"
	"github.com/catalog-courier/catalog-courier/platform/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func suite() platformtest.Suite {
	return platformtest.Suite{
		New:        meta.New,
		Sandbox:    func(o sandbox.Options) platformtest.Sandbox { return sandbox.NewMeta(o) },
		Catalog:    platform.CatalogSettings{CatalogID: "1234567890"},
		CatalogKey: "1234567890",
	}
}

func productSuite() platformtest.Suite {
	s := suite()
	s.Type = "PRODUCT_ITEM"
	s.ItemID = func(i int) string { return fmt.Sprintf("SKU-%d", i) }
	s.Complete = `{"title":"A lamp","description":"Gives light","availability":"in stock","condition":"new",` +
		`"price":"24.99 USD","link":"https://example.com/lamp","image_link":"https://example.com/lamp.jpg"}`
	s.Update = `{"price":"19.99 USD","custom_number_0":7}`
	s.Bad = `{"title":"A lamp","description":"Gives light","availability":"in stock","condition":"new",` +
		`"price":"cheap","link":"https://example.com/lamp"}`
	s.Clearable, s.ClearValue, s.Unclearable = "sale_price", `"14.99 USD"`, "custom_number_0"
	s.Key, s.KeyValue = "id", `"SKU-0"`
	return s
}

func flightSuite() platformtest.Suite {
	s := suite()
	s.Type = "FLIGHT"
	s.ItemID = func(i int) string { return fmt.Sprintf("B%c%c/JFK", 'A'+rune(i/26%26), 'A'+rune(i%26)) }
	s.Complete = `{"image":[{"url":"https://example.com/a.jpg","tag":["a"]}],"description":"Daily","price":"100 USD"}`
	s.Update = `{"price":"90 USD"}`
	s.Bad = `{"image":[{"url":"https://example.com/a.jpg"}],"price":"cheap"}`
	s.Clearable, s.ClearValue, s.Unclearable = "video", `[{"url":"https://example.com/a.mp4"}]`, "image"
	s.Key, s.KeyValue = "origin_airport", `"BAA"`
	return s
}

func TestConformanceOfProducts(t *testing.T) {
	t.Parallel()
	platformtest.Run(t, productSuite())
}

func TestConformanceOfFlights(t *testing.T) {
	t.Parallel()
	platformtest.Run(t, flightSuite())
}
