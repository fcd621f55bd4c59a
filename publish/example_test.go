package publish_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
)

// startNATS runs a NATS server with the stream that a worker makes at its first start.
// A program connects to its own server with nats.Connect instead.
func startNATS(config queue.StreamConfig) (js jetstream.JetStream, stop func()) {
	folder, err := os.MkdirTemp("", "publish-example")
	if err != nil {
		panic(err)
	}
	server, err := embedded.StartNATS(embedded.NATSOptions{StoreDir: folder})
	if err != nil {
		panic(err)
	}
	conn, err := server.Connect()
	if err != nil {
		panic(err)
	}
	if js, err = jetstream.New(conn); err != nil {
		panic(err)
	}
	if _, err = queue.Ensure(context.Background(), js, config); err != nil {
		panic(err)
	}
	return js, func() {
		conn.Close()
		server.Shutdown()
		_ = os.RemoveAll(folder)
	}
}

// One change of one item.
func Example() {
	js, stop := startNATS(queue.StreamConfig{})
	defer stop()

	publisher := publish.NewPublisher(js, publish.Options{})
	results, err := publisher.PublishMutations(context.Background(), publish.Mutation{
		Account: "acme-pinterest", Catalog: "us", Type: "RETAIL",
		ItemID: "SKU-1", Operation: catalog.Upsert,
		Attributes: map[string]any{"title": "Trail shoe", "price": "99.00 USD"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("stored as message", results[0].Sequence)
	// Output: stored as message 1
}

// Many changes keep their order. Those that are published again with the same ids are
// dropped by the stream.
func ExamplePublisher_PublishMutations() {
	js, stop := startNATS(queue.StreamConfig{})
	defer stop()
	publisher := publish.NewPublisher(js, publish.Options{})

	mutations := make([]publish.Mutation, 2500)
	for i := range mutations {
		mutations[i] = publish.Mutation{
			Account: "acme-meta", Catalog: "products", Type: "PRODUCT_ITEM",
			ItemID: fmt.Sprint("SKU-", i), Operation: catalog.Update,
			Attributes: map[string]any{"availability": "in stock"},
			ID:         fmt.Sprint("stock-2026-11-22-", i),
		}
	}
	for range 2 {
		results, err := publisher.PublishMutations(context.Background(), mutations...)
		if err != nil {
			fmt.Println(err)
			return
		}
		summary := publish.Summarize(results)
		fmt.Printf("stored %d, duplicates %d, refused %d\n", summary.Stored, summary.Duplicates, summary.Refused)
	}
	// Output:
	// stored 2500, duplicates 0, refused 0
	// stored 0, duplicates 2500, refused 0
}

// A mutation that breaks the contract: nothing is published, and the problem says what
// to change.
func ExamplePublisher_PublishMutations_problem() {
	js, stop := startNATS(queue.StreamConfig{})
	defer stop()
	publisher := publish.NewPublisher(js, publish.Options{})

	_, err := publisher.PublishMutations(context.Background(), publish.Mutation{
		Account: "acme-pinterest", Catalog: "us", Type: "RETAIL",
		ItemID: "SKU-1", Operation: catalog.Update,
	})
	if problem, ok := errors.AsType[*catalog.Problem](err); ok {
		fmt.Println(problem.Reason, "of", problem.Field)
		fmt.Println(problem.Text)
	}
	// Output:
	// missing_field of attributes
	// attributes are required for UPDATE
}

// A delete needs no attributes. Deleting a part of a localized item names the language
// or country.
func ExampleMutation_delete() {
	js, stop := startNATS(queue.StreamConfig{})
	defer stop()
	publisher := publish.NewPublisher(js, publish.Options{})

	results, err := publisher.PublishMutations(context.Background(),
		publish.Mutation{
			Account: "acme-meta", Catalog: "flights", Type: "FLIGHT",
			ItemID:    catalog.JoinItemID("BOS", "LIS"), // a key of two parts
			Operation: catalog.Delete,
		},
		publish.Mutation{
			Account: "acme-meta", Catalog: "products", Type: "PRODUCT_ITEM",
			ItemID: "SKU-1", Operation: catalog.Delete,
			Localization: catalog.Localization{Type: "COUNTRY", Value: "PL"},
		},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("stored", publish.Summarize(results).Stored)
	// Output: stored 2
}

// A producer that speaks CloudEvents publishes them as they are, here in binary mode:
// the attributes of the event are headers, and the body is its data.
func ExamplePublisher_Publish() {
	js, stop := startNATS(queue.StreamConfig{})
	defer stop()
	publisher := publish.NewPublisher(js, publish.Options{})

	results, err := publisher.Publish(context.Background(), []publish.Publication{{
		Subject: "catalog.mutations.acme-pinterest.us.RETAIL",
		ID:      "4f6c0d5e",
		Headers: []catalog.Header{
			{Name: "ce-specversion", Value: "1.0"},
			{Name: "ce-type", Value: "com.example.price.changed"},
			{Name: "ce-source", Value: "/shop/prices"},
			{Name: "ce-id", Value: "4f6c0d5e"},
			{Name: "ce-time", Value: "2026-11-22T10:00:00Z"},
			{Name: "Content-Type", Value: "application/json"},
		},
		Data: []byte(`{"item_id":"SKU-1","operation":"UPDATE","attributes":{"price":"89.00 USD"}}`),
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("stored as message", results[0].Sequence)
	// Output: stored as message 1
}

// A stream at its size limit takes no more until the workers have recorded what it
// holds. The error says where publishing stopped; those before are stored.
func ExamplePublisher_Publish_streamFull() {
	js, stop := startNATS(queue.StreamConfig{MaxBytes: 64 << 10})
	defer stop()
	publisher := publish.NewPublisher(js, publish.Options{})

	publications := make([]publish.Publication, 3)
	for i := range publications {
		publications[i] = publish.Publication{
			Subject: "catalog.mutations.acme-pinterest.us.RETAIL",
			Data: fmt.Appendf(nil, `{"item_id":"SKU-%d","operation":"UPSERT","attributes":{"description":%q}}`,
				i, strings.Repeat("x", 40<<10)),
		}
	}
	for i := range publications {
		_, err := publisher.Publish(context.Background(), publications[i:i+1])
		switch {
		case err == nil:
			fmt.Println(i, "stored")
		case errors.Is(err, publish.ErrStreamFull):
			fmt.Println(i, "is to be published later")
		default:
			fmt.Println(i, err)
		}
	}
	// Output:
	// 0 stored
	// 1 is to be published later
	// 2 is to be published later
}

// A call that does not come to the end says where to go on. What is refused for itself
// stays behind; what is certainly not stored may be published again under any id.
func ExampleStoppedError() {
	js, stop := startNATS(queue.StreamConfig{MaxBytes: 64 << 10})
	defer stop()
	publisher := publish.NewPublisher(js, publish.Options{PackLines: 1})

	large := fmt.Appendf(nil, `{"item_id":"SKU-1","operation":"UPSERT","attributes":{"description":%q}}`, strings.Repeat("x", 40<<10))
	results, err := publisher.Publish(context.Background(), []publish.Publication{
		{Subject: "catalog.mutations.acme shop.us.RETAIL", Data: large}, // a space in the account
		{Subject: "catalog.mutations.acme-shop.us.RETAIL", Data: large},
		{Subject: "catalog.mutations.acme-shop.us.RETAIL", Data: large},
	})
	if stopped, ok := errors.AsType[*publish.StoppedError](err); ok {
		fmt.Println("go on at", stopped.At)
	}
	for i, result := range results {
		fmt.Println(i, "certainly not stored:", result.NotStored)
	}
	// Output:
	// go on at 1
	// 0 certainly not stored: true
	// 1 certainly not stored: true
	// 2 certainly not stored: true
}
