package feed

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"
)

// seeds adds the feeds of testdata whose names have one of the endings.
func seeds(f *testing.F, endings ...string) {
	f.Helper()
	for _, file := range feeds(f) {
		for _, ending := range endings {
			if matches, _ := filepath.Match(ending, filepath.Base(file)); matches {
				content, err := os.ReadFile(file)
				if err != nil {
					f.Fatal(err)
				}
				f.Add(content)
			}
		}
	}
}

// anything reads any bytes: no panic, bounded output and time, and each record is of the
// documented types. Reading twice gives the same.
func anything(t *testing.T, content []byte, options Options) {
	t.Helper()
	options.MaxBytes, options.MaxRecord, options.MaxCell = 8<<20, 64<<10, 4<<10
	start := time.Now()
	first, firstErr := summary(t, content, options)
	if took := time.Since(start); took > 20*time.Second {
		t.Fatalf("%d bytes took %s", len(content), took)
	}
	again, againErr := summary(t, content, options)
	if first != again || firstErr != againErr {
		t.Fatalf("not the same twice: %+v %s, %+v %s", first, firstErr, again, againErr)
	}
}

func summary(t *testing.T, content []byte, options Options) (Stats, string) {
	t.Helper()
	findings := int64(0)
	options.Finding = func(f Finding) {
		findings++
		if f.Kind == "" || f.Rule == "" || !utf8.ValidString(f.Value) || len(f.Value) > 1000 {
			t.Fatalf("%+v", f)
		}
	}
	reader, err := Open(bytes.NewReader(content), options)
	if err != nil {
		known(t, err)
		return Stats{}, err.Error()
	}
	defer func() {
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	for {
		record, err := reader.Next()
		if errors.Is(err, io.EOF) {
			if reader.Stats().Findings != findings {
				t.Fatal("findings were not counted")
			}
			return reader.Stats(), ""
		}
		if err != nil {
			known(t, err)
			return reader.Stats(), err.Error()
		}
		if len(record.Item) == 0 {
			t.Fatal("a record without values")
		}
		types(t, record.Item)
	}
}

// known: each error is of a kind.
func known(t *testing.T, err error) {
	t.Helper()
	own := (*Error)(nil)
	if !errors.As(err, &own) || own.Kind == nil || errors.Is(err, io.EOF) || errors.Is(err, ErrRead) {
		t.Fatalf("an error without a kind: %v", err)
	}
}

func types(t *testing.T, value any) {
	t.Helper()
	switch value := value.(type) {
	case string:
		if value == "" || !utf8.ValidString(value) || len(value) > 64<<10 {
			t.Fatalf("%q", value)
		}
	case map[string]any:
		for _, member := range value {
			types(t, member)
		}
	case []any:
		for _, element := range value {
			types(t, element)
		}
	case bool:
	case interface{ Float64() (float64, error) }: // json.Number
	default:
		t.Fatalf("%T", value)
	}
}

func FuzzXML(f *testing.F) {
	seeds(f, "*.xml")
	f.Fuzz(func(t *testing.T, content []byte) { anything(t, content, Options{}) })
}

func FuzzTable(f *testing.F) {
	seeds(f, "*.csv", "*.tsv", "*.txt")
	f.Fuzz(func(t *testing.T, content []byte) {
		anything(t, content, Options{})
		anything(t, content, Options{Quoting: QuotingNone})
	})
}

func FuzzExports(f *testing.F) {
	seeds(f, "shopify*", "woo*", "adobe*")
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, format := range []Format{Shopify, WooCommerce, Adobe} {
			anything(t, content, Options{Format: format})
		}
	})
}

func FuzzJSON(f *testing.F) {
	seeds(f, "*.json", "*.jsonl")
	f.Fuzz(func(t *testing.T, content []byte) { anything(t, content, Options{}) })
}

func FuzzParquet(f *testing.F) {
	seeds(f, "*.parquet")
	f.Fuzz(func(t *testing.T, content []byte) { anything(t, content, Options{}) })
}

func FuzzPacked(f *testing.F) {
	seeds(f, "*.gz", "*.zst", "*.zip", "utf16*", "windows*", "mixed*")
	f.Fuzz(func(t *testing.T, content []byte) { anything(t, content, Options{Member: "*"}) })
}
