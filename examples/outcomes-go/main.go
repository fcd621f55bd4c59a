// Command outcomes-go prints what failed, from the stream of outcome events. It may be
// stopped at any moment: it goes on where it was.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// outcome is what this program needs of an event's data.
type outcome struct {
	Account string `json:"account"`
	ItemID  string `json:"item_id"`
	Status  string `json:"status"`
	Errors  []struct {
		Message string `json:"message"`
	} `json:"errors"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return consume(ctx, nats.DefaultURL, os.Stdout)
}

func consume(ctx context.Context, url string, out io.Writer) error {
	connection, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer connection.Close()
	js, err := jetstream.New(connection)
	if err != nil {
		return err
	}
	// The status is the last token of the subject. The server keeps the place of a durable
	// consumer.
	consumer, err := js.CreateOrUpdateConsumer(ctx, "CATALOG_OUTCOMES", jetstream.ConsumerConfig{
		Durable: "failures", FilterSubjects: []string{"catalog.outcomes.*.*.*.failed", "catalog.outcomes.*.*.*.invalid"},
	})
	if err != nil {
		return err
	}
	subscription, err := consumer.Consume(func(m jetstream.Msg) {
		var o outcome
		if err := json.Unmarshal(m.Data(), &o); err == nil {
			_, _ = fmt.Fprintln(out, m.Headers().Get("ce-id"), o.Account, o.ItemID, o.Status, o.Errors)
		}
		_ = m.Ack() // one without an acknowledgement comes again
	})
	if err != nil {
		return err
	}
	defer subscription.Stop()
	<-ctx.Done()
	return nil
}
