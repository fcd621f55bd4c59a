package meta

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
)

const exampleAppLink = `"applink":{"ios_url":"example-ios://travelapp","ios_app_store_id":"42","ios_app_name":"Travel App iOS",` +
	`"iphone_url":"example-iphone://travelapp","iphone_app_store_id":"43","iphone_app_name":"Travel App iPhone",` +
	`"ipad_url":"example-ipad://travelapp","ipad_app_store_id":"44","ipad_app_name":"Travel App iPad",` +
	`"android_url":"example-android://travelapp","android_package":"com.travelapp","android_class":"com.travelapp.Example",` +
	`"android_app_name":"Travel App Android","windows_phone_url":"example-windows://travelapp",` +
	`"windows_phone_app_id":"64ec0d1b-5b3b-4c77-a86b-5e12d465edc0","windows_phone_app_name":"Travel App Windows"}`

// TestMetasOwnExamplesBreakNoRule takes the attributes of the examples on Meta's page
// Supported fields of items_batch and batch, with its broken JSON repaired.
func TestMetasOwnExamplesBreakNoRule(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       catalog.Type
		id         string
		operation  catalog.Operation
		attributes string
		broken     []string // fields of the rules that the example breaks all the same
	}{
		{"PRODUCT_ITEM", "retailer-2", catalog.Create, `{"id":"retailer-2",` + exampleAppLink + `,"availability":"in stock","brand":"Nike",` +
			`"google_product_category":"t-shirts","description":"product description",` +
			`"image_link":"http://www.images.example.com/t-shirts/1.png","title":"product name","price":"10.00 USD","shipping":[` +
			`{"shipping_country":"US","shipping_region":"CA","shipping_service":"service","shipping_price_value":"10",` +
			`"shipping_price_currency":"USD"}],"condition":"new","link":"http://www.images.example.com/t-shirts/1.png",` +
			`"item_group_id":"product-group-1"}`, nil},
		{"PRODUCT_ITEM", "retailer-3", catalog.Update, `{"availability":"out of stock","id":"retailer-3"}`, nil},
		{"PRODUCT_ITEM", "retailer-1", catalog.Update, `{"video":[{"url":"https://google.com/video_2.mp4","tag":["video_2"]}]}`, nil},
		{"PRODUCT_ITEM", "retailer-1", catalog.Update, `{"video":[]}`, nil},
		{"HOTEL", "1234", catalog.Create, `{"hotel_id":"1234","brand":"Premium_brand","description":"A very nice hotel",` +
			`"name":"The best hotel","base_price":"100.00 USD","longitude":"42.10","latitude":"42.10","address":{"addr1":"100 Main Street",` +
			`"city":"North Pole","region":"ABC","country":"US","postal_code":"11111"},"guest_rating":[{"rating_system":"tripAdvisor",` +
			`"score":"7.8","number_of_reviewers":"300","max_score":"10"},{"rating_system":"Yelp","score":"5.1",` +
			`"number_of_reviewers":"123","max_score":"10"}],"image":[{"url":"http://example.com/image_1.jpg","tag":["Swimming pool","Gym"]}],` +
			exampleAppLink + `,"loyalty_program":"Premium_program","margin_level":"8","phone":"+61 2-96027455","star_rating":"4",` +
			`"url":"http://www.images.example.com/t-shirts/1.png"}`, nil},
		{"HOTEL", "hotel-3", catalog.Update, `{"base_price":"90.00 USD","hotel_id":"hotel-3"}`, nil},
		{"HOTEL_ROOM", "1234/room-2", catalog.Create, `{"hotel_retailer_id":"1234","hotel_room_id":"room-2",` +
			`"description":"product description","name":"product name","base_price":"100 USD","url":"http://www.example.com/t-shirts/1.html",` +
			`"image":[{"url":"http://example.com/image_1.jpg","tag":["Swimming pool","Gym"]}]}`, nil},
		{"FLIGHT", "BOS/SFO", catalog.Create, `{"origin_airport":"BOS","destination_airport":"SFO","description":"Best Flight to SFO",` +
			`"image":[{"url":"http://example.com/image_1.jpg","tag":["City"]},{"url":"http://example.com/some.image_2.jpg","tag":["Food"]}],` +
			`"price":"100.00 USD"}`, nil},
		{"DESTINATION", "123456789", catalog.Create, `{"destination_id":"123456789","description":"My destination is the best.",` +
			`"name":"The best destination","price":"199.00 USD","price_change":"-20","longitude":"-122.4424","latitude":"37.7712","image":[` +
			`{"url":"http://example.com/image_1.jpg","tag":["City","Package"]},{"url":"http://example.com/some.image_2.jpg",` +
			`"tag":["Tour","Landmark"]}],"address":{"addr1":"1 Market Street","city":"San Francisco","region":"California",` +
			`"country":"United States","postal_code":"94117"},` + exampleAppLink + `,"type":["city","culture"],` +
			`"neighborhood":["Mission","SoMa"],"url":"http://www.thebestdestination.com"}`, nil},
		{"DESTINATION", "destination-3", catalog.Update, `{"price":"159.99","destination_id":"destination-3"}`, []string{"attributes.price"}},
		{"HOME_LISTING", "12345678", catalog.Create, `{"home_listing_id":"12345678","availability":"for_sale",` +
			`"description":"An amazing listing","name":"1 Hacker Way, Menlo Park, CA 94025","price":"110000 USD","longitude":"1.11414",` +
			`"latitude":"-1.835003","address":{"addr1":"1 Hacker Way","city":"Menlo Park","region":"California","country":"United States",` +
			`"postal_code":"94025"},"neighborhood":["Menlo Oaks"],"image":[{"url":"http://img10.naventcdn.com/63590918.jpg"}],` +
			`"listing_type":"for_sale_by_agent","num_baths":"6","num_beds":"5","num_units":"1","property_type":"house","year_built":"2007",` +
			`"available_dates_price_config":[{"start_date":"2020-11-15","end_date":"2020-12-15","rate":"10000","currency":"USD",` +
			`"interval":"nightly"}],` + exampleAppLink + `,"url":"http://www.example.com/link_to_listing"}`, nil},
		{"VEHICLE", "i2 2017 Ford Fusion", catalog.Create, `{"vehicle_id":"i2 2017 Ford Fusion","availability":"AVAILABLE","make":"Ford",` +
			`"model":"Fusion","year":"2017","mileage":{"value":"1500","unit":"KM"},"image":[{"url":"http://www.facebook.com/teapic.jpg",` +
			`"tag":["Car"]}],"fuel_type":"gasoline","body_style":"sedan","drivetrain":"FWD","vin":"1FADP5AU6DL536022","condition":"EXCELLENT",` +
			`"description":"Turbocharged! Gasoline!","title":"SE Ford Certified and 6-Speed Automatic.","price":"18000 USD",` +
			`"exterior_color":"white","sale_price":"16000 USD","state_of_vehicle":"new","longitude":"52.35","latitude":"42.1",` +
			`"address":{"addr1":"550 Auto Center Dr","city":"Watsonville","region":"CA","country":"US","postal_code":"96075"},` +
			`"url":"http://www.example.com/test"}`, nil},
	} {
		m := &catalog.Mutation{ItemID: test.id, Operation: test.operation, Attributes: []byte(test.attributes)}
		findings := catalogTypes()[test.name].table.Check(m, platform.RulesWarn)
		problem, warnings := findings.Result(platform.RulesWarn)
		require.Nil(t, problem, test.attributes)
		var broken []string
		for _, warning := range warnings {
			broken = append(broken, warning.Field)
		}
		require.Equal(t, test.broken, broken, "%s: %v", test.name, warnings)
	}
}

// TestTheOtherTypesHaveCleanItems are items of the types that the page does not have.
func TestTheOtherTypesHaveCleanItems(t *testing.T) {
	t.Parallel()
	const title = `{"title":"T","description":"D","availability":"in stock","condition":"new","image_link":"https://a.example/b",` +
		`"link":"https://a.example","price":"1.99 USD","custom_number_4":4294967295`
	for _, test := range []struct {
		name           catalog.Type
		id, attributes string
	}{
		{"VEHICLE_OFFER", "o-1", `{"make":"Ford","year":2026,"offer_type":"finance","amount_percentage":1.9,"term_length":36,` +
			`"downpayment":"1000 USD","start_date":"2026-11-01","end_date":"2026-11-30T23:59:59Z","status":"ACTIVE"}`},
		{"STORE_PRODUCT_ITEM", "SKU-1/store-2", `{"price":2499,"quantity":3,"availability":"IN STOCK","pickup_method":"buy"}`},
		{"APP_AND_SOFTWARE", "a-1", title + `,"operating_system":"ios","user_rating":4.5,"rating_count":7}`},
		{"MEDIA_TITLE", "m-1", title + `,"media_category":"movie","director":"X"}`},
	} {
		m := &catalog.Mutation{ItemID: test.id, Operation: catalog.Create, Attributes: []byte(test.attributes)}
		findings := catalogTypes()[test.name].table.Check(m, platform.RulesStrict)
		problem, warnings := findings.Result(platform.RulesStrict)
		require.Nil(t, problem, "%v", problem)
		require.Empty(t, warnings, test.name)
	}
}

const (
	ordinaryProduct = `{"title":"A lamp","description":"Gives warm light for many hours","availability":"in stock","condition":"new",` +
		`"price":"24.99 USD","link":"https://example.com/lamp","image_link":"https://example.com/lamp.jpg","brand":"Lux"}`
	ordinaryFlight = `{"image":[{"url":"https://example.com/a.jpg","tag":["a"]}],"description":"Daily","price":"100 USD",` +
		`"origin_city":"Boston","destination_city":"New York","url":"https://example.com/f","custom_label_0":"x","custom_number_0":1}`
)

func ordinaryItems() map[*endpoint]*catalog.Mutation {
	return map[*endpoint]*catalog.Mutation{
		{dialect: itemsBatch{}, row: productItem()}: {
			ItemID: "SKU-1", Operation: catalog.Create, Attributes: []byte(ordinaryProduct),
		},
		{dialect: itemsBatch{}, row: flight()}: {
			ItemID: "BOS/JFK", Operation: catalog.Create, Attributes: []byte(ordinaryFlight),
		},
	}
}

func TestAnOrdinaryItemCostsNoAllocation(t *testing.T) {
	for endpoint, m := range ordinaryItems() {
		problem, warnings := endpoint.Validate(m)
		require.Nil(t, problem)
		require.Empty(t, warnings)
		require.Zero(t, testing.AllocsPerRun(100, func() { endpoint.Validate(m) }), endpoint.row.name)
	}
}

// BenchmarkValidate is one ordinary item of eight attributes; less than 5 µs are wanted.
func BenchmarkValidate(b *testing.B) {
	for endpoint, m := range ordinaryItems() {
		b.Run(string(endpoint.row.name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				endpoint.Validate(m)
			}
		})
	}
}
