package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
)

// quick gives up on NATS soon.
var quick = publish.Options{Timeout: 300 * time.Millisecond, RetryFor: 600 * time.Millisecond, PackLines: 1}

// plain gives each mutation a message of its own, so that a stream can fill up in the middle of a
// request.
var plain = publish.Options{PackLines: 1}

func manyLines(count int) string {
	var body strings.Builder
	for i := range count {
		fmt.Fprintf(&body, `{"item_id":"%d","operation":"UPSERT","attributes":{"t":"%s"}}`+"\n", i, strings.Repeat("x", 100))
	}
	return body.String()
}

func numbered(count int) (items []string) {
	for i := range count {
		items = append(items, strconv.Itoa(i))
	}
	return items
}

// TestTheStreamBecomesFull in the middle of a request: the answer counts, and a repeat with
// the same key stores the rest and nothing twice.
func TestTheStreamBecomesFull(t *testing.T) {
	t.Parallel()
	a := start(t, setup{stream: queue.StreamConfig{MaxBytes: 400_000}, publish: plain})
	const count = 2500
	c := call{body: manyLines(count), header: map[string]string{headerKey: "run-7"}}
	got := a.do(c)
	body := got.problem(t, kindStreamFull)
	require.Equal(t, "15", got.header.Get("Retry-After"))
	require.Equal(t, publish.MaxBatch, *body.Stored)
	require.Equal(t, count-publish.MaxBatch, body.NotStored+body.Unknown)
	require.True(t, body.RepeatSafe)
	require.Len(t, body.IDs, count)
	require.Contains(t, body.Detail, "same Idempotency-Key")
	require.Len(t, a.stored(), publish.MaxBatch)

	shrink(t, a.js, func(c *jetstream.StreamConfig) { c.MaxBytes = -1 })
	again := a.do(c).accepted(t)
	require.Equal(t, body.IDs, again.IDs)
	all := a.mutations()
	require.Equal(t, numbered(count), itemsOf(all))
	require.Equal(t, again.IDs, idsOf(all))
}

// TestTheStreamIsFullFromTheBeginning: nothing is stored, so any repeat is safe.
func TestTheStreamIsFullFromTheBeginning(t *testing.T) {
	t.Parallel()
	a := start(t, setup{stream: queue.StreamConfig{MaxBytes: 1000}, publish: plain})
	body := a.do(call{body: manyLines(10)}).problem(t, kindStreamFull)
	require.Zero(t, *body.Stored)
	require.Equal(t, 10, body.NotStored)
	require.True(t, body.RepeatSafe)
	require.Contains(t, body.Detail, "nothing of the request is stored")
}

// TestRandomIDsAreNotSafeToRepeat: the answer lists them, so that the caller can set them.
func TestRandomIDsAreNotSafeToRepeat(t *testing.T) {
	t.Parallel()
	a := start(t, setup{stream: queue.StreamConfig{MaxBytes: 400_000}, publish: plain})
	body := a.do(call{body: manyLines(2500)}).problem(t, kindStreamFull)
	require.False(t, body.RepeatSafe)
	require.Contains(t, body.Detail, "put them into the lines")
	require.Equal(t, body.IDs[:publish.MaxBatch], idsOf(a.mutations()))
}

// stopping stops NATS after the first batch of a request, and then gives up soon.
type stopping struct {
	Publisher

	impatient Publisher
	nats      *natstest.Server
}

func (s stopping) Publish(ctx context.Context, all []publish.Publication) ([]publish.Result, error) {
	first, err := s.Publisher.Publish(ctx, all[:publish.MaxBatch])
	if err != nil {
		return nil, err
	}
	s.nats.Stop()
	rest, err := s.impatient.Publish(ctx, all[publish.MaxBatch:])
	return append(first, rest...), err
}

func TestNATSStopsInTheMiddle(t *testing.T) {
	t.Parallel()
	a := start(t, setup{publish: plain})
	patient, impatient := a.server.options.Publisher, publish.NewPublisher(a.js, quick)
	a.server.options.Publisher = stopping{patient, impatient, a.nats}
	const count = 1500
	c := call{body: manyLines(count), header: map[string]string{headerKey: "run-7"}}
	got := a.do(c)
	body := got.problem(t, kindUnavailable)
	require.Equal(t, "5", got.header.Get("Retry-After"))
	require.Equal(t, publish.MaxBatch, *body.Stored)
	require.Equal(t, count-publish.MaxBatch, body.NotStored+body.Unknown)
	require.True(t, body.RepeatSafe)

	a.server.options.Publisher = impatient
	a.do(c).problem(t, kindUnavailable) // still away
	a.server.options.Publisher = patient
	a.nats.Run(t)
	require.Eventually(t, func() bool { return natstest.Answers(a.js.Conn()) }, patience, 10*time.Millisecond)
	again := a.do(c).accepted(t)
	require.Equal(t, body.IDs, again.IDs)
	require.Equal(t, numbered(count), itemsOf(a.mutations()))
}

func TestNATSIsAway(t *testing.T) {
	t.Parallel()
	a := start(t, setup{publish: quick, options: Options{Ready: func(context.Context) error { return nil }}})
	a.nats.Stop()
	body := a.do(call{body: remove}).problem(t, kindUnavailable)
	require.Zero(t, *body.Stored)
	require.NotContains(t, body.Detail, "127.0.0.1")
}

// TestTheTimeoutBoundsPublishing, whatever the publisher's own patience is.
func TestTheTimeoutBoundsPublishing(t *testing.T) {
	t.Parallel()
	a := start(t, setup{options: Options{Timeout: 300 * time.Millisecond}})
	a.nats.Stop()
	begun := time.Now()
	a.do(call{body: remove}).problem(t, kindUnavailable)
	require.Less(t, time.Since(begun), patience)
}

func TestThereIsNoStream(t *testing.T) {
	t.Parallel()
	a := start(t, setup{publish: quick, without: true})
	body := a.do(call{body: remove, header: map[string]string{headerKey: "k"}}).problem(t, kindUnavailable)
	require.True(t, body.RepeatSafe)
	require.Zero(t, *body.Stored)
	require.Equal(t, 1, body.NotStored+body.Unknown)
}

const permissions = `
listen: "127.0.0.1:-1"
max_payload: %d
jetstream { store_dir: %q }
authorization { users = [
 {user: worker, password: w}
 {user: api, password: a, permissions: {publish: {allow: ["catalog.mutations.acme.>", "$JS.API.>"]}, subscribe: {allow: ["_INBOX.>"]}}}
] }`

// TestNATSDeniesAnAccount: the operator has to grant it; the caller cannot.
func TestNATSDeniesAnAccount(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "nats.conf")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, permissions, embedded.MaxPayload, t.TempDir()), 0o600))
	options, err := server.ProcessConfigFile(path)
	require.NoError(t, err)
	options.NoLog, options.NoSigs = true, true
	instance, err := server.NewServer(options)
	require.NoError(t, err)
	instance.Start()
	t.Cleanup(func() {
		instance.Shutdown()
		instance.WaitForShutdown()
	})
	require.True(t, instance.ReadyForConnections(patience))
	connect := func(user string, options ...nats.Option) jetstream.JetStream {
		conn, err := nats.Connect("nats://"+user+"@"+instance.Addr().String(), options...)
		require.NoError(t, err)
		t.Cleanup(conn.Close)
		js, err := jetstream.New(conn)
		require.NoError(t, err)
		return js
	}
	_, err = queue.Ensure(t.Context(), connect("worker:w"), queue.StreamConfig{})
	require.NoError(t, err)
	denials := &publish.Denials{}
	a := start(t, setup{js: connect("api:a", nats.ErrorHandler(denials.Handler(nil))), publish: publish.Options{Denials: denials}})
	a.do(call{body: remove}).accepted(t)
	got := a.do(call{body: remove + "\n" + remove, path: "/v1/mutations/other/us/RETAIL", token: "Bearer " + anyToken})
	body := got.problem(t, kindDenied)
	require.Equal(t, "60", got.header.Get("Retry-After"))
	require.Equal(t, 2, body.NotStored)
	require.NotContains(t, string(got.body), "catalog.mutations")
	require.NoError(t, a.stop())
	require.Contains(t, a.log.String(), "catalog.mutations.other.us.RETAIL")
}

// TestWhatIsSafeToRepeat is a table of results, as the publisher can return them.
func TestWhatIsSafeToRepeat(t *testing.T) {
	t.Parallel()
	stored, absent, unknown := publish.Result{Outcome: publish.Stored}, publish.Result{NotStored: true}, publish.Result{}
	of := func(names string, explicit bool) (items []item) {
		for i, name := range names {
			items = append(items, item{line: i + 1, id: fmt.Sprint("m-", i), explicit: explicit, key: catalog.ItemKey{ItemID: string(name)}})
		}
		return items
	}
	for name, c := range map[string]struct {
		items   []item
		results []publish.Result
		keyed   bool
		safe    bool
		text    string
	}{
		"a key":                     {of("abc", false), []publish.Result{stored, unknown, absent}, true, true, "same Idempotency-Key"},
		"ids of the caller":         {of("abc", true), []publish.Result{stored, unknown, absent}, false, true, "Repeat the same request:"},
		"random ids":                {of("abc", false), []publish.Result{stored, unknown, absent}, false, false, "random"},
		"random ids, and no result": {of("abc", false), nil, false, true, "nothing"},
		"a newer change is stored":  {of("aba", true), []publish.Result{unknown, absent, stored}, true, false, "do not repeat"},
		"an older change is stored": {of("aba", true), []publish.Result{stored, absent, unknown}, true, true, "same Idempotency-Key"},
		"another item is stored":    {of("abc", true), []publish.Result{unknown, absent, stored}, true, true, "same Idempotency-Key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused := incomplete(c.items, c.results, errors.New("away"), c.keyed)
			require.Equal(t, kindUnavailable, refused.kind)
			require.Equal(t, c.safe, refused.known.RepeatSafe, refused.detail)
			require.Contains(t, refused.detail, c.text)
			require.Equal(t, len(c.items), refused.known.Stored+refused.known.NotStored+refused.known.Unknown)
			require.Len(t, refused.known.IDs, len(c.items))
		})
	}
}

// holding is a publisher that waits until it may go on.
type holding struct {
	Publisher
	begun chan struct{}
	free  chan struct{}
}

func hold1() holding { return holding{begun: make(chan struct{}, 8), free: make(chan struct{})} }

func (h holding) Publish(ctx context.Context, all []publish.Publication) ([]publish.Result, error) {
	h.begun <- struct{}{}
	select {
	case <-h.free:
	case <-ctx.Done():
	}
	return h.Publisher.Publish(ctx, all)
}

func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	h := hold1()
	a := start(t, setup{options: Options{MaxConcurrent: 1}, wrap: func(p Publisher) Publisher { h.Publisher = p; return h }})
	first := make(chan answer, 1)
	go func() {
		got, _ := a.try(call{body: remove})
		first <- got
	}()
	<-h.begun
	got := a.do(call{body: remove})
	got.problem(t, kindOverloaded)
	require.Equal(t, "1", got.header.Get("Retry-After"))
	a.do(call{body: remove, token: "Bearer x"}).problem(t, kindUnauthorized) // before it takes a slot
	require.Equal(t, http.StatusOK, a.do(call{method: http.MethodGet, path: "/readyz"}).status)
	close(h.free)
	require.Equal(t, http.StatusAccepted, (<-first).status)
	require.Len(t, a.stored(), 1)
}

// TestACallerThatLeaves: what was read is stored completely.
func TestACallerThatLeaves(t *testing.T) {
	t.Parallel()
	h := hold1()
	a := start(t, setup{wrap: func(p Publisher) Publisher { h.Publisher = p; return h }})
	conn, _ := a.dial()
	body := manyLines(1500)
	_, err := fmt.Fprint(conn, head(authorized+fmt.Sprintf("Content-Length: %d\r\n", len(body)))+body)
	require.NoError(t, err)
	<-h.begun
	require.NoError(t, conn.Close())
	close(h.free)
	require.Eventually(t, func() bool { return len(a.mutations()) == 1500 }, patience, 20*time.Millisecond)
}
