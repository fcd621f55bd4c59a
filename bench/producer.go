package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// configuration is the settings of a worker with the accounts of a run. Batches are
// as large as the platforms allow; waiting for platforms is short, as the simulated
// ones are quick.
func configuration(o options) string {
	var text strings.Builder
	text.WriteString(`
nats: {url: "${NATS_URL}"}
database: {url: "${DATABASE_URL}"}
defaults:
  batch: {max_age: 1s}
  poll: {min: 50ms, max: 1s}
accounts:
`)
	for i := range o.meta {
		fmt.Fprintf(&text, `  meta-%d:
    platform: meta
    base_url: "${META_URL}"
    access_token: ${TOKEN}
    batch: {max_items: 5000}
    catalogs:
      main: {catalog_id: "%d"}
`, i, 1000+i)
	}
	for i := range o.pinterest {
		fmt.Fprintf(&text, `  pinterest-%d:
    platform: pinterest
    base_url: "${PINTEREST_URL}/v5"
    access_token: ${TOKEN}
    catalogs:
      main: {country: US, language: en-US, catalog_id: "%d"}
`, i, 2000+i)
	}
	return text.String()
}

// lanes are where the mutations of a run go, one for each account.
func lanes(o options) []catalog.Lane {
	all := make([]catalog.Lane, 0, o.meta+o.pinterest)
	for i := range o.meta {
		all = append(all, catalog.Lane{Account: "meta-" + strconv.Itoa(i), Catalog: "main", Type: "PRODUCT_ITEM"})
	}
	for i := range o.pinterest {
		all = append(all, catalog.Lane{Account: "pinterest-" + strconv.Itoa(i), Catalog: "main", Type: "RETAIL"})
	}
	return all
}

var errNotStored = errors.New("a message was not stored")

// share is the part of a run's mutations that goes to one lane.
type share struct {
	subject  string
	from, to int
	bytes    int
}

// publishAll publishes an equal share of the mutations to each account, side by side
// and each in order.
func publishAll(ctx context.Context, o options, service *rig.Servers, publish publisher) error {
	all := lanes(o)
	errs := make([]error, len(all))
	var running sync.WaitGroup
	for i, lane := range all {
		subject, problem := message.Subject(lane)
		if problem != nil {
			return problem
		}
		part := share{subject: subject, from: i * o.mutations / len(all), to: (i + 1) * o.mutations / len(all), bytes: o.bytes}
		running.Go(func() { errs[i] = produce(ctx, service, part, publish) })
	}
	running.Wait()
	return errors.Join(errs...)
}

// produce publishes a share through a connection of its own.
func produce(ctx context.Context, service *rig.Servers, part share, publish publisher) error {
	js, end, err := service.Producer()
	if err != nil {
		return err
	}
	defer end()
	return publish(ctx, js, part)
}

// publisher is a way to publish.
type publisher func(ctx context.Context, js jetstream.JetStream, part share) error

// atomically publishes in batches of 1000 that are stored as a whole or not at all.
func atomically(ctx context.Context, js jetstream.JetStream, part share) error {
	return together(ctx, publish.NewPublisher(js, publish.Options{PackLines: 1}), publish.MaxBatch, part)
}

// inPacks publishes as anybody who has many does: several packs in a call.
func inPacks(ctx context.Context, js jetstream.JetStream, part share) error {
	return together(ctx, publish.NewPublisher(js, publish.Options{}), 8*publish.DefaultPackLines, part)
}

// together publishes so many mutations in a call.
func together(ctx context.Context, publisher *publish.Publisher, count int, part share) error {
	batch := make([]publish.Publication, 0, count)
	bodies := make([]byte, 0, count*(part.bytes+slack))
	for from := part.from; from < part.to; from += len(batch) {
		batch, bodies = batch[:0], bodies[:0] // Publish keeps neither
		for number := from; number < min(from+count, part.to); number++ {
			begin := len(bodies)
			bodies = appendMessage(bodies, number, part.bytes)
			batch = append(batch, publish.Publication{
				Subject: part.subject, ID: string(appendID(nil, number)), Data: bodies[begin:len(bodies):len(bodies)],
			})
		}
		results, err := publisher.Publish(ctx, batch)
		if err != nil {
			return err
		}
		if sum := publish.Summarize(results); sum.Stored != len(batch) {
			return fmt.Errorf("%w: %+v", errNotStored, sum)
		}
	}
	return nil
}

// allowFast lets the stream take fast batches too.
func allowFast(ctx context.Context, service *rig.Servers) error {
	stream, err := service.JetStream.Stream(ctx, service.Stream.Name())
	if err != nil {
		return err
	}
	config := stream.CachedInfo().Config
	config.AllowBatchPublish = true
	_, err = service.JetStream.UpdateStream(ctx, config)
	return err
}

// fast publishes one long batch whose messages are stored as they come, the way of
// servers that do not flush before each acknowledgement.
func fast(ctx context.Context, js jetstream.JetStream, part share) error {
	batch, err := jetstreamext.NewFastPublisher(js, jetstreamext.FastPublishFlowControl{
		Flow: 4000, MaxOutstandingAcks: 3, AckTimeout: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	id := []string{""}
	m := &nats.Msg{Header: nats.Header{jetstream.MsgIDHeader: id}}
	body := make([]byte, 0, part.bytes+slack)
	for number := part.from; number < part.to; number++ {
		body = appendMessage(body[:0], number, part.bytes)
		// The client has written the message to its buffer when AddMsg returns.
		m.Subject, m.Data, id[0] = part.subject, body, string(appendID(nil, number))
		if _, err := batch.AddMsg(m); err != nil {
			return err
		}
	}
	stored, err := batch.Close(ctx)
	if err != nil {
		return err
	}
	if stored.BatchSize != uint64(part.to-part.from) { //nolint:gosec // not negative
		return fmt.Errorf("%w: %d of %d", errNotStored, stored.BatchSize, part.to-part.from)
	}
	return nil
}

// appendID appends a mutation's id, which looks like a UUID version 7 and grows as they do.
func appendID(b []byte, number int) []byte {
	const prefix, digits = "019abcde-0000-7000-8000-", "0123456789abcdef"
	b = append(b, prefix...)
	for shift := 44; shift >= 0; shift -= 4 {
		b = append(b, digits[number>>shift&0xf])
	}
	return b
}

// slack is how much a message may be longer than what was asked for.
const slack = 64

// appendMessage appends a mutation of a product of its own that both platforms take.
func appendMessage(b []byte, number, size int) []byte {
	begin := len(b)
	b = appendID(append(b, `{"id":"`...), number)
	b = appendNumber(b, `","item_id":"SKU-`, number)
	b = appendNumber(b, `","operation":"UPSERT","attributes":{"title":"Product number `, number)
	b = appendNumber(b, `","link":"https://shop.example.com/products/`, number)
	b = appendNumber(b, `","image_link":"https://img.example.com/products/`, number)
	b = append(b, `.jpg","price":"24.99 USD","availability":"in stock","condition":"new","brand":"Example","description":"`...)
	for left := size - 4 - (len(b) - begin); left > 0; left -= len(filler) {
		b = append(b, filler[:min(len(filler), left)]...)
	}
	return append(b, `"}}`...)
}

func appendNumber(b []byte, before string, number int) []byte {
	return strconv.AppendInt(append(b, before...), int64(number), 10)
}

const filler = "Sturdy, light and made to last; comes in many colours and is shipped the same day. "
