package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/service"
)

// database is an open ledger.
type database struct {
	*persistence.Store
	pool    *pgxpool.Pool
	address string // and where it came from, for people
}

func openDatabase(ctx context.Context, settings *config.Config) (*database, error) {
	pool, err := persistence.Open(ctx, persistence.PoolConfig{
		URL: settings.Database.URL.Reveal(), MaxConns: 4, ApplicationName: "catalog-courier command",
	})
	if err != nil {
		return nil, err
	}
	store, err := persistence.NewStore(pool, persistence.Config{})
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &database{Store: store, pool: pool, address: service.DatabaseAddress(settings)}, nil
}

func (d *database) close() {
	d.Close()
	d.pool.Close()
}
