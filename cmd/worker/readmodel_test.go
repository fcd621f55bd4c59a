package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/status"
)

// shared is output that is read while it is written.
type shared struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

// follow runs a command that goes on until the test ends.
func (p *plant) follow(t *testing.T, args ...string) *shared {
	t.Helper()
	out, _ := p.followBoth(t, args...)
	return out
}

// followBoth is follow with what the command says beside its output.
func (p *plant) followBoth(t *testing.T, args ...string) (out, said *shared) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	out, said = &shared{}, &shared{}
	streams := cli.Streams{In: strings.NewReader(""), Out: out, Err: said, Lookup: func(name string) (string, bool) {
		value, found := p.variables[name]
		return value, found
	}}
	ended := make(chan int, 1)
	go func() { ended <- cli.Execute(ctx, newCommand(streams, builtin.Platforms()), streams, args) }() //nolint:contextcheck // commands get it from Execute
	t.Cleanup(func() {
		cancel()
		require.Zero(t, <-ended, said.String())
	})
	eventually(t, "it begins", func() bool { return said.String() != "" })
	return out, said
}

// TestTailOutlivesTheDatabase: a restart of the database ends nothing, and what ended
// meanwhile is told.
func TestTailOutlivesTheDatabase(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sandbox.Options{})
	p.work(t)
	lines, said := p.followBoth(t, "tail", "--item", "GOOD-1")
	config, err := pgx.ParseConfig(p.environment.DatabaseURL)
	require.NoError(t, err)
	name := config.Database
	config.Database = "postgres"
	admin, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	defer func() { _ = admin.Close(context.Background()) }()
	allow := func(yes bool) {
		_, err := admin.Exec(t.Context(), fmt.Sprintf("alter database %s allow_connections %t", pgx.Identifier{name}.Sanitize(), yes))
		require.NoError(t, err)
	}

	allow(false)
	_, err = admin.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
	require.NoError(t, err)
	eventually(t, "the trouble is told", func() bool { return strings.Contains(said.String(), "trying again every 1s") })
	p.publish(t, publish.Mutation{ID: "m-good", ItemID: "GOOD-1", Operation: catalog.Create, Attributes: lampOf("one")})
	allow(true)
	eventually(t, "the change is told", func() bool { return strings.Contains(lines.String(), "GOOD-1") })
	require.Contains(t, said.String(), "the database answers again")
	require.Equal(t, 1, strings.Count(said.String(), "trying again"), "once")
}

//nolint:tparallel // each step stands on the one before
func TestWhatBecameOfAnItem(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sandbox.Options{Rules: []sandbox.ItemRule{{Contains: "BAD", Action: sandbox.RefuseItem, Times: 1, Message: "not\x1b[2Jtoday"}}})
	p.work(t)
	outcomes := p.follow(t, "tail", "--status", "failed")
	lines := p.follow(t, "tail", "--output", "json", "--item", "GOOD-1")
	watched := p.follow(t, "status", "--watch", "--interval", "1s")
	p.publish(t,
		publish.Mutation{ID: "m-bad", ItemID: "BAD-1", Operation: catalog.Create, Attributes: lampOf("one")},
		publish.Mutation{ID: "m-good", ItemID: "GOOD-1", Operation: catalog.Create, Attributes: lampOf("one")})
	eventually(t, "both are final", func() bool {
		return strings.Join(append(p.statuses(t, "m-bad"), p.statuses(t, "m-good")...), " ") == "failed succeeded"
	})
	configured := func(args ...string) execution { return p.run(t, append(args, "--config", p.config)...) }
	var batch string

	t.Run("item", func(t *testing.T) {
		got := configured("item", "BAD-1")
		require.Zero(t, got.code, got.err)
		require.Contains(t, got.out, "rejected by Meta")
		require.Contains(t, got.out, "not[2Jtoday")
		require.NotContains(t, got.out, "\x1b")
		require.Contains(t, got.out, "what to do")
		require.Contains(t, got.out, "none recorded")
		require.Contains(t, got.out, "Last request to demo-meta/products/PRODUCT_ITEM: batch")
		require.Contains(t, got.out, `"id": "BAD-1"`)
		require.NotContains(t, got.out, "GOOD-1", "its part of the request alone")

		got = configured("item", "GOOD-1", "--output", "json", "--account", "demo-meta", "--catalog", "products", "--type", "PRODUCT_ITEM")
		require.Zero(t, got.code, got.err)
		var answer itemAnswer
		require.NoError(t, json.Unmarshal([]byte(got.out), &answer))
		require.Equal(t, "up to date on Meta", answer.Destinations[0].Words)
		require.Equal(t, "m-good", answer.Changes[0].ID)
		require.Contains(t, string(answer.Requests[0].Body), "GOOD-1")
		batch = answer.Requests[0].BatchID.String()

		require.Regexp(t, `(?m)^mutation_id,account,.*\nm-good,demo-meta,`, configured("item", "GOOD-1", "--output", "csv").out)
		without := p.run(t, "item", "GOOD-1")
		require.Zero(t, without.code, without.err)
		require.Contains(t, without.out, "not shown: showing a request takes the configuration of its account")
	})
	t.Run("an unknown item", func(t *testing.T) {
		got := p.run(t, "item", "GOOD-7")
		require.Equal(t, cli.Failed, got.code)
		require.Contains(t, got.err, "no change of item GOOD-7 is recorded; similar ids: GOOD-1")
		require.Empty(t, got.out)
		require.Equal(t, cli.Failed, p.run(t, "item", "GOOD-1", "--account", "nobody").code)
		require.Equal(t, cli.Usage, p.run(t, "item").code)
		require.Equal(t, cli.Usage, p.run(t, "item", "GOOD-1", "--before", "x").code)
	})
	t.Run("mutation", func(t *testing.T) {
		got := p.run(t, "mutation", "m-bad")
		require.Zero(t, got.code, got.err)
		require.Contains(t, got.out, "rejected by Meta")
		require.Contains(t, got.out, "handle")
		var found []status.Mutation
		require.NoError(t, json.Unmarshal([]byte(p.run(t, "mutation", "m-bad", "--output", "json").out), &found))
		require.Equal(t, "BAD-1", found[0].ItemID)
		got = p.run(t, "mutation", "m-none")
		require.Equal(t, cli.Failed, got.code)
		require.Contains(t, got.err, "no mutation m-none is recorded")
	})
	t.Run("batch", func(t *testing.T) {
		got := p.run(t, "batch", batch, "--response")
		require.Zero(t, got.code, got.err)
		require.Contains(t, got.out, "1 succeeded, 1 failed")
		require.Contains(t, got.out, "not[2Jtoday")
		require.NotContains(t, got.out, "\x1b")
		require.Contains(t, got.out, "\nAnswer to attempt 1\n{\n  \"handles\": [")
		require.Contains(t, got.out, "\nAnswer to the last poll\n{\n  \"data\": [")
		got = p.run(t, "batch", batch, "--response", "--item", "BAD-1")
		require.Contains(t, got.out, "\nAnswer to attempt 1\n  it does not name the item\n")
		require.Regexp(t, `(?s)Answer to the last poll\n\[\n  \{[^{}]*"id": "BAD-1"[^{}]*\}\n\]\n`, got.out)
		got = configured("batch", batch, "--body")
		require.Zero(t, got.code, got.err)
		var body struct {
			Requests []any `json:"requests"`
		}
		require.NoError(t, json.Unmarshal([]byte(got.out), &body))
		require.Len(t, body.Requests, 2)
		got = configured("batch", batch, "--body", "--item", "BAD-1")
		require.NoError(t, json.Unmarshal([]byte(got.out), &body))
		require.Len(t, body.Requests, 1)
		require.Regexp(t, `(?m)^record,item_id,`, p.run(t, "batch", batch, "--output", "csv").out)
		require.Equal(t, cli.Usage, p.run(t, "batch", "7").code)
		got = p.run(t, "batch", "01a21f9b-619c-7945-9a70-ed5487e5df41")
		require.Equal(t, cli.Failed, got.code)
		require.Contains(t, got.err, "no batch")
	})
	t.Run("tail", func(t *testing.T) {
		eventually(t, "the rejection is told", func() bool { return strings.Contains(outcomes.String(), "BAD-1") })
		require.NotContains(t, outcomes.String(), "GOOD-1")
		require.Contains(t, outcomes.String(), "rejected by Meta: not[2Jtoday")
		eventually(t, "the other is told", func() bool { return strings.HasSuffix(lines.String(), "\n") })
		var told status.Mutation
		require.NoError(t, json.Unmarshal([]byte(lines.String()), &told))
		require.Equal(t, "m-good", told.ID)
		require.Equal(t, cli.Usage, p.run(t, "tail", "--status", "good").code)
	})
	t.Run("status --watch", func(t *testing.T) {
		eventually(t, "the end of the batch is told", func() bool {
			return strings.Contains(watched.String(), "batch "+batch+" demo-meta/products/PRODUCT_ITEM: completed, 1 rejected; 1 succeeded\n")
		})
		require.Equal(t, 1, strings.Count(watched.String(), "account demo-pinterest: active"), "once, as it does not change")
		require.Equal(t, cli.Usage, p.run(t, "status", "--watch", "--output", "json").code)
	})
	t.Run("completion offers accounts and statuses", func(t *testing.T) {
		require.Contains(t, p.run(t, "__complete", "item", "x", "--account", "demo-p").out, "demo-pinterest\tactive\n")
		require.Contains(t, p.run(t, "__complete", "tail", "--status", "").out, "unconfirmed\n")
		require.Contains(t, p.run(t, "__complete", "status", "--output", "").out, "csv\n")
		nowhere := execute(t, map[string]string{"DATABASE_URL": "postgres://127.0.0.1:1/none"}, "__complete", "item", "x", "--account", "")
		require.Zero(t, nowhere.code)
	})
}

// TestRecoveredBatchSaysSo: trouble that the batch recovered from is not shown as its error.
func TestRecoveredBatchSaysSo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{streams: cli.Streams{Out: &out}}
	answer := &batchAnswer{Batch: status.Batch{State: "completed", Words: "finished", RecoveredError: "POST items_batch: HTTP 500"}}
	require.NoError(t, a.printBatch(answer, &batchFlags{}))
	require.Contains(t, out.String(), "recovered      an earlier attempt failed, and a later one worked: nothing is to be done. It failed of: POST items_batch: HTTP 500\n")
	require.NotContains(t, out.String(), "last error")
}
