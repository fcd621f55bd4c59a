package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/publish"
)

func goodLines(from, to int) string {
	var text strings.Builder
	for i := from; i < to; i++ {
		_, _ = fmt.Fprintf(&text, `{"account":"a","catalog":"c","type":"RETAIL","id":"m-%d","item_id":"%d","operation":"DELETE"}`+"\n", i, i)
	}
	return text.String()
}

// TestNothingIsSentBeforeAllInputsAreOpen: whatever is wrong with one of them.
func TestNothingIsSentBeforeAllInputsAreOpen(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	good, linked := filepath.Join(folder, "a.jsonl"), filepath.Join(folder, "link.jsonl")
	require.NoError(t, os.WriteFile(good, []byte(goodLines(0, 1500)), 0o600))
	require.NoError(t, os.Symlink(good, linked))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "x.gz"), []byte("\x1f\x8b\x08"), 0o600))
	dangling := filepath.Join(folder, "dangling")
	require.NoError(t, os.Symlink(filepath.Join(folder, "nowhere"), dangling))
	for _, test := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"missing behind", []string{good, filepath.Join(folder, "nosuch.jsonl")}, cli.Failed, "nosuch.jsonl: no such file"},
		{"missing before", []string{filepath.Join(folder, "nosuch.jsonl"), good}, cli.Failed, "nosuch.jsonl: no such file"},
		{"two missing", []string{good, "nosuch-1", "nosuch-2"}, cli.Failed, "nosuch-2: no such file"},
		{"a folder", []string{good, folder}, cli.Failed, "is a directory"},
		{"no link's end", []string{good, dangling}, cli.Failed, "dangling: no such file"},
		{"below a file", []string{good, filepath.Join(good, "x")}, cli.Failed, "not a directory"},
		{"an empty name", []string{good, ""}, cli.Usage, "an argument is empty"},
		{"another format", []string{good, filepath.Join(folder, "x.gz")}, cli.Failed, "gzip"},
		{"twice", []string{good, good}, cli.Usage, "are the same input"},
		{"twice by another name", []string{good, linked}, cli.Usage, "are the same input"},
		{"standard input twice", []string{"-", good, "-"}, cli.Usage, "are the same input"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			got := execute(t, r.open, "", test.args...)
			require.Equal(t, test.code, got.code, got.err)
			require.Contains(t, got.err, test.says)
			require.Empty(t, r.batches)
		})
	}
	r := &recorder{}
	require.Zero(t, execute(t, r.open, goodLines(1500, 1600), good, "-").code)
	require.Len(t, r.all(), 1600)
}

// failing ends with an error, as a disk does.
type failing struct {
	io.Reader
	err error
}

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

func feedOf(r *recorder) *feeder { return &feeder{publisher: r, report: &summary{}} }

// TestLinesBeforeAReadingErrorArePublished, and the inputs behind are named.
func TestLinesBeforeAReadingErrorArePublished(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	feed := feedOf(r)
	broken := &input{lines: newLineReader("disk.jsonl", failing{strings.NewReader(goodLines(0, 1500)), io.ErrUnexpectedEOF}, catalog.Lane{})}
	later := &input{lines: newLineReader("later.jsonl", strings.NewReader(goodLines(0, 1)), catalog.Lane{})}
	err := feed.all(t.Context(), []*input{broken, later})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Len(t, r.all(), 1500)
	require.ErrorContains(t, err, "publishing stopped at disk.jsonl:1501")
	require.ErrorContains(t, err, "nothing of later.jsonl is published")
	require.Equal(t, &summary{Published: 1500, StoppedAt: &stop{"disk.jsonl", 1501}, NotRead: []string{"later.jsonl"}}, feed.report)
}

// TestAFileThatBecomesShorterIsNoSuccess, and one that grows is read to its end.
func TestAFileThatBecomesShorterIsNoSuccess(t *testing.T) {
	t.Parallel()
	text := goodLines(0, 20_000)
	for change, want := range map[int]string{-1: "became shorter while it was read", 1: ""} {
		path := filepath.Join(t.TempDir(), "items.jsonl")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		r := &recorder{}
		got := execute(t, func(context.Context, config.NATS, time.Duration, int, func(string)) (publisher, func(), error) {
			if change < 0 {
				return r, func() {}, os.Truncate(path, int64(len(goodLines(0, 10_000))))
			}
			return r, func() {}, os.WriteFile(path, []byte(text+goodLines(20_000, 20_500)), 0o600)
		}, "", path)
		if want == "" {
			require.Zero(t, got.code, got.err)
			require.Len(t, r.all(), 20_500)
			continue
		}
		require.Equal(t, cli.Failed, got.code)
		require.Contains(t, got.err, want)
		require.Len(t, r.all(), 10_000)
	}
}

// executeWithin runs the command on a pipe under a context.
func executeWithin(ctx context.Context, open connector, in io.Reader, args ...string) execution {
	var out, errOut bytes.Buffer
	streams := cli.Streams{In: in, Out: &out, Err: &errOut, Lookup: func(string) (string, bool) { return "", false }}
	code := cli.Execute(ctx, newCommand(streams, open), streams, args)
	return execution{code: code, out: out.String(), err: errOut.String()}
}

// signalling tells of each batch, and may wait for its context's end instead of an answer.
type signalling struct {
	recorder
	batch chan int
	stuck int // the batch without an answer, from 1
}

func (s *signalling) open(context.Context, config.NATS, time.Duration, int, func(string)) (publisher, func(), error) {
	return s, func() {}, nil
}

func (s *signalling) Publish(ctx context.Context, publications []publish.Publication) ([]publish.Result, error) {
	results, err := s.recorder.Publish(ctx, publications)
	s.batch <- len(publications)
	if len(s.batches) == s.stuck {
		<-ctx.Done()
		for i := range results {
			results[i] = publish.Result{Err: ctx.Err()}
		}
		return results, &publish.StoppedError{Err: ctx.Err()}
	}
	return results, err
}

// TestLinesOfAQuietPipeArePublished: they do not wait for a full batch.
func TestLinesOfAQuietPipeArePublished(t *testing.T) {
	t.Parallel()
	in, writer := io.Pipe()
	s := &signalling{batch: make(chan int, 1)}
	done := make(chan execution, 1)
	go func() { done <- executeWithin(t.Context(), s.open, in) }()
	_, err := io.WriteString(writer, goodLines(0, 3))
	require.NoError(t, err)
	select {
	case got := <-s.batch:
		require.Equal(t, 3, got)
	case <-time.After(time.Minute):
		t.Fatal("the lines wait")
	}
	_, err = io.WriteString(writer, goodLines(3, 4))
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	require.Zero(t, (<-done).code)
	require.Len(t, s.all(), 4)
}

// TestASignalNamesWhatIsNotPublished: while a pipe is quiet, and while nobody answers.
func TestASignalNamesWhatIsNotPublished(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		lines int
		stuck int
		want  summary
	}{
		{"quiet", 1000, 0, summary{Published: 1000, StoppedAt: &stop{"standard input", 1001}}},
		{"without an answer", 2000, 2, summary{Published: 1000, Unknown: 1000, StoppedAt: &stop{"standard input", 1001}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			in, writer := io.Pipe()
			s := &signalling{batch: make(chan int, 9), stuck: test.stuck}
			done := make(chan execution, 1)
			go func() { done <- executeWithin(ctx, s.open, in, "--output", "json") }()
			_, err := io.WriteString(writer, goodLines(0, test.lines))
			require.NoError(t, err)
			for range test.lines / publish.MaxBatch {
				<-s.batch
			}
			cancel()
			got := <-done
			require.NoError(t, writer.Close()) // it ends the read
			require.Equal(t, cli.Failed, got.code)
			require.Contains(t, got.err, "publishing was stopped by a signal at standard input:1001")
			var report summary
			require.NoError(t, json.Unmarshal([]byte(got.out), &report))
			test.want.Refusals = []refusal{}
			require.Equal(t, test.want, report)
		})
	}
}

// TestIDsMadeHereAreNoDuplicates: the stream has them from an attempt without an answer.
func TestIDsMadeHereAreNoDuplicates(t *testing.T) {
	t.Parallel()
	all := duplicates{}
	got := execute(t, func(context.Context, config.NATS, time.Duration, int, func(string)) (publisher, func(), error) {
		return all, func() {}, nil
	},
		goodLine+"\n"+goodLines(0, 2), "--output", "json")
	require.Zero(t, got.code)
	require.Contains(t, got.out, `"published": 1`)
	require.Contains(t, got.out, `"duplicate": 2`)
}

type duplicates struct{}

func (duplicates) Publish(_ context.Context, publications []publish.Publication) ([]publish.Result, error) {
	results := make([]publish.Result, len(publications))
	for i := range results {
		results[i].Outcome = publish.Duplicate
	}
	return results, nil
}

// TestAddressesThatLackTheirScheme: the error says where the value came from, and what it
// should be. What may hold a password is not shown.
func TestAddressesThatLackTheirScheme(t *testing.T) {
	t.Parallel()
	for value, says := range map[string]string{
		"127.0.0.1:4222":        "flag --nats: nats.url: is not a NATS address: nats://, tls://, ws:// or wss://, then host and port",
		"nats.shop.example:422": "did you mean nats://nats.shop.example:422?",
		"localhost:4222":        "did you mean nats://localhost:4222?",
	} {
		got := execute(t, connect, "", "--nats", value, "-")
		require.Equal(t, cli.Failed, got.code)
		require.Contains(t, got.err, says)
		require.NotContains(t, got.err, ": : ")
	}
	for _, value := range []string{"acme:canary@127.0.0.1:4222", "canary", "canary-token:x"} {
		got := execute(t, connect, "", "--nats", value, "-")
		require.Equal(t, cli.Failed, got.code)
		require.NotContains(t, got.err, "canary")
	}
}

// TestManyLinesRefusedForOneReason are one line for people; the JSON names each.
func TestManyLinesRefusedForOneReason(t *testing.T) {
	t.Parallel()
	const bad, other = `{"account":"a","type":"RETAIL","item_id":"1","operation":"DELETE"}` + "\n", `{"account":"a","catalog":"c","type":"RETAIL","item_id":"1","operation":"CANCEL"}` + "\n"
	input := strings.Repeat(bad, 6) + goodLines(0, 2) + other + strings.Repeat(bad, 4) + goodLines(2, 3) + bad
	r := &recorder{}
	got := execute(t, r.open, input)
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.err, "standard input: 11 lines (1-6, 10-13, 15) refused: catalog is missing")
	require.Equal(t, 1, strings.Count(got.err, "catalog is missing"), got.err)
	require.Contains(t, got.err, "standard input:9: refused: ")
	got = execute(t, r.open, input, "--output", "json")
	var report summary
	require.NoError(t, json.Unmarshal([]byte(got.out), &report))
	require.Len(t, report.Refusals, 12)

	got = execute(t, r.open, strings.Repeat(bad, 3))
	require.Equal(t, 3, strings.Count(got.err, "refused: catalog is missing"), "few lines are named one by one")
}
