package feed

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCutAnywhere: a feed whose format has an end is never complete without it, wherever
// it is cut.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	cuts, folder := 0, t.TempDir()
	for _, pattern := range []string{"*.xml", "array.json", "wrapped.json", "*.gz", "*.zst", "*.zip", "*.parquet"} {
		files, err := filepath.Glob("testdata/" + pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, file := range files {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			content = bytes.TrimRight(content, "\r\n")
			step := 1 + len(content)/200
			if testing.Short() {
				step *= 4
			}
			for n := 0; n < len(content); n += step {
				options := optionsOf[filepath.Base(file)]
				options.TempDir = folder
				if _, err := drain(bytes.NewReader(content[:n]), options); err == nil {
					t.Errorf("%s is complete with %d of %d bytes", file, n, len(content))
				} else {
					known(t, err)
				}
				cuts++
			}
		}
	}
	require.Greater(t, cuts, 500)
}

// TestCutTable: a table has no end of its own. Cut anywhere, its records are those of the
// whole, up to the last one, which may have lost the end of its last value.
func TestCutTable(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"google-text-labels.tsv", "meta-comments.csv", "meta-hotel-flat.tsv", "semicolon-bom-quoted.csv", "utf16le-excel.tsv"} {
		content, err := os.ReadFile("testdata/" + file)
		require.NoError(t, err)
		whole := collect(t, content)
		for n := range content {
			part := collect(t, content[:n])
			require.LessOrEqual(t, len(part), len(whole), "%s, %d bytes", file, n)
			for i := range len(part) - 1 {
				assert.Equal(t, whole[i], part[i], "%s, %d bytes", file, n)
			}
			if len(part) > 0 {
				assert.Equal(t, whole[len(part)-1].Place, part[len(part)-1].Place)
			}
		}
	}
}

// collect returns the records up to an error.
func collect(t *testing.T, content []byte) []Record {
	t.Helper()
	reader, err := Open(bytes.NewReader(content), Options{})
	if err != nil {
		return nil
	}
	var records []Record
	for {
		record, err := reader.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				known(t, err)
			}
			require.NoError(t, reader.Close())
			return records
		}
		records = append(records, record)
	}
}
