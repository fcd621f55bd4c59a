package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/platform"
)

// dryRun makes the requests that the lines lead to, by the platforms' own builders, as if
// nothing else were waiting. Changes of one item are merged where a worker merges them.
type dryRun struct {
	streams  cli.Streams
	list     *cli.JSONList // nil for people
	settings map[string]config.Account
	open     map[requestPlace]*request
	order    []requestPlace
	count    int
}

// requestPlace is what one request is for.
type requestPlace struct {
	lane  catalog.Lane
	group string
}

// request is one that is not full yet. What is kept of it is bounded by the limits of the
// platform.
type request struct {
	endpoint platform.Endpoint
	records  []catalog.Record
	places   map[catalog.ItemKey]int
	rest     []*catalog.Mutation // further records of changes that one cannot carry
	bytes    int
}

// shownRequest is a request for machines.
type shownRequest struct {
	Account string          `json:"account"`
	Catalog string          `json:"catalog"`
	Type    catalog.Type    `json:"catalog_type"`
	Group   string          `json:"request_group,omitempty"`
	Records int             `json:"records"`
	Bytes   int             `json:"bytes"`
	Body    json.RawMessage `json:"body"`
}

func dryRunFiles(ctx context.Context, streams cli.Streams, given arguments, output cli.Output, sources []*input) error {
	d := &dryRun{streams: streams, open: map[requestPlace]*request{}, settings: map[string]config.Account{}}
	switch output {
	case "table":
	case "json":
		d.list = cli.NewJSONList(streams.Out)
	default:
		return cli.UsageErrorf("--dry-run prints table or json: a request is not a row")
	}
	known, _, err := loadTargets(streams, given)
	if err != nil {
		return err
	}
	d.settings = known.settings
	failed := checkFiles(ctx, streams, given, output, sources, d.add)
	return errors.Join(failed, d.close())
}

func (d *dryRun) add(c *checked) error { return d.put(c.endpoint, c.mutation) }

func (d *dryRun) put(endpoint platform.Endpoint, m *catalog.Mutation) error {
	first, rest := endpoint.Split(m.Change())
	place := requestPlace{lane: m.Lane, group: endpoint.Group(first.Operation)}
	r := d.open[place]
	if r == nil {
		r = &request{endpoint: endpoint, places: map[catalog.ItemKey]int{}, bytes: endpoint.Overhead()}
		d.open[place] = r
		d.order = append(d.order, place)
	}
	if at, known := r.places[m.Key()]; known {
		if merged, ok := endpoint.Rules().Merge(r.records[at].Change, first); ok && rest == nil {
			r.bytes += endpoint.RecordSize(m.Key(), merged) - endpoint.RecordSize(m.Key(), r.records[at].Change)
			r.records[at].Change = merged
			r.records[at].Constituents = append(r.records[at].Constituents, m)
			return nil
		}
		if err := d.flush(place); err != nil {
			return err
		}
		return d.put(endpoint, m)
	}
	size := endpoint.RecordSize(m.Key(), first)
	items, bytes := d.limits(m.Lane.Account, endpoint)
	if len(r.records) > 0 && (len(r.records) >= items || r.bytes+size > bytes) {
		if err := d.flush(place); err != nil {
			return err
		}
		return d.put(endpoint, m)
	}
	r.places[m.Key()] = len(r.records)
	r.records = append(r.records, catalog.Record{Key: m.Key(), Change: first, Constituents: []*catalog.Mutation{m}})
	r.bytes += size
	if rest != nil {
		further := *m
		further.Operation, further.Attributes, further.HasNull = rest.Operation, rest.Attributes, rest.HasNull
		r.rest = append(r.rest, &further)
	}
	return nil
}

// limits are the configured ones within the platform's own.
func (d *dryRun) limits(account string, endpoint platform.Endpoint) (items, bytes int) {
	hard, batch := endpoint.Limits(), d.settings[account].Batch
	items, bytes = hard.MaxItems, hard.MaxBytes
	if batch.MaxItems > 0 {
		items = min(items, batch.MaxItems)
	}
	if batch.MaxBytes > 0 {
		bytes = min(bytes, batch.MaxBytes)
	}
	return items, bytes
}

// flush prints a request and begins the next one of its place.
func (d *dryRun) flush(place requestPlace) error {
	r := d.open[place]
	if r == nil || len(r.records) == 0 {
		return nil
	}
	body, err := r.endpoint.Encode(nil, place.group, r.records, 0)
	if err != nil {
		return fmt.Errorf("making the request for %s/%s/%s: %w", place.lane.Account, place.lane.Catalog, place.lane.Type, err)
	}
	d.count++
	shown := shownRequest{
		Account: place.lane.Account, Catalog: place.lane.Catalog, Type: place.lane.Type, Group: place.group,
		Records: len(r.records), Bytes: len(body), Body: body,
	}
	if d.list != nil {
		err = d.list.Add(shown)
	} else {
		_, err = fmt.Fprintf(d.streams.Out, "request %d: %s/%s/%s, %s, %d bytes\n%s\n", d.count, shown.Account, shown.Catalog, shown.Type,
			cli.Counted(shown.Records, "record"), shown.Bytes, body)
	}
	rest := r.rest
	d.open[place] = &request{endpoint: r.endpoint, places: map[catalog.ItemKey]int{}, bytes: r.endpoint.Overhead()}
	for _, m := range rest {
		if err == nil {
			err = d.put(r.endpoint, m)
		}
	}
	return err
}

// close prints what is not full. Rests of changes may open requests of further places.
func (d *dryRun) close() error {
	for range 1 + len(d.order) {
		for _, place := range slices.Clone(d.order) {
			if err := d.flush(place); err != nil {
				return err
			}
		}
	}
	if d.list != nil {
		return d.list.Close()
	}
	_, err := fmt.Fprintln(d.streams.Err, cli.Counted(d.count, "request")+" would be sent, if nothing else were waiting; nothing was published")
	return err
}
