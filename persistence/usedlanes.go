package persistence

import (
	"context"
	"fmt"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// maxUsedLanes bounds UsedLanes.
const maxUsedLanes = 100_000

// UsedLanes lists the lanes that changes were recorded for.
func (s *Store) UsedLanes(ctx context.Context) ([]catalog.Lane, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.query.UsedLanes(ctx, maxUsedLanes)
	if err != nil {
		return nil, fmt.Errorf("reading the lanes: %w", err)
	}
	lanes := make([]catalog.Lane, len(rows))
	for i, row := range rows {
		lanes[i] = catalog.Lane{Account: row.Account, Catalog: row.Catalog, Type: catalog.Type(row.CatalogType)}
	}
	return lanes, nil
}
