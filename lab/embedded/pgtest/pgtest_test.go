package pgtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

var migrated = pgtest.NewTemplate(func(ctx context.Context, url string) error {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = connection.Exec(ctx, "CREATE TABLE migrated (n int)")
	if err != nil {
		return err
	}
	return connection.Close(ctx)
})

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("clone", func(t *testing.T) {
			t.Parallel()
			connection, err := pgx.Connect(t.Context(), migrated.Database(t))
			require.NoError(t, err)
			var count int
			_, err = connection.Exec(t.Context(), "INSERT INTO migrated VALUES (1)")
			require.NoError(t, err)
			require.NoError(t, connection.QueryRow(t.Context(), "SELECT count(*) FROM migrated").Scan(&count))
			require.Equal(t, 1, count)
			// Left open on purpose: the database goes all the same.
		})
	}
}

func TestEmptyDatabase(t *testing.T) {
	t.Parallel()
	connection, err := pgx.Connect(t.Context(), pgtest.Database(t))
	require.NoError(t, err)
	var count int
	require.NoError(t, connection.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&count))
	require.Zero(t, count)
	require.NoError(t, connection.Close(t.Context()))
}
