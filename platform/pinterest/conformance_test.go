package pinterest_test

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
	"github.com/catalog-courier/catalog-courier/platform/platformtest"
	"github.com/catalog-courier/catalog-courier/platform/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const completeRetail = `{"title":"A lamp","description":"Gives light","link":"https://example.com/lamp",` +
	`"image_link":["https://example.com/lamp.jpg"],"price":"24.99 USD","availability":"in stock"}`

func retailSuite() platformtest.Suite {
	return platformtest.Suite{
		Type:       "RETAIL",
		New:        pinterest.New,
		Sandbox:    func(o sandbox.Options) platformtest.Sandbox { return sandbox.NewPinterest(o) },
		Catalog:    platform.CatalogSettings{Country: "US", Language: "en-US", CatalogID: "2680059592705"},
		CatalogKey: sandbox.PinterestCatalog("US", "en-US", "2680059592705"),
		ItemID:     func(i int) string { return fmt.Sprintf("SKU-%d", i) },
		Complete:   completeRetail,
		Update:     `{"price":"19.99 USD","custom_number_0":7}`,
		Bad: `{"title":"A lamp","description":"Gives light","link":"https://example.com/lamp",` +
			`"image_link":["https://example.com/lamp.jpg"],"price":"cheap","availability":"in stock"}`,
		Clearable: "sale_price", ClearValue: `"14.99 USD"`,
		Unclearable: "mobile_link", NotUpdatable: "image_link", Beside: "mobile_link",
		Key: "id", KeyValue: `"SKU-0"`, NamesItems: true,
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	platformtest.Run(t, retailSuite())
}
