// Command publish-go publishes three mutations to the stream, as a producer
// written in Go would.
//
//	worker dev                    # in another terminal
//	go run ./examples/publish-go
//
// NATS_URL names another server, COURIER_NATS_DOMAIN the JetStream domain.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/publish"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "publish-go:", err)
		os.Exit(1) //nolint:gocritic // nothing that the deferred cancel would save
	}
}

func run(ctx context.Context) error {
	url := os.Getenv("NATS_URL")
	if url == "" {
		url = nats.DefaultURL
	}
	conn, err := nats.Connect(url)
	if err != nil {
		return fmt.Errorf("connecting to NATS: %w", err)
	}
	defer conn.Close()
	// The domain that the stream is in; without it, that of the server.
	js, err := jetstream.New(conn)
	if domain := os.Getenv("COURIER_NATS_DOMAIN"); domain != "" {
		js, err = jetstream.NewWithDomain(conn, domain)
	}
	if err != nil {
		return fmt.Errorf("opening JetStream: %w", err)
	}
	results, err := publish.NewPublisher(js, publish.Options{}).PublishMutations(ctx, changes()...)
	if err != nil {
		return err
	}
	// Each result is acknowledged by the stream: stored, or known already.
	stored := publish.Summarize(results)
	_, err = fmt.Fprintf(os.Stdout, "stored %d, duplicates %d, refused %d\n", stored.Stored, stored.Duplicates, stored.Refused)
	return err
}

// changes are published in one atomic batch, in this order.
func changes() []publish.Mutation {
	flight := func(operation catalog.Operation, attributes map[string]any) publish.Mutation {
		return publish.Mutation{
			Account: "demo-meta", Catalog: "flights", Type: "FLIGHT",
			ItemID:    catalog.JoinItemID("BOS", "LIS"), // a key of two parts
			Operation: operation, Attributes: attributes, OccurredAt: time.Now(),
		}
	}
	return []publish.Mutation{
		flight(catalog.Create, map[string]any{
			"description": "Fly from Boston to Lisbon", "price": "399.00 USD", "url": "https://fly.example/BOS-LIS",
			"image": []map[string]any{{"url": "https://fly.example/images/LIS.jpg", "tag": []string{"river"}}},
		}),
		flight(catalog.Update, map[string]any{"price": "349.00 USD"}),
		flight(catalog.Update, map[string]any{"destination_city": nil}), // null clears the attribute
	}
}
