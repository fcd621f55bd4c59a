package pinterest_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
)

// refusesWholeRequests are values that the schema of the request forbids, each in what is
// otherwise good, on every level of an item.
var refusesWholeRequests = []struct {
	itemType   catalog.Type
	attributes string
}{
	// Of the attribute itself.
	{"RETAIL", `{"adult":"true"}`},
	{"RETAIL", `{"custom_number_2":"12"}`},
	{"RETAIL", `{"custom_number_2":1.5}`},
	{"RETAIL", `{"average_review_rating":"4.5"}`},
	{"RETAIL", `{"google_product_category":2271}`},
	{"RETAIL", `{"size":42}`},
	{"RETAIL", `{"gtin":["4006381333931"]}`},
	{"RETAIL", `{"title":{"en":"Lamp"}}`},
	{"RETAIL", `{"brand":false}`},
	{"RETAIL", `{"variant_names":"Color,Size"}`},
	{"RETAIL", `{"variant_values":{"0":"Red"}}`},
	{"RETAIL", `{"save_pin_disabled":"no"}`},
	{"RETAIL", `{"additional_image_link":"https://shop.example/1.jpg,https://shop.example/2.jpg"}`},
	// Of the elements of lists.
	{"RETAIL", `{"variant_names":["Color",7]}`},
	{"RETAIL", `{"variant_values":["Red",null]}`},
	{"RETAIL", `{"variant_names":[["Color"]]}`},
	{"RETAIL", `{"additional_image_link":[{"url":"https://shop.example/1.jpg"}]}`},
	{"RETAIL", `{"additional_image_link":["https://shop.example/1.jpg",null]}`},
	{"RETAIL", `{"image_link":[]}`},
	{"RETAIL", `{"image_link":["https://shop.example/1.jpg","https://shop.example/2.jpg"]}`},
	{"RETAIL", `{"image_link":[{"link":"https://shop.example/1.jpg"}]}`},
	{"RETAIL", `{"image_link":[true]}`},
	{"HOTEL", `{"neighborhood":["Old Town",1]}`},
	{"HOTEL", `{"neighborhood":"Old Town"}`},
	{"HOTEL", `{"additional_image_link":[0]}`},
	// Of the members of objects.
	{"HOTEL", `{"address":{"city":7}}`},
	{"HOTEL", `{"address":{"postal_code":10115}}`},
	{"HOTEL", `{"address":{"addr1":"1 Main St","region":null}}`},
	{"HOTEL", `{"address":{"country":["DE"]}}`},
	{"HOTEL", `{"address":["1 Main St"]}`},
	{"HOTEL", `{"guest_ratings":{"score":"7.8","max_score":10,"number_of_reviewers":3,"rating_system":"x"}}`},
	{"HOTEL", `{"guest_ratings":{"score":7.8,"max_score":10,"number_of_reviewers":3.5,"rating_system":"x"}}`},
	{"HOTEL", `{"guest_ratings":{"score":7.8,"max_score":10,"number_of_reviewers":3,"rating_system":5}}`},
	{"HOTEL", `{"main_image":"https://shop.example/1.jpg"}`},
	{"HOTEL", `{"main_image":{"link":null}}`},
	{"HOTEL", `{"main_image":{"link":["https://shop.example/1.jpg"]}}`},
	{"HOTEL", `{"latitude":"52.5"}`},
	{"HOTEL", `{"latitude":null}`},
	// Of the elements of lists in objects.
	{"HOTEL", `{"main_image":{"link":"https://shop.example/1.jpg","tag":"front"}}`},
	{"HOTEL", `{"main_image":{"link":"https://shop.example/1.jpg","tag":["front",2]}}`},
	{"HOTEL", `{"main_image":{"link":"https://shop.example/1.jpg","tag":[null]}}`},
	{"HOTEL", `{"main_image":{"link":"https://shop.example/1.jpg","tag":[{"name":"front"}]}}`},
	{"CREATIVE_ASSETS", `{"title":["An advert"]}`},
	{"CREATIVE_ASSETS", `{"visibility":1}`},
	{"CREATIVE_ASSETS", `{"image_link":["https://shop.example/1.jpg"]}`},
}

// TestWhatTheSchemaForbidsRefusesTheWholeRequest: the simulated Pinterest takes none of the
// records beside the wrong one, and the client lets no such change get there.
func TestWhatTheSchemaForbidsRefusesTheWholeRequest(t *testing.T) {
	t.Parallel()
	for _, test := range refusesWholeRequests {
		t.Run(string(test.itemType)+" "+test.attributes, func(t *testing.T) {
			t.Parallel()
			simulated := pinterestsim.New(sandbox.Options{Delay: time.Hour, AllowIncomplete: true})
			server := httptest.NewServer(simulated)
			t.Cleanup(func() {
				simulated.Close()
				server.Close()
			})
			s := settings()
			s.BaseURL, s.HTTP, s.Rules = server.URL+"/v5", server.Client(), platform.RulesOff
			endpoint := openEndpoint(t, s, "us", test.itemType)
			record := func(id, attributes string) catalog.Record {
				m := &catalog.Mutation{
					ID: id, ItemID: id, Operation: catalog.Upsert, Attributes: []byte(attributes), HasNull: hasNull(attributes),
				}
				return catalog.Record{Key: m.Key(), Change: m.Change(), Constituents: []*catalog.Mutation{m}}
			}
			good := map[catalog.Type]string{"RETAIL": `{"brand":"B"}`, "HOTEL": `{"brand":"B"}`, "CREATIVE_ASSETS": `{"title":"T"}`}[test.itemType]
			records := []catalog.Record{record("before", good), record("wrong", test.attributes), record("behind", good)}
			problem, _ := endpoint.Validate(records[1].Constituents[0])
			require.NotNil(t, problem, "it must not reach Pinterest, on no level of rules")
			problem, _ = endpoint.Validate(records[0].Constituents[0])
			require.Nil(t, problem)

			group := endpoint.Group(catalog.Upsert)
			body, err := endpoint.Encode(nil, group, records, 0)
			require.NoError(t, err)
			_, err = endpoint.Submit(t.Context(), body, group, records)
			var refused *platform.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, platform.ScopeBatch, refused.Scope)
			require.Contains(t, refused.Message, "Invalid request: ")
			require.Zero(t, simulated.Counters().Accepted)

			body, err = endpoint.Encode(nil, group, []catalog.Record{records[0], records[2]}, 0)
			require.NoError(t, err)
			_, err = endpoint.Submit(t.Context(), body, group, []catalog.Record{records[0], records[2]})
			require.NoError(t, err, "the others alone are taken")
		})
	}
}
