package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/publish"
)

// row is what mutation_status says of a mutation.
type row struct {
	id         string
	account    string
	status     string
	finishedAt time.Time // zero while it is not final
}

// rows are all, in the order of the stream.
func (p *plant) rows(ctx context.Context) ([]row, error) {
	rows, err := p.Database.Query(ctx, `
		SELECT mutation_id, account, status, finished_at FROM courier.mutation_status
		ORDER BY stream_generation, stream_sequence`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(found pgx.CollectableRow) (r row, err error) {
		var finished *time.Time
		err = found.Scan(&r.id, &r.account, &r.status, &finished)
		if finished != nil {
			r.finishedAt = *finished
		}
		return r, err
	})
}

// awaitFinal waits until so many mutations are final.
func (p *plant) awaitFinal(ctx context.Context, mutations int, within time.Duration) error {
	// Batches are few: looking at them disturbs little. mutation_status has the rest.
	const batchesDone = `SELECT NOT EXISTS (SELECT FROM courier.batch WHERE finished_at IS NULL)
		AND NOT EXISTS (SELECT FROM courier.waiting)
		AND (SELECT count(*) FROM courier.mutation) >= $1`
	if err := p.await(ctx, within, batchesDone, mutations); err != nil {
		return err
	}
	return p.await(ctx, within, `SELECT count(*) FILTER (WHERE status IN ('waiting', 'submitted')) = 0 FROM courier.mutation_status`)
}

// finalStatuses are those that never change again.
var finalStatuses = []string{"succeeded", "failed", "superseded", "invalid", "unconfirmed"}

// state is what a simulated platform says of its items.
type state interface {
	Apply(catalogKey string, itemType catalog.Type, m *catalog.Mutation) error
	Items(catalogKey string, itemType catalog.Type) map[string]string
}

// checkAll holds what was published, in the order of the stream, against the rows and
// against the platforms' items: each mutation has one row, which is final, and the
// items are those of fresh platforms that got the mutations one at a time.
func (p *plant) checkAll(rows []row, published []publish.Publication) error {
	byID := make(map[string]*catalog.Mutation, len(published))
	for _, one := range published {
		arrival := message.Decode(message.Raw{
			Subject: one.Subject, Headers: map[string][]string{"Nats-Msg-Id": {one.ID}}, Data: one.Data, Time: time.Now(),
		})
		byID[one.ID] = arrival.Mutation
	}
	var broken error
	breakf := func(format string, arguments ...any) { broken = errors.Join(broken, fmt.Errorf(format, arguments...)) }
	if len(rows) != len(byID) {
		breakf("%d rows, and %d mutations were published", len(rows), len(byID))
	}
	fresh := map[config.Platform]state{
		config.Meta: sandbox.NewMeta(sandbox.Options{}), config.Pinterest: sandbox.NewPinterest(sandbox.Options{}),
	}
	seen := make(map[string]bool, len(rows))
	apart := map[catalog.ItemKey]bool{} // nobody knows the platform's last word of these
	for _, r := range rows {
		m := byID[r.id]
		if m == nil || seen[r.id] || !slices.Contains(finalStatuses, r.status) {
			breakf("published: %t, another row: %t: %+v", m != nil, seen[r.id], r)
			continue
		}
		seen[r.id] = true
		platform := p.Config.Accounts[r.account].Platform
		err := fresh[platform].Apply(catalogKey(p.Config, m.Lane), m.Lane.Type, m)
		switch {
		case err != nil && !errors.Is(err, sandbox.ErrNotApplied):
			return err
		case r.status == "unconfirmed":
			apart[m.Key()] = true
		case r.status == "failed" && err == nil:
			breakf("failed, though the platform takes it: %+v", r)
		}
	}
	return errors.Join(broken, p.compare(fresh, apart))
}

// compare holds the platforms' items against the expected ones.
func (p *plant) compare(fresh map[config.Platform]state, apart map[catalog.ItemKey]bool) (broken error) {
	actual := map[config.Platform]state{config.Meta: p.Meta, config.Pinterest: p.Pinterest}
	for _, account := range p.Config.AccountNames() {
		lane, platform := laneOf(p.Config, account), p.Config.Accounts[account].Platform
		key := catalogKey(p.Config, lane)
		want, have := fresh[platform].Items(key, lane.Type), actual[platform].Items(key, lane.Type)
		for id := range want {
			if _, ok := have[id]; !ok {
				have[id] = ""
			}
		}
		for id, item := range have {
			if item != want[id] && !apart[catalog.ItemKey{Lane: lane, ItemID: id}] {
				broken = errors.Join(broken, fmt.Errorf("%v %s: want %q, have %q", lane, id, want[id], item))
			}
		}
	}
	return broken
}
