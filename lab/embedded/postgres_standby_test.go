package embedded

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func on(t *testing.T, url, statement string, into ...any) {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = connection.Close(t.Context()) }()
	if len(into) == 0 {
		_, err = connection.Exec(t.Context(), statement)
	} else {
		err = connection.QueryRow(t.Context(), statement).Scan(into...)
	}
	require.NoError(t, err)
}

// What a standby does not have when its primary is lost is gone; what a synchronous
// one was waited for is not.
func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	for name, synchronous := range map[string]bool{"asynchronous": false, "synchronous": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary, err := StartPostgres(t.Context(), PostgresOptions{NoDownload: true})
			require.NoError(t, err)
			defer func() { require.NoError(t, primary.Stop()) }()
			on(t, primary.URL(), "CREATE TABLE kept (n int)")
			standby, err := primary.StartStandby(t.Context(), StandbyOptions{Synchronous: synchronous})
			require.NoError(t, err)
			defer func() { require.NoError(t, standby.Stop()) }()
			want := 1
			if !synchronous {
				require.NoError(t, standby.Fall(t.Context()))
				want = 0
			}
			on(t, primary.URL(), "SET synchronous_commit = on; INSERT INTO kept VALUES (1)")
			either, err := URLOfAny(primary, standby)
			require.NoError(t, err)
			var count int
			on(t, either, "SELECT count(*) FROM kept", &count)
			require.Equal(t, 1, count)
			require.NoError(t, primary.Kill())
			require.NoError(t, standby.Promote(t.Context()))
			on(t, either, "SELECT count(*) FROM kept", &count)
			require.Equal(t, want, count)
			on(t, either, "INSERT INTO kept VALUES (2)")

			next, err := standby.StartStandby(t.Context(), StandbyOptions{Synchronous: synchronous})
			require.NoError(t, err, "the next failover needs another")
			require.NoError(t, next.Stop())
		})
	}
}
