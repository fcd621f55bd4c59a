package persistence_test

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
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
