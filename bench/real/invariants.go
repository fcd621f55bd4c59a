package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"

	"github.com/catalog-courier/catalog-courier/bench/rig"
)

// state is what both the running platforms and the fresh one that tells the
// expected state can say.
type state interface {
	Apply(catalogKey string, itemType catalog.Type, m *catalog.Mutation) error
	Items(catalogKey string, itemType catalog.Type) map[string]string
	Counters() sandbox.Counters
}

// place is where the items of a lane are.
type place struct {
	platform state
	fresh    state // an untouched platform of the same kind
	catalog  string
}

func placeOf(service *rig.Rig, lane catalog.Lane) place {
	settings := service.Config.Accounts[lane.Account].Catalogs[lane.Catalog]
	if lane.Account == pinterestAccount {
		return place{
			platform: service.Pinterest, fresh: pinterestsim.New(sandbox.Options{}),
			catalog: pinterestsim.Catalog(settings.Keys.Text("country"), settings.Keys.Text("language"), settings.Keys.Text("catalog_id")),
		}
	}
	return place{platform: service.Meta, fresh: metasim.New(sandbox.Options{}), catalog: settings.Keys.Text("catalog_id")}
}

// row is what mutation_status says of a mutation.
type row struct {
	status       string
	supersededBy string
	rows         int
}

func readRowsByID(ctx context.Context, service *rig.Rig) (map[string]row, error) {
	found := map[string]row{}
	rows, err := service.Database.Query(ctx, `SELECT mutation_id, status, coalesce(superseded_by, '') FROM courier.mutation_status`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var r row
		if err := rows.Scan(&id, &r.status, &r.supersededBy); err != nil {
			return nil, err
		}
		r.rows = found[id].rows + 1
		found[id] = r
	}
	return found, rows.Err()
}

var errBroken = errors.New("an invariant does not hold")

func broken(format string, arguments ...any) error {
	return fmt.Errorf("%w: %s", errBroken, fmt.Sprintf(format, arguments...))
}

// finalStatuses are those that never change again.
var finalStatuses = []string{"succeeded", "failed", "superseded", "invalid", "unconfirmed"}

// checkRows holds every published mutation to exactly one row with a final status,
// and a superseded one to the newer mutation of its item that stands for it.
func checkRows(streams []*stream, rows map[string]row) error {
	if len(rows) != count(streams) {
		return broken("%d mutations have rows, %d were published", len(rows), count(streams))
	}
	for _, s := range streams {
		items := make(map[string]string, len(s.mutations))
		for _, m := range s.mutations {
			items[m.ID] = m.ItemID
		}
		for _, m := range s.mutations {
			r := rows[m.ID]
			switch {
			case r.rows != 1:
				return broken("mutation %s has %d rows", m.ID, r.rows)
			case !slices.Contains(finalStatuses, r.status):
				return broken("mutation %s is %s", m.ID, r.status)
			case r.status == "superseded" && (items[r.supersededBy] != m.ItemID || rows[r.supersededBy].status == "superseded"):
				return broken("mutation %s is superseded by %q, which does not stand for it", m.ID, r.supersededBy)
			}
		}
	}
	return nil
}

// checkState compares what the platform holds with what applying the mutations one
// by one gives. Those that the service says did not arrive are left out, with what
// was merged into them.
func checkState(p place, s *stream, rows map[string]row) error {
	for _, m := range s.mutations {
		r := rows[m.ID]
		if r.status == "superseded" {
			r = rows[r.supersededBy]
		}
		if r.status != "succeeded" {
			continue
		}
		if err := p.fresh.Apply(p.catalog, s.lane.Type, m); err != nil {
			return broken("%s is %s, and applied by itself it is refused: %v", m.ID, rows[m.ID].status, err)
		}
	}
	want, got := p.fresh.Items(p.catalog, s.lane.Type), p.platform.Items(p.catalog, s.lane.Type)
	if len(want) != len(got) {
		return broken("%v has %d items, expected %d", s.lane, len(got), len(want))
	}
	for id, attributes := range want {
		if got[id] != attributes {
			return broken("item %s of %v is %s, expected %s", id, s.lane, got[id], attributes)
		}
	}
	return nil
}

// checkPlatform holds the requests to the platforms' rules, and success to what the
// platforms did.
func checkPlatform(name string, c sandbox.Counters, maxItems, succeeded int) error {
	switch {
	case c.DuplicateItems > 0:
		return broken("%s got %d records of an item that the same batch had before", name, c.DuplicateItems)
	case c.Overlaps > 0:
		return broken("%s got %d records of items with other content still under way", name, c.Overlaps)
	case c.MaxItems > maxItems:
		return broken("%s got a batch of %d records, more than %d", name, c.MaxItems, maxItems)
	case c.MaxBytes > maxBytes:
		return broken("%s got a body of %d bytes, more than %d", name, c.MaxBytes, maxBytes)
	case succeeded != c.Records-c.Refused:
		return broken("%s applied %d records, and %d are said to have succeeded", name, c.Records-c.Refused, succeeded)
	default:
		return nil
	}
}

// maxBytes is the cap of a body on both platforms.
const maxBytes = 28_000_000
