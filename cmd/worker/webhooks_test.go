package main

import (
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/persistence"
)

func TestWebhooksAreListedAndResent(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	_, err := persistence.Migrate(t.Context(), url)
	require.NoError(t, err)
	connection, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, connection.Close(t.Context())) }()
	_, err = connection.Exec(t.Context(), `insert into courier.outcome_delivery (webhook, message_id, events, state, attempts, last_at, last_status, last_error, body) values
		('shop', 'msg_1', 3, 'failed', 9, now(), 503, 'the receiver answered 503 Service Unavailable', 'x'),
		('shop', 'msg_2', 2, 'delivered', 1, now(), 200, null, null),
		('lab', 'msg_3', 1, 'pending', 0, null, null, null, 'x')`)
	require.NoError(t, err)
	variables := map[string]string{"DATABASE_URL": url}
	run := func(args ...string) execution {
		got := execute(t, variables, append([]string{"webhooks"}, args...)...)
		require.Zero(t, got.code, got.err)
		return got
	}
	table := run("list")
	require.Contains(t, table.out, "503 Service Unavailable")
	require.Contains(t, table.out, "lab")
	require.NotContains(t, table.out, "delivered")
	var posts []map[string]any
	require.NoError(t, json.Unmarshal([]byte(run("list", "--delivered", "--webhook", "shop", "--output", "json").out), &posts))
	require.Len(t, posts, 2)
	require.Equal(t, "msg_2", posts[0]["message_id"])
	require.InDelta(t, 503, posts[1]["last_status"], 0)

	require.NotZero(t, execute(t, variables, "webhooks", "resend").code, "all of everything is not meant")
	require.NotZero(t, execute(t, variables, "webhooks", "resend", "x").code)
	delivered := execute(t, variables, "webhooks", "resend", "2")
	require.Equal(t, 1, delivered.code, "it is delivered")
	require.Contains(t, delivered.err, "no post is sent again")
	require.Equal(t, "posts that are sent again: 1\n", run("resend", "--webhook", "shop").out)
	require.Contains(t, run("list", "--webhook", "shop").out, "pending")
}
