package feed

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the expected files of testdata from what is read; look at each difference")

// golden is what is expected of one feed.
type golden struct {
	Format      Format         `json:"format"`
	Encoding    string         `json:"encoding,omitempty"`
	Compression string         `json:"compression,omitempty"`
	Columns     []string       `json:"columns,omitempty"`
	Records     []goldenRecord `json:"records,omitempty"`
	Findings    []string       `json:"findings,omitempty"`
	Unreadable  int64          `json:"unreadable,omitempty"`
}

type goldenRecord struct {
	Place   string         `json:"place"`
	Kind    string         `json:"kind,omitempty"`
	Group   string         `json:"group,omitempty"`
	Damaged bool           `json:"damaged,omitempty"`
	Item    map[string]any `json:"item"`
}

// optionsOf are those of the feeds that need some.
var optionsOf = map[string]Options{
	"google-text-unquoted.tsv": {Quoting: QuotingNone},
	"long-cell.csv":            {MaxCell: 64, MaxRecord: 256},
	"long-description.csv":     {MaxCell: 64},
	"long-description.xml":     {MaxCell: 64},
	"long-two.csv":             {MaxCell: 64},
	"long-description.jsonl":   {MaxCell: 64},
}

// feeds are the files of testdata that are read.
func feeds(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob("testdata/*")
	require.NoError(tb, err)
	var feeds []string
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && !info.IsDir() && !strings.HasSuffix(file, ".golden.json") {
			feeds = append(feeds, file)
		}
	}
	return feeds
}

// TestFeeds reads small feeds of the shapes that occur, and compares all that comes out.
func TestFeeds(t *testing.T) {
	t.Parallel()
	files := feeds(t)
	require.GreaterOrEqual(t, len(files), 48)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			got := read(t, bytes.NewReader(content), optionsOf[filepath.Base(file)])
			if *update {
				require.NoError(t, os.WriteFile(file+".golden.json", got, 0o600))
			}
			want, err := os.ReadFile(file + ".golden.json")
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got))
			// One byte at a time and all at once must be the same.
			slow := read(t, slowly{bytes.NewReader(content)}, optionsOf[filepath.Base(file)])
			assert.Equal(t, string(want), string(slow))
		})
	}
}

// slowly gives one byte a call.
type slowly struct{ from io.Reader }

func (s slowly) Read(p []byte) (int, error) { return s.from.Read(p[:min(1, len(p))]) }

func read(t *testing.T, from io.Reader, options Options) []byte {
	t.Helper()
	var got golden
	options.TempDir = t.TempDir()
	options.Finding = func(f Finding) {
		text := string(f.Kind) + " (" + f.Place.String() + ") " + f.Field + " [" + f.Value + "] " + f.Rule
		got.Findings = append(got.Findings, text)
	}
	reader, err := Open(from, options)
	require.NoError(t, err)
	for {
		record, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		assert.Equal(t, reader.Format(), record.Format)
		got.Records = append(got.Records, goldenRecord{record.Place.String(), record.Kind, record.Group, record.Damaged, record.Item})
	}
	got.Format, got.Encoding, got.Compression, got.Columns = reader.Format(), reader.Encoding(), reader.Compression(), reader.Columns()
	got.Unreadable = reader.Stats().Unreadable
	assert.EqualValues(t, len(got.Records), reader.Stats().Records)
	assert.EqualValues(t, len(got.Findings), reader.Stats().Findings)
	require.NoError(t, reader.Close())
	left, err := os.ReadDir(options.TempDir)
	require.NoError(t, err)
	assert.Empty(t, left, "temporary files")
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(got))
	return text.Bytes()
}
