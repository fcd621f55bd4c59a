package meta_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/platformtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const catalogID = "1234567890"

// The parts of items that several rows share.
const (
	pictures = `"image":[{"url":"https://example.com/a.jpg","tag":["Pool","Gym"]}]`
	place    = `"address":{"addr1":"1 Main Street","city":"Menlo Park","region":"California","country":"US","postal_code":"94025"}`
	where    = `"latitude":"37.48","longitude":"-122.15"`
	product  = `"title":"A lamp","description":"Gives light","availability":"in stock","condition":"new",` +
		`"link":"https://example.com/lamp","image_link":"https://example.com/lamp.jpg"`
)

// suites are one row for each item type that an edge carries.
func suites() map[string]platformtest.Suite {
	rows := map[string]platformtest.Suite{
		"items_batch/PRODUCT_ITEM": {
			Complete: `{` + product + `,"price":"24.99 USD"}`,
			Update:   `{"price":"19.99 USD","custom_number_0":7}`,
			Bad:      `{` + product + `,"price":"cheap"}`, Clearable: "sale_price", ClearValue: `"14.99 USD"`,
			Unclearable: "custom_number_0", Key: "id",
		},
		"items_batch/STORE_PRODUCT_ITEM": {
			Complete: `{"availability":"in stock","price":2499,"quantity":3}`,
			Update:   `{"price":1999}`,
			Bad:      `{"price":"cheap"}`, Clearable: "sale_price_effective_date",
			ClearValue:  `"2026-11-20T00:00+0000/2026-11-27T00:00+0000"`,
			Unclearable: "quantity", Key: "retailer_item_id",
		},
		"items_batch/HOTEL": {
			Complete: `{"name":"Best hotel","description":"Very nice","base_price":"100.00 USD","url":"https://example.com/h",` +
				pictures + `,` + place + `,` + where + `}`,
			Update: `{"base_price":"90.00 USD"}`, Bad: `{"name":"Best hotel"}`,
			Clearable: "brand", ClearValue: `"Premium"`, Unclearable: "name", Key: "hotel_id",
		},
		"items_batch/HOTEL_ROOM": {
			Complete: `{"name":"Room","description":"A view","base_price":"100 USD","url":"https://example.com/r",` + pictures + `}`,
			Update:   `{"base_price":"120 USD"}`, Bad: `{"name":"Room"}`,
			Clearable: "sale_price", ClearValue: `"80 USD"`, Unclearable: "base_price", Key: "hotel_room_id",
		},
		"items_batch/FLIGHT": {
			Complete: `{` + pictures + `,"description":"Daily","price":"100 USD"}`,
			Update:   `{"price":"90 USD"}`, Bad: `{` + pictures + `,"price":"cheap"}`,
			Clearable: "video", ClearValue: `[{"url":"https://example.com/a.mp4"}]`, Unclearable: "image", Key: "origin_airport",
		},
		"items_batch/DESTINATION": {
			Complete: `{"name":"Best place","type":["city","culture"],"url":"https://example.com/d",` + pictures + `,` + place + `,` + where + `}`,
			Update:   `{"price":"159.99 USD"}`, Bad: `{"name":"Best place"}`,
			Clearable: "description", ClearValue: `"The best"`, Unclearable: "type", Key: "destination_id",
		},
		"items_batch/HOME_LISTING": {
			Complete: `{"name":"1 Hacker Way","availability":"for_sale","price":"110000 USD","url":"https://example.com/l",` + pictures + `,` + place + `}`,
			Update:   `{"price":"100000 USD"}`, Bad: `{"name":"1 Hacker Way"}`,
			Clearable: "description", ClearValue: `"Amazing"`, Unclearable: "address", Key: "home_listing_id",
		},
		"items_batch/VEHICLE": {
			Complete: `{"title":"Ford Fusion","description":"Turbo","url":"https://example.com/v","make":"Ford","model":"Fusion","year":"2017",` +
				`"mileage":{"value":"1500","unit":"KM"},"body_style":"sedan","price":"18000 USD","exterior_color":"white","state_of_vehicle":"new",` +
				pictures + `,` + place + `}`,
			Update: `{"price":"16000 USD"}`, Bad: `{"title":"Ford Fusion"}`,
			Clearable: "trim", ClearValue: `"SE"`, Unclearable: "mileage", Key: "vehicle_id",
		},
		"items_batch/VEHICLE_OFFER": {
			Complete: `{"make":"Ford","model":"Fusion","year":"2017","offer_description":"Lease it","url":"https://example.com/o"}`,
			Update:   `{"title":"Now"}`, Bad: `{"image":"https://example.com/a.jpg"}`,
			Clearable: "trim", ClearValue: `"SE"`, Unclearable: "term_length", Key: "vehicle_offer_id",
		},
		"items_batch/APP_AND_SOFTWARE": {
			Complete: `{` + product + `}`, Update: `{"developer":"Acme"}`, Bad: `{"title":"A lamp"}`,
			Clearable: "brand", ClearValue: `"Acme"`, Unclearable: "link", Key: "id",
		},
		"items_batch/MEDIA_TITLE": {
			Complete: `{` + product + `}`, Update: `{"director":"A. Acme"}`, Bad: `{"title":"A lamp"}`,
			Clearable: "brand", ClearValue: `"Acme"`, Unclearable: "link", Key: "id",
		},
		"batch/PRODUCT_ITEM": {
			Complete: `{` + product + `,"price":"24.99 USD","mpn":"M1","additional_image_link":["https://example.com/b.jpg"],` +
				`"item_group_id":"g","google_product_category":"2271","shipping":[{"shipping_country":"US","shipping_price_value":"10","shipping_price_currency":"USD"}]}`,
			Update: `{"price":"19.99 USD","color":"red"}`, Bad: `{"title":"A lamp"}`,
			Clearable: "sale_price", ClearValue: `"14.99 USD"`, Unclearable: "image_link", Key: "id",
		},
	}
	maps.Copy(rows, localizedSuites())
	for name, row := range rows {
		edge, itemType, _ := strings.Cut(name, "/")
		row.Platform, row.Type = meta.Descriptor(), catalog.Type(itemType)
		row.Catalog = setting.Values{"catalog_id": catalogID, "endpoint": edge}
		row.ItemID = func(i int) string { return fmt.Sprintf("SKU-%d", i) }
		row.KeyValue = `"SKU-0"`
		switch itemType {
		case "FLIGHT":
			row.ItemID = func(i int) string { return fmt.Sprintf("BO%c/JFK", 'A'+i%26) }
			row.KeyValue = `"BOA"`
		case "HOTEL_ROOM":
			row.ItemID = func(i int) string { return fmt.Sprintf("hotel-1/room %d%%2F", i) }
			row.KeyValue = `"room 0/"`
		case "STORE_PRODUCT_ITEM":
			row.ItemID = func(i int) string { return fmt.Sprintf("SKU-%d/store-1", i) }
		}
		if !row.Localization.IsZero() {
			complete := rows["items_batch/"+itemType].Complete
			row.Platform.Simulated = func(o sandbox.Options) sandbox.Platform { return newLocalizedSandbox(o, row, complete) }
		}
		rows[name] = row
	}
	return rows
}

func localizedSuites() map[string]platformtest.Suite {
	country := catalog.Localization{Type: "COUNTRY", Value: "GB"}
	language := catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}
	both := catalog.Localization{Type: "LANGUAGE_AND_COUNTRY", Value: "en_XX|US"}
	return map[string]platformtest.Suite{
		"localized_items_batch/PRODUCT_ITEM": {
			Localization: country, Complete: `{"title":"Lampa","price":"99.99 GBP"}`, Update: `{"price":"89 GBP"}`, Bad: `{"price":"cheap"}`,
			Clearable: "color", ClearValue: `"red"`, Unclearable: "title", Key: "id",
		},
		"localized_items_batch/HOTEL": {
			Localization: country, Complete: `{"name":"Hotel","base_price":"90 GBP"}`, Update: `{"base_price":"80 GBP"}`, Bad: `{"base_price":"cheap"}`,
			Clearable: "brand", ClearValue: `"Premium"`, Unclearable: "name", Key: "hotel_id",
		},
		"localized_items_batch/FLIGHT": {
			Localization: language, Complete: `{"description":"Codziennie"}`, Update: `{"origin_city":"Krakow"}`, Bad: `{"price":"10 PLN"}`,
			Clearable: "origin_city", ClearValue: `"Warszawa"`, Unclearable: "image", Key: "origin_airport",
		},
		"localized_items_batch/DESTINATION": {
			Localization: both, Complete: `{"name":"Best place"}`, Update: `{"url":"https://example.com/us"}`, Bad: `{"price":"10 USD"}`,
			Clearable: "description", ClearValue: `"The best"`, Unclearable: "name", Key: "destination_id",
		},
		"localized_items_batch/HOME_LISTING": {
			Localization: country, Complete: `{"name":"Home","price":"9 GBP"}`, Update: `{"price":"8 GBP"}`, Bad: `{"price":"cheap"}`,
			Clearable: "description", ClearValue: `"Amazing"`, Unclearable: "image", Key: "home_listing_id",
		},
		"localized_items_batch/VEHICLE": {
			Localization: country, Complete: `{"title":"Car","price":"9 GBP"}`, Update: `{"price":"8 GBP"}`, Bad: `{"price":"cheap"}`,
			Clearable: "sale_price", ClearValue: `"7 GBP"`, Unclearable: "image", Key: "vehicle_id",
		},
	}
}

// localizedSandbox has the items that the suite localizes, and shows only their
// localizations.
type localizedSandbox struct {
	*metasim.Platform

	localization catalog.Localization
}

func newLocalizedSandbox(o sandbox.Options, suite platformtest.Suite, complete string) localizedSandbox {
	made := localizedSandbox{metasim.New(o), suite.Localization}
	const count = 5 // as many as a test makes
	ids := make([]string, 0, count+1)
	ids = append(ids, "quote\" back\\slash ünïcode \x01") // the suite's own
	for i := range count {
		ids = append(ids, suite.ItemID(i))
	}
	for _, id := range ids {
		item := &catalog.Mutation{ItemID: id, Operation: catalog.Create, Attributes: []byte(complete)}
		if err := made.Apply(catalogID, suite.Type, item); err != nil {
			panic(err)
		}
	}
	return made
}

// Items implements sandbox.Platform.
func (s localizedSandbox) Items(catalogKey string, itemType catalog.Type) map[string]string {
	items := map[string]string{}
	for id, attributes := range s.Platform.Items(catalogKey, itemType) {
		if item, localized := strings.CutSuffix(id, sandbox.LocalizedID("", s.localization)); localized {
			items[item] = attributes
		}
	}
	return items
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, suite := range suites() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			platformtest.Run(t, suite)
		})
	}
}
