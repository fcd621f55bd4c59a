package service_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/service"
	"github.com/catalog-courier/catalog-courier/status"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// way is one operation on one catalog type by one endpoint, with what must go out.
type way struct {
	name     string
	before   []publish.Mutation // makes the item that the operation needs
	mutation publish.Mutation
	path     string // of the POST
	head     object // the body without its records
	record   object
}

type object = map[string]any

// ways are all rows of the table.
func ways(t *testing.T) []way {
	t.Helper()
	table := &wayTable{t: t}
	for _, s := range pinterestSamples() {
		table.pinterest(s)
	}
	table.pinterestLegacy(pinterestSamples()[0])
	table.pinterestLocalInventory(localInventorySample())
	for _, s := range metaSamples() {
		table.meta(s)
	}
	table.metaLegacy()
	for _, s := range localizedSamples() {
		table.metaLocalized(s)
	}
	return table.rows
}

// wayTable numbers the items, so that each row has one of its own.
type wayTable struct {
	t    *testing.T
	rows []way
}

func (w *wayTable) parse(text string) object {
	w.t.Helper()
	parsed := object{}
	require.NoError(w.t, json.Unmarshal([]byte(text), &parsed), text)
	return parsed
}

func (w *wayTable) add(row way) { w.rows = append(w.rows, row) }

// item is the id of the next row's item.
func (w *wayTable) item(s sample) (itemID string, key object) { return s.ids(len(w.rows)) }

func lay(objects ...object) object {
	merged := object{}
	for _, o := range objects {
		maps.Copy(merged, o)
	}
	return merged
}

// mutate writes down a mutation; attributes are JSON or "" for none.
func mutate(lane catalog.Lane, itemID string, operation catalog.Operation, attributes string) publish.Mutation {
	mutation := rig.Mutation(lane, itemID, operation, nil)
	if attributes != "" {
		mutation.Attributes = json.RawMessage(attributes)
	}
	return mutation
}

// step is one operation of a sample, and what its record carries.
type step struct {
	operation catalog.Operation
	publish   string // attributes
	sent      string // attributes of the record, "" for none
	exists    bool   // the item must be there
	name      string
}

func (s sample) steps() []step {
	steps := []step{
		{catalog.Create, s.whole, s.whole, false, "CREATE"},
		{catalog.Upsert, s.whole, s.whole, false, "UPSERT of nothing"},
		{catalog.Upsert, s.whole, s.whole, true, "UPSERT"},
		{catalog.Update, s.change, s.change, true, "UPDATE"},
		{catalog.Delete, "", "", true, "DELETE"},
	}
	if s.clear != "" {
		steps = append(steps, step{catalog.Update, s.clear, s.cleared, true, "UPDATE that clears"})
	}
	return steps
}

func (w *wayTable) pinterest(s sample) {
	lane := catalog.Lane{Account: rig.PinterestAccount, Catalog: "us", Type: s.itemType}
	head := object{"catalog_type": string(s.itemType), "country": "US", "language": "en-US", "catalog_id": "2680059592705"}
	for _, step := range s.steps() {
		id, record := w.item(s)
		record["operation"] = step.operation.String()
		w.add(way{
			name: "Pinterest vertical " + string(s.itemType) + " " + step.name, before: s.before(lane, id, step),
			mutation: mutate(lane, id, step.operation, step.publish),
			path:     "/v5/catalogs/items/batch", head: head, record: w.pinterestRecord(record, step),
		})
	}
}

func (w *wayTable) pinterestLocalInventory(s sample) {
	lane := catalog.Lane{Account: rig.PinterestAccount, Catalog: "us", Type: s.itemType}
	for _, step := range s.steps() {
		id, record := w.item(s)
		record["operation"] = step.operation.String()
		record["attributes"] = object{} // of a DELETE too
		w.add(way{
			name: "Pinterest " + string(s.itemType) + " " + step.name, before: s.before(lane, id, step),
			mutation: mutate(lane, id, step.operation, step.publish),
			path:     "/v5/catalogs/2680059592705/local_inventory_items/batch", head: object{}, record: w.pinterestRecord(record, step),
		})
	}
}

func (w *wayTable) pinterestRecord(record object, step step) object {
	if step.sent != "" {
		record["attributes"] = w.parse(step.sent)
	}
	if step.publish != step.sent { // the null's name and all others, as published
		record["update_mask"] = []any{"color", "title"}
	}
	return record
}

func (s sample) before(lane catalog.Lane, id string, step step) []publish.Mutation {
	if !step.exists {
		return nil
	}
	return []publish.Mutation{mutate(lane, id, catalog.Create, s.whole)}
}

func (w *wayTable) pinterestLegacy(s sample) {
	lane := catalog.Lane{Account: rig.PinterestAccount, Catalog: "legacy", Type: s.itemType}
	steps := append(s.steps(), step{catalog.DeleteDiscontinued, "", "", true, "DELETE_DISCONTINUED"})
	for _, step := range steps {
		id, record := w.item(s)
		w.add(way{
			name: "Pinterest legacy " + string(s.itemType) + " " + step.name, before: s.before(lane, id, step),
			mutation: mutate(lane, id, step.operation, step.publish),
			path:     "/v5/catalogs/items/batch",
			head:     object{"country": "DE", "language": "DE", "operation": step.operation.String()},
			record:   w.pinterestRecord(record, step),
		})
	}
}

// metaMethod is how Meta names an operation; UPSERT is UPDATE with allow_upsert.
func metaMethod(operation catalog.Operation) string {
	if operation == catalog.Upsert {
		return "UPDATE"
	}
	return operation.String()
}

func (w *wayTable) meta(s sample) {
	lane := catalog.Lane{Account: rig.MetaAccount, Catalog: string(s.itemType), Type: s.itemType}
	for _, step := range s.steps() {
		id, key := w.item(s)
		data := key
		if step.sent != "" {
			data = lay(key, w.parse(step.sent))
		}
		w.add(way{
			name: "Meta items_batch " + string(s.itemType) + " " + step.name, before: s.before(lane, id, step),
			mutation: mutate(lane, id, step.operation, step.publish),
			path:     "/v25.0/" + catalogIDs()[string(s.itemType)] + "/items_batch",
			head:     object{"item_type": string(s.itemType), "allow_upsert": step.operation != catalog.Update},
			record:   object{"method": metaMethod(step.operation), "data": data},
		})
	}
}

// metaLegacy wants the older names, prices in hundredths and the id outside.
func (w *wayTable) metaLegacy() {
	s := metaSamples()[0]
	lane := catalog.Lane{Account: rig.MetaAccount, Catalog: "legacy", Type: s.itemType}
	older := map[string]string{
		s.whole: `{"name":"Lamp","description":"A lamp","availability":"in stock","condition":"new","price":2499,"currency":"USD",` +
			`"url":"https://shop.example/lamp","image_url":"https://img.example/lamp.jpg","brand":"Acme"}`,
		s.change: `{"price":1999,"currency":"USD","availability":"out of stock"}`,
		s.clear:  `{"color":"","name":"Plain lamp"}`,
	}
	for _, step := range s.steps() {
		id, _ := w.item(s)
		record := object{"method": metaMethod(step.operation), "retailer_id": id}
		if step.publish != "" {
			record["data"] = w.parse(older[step.publish])
		}
		w.add(way{
			name: "Meta batch " + step.name, before: s.before(lane, id, step),
			mutation: mutate(lane, id, step.operation, step.publish),
			path:     "/v25.0/" + catalogIDs()["legacy"] + "/batch",
			head:     object{"allow_upsert": step.operation != catalog.Update},
			record:   record,
		})
	}
}

func (w *wayTable) metaLocalized(l localizedSample) {
	var s sample
	for _, candidate := range metaSamples() {
		if candidate.itemType == l.itemType {
			s = candidate
		}
	}
	steps := []step{
		{catalog.Upsert, l.change, l.change, false, "UPSERT"},
		{catalog.Update, l.change, l.change, true, "UPDATE"},
		{catalog.Delete, "", "", true, "DELETE"},
	}
	if l.clear != "" {
		steps = append(steps, step{catalog.Update, l.clear, l.cleared, true, "UPDATE that clears"})
	}
	base := catalog.Lane{Account: rig.MetaAccount, Catalog: string(l.itemType), Type: l.itemType}
	lane := catalog.Lane{Account: rig.MetaAccount, Catalog: string(l.itemType) + "-localized", Type: l.itemType}
	for _, step := range steps {
		id, data := w.item(s)
		if step.sent != "" {
			data = lay(data, w.parse(step.sent))
		}
		localized := func(operation catalog.Operation, attributes string) publish.Mutation {
			mutation := mutate(lane, id, operation, attributes)
			mutation.Localization = l.localization
			return mutation
		}
		before := []publish.Mutation{mutate(base, id, catalog.Create, s.whole)}
		if step.exists {
			before = append(before, localized(catalog.Upsert, l.change))
		}
		method := "UPDATE"
		if step.operation == catalog.Delete {
			method = "DELETE"
		}
		w.add(way{
			name:   fmt.Sprintf("Meta localized_items_batch %s %s %s", l.itemType, l.localization.Type, step.name),
			before: before, mutation: localized(step.operation, step.publish),
			path: "/v25.0/" + catalogIDs()[string(l.itemType)] + "/localized_items_batch",
			head: object{"item_type": string(l.itemType)},
			record: object{
				"method": method, "data": data,
				"localization": object{"type": l.localization.Type, "value": l.localization.Value},
			},
		})
	}
}

// catalogIDs are Meta's catalogs by the name of the catalog here: one for each item
// type, as a catalog has one vertical.
func catalogIDs() map[string]string {
	ids := map[string]string{"legacy": "3000"}
	for i, s := range metaSamples() {
		ids[string(s.itemType)] = strconv.Itoa(2000 + i)
	}
	return ids
}

func wayCatalogs() (pinterest, meta object) {
	pinterest = object{
		"us":     object{"country": "US", "language": "en-US", "catalog_id": "2680059592705"},
		"legacy": object{"country": "DE", "language": "DE", "body": "legacy"},
	}
	meta = object{}
	for name, id := range catalogIDs() {
		meta[name] = object{"catalog_id": id}
	}
	meta["legacy"] = object{"catalog_id": catalogIDs()["legacy"], "endpoint": "batch"}
	for _, l := range localizedSamples() {
		meta[string(l.itemType)+"-localized"] = object{
			"catalog_id": catalogIDs()[string(l.itemType)], "endpoint": "localized_items_batch",
		}
	}
	return pinterest, meta
}

// sentRecords keeps what went out, record by record.
type sentRecords struct {
	t  *testing.T
	mu sync.Mutex
	// times counts how often a record went out, by path, head and record.
	times map[string]int
	// bodies are the bodies of the POSTs.
	bodies map[string]bool
}

func newSentRecords(t *testing.T) *sentRecords {
	t.Helper()
	return &sentRecords{t: t, times: map[string]int{}, bodies: map[string]bool{}}
}

func (s *sentRecords) look(a rig.Answered) bool {
	body := object{}
	if err := json.Unmarshal(a.Request, &body); err != nil {
		s.t.Errorf("a body that is not JSON: %s", err)
		return true
	}
	var records []any
	for _, list := range []string{"items", "requests", "operations"} {
		if found, ok := body[list].([]any); ok {
			records = found
		}
		delete(body, list)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies[string(a.Request)] = true
	for _, record := range records {
		s.times[canonical(s.t, a.Path, body, record)]++
	}
	return true
}

func canonical(t *testing.T, path string, head object, record any) string {
	t.Helper()
	text, err := json.Marshal([]any{path, head, record}) // sorts names
	if err != nil {
		t.Errorf("cannot happen: %s", err)
	}
	return string(text)
}

// requireShown: the read model shows each request as it went out, byte for byte.
func (s *sentRecords) requireShown(t *testing.T, env *rig.Env) {
	t.Helper()
	encode := service.Encoder(env.Config("a", nil), builtin.Platforms())
	reader := status.NewReader(env.DB, status.Config{Encode: encode})
	shown := map[string]bool{}
	before := uuid.Nil
	for more := true; more; {
		var batches []status.Batch
		var err error
		batches, more, err = reader.Batches(t.Context(), status.BatchFilter{}, before, 100)
		require.NoError(t, err)
		for _, batch := range batches {
			before = batch.ID
			for attempt := range batch.Attempts {
				request, err := reader.Request(t.Context(), batch.ID, attempt+1, "")
				require.NoError(t, err)
				shown[string(request.Body)] = true
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Equal(t, s.bodies, shown)
}

// TestEveryWay takes each operation of each catalog type through each endpoint, by a
// real stream, worker and database, and wants the record that the platforms' pages
// describe, the platform's state, and the word of mutation_status.
func TestEveryWay(t *testing.T) {
	t.Parallel()
	rows := ways(t)
	require.GreaterOrEqual(t, len(rows), 60)
	pinterest, meta := wayCatalogs()
	env := rig.Start(t, rig.Options{Settings: rig.Settings{
		"accounts." + rig.PinterestAccount + ".catalogs": pinterest,
		"accounts." + rig.PinterestAccount + ".rules":    "strict",
		"accounts." + rig.MetaAccount + ".catalogs":      meta,
		"accounts." + rig.MetaAccount + ".rules":         "strict",
	}})
	sent := newSentRecords(t)
	env.PinterestInterceptor.OnAnswer(sent.look)
	env.MetaInterceptor.OnAnswer(sent.look)
	env.StartWorker("a", rig.WorkerOptions{})

	published := 0
	for depth := range 2 { // a localization needs its item first
		for _, row := range rows {
			if depth < len(row.before) {
				env.Publish(row.before[depth])
				published++
			}
		}
		env.AwaitFinal(published, patience)
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = env.Publish(row.mutation)[0]
	}
	env.AwaitFinal(published+len(rows), patience)
	env.CheckInvariants()
	sent.requireShown(t, env)
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			became := env.StatusOf(ids[i])
			assert.Equal(t, "succeeded", became.Status, "%v", became.Errors)
			assert.Empty(t, became.Warnings)
			assert.Equal(t, row.mutation.Operation.String(), became.Operation)
			assert.NotEmpty(t, became.Handle)
			want := canonical(t, row.path, row.head, row.record)
			sent.mu.Lock()
			defer sent.mu.Unlock()
			assert.Positive(t, sent.times[want], "never sent: %s", want)
		})
	}
}
