package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/examples"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m), natstest.ServersOwn()...) }

// execution is one run of the command.
type execution struct {
	code     int
	out, err string
}

func execute(t *testing.T, open connector, input string, args ...string) execution {
	t.Helper()
	var out, errOut bytes.Buffer
	streams := cli.Streams{In: strings.NewReader(input), Out: &out, Err: &errOut, Lookup: func(string) (string, bool) { return "", false }}
	code := cli.Execute(t.Context(), newCommand(streams, open), streams, args)
	return execution{code: code, out: out.String(), err: errOut.String()}
}

// recorder takes publications; the ones with an id in fail are refused.
type recorder struct {
	batches [][]publish.Publication
	failAt  int // fail the call with this number, from 1
}

func (r *recorder) open(context.Context, config.NATS, time.Duration, int, func(string)) (publisher, func(), error) {
	return r, func() {}, nil
}

var errGone = errors.New("no responders")

func (r *recorder) Publish(_ context.Context, publications []publish.Publication) ([]publish.Result, error) {
	r.batches = append(r.batches, append([]publish.Publication(nil), publications...))
	results := make([]publish.Result, len(publications))
	for i := range results {
		results[i].Outcome = publish.Stored
		if len(r.batches) == r.failAt {
			results[i] = publish.Result{Err: errGone}
		}
	}
	if len(r.batches) == r.failAt {
		return results, &publish.StoppedError{Err: errGone}
	}
	return results, nil
}

func (r *recorder) all() (published []publish.Publication) {
	for _, batch := range r.batches {
		published = append(published, batch...)
	}
	return published
}

func TestLinesSayWhereTheyGoOrFlagsDo(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	got := execute(t, r.open, strings.Join([]string{
		`{"account":"a","catalog":"c","type":"RETAIL","id":"m-1","item_id":"1","operation":"DELETE"}`,
		`   {"item_id":"2","operation":"DELETE"}` + "\r",
		"",
		`{"catalog_type":"FLIGHT","item_id":"BOS/JFK","operation":"UPSERT","attributes":{"price":"1 USD"}}`,
		`{"specversion":"1.0","id":"e-1","source":"s","type":"changed","data":{"item_id":"3","operation":"DELETE"}}`,
	}, "\n"), "--account", "x", "--catalog", "y", "--type", "HOTEL")
	require.Zero(t, got.code, got.err)

	published := r.all()
	require.Len(t, published, 4)
	require.Equal(t, "catalog.mutations.a.c.RETAIL", published[0].Subject)
	require.Equal(t, "m-1", published[0].ID)
	require.JSONEq(t, `{"id":"m-1","item_id":"1","operation":"DELETE"}`, string(published[0].Data))
	require.Equal(t, "catalog.mutations.x.y.HOTEL", published[1].Subject)
	require.NotEmpty(t, published[1].ID)
	require.Equal(t, "catalog.mutations.x.y.FLIGHT", published[2].Subject)
	require.Equal(t, "catalog.mutations.x.y.HOTEL", published[3].Subject, "a CloudEvent's type is no catalog type")
	require.Equal(t, "e-1", published[3].ID)
}

func TestBadLinesNeverStopGoodOnes(t *testing.T) {
	t.Parallel()
	good := `{"account":"a","catalog":"c","type":"RETAIL","item_id":"1","operation":"DELETE"}`
	bad := []struct{ line, reason string }{
		{`{"item_id":`, "not JSON"},
		{`[1]`, "not a JSON object"},
		{`{"catalog":"c","type":"RETAIL","item_id":"1","operation":"DELETE"}`, "account is missing: neither the line has it nor is there --account"},
		{`{"account":7,"catalog":"c","type":"RETAIL","item_id":"1","operation":"DELETE"}`, "account must be text"},
		{`{"account":"a.b","catalog":"c","type":"RETAIL","item_id":"1","operation":"DELETE"}`, "a.b"},
		{`{"account":"a","catalog":"c","type":"RETAIL","operation":"DELETE"}`, "item_id"},
		{`{"account":"a","catalog":"c","type":"RETAIL","item_id":"1","operation":"REMOVE"}`, "REMOVE"},
		{`{"account":"a","catalog":"c","type":"RETAIL","item_id":"1","operation":"UPSERT"}`, "attributes"},
		{strings.Repeat("x", maxLine+10), "longer than"},
	}
	lines := make([]string, 0, 2*len(bad)+1)
	for _, b := range bad {
		lines = append(lines, good, b.line)
	}
	r := &recorder{}
	got := execute(t, r.open, strings.Join(append(lines, good), "\n"), "--output", "json")
	require.Equal(t, cli.Failed, got.code)
	require.Len(t, r.all(), len(bad)+1)
	var report summary
	require.NoError(t, json.Unmarshal([]byte(got.out), &report))
	require.Equal(t, len(bad)+1, report.Published)
	require.Equal(t, len(bad), report.Refused)
	for i, b := range bad {
		require.Equal(t, 2*i+2, report.Refusals[i].Line)
		require.Contains(t, report.Refusals[i].Reason, b.reason)
	}
}

func TestSummaryForPeopleNamesRefusedLines(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "items.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("\xef\xbb\xbf"+`{"item_id":"1","operation":"DELETE"}`+"\nnonsense\n"), 0o600))
	r := &recorder{}
	got := execute(t, r.open, "", path, "--account", "a", "--catalog", "c", "--type", "RETAIL")
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.err, path+":2: refused: the line is not JSON")
	require.Regexp(t, `published +1`, got.out)
	require.Regexp(t, `refused +1`, got.out)
}

func TestBatchesAreBoundedInCountAndBytes(t *testing.T) {
	t.Parallel()
	var input strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&input, `{"account":"a","catalog":"c","type":"RETAIL","item_id":"%d","operation":"DELETE"}`+"\n", i)
	}
	r := &recorder{}
	require.Zero(t, execute(t, r.open, input.String()).code)
	require.Len(t, r.batches, 3)
	require.Len(t, r.batches[0], publish.MaxBatch)

	big := strings.Repeat(fmt.Sprintf(`{"account":"a","catalog":"c","type":"RETAIL","item_id":"1","operation":"UPSERT","attributes":{"title":%q}}`+"\n",
		strings.Repeat("x", 900_000)), 20)
	r = &recorder{}
	require.Zero(t, execute(t, r.open, big).code)
	require.Len(t, r.batches, 2)
	require.Len(t, r.batches[0], 10)
}

func TestPublishingThatStopsIsSaidOnceAndTellsWhatIsKnown(t *testing.T) {
	t.Parallel()
	var input strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&input, `{"account":"a","catalog":"c","type":"RETAIL","item_id":"%d","operation":"DELETE"}`+"\n", i)
	}
	r := &recorder{failAt: 2}
	got := execute(t, r.open, input.String(), "--output", "json")
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.err, "publishing stopped at standard input:1001: ")
	var report summary
	require.NoError(t, json.Unmarshal([]byte(got.out), &report))
	require.Equal(t, summary{
		Published: 1000, Unknown: 1000, StoppedAt: &stop{Source: "standard input", Line: 1001}, Refusals: []refusal{},
	}, report)
	require.Equal(t, 1, strings.Count(got.err, "publishing stopped"))
	require.Contains(t, got.err, "1000 lines up to standard input:2000 were sent without an answer")
}

func TestWrongUsageExitsWith2(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	for _, args := range [][]string{{"--nope"}, {"--output", "xml"}} {
		require.Equal(t, cli.Usage, execute(t, r.open, "", args...).code, args)
	}
	got := execute(t, r.open, "", filepath.Join(t.TempDir(), "missing.jsonl"))
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.err, "missing.jsonl")
	require.Zero(t, execute(t, r.open, "", "--help").code)
	require.Equal(t, "enqueue version "+version+"\n", execute(t, r.open, "", "--version").out)
	require.Contains(t, execute(t, r.open, "", "completion", "bash").out, "bash completion")
}

func TestExamplesReachARealStreamOnce(t *testing.T) {
	t.Parallel()
	url := natstest.Listen(t).URL()
	conn, err := nats.Connect(url)
	require.NoError(t, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(t, err)

	got := execute(t, connect, string(examples.Mutations), "--nats", url)
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.err, "there is no stream CATALOG_MUTATIONS yet")

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err = queue.Ensure(ctx, js, queue.StreamConfig{})
	require.NoError(t, err)
	lines := bytes.Count(examples.Mutations, []byte("\n"))
	for _, want := range []summary{{Published: lines}, {Duplicate: lines}} {
		got = execute(t, connect, string(examples.Mutations), "--nats", url, "--output", "json")
		require.Zero(t, got.code, got.err)
		want.Refusals = []refusal{}
		var report summary
		require.NoError(t, json.Unmarshal([]byte(got.out), &report))
		require.Len(t, report.Repeats, report.Duplicate, "each repeat is named")
		report.Repeats = nil
		require.Equal(t, want, report)
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte(`{"account":"a","catalog":"c","type":"RETAIL","item_id":"1","operation":"DELETE"}`))
	f.Add([]byte("{\"type\":\"\\u0000\"}\n\n\xff"))
	f.Fuzz(func(t *testing.T, input []byte) {
		reader := newLineReader("fuzz", bytes.NewReader(input), catalog.Lane{Account: "a", Catalog: "c", Type: "RETAIL"})
		for {
			next, err := reader.next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			if next.refusal == "" {
				require.Nil(t, message.Decode(message.Raw{Subject: next.publication.Subject, Data: next.publication.Data}).Problem)
			}
		}
		require.Equal(t, int64(len(input)), reader.consumed)
	})
}

// TestWhereItPublishes: a variable of another shell must not stay unseen.
func TestWhereItPublishes(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	streams := cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errOut, Lookup: func(name string) (string, bool) {
		return "nats://user:canary@127.0.0.1:1", name == "NATS_URL"
	}}
	require.Equal(t, cli.Failed, cli.Execute(t.Context(), newCommand(streams, connect), streams, []string{"--output", "json", "--timeout", "300ms"}))
	require.Contains(t, errOut.String(), "publishing to CATALOG_MUTATIONS at nats://127.0.0.1:1 (environment NATS_URL)\n")
	require.NotContains(t, errOut.String(), "canary")
	require.Empty(t, out.String(), "the summary alone goes there")
}
