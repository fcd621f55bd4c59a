package service_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// example is one of the platforms' own requests, as what producers publish to have
// it made.
type example struct {
	t        *testing.T
	path     string
	settings rig.Settings
	rows     []way
}

func (e *example) read(into any) {
	e.t.Helper()
	text, err := os.ReadFile(e.path)
	require.NoError(e.t, err)
	require.NoError(e.t, json.Unmarshal(text, into))
}

func (e *example) attributes(values object) json.RawMessage {
	e.t.Helper()
	text, err := json.Marshal(values)
	require.NoError(e.t, err)
	return text
}

func (e *example) add(mutation publish.Mutation, head, record object) {
	row := way{name: mutation.ItemID, mutation: mutation, head: head, record: record}
	if mutation.Operation != catalog.Create && mutation.Operation != catalog.Upsert {
		made := mutation
		made.Operation, made.Attributes = catalog.Upsert, json.RawMessage(`{}`)
		row.before = []publish.Mutation{made}
	}
	e.rows = append(e.rows, row)
}

// ofPinterest reads a body of catalogs/items/batch, of either form.
func (e *example) ofPinterest() {
	head := object{}
	e.read(&head)
	items, _ := head["items"].([]any)
	delete(head, "items")
	settings := object{"country": head["country"], "language": head["language"]}
	lane := catalog.Lane{Account: rig.PinterestAccount, Catalog: "example", Type: "RETAIL"}
	if itemType, vertical := head["catalog_type"].(string); vertical {
		lane.Type = catalog.Type(itemType)
	} else {
		settings["body"] = "legacy"
	}
	if id, named := head["catalog_id"]; named {
		settings["catalog_id"] = id
	}
	const catalogs = "accounts." + rig.PinterestAccount + ".catalogs."
	e.settings = rig.Settings{catalogs + "us": nil, catalogs + "example": settings}
	idField := map[catalog.Type]string{"RETAIL": "item_id", "HOTEL": "hotel_id", "CREATIVE_ASSETS": "creative_assets_id"}[lane.Type]
	for _, item := range items {
		record, _ := item.(object)
		operation, own := record["operation"].(string)
		if !own {
			operation, _ = head["operation"].(string)
		}
		id, _ := record[idField].(string)
		mutation := rig.Mutation(lane, id, e.operation(operation), nil)
		if attributes, has := record["attributes"].(object); has {
			mutation.Attributes = e.attributes(unmasked(attributes, record["update_mask"]))
		}
		e.add(mutation, head, record)
	}
}

// unmasked says with null what a mask says by naming it without a value.
func unmasked(attributes object, mask any) object {
	all := maps.Clone(attributes)
	names, _ := mask.([]any)
	for _, name := range names {
		if name, text := name.(string); text && all[name] == nil {
			all[name] = nil
		}
	}
	return all
}

func (e *example) operation(name string) catalog.Operation {
	e.t.Helper()
	operation, known := catalog.ParseOperation(name)
	require.True(e.t, known, name)
	return operation
}

// ofMeta reads a body of items_batch. Its UPDATE stands there without allow_upsert,
// which is true then.
func (e *example) ofMeta() {
	body := struct {
		ItemType catalog.Type `json:"item_type"`
		Requests []object     `json:"requests"`
	}{}
	e.read(&body)
	keys := map[catalog.Type][]string{
		"PRODUCT_ITEM": {"id"}, "HOTEL": {"hotel_id"}, "HOTEL_ROOM": {"hotel_retailer_id", "hotel_room_id"},
		"FLIGHT": {"origin_airport", "destination_airport"}, "DESTINATION": {"destination_id"},
		"HOME_LISTING": {"home_listing_id"}, "VEHICLE": {"vehicle_id"},
	}[body.ItemType]
	require.NotNil(e.t, keys)
	lane := e.metaCatalog(body.ItemType, "items_batch")
	for _, record := range body.Requests {
		data, _ := record["data"].(object)
		attributes, parts := maps.Clone(data), make([]string, len(keys))
		for k, key := range keys {
			parts[k], _ = data[key].(string)
			delete(attributes, key)
		}
		method, _ := record["method"].(string)
		mutation := rig.Mutation(lane, strings.Join(parts, "/"), e.operation(strings.Replace(method, "UPDATE", "UPSERT", 1)), nil)
		if mutation.Operation != catalog.Delete {
			mutation.Attributes = e.attributes(attributes)
		}
		e.add(mutation, object{"item_type": string(body.ItemType), "allow_upsert": true}, record)
	}
}

func (e *example) metaCatalog(itemType catalog.Type, endpoint string) catalog.Lane {
	e.settings = rig.Settings{"accounts." + rig.MetaAccount + ".catalogs": object{
		"example": object{"catalog_id": "5000", "endpoint": endpoint},
	}}
	return catalog.Lane{Account: rig.MetaAccount, Catalog: "example", Type: itemType}
}

// ofMetaBatch is the example of the older endpoint, whose producers publish the one
// shape. The page has its app links beside the data; its table of fields and the
// newer guide have them inside.
func (e *example) ofMetaBatch() {
	body := struct {
		Requests []object `json:"requests"`
	}{}
	e.read(&body)
	data, _ := body.Requests[1]["data"].(object)
	data["applinks"] = body.Requests[1]["applinks"]
	delete(body.Requests[1], "applinks")
	lane := e.metaCatalog("PRODUCT_ITEM", "batch")
	published := []publish.Mutation{
		mutate(lane, "retailer-1", catalog.Delete, ""),
		mutate(lane, "retailer-2", catalog.Create, `{"availability":"in stock","brand":"Nike","google_product_category":"t-shirts",
			"description":"product description","image_link":"http://www.images.example.com/t-shirts/1.png","title":"product name",
			"price":"10.00 USD","condition":"new","link":"http://www.images.example.com/t-shirts/1.png","item_group_id":"product-group-1",
			"shipping":[{"shipping_country":"US","shipping_region":"CA","shipping_service":"service",
				"shipping_price_value":"10","shipping_price_currency":"USD"}],
			"applink":{"android_app_name":"Electronic Example Android","android_package":"com.electronic",
				"android_url":"example-android://electronic","ios_app_name":"Electronic Example iOS",
				"ios_app_store_id":"2222","ios_url":"example-ios://electronic"}}`),
		mutate(lane, "retailer-3", catalog.Upsert, `{"availability":"out of stock"}`),
	}
	require.Len(e.t, body.Requests, len(published))
	for i, record := range body.Requests {
		e.add(published[i], object{"allow_upsert": true}, record)
	}
}

// TestExampleRequests has producers publish what the platforms' own pages show, and
// wants those very records sent, and each mutation succeeded.
func TestExampleRequests(t *testing.T) {
	t.Parallel()
	for pattern, read := range map[string]func(*example){
		"../platform/pinterest/testdata/requests/*.json": (*example).ofPinterest,
		"../platform/meta/testdata/examples/*.json":      (*example).ofMeta,
	} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, paths)
		for _, path := range paths {
			t.Run(filepath.Base(path), func(t *testing.T) {
				t.Parallel()
				e := &example{t: t, path: path}
				if filepath.Base(path) == "batch.json" {
					e.ofMetaBatch()
				} else {
					read(e)
				}
				e.run()
			})
		}
	}
}

func (e *example) run() {
	env := rig.Start(e.t, rig.Options{
		// The examples leave out what an item needs.
		Pinterest: sandbox.Options{AllowIncomplete: true}, Meta: sandbox.Options{AllowIncomplete: true},
		Settings: e.settings,
	})
	sent := newSentRecords(e.t)
	env.PinterestInterceptor.OnAnswer(sent.look)
	env.MetaInterceptor.OnAnswer(sent.look)
	env.StartWorker("a", rig.WorkerOptions{})
	published := 0
	for _, row := range e.rows {
		if len(row.before) > 0 {
			published += len(env.Publish(row.before...))
		}
	}
	env.AwaitFinal(published, patience)
	ids := make([]string, len(e.rows))
	for i, row := range e.rows {
		ids[i] = env.Publish(row.mutation)[0]
	}
	env.AwaitFinal(published+len(e.rows), patience)
	for i, row := range e.rows {
		status := env.StatusOf(ids[i])
		assert.Equal(e.t, "succeeded", status.Status, "%s: %v", row.name, status.Errors)
		want := canonical(e.t, "", row.head, masksSorted(row.record))
		assert.Positive(e.t, sent.anywhere(want), "%s: never sent: %s", row.name, want)
	}
	env.CheckInvariants()
}

// anywhere counts how often a record went out, to whichever catalog. A mask is a
// set.
func (s *sentRecords) anywhere(wanted string) (times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, count := range s.times {
		var row []any
		if err := json.Unmarshal([]byte(key), &row); err != nil {
			s.t.Errorf("cannot happen: %s", err)
			return 0
		}
		head, _ := row[1].(object)
		record, _ := row[2].(object)
		if canonical(s.t, "", head, masksSorted(record)) == wanted {
			times += count
		}
	}
	return times
}

func masksSorted(record object) object {
	mask, _ := record["update_mask"].([]any)
	if mask == nil {
		return record
	}
	names := make([]string, 0, len(mask))
	for _, name := range mask {
		name, _ := name.(string)
		names = append(names, name)
	}
	slices.Sort(names)
	sorted := maps.Clone(record)
	sorted["update_mask"] = names
	return sorted
}
