package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/catalog-courier/catalog-courier/bench/rig"
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/queue"
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
	var all []catalog.Lane
	for i := range o.meta {
		all = append(all, catalog.Lane{Account: "meta-" + strconv.Itoa(i), Catalog: "main", Type: "PRODUCT_ITEM"})
	}
	for i := range o.pinterest {
		all = append(all, catalog.Lane{Account: "pinterest-" + strconv.Itoa(i), Catalog: "main", Type: "RETAIL"})
	}
	return all
}

var errNotStored = errors.New("a message was not stored")

// publishAll publishes an equal share of the mutations to each account, side by side
// and each in order, in atomic batches.
func publishAll(ctx context.Context, o options, service *rig.Rig) error {
	publisher := service.Publisher()
	all := lanes(o)
	errs := make([]error, len(all))
	var running sync.WaitGroup
	for i, lane := range all {
		from, to := i*o.mutations/len(all), (i+1)*o.mutations/len(all)
		running.Go(func() { errs[i] = publishLane(ctx, o, publisher, lane, from, to) })
	}
	running.Wait()
	return errors.Join(errs...)
}

func publishLane(ctx context.Context, o options, publisher *queue.Publisher, lane catalog.Lane, from, to int) error {
	subject, problem := queue.Subject(lane)
	if problem != nil {
		return problem
	}
	batch := make([]queue.Publication, 0, queue.MaxBatch)
	for from < to {
		batch = batch[:0]
		for number := from; number < min(from+queue.MaxBatch, to); number++ {
			batch = append(batch, queue.Publication{Subject: subject, ID: mutationID(number), Data: message(number, o.bytes)})
		}
		results, err := publisher.Publish(ctx, batch)
		if err != nil {
			return err
		}
		if sum := queue.Summarize(results); sum.Stored != len(batch) {
			return fmt.Errorf("%w: %+v", errNotStored, sum)
		}
		from += len(batch)
	}
	return nil
}

// mutationID looks like a UUID version 7, and grows as they do.
func mutationID(number int) string {
	return "019abcde-0000-7000-8000-" + fmt.Sprintf("%012x", number)
}

// message is a mutation of a product of its own that both platforms take.
func message(number, size int) []byte {
	id := strconv.Itoa(number)
	data := make([]byte, 0, size+64)
	data = append(data, `{"id":"`...)
	data = append(data, mutationID(number)...)
	data = append(data, `","item_id":"SKU-`...)
	data = append(data, id...)
	data = append(data, `","operation":"UPSERT","attributes":{"title":"Product number `...)
	data = append(data, id...)
	data = append(data, `","link":"https://shop.example.com/products/`...)
	data = append(data, id...)
	data = append(data, `","image_link":"https://img.example.com/products/`...)
	data = append(data, id...)
	data = append(data, `.jpg","price":"24.99 USD","availability":"in stock","condition":"new","brand":"Example","description":"`...)
	for len(data) < size-4 {
		data = append(data, filler[:min(len(filler), size-4-len(data))]...)
	}
	return append(data, `"}}`...)
}

const filler = "Sturdy, light and made to last; comes in many colours and is shipped the same day. "
