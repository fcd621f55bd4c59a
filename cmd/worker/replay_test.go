package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/replay"
)

// TestReplaysInTwoProcessesPublishEachDeadLetterOnce, and one that was killed between
// publishing and marking publishes nothing twice.
func TestReplaysInTwoProcessesPublishEachDeadLetterOnce(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sandbox.Options{Rules: []sandbox.ItemRule{{Contains: "BAD", Action: sandbox.RefuseItem, Message: "not today"}}})
	ctx, stopWorking := context.WithCancel(context.WithoutCancel(t.Context()))
	exited := make(chan execution, 1)
	go func() {
		exited <- executeIn(ctx, builtin.Platforms(), p.variables, "run", "--config", p.config, "--name", "tester")
	}()
	p.awaitStream(t)
	const count = 300
	mutations := make([]publish.Mutation, count)
	for i := range mutations {
		mutations[i] = publish.Mutation{ID: fmt.Sprint("m-", i), ItemID: fmt.Sprint("BAD-", i), Operation: catalog.Create, Attributes: lampOf("one")}
	}
	p.publish(t, mutations...)
	letters := func() []persistence.DeadLetter {
		pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: p.environment.DatabaseURL, MaxConns: 1})
		require.NoError(t, err)
		defer pool.Close()
		store, err := persistence.NewStore(pool, persistence.Config{})
		require.NoError(t, err)
		defer store.Close()
		found, err := store.DeadLetters(t.Context(), persistence.DeadLetterFilter{States: persistence.LetterStates(), Limit: 10 * count})
		require.NoError(t, err)
		return found
	}
	eventually(t, "all are dead letters", func() bool { return len(letters()) == count })
	stopWorking() // what is replayed stays in the stream
	require.Zero(t, (<-exited).code)

	// A replay that is killed behind its publishing leaves this.
	stream, err := p.js.Stream(t.Context(), queue.DefaultStreamName)
	require.NoError(t, err)
	before := stream.CachedInfo().State.LastSeq
	var installation string
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: p.environment.DatabaseURL, MaxConns: 1})
	require.NoError(t, err)
	defer pool.Close()
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT installation_id::text FROM courier.stream").Scan(&installation))
	first := letters()[0]
	publication, err := replay.Republication(&first, installation)
	require.NoError(t, err)
	_, err = p.publisher.Publish(t.Context(), []publish.Publication{publication})
	require.NoError(t, err)

	var processes [3]*process
	for i := range processes {
		processes[i] = startProcess(t, p.variables, "dead-letters", "replay", "--all", "--force", "--yes")
	}
	replayed := 0
	for _, replay := range processes {
		require.Zero(t, replay.exitCode(t), replay.said.String())
		var said int
		_, line, _ := strings.Cut(replay.said.String(), "replayed ")
		_, err := fmt.Sscanf(line, "%d", &said)
		require.NoError(t, err)
		replayed += said
	}
	require.Equal(t, count, replayed)
	stream, err = p.js.Stream(t.Context(), queue.DefaultStreamName)
	require.NoError(t, err)
	require.Equal(t, uint64(count), stream.CachedInfo().State.LastSeq-before)
	for _, letter := range letters() {
		require.False(t, letter.ReplayedAt.IsZero())
	}
	require.Contains(t, p.run(t, "dead-letters", "replay", "--all", "--force", "--yes").out, "replayed 0\n")
	require.Contains(t, p.run(t, "dead-letters", "replay", "--replayed", "--force", strconv.FormatInt(first.ID, 10)).out, "replayed 1\n", "again, when asked")
}
