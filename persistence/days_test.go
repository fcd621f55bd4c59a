package persistence_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/persistence"
)

// TestDaysAreMadeByManyAtOnce: the first commits of a new day come from all
// partitions together.
func TestDaysAreMadeByManyAtOnce(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	const callers = 8
	for _, day := range []string{"2031-01-01", "2031-01-02", "2031-01-03", "2031-01-04", "2031-01-05"} {
		var made sync.WaitGroup
		results := make(chan error, callers)
		start := make(chan struct{})
		for range callers {
			connection, err := pgx.ConnectConfig(t.Context(), pool.Config().ConnConfig)
			require.NoError(t, err)
			made.Go(func() {
				defer func() { _ = connection.Close(context.WithoutCancel(t.Context())) }()
				<-start
				_, err := connection.Exec(t.Context(), "SELECT courier.start_day($1)", day)
				results <- err
			})
		}
		close(start)
		made.Wait()
		for range callers {
			require.NoError(t, <-results)
		}
	}
}

// TestTheIndexOfAFormerReleaseIsReplaced: it was of the item alone.
func TestTheIndexOfAFormerReleaseIsReplaced(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	oldDay(t, store, acquire(t, pool, 0), 2)
	var name string
	require.NoError(t, pool.QueryRow(t.Context(), "select min(c.relname)::text from pg_class c where c.relname ~ '^mutation_[0-9]{8}$'").Scan(&name))
	_, err := pool.Exec(t.Context(), "create index "+name+"_by_item on courier."+name+" (item_id)")
	require.NoError(t, err)
	_, err = store.Retain(t.Context(), persistence.RetentionPolicy{Keep: 90 * 24 * time.Hour})
	require.NoError(t, err)
	var definition string
	require.NoError(t, pool.QueryRow(t.Context(), "select indexdef from pg_indexes where indexname = $1", name+"_by_item").Scan(&definition))
	require.Contains(t, definition, "(item_id, lane, ")
	var found bool
	require.NoError(t, pool.QueryRow(t.Context(), "select bool_or(by_item) from courier.mutation_days()").Scan(&found))
	require.True(t, found, "lists know it")
}
