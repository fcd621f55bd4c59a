package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/itemindex"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// buildIndex fills in the index of items, takes in what the outbox has, and says what that
// cost.
func buildIndex(ctx context.Context, pool *pgxpool.Pool) error {
	store, err := persistence.NewStore(pool, persistence.Config{Timeout: 10 * time.Minute})
	if err != nil {
		return err
	}
	defer store.Close()
	positions, err := store.Positions(ctx)
	if err != nil {
		return err
	}
	index := itemindex.New(store, itemindex.Limit(), slog.New(slog.DiscardHandler))
	var leases []ledger.Lease
	for partition := range positions {
		lease := ledger.Lease{Partition: partition, Token: uuid.New()}
		if _, err := pool.Exec(ctx, "update courier.lease set token = $2, last_transaction = $2 where partition = $1", partition, lease.Token); err != nil {
			return err
		}
		leases = append(leases, lease)
		if _, err := store.OpenCursor(ctx, lease, persistence.ItemsConsumer); err != nil {
			return err
		}
	}
	began := time.Now()
	for done := false; !done; {
		if done, err = index.Fill(ctx, leases[0]); err != nil {
			return err
		}
	}
	filled := time.Since(began)
	began = time.Now()
	for _, lease := range leases {
		for more := true; more; {
			if more, err = index.Step(ctx, lease); err != nil {
				return err
			}
		}
	}
	if err := store.SampleQuotas(ctx); err != nil {
		return err
	}
	var mutations, items int64
	if err := pool.QueryRow(ctx, "select filling.mutations, (select sum(items) from courier.item_count)::bigint from courier.item_filling filling").Scan(&mutations, &items); err != nil {
		return err
	}
	fmt.Printf("the index of %d items: filled from %d mutations in %s (%.1f µs each); the outbox was read in %s\n",
		items, mutations, filled.Round(time.Millisecond), float64(filled.Microseconds())/float64(max(mutations, 1)), time.Since(began).Round(time.Millisecond))
	return nil
}
