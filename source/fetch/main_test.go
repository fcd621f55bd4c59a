package fetch_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/source/fetch"
)

// TestMain: no fetch leaves a goroutine, whatever its server did.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const content = "id,title,price\n1,lamp,10.00 EUR\n2,desk,20.00 EUR\n"

// quick are options whose failures end soon.
func quick(t *testing.T) fetch.Options {
	t.Helper()
	return fetch.Options{RetryFor: -1, StallTimeout: 5 * time.Second, Timeout: 20 * time.Second, Spool: t.TempDir()}
}

func parse(t *testing.T, location string, options fetch.Options) *fetch.Fetcher {
	t.Helper()
	fetcher, err := fetch.Parse(location, options)
	require.NoError(t, err)
	return fetcher
}

// get fetches, and returns the file with its content.
func get(t *testing.T, fetcher *fetch.Fetcher, former string) (*fetch.File, string) {
	t.Helper()
	file, err := fetcher.Fetch(t.Context(), former)
	require.NoError(t, err)
	read, err := os.ReadFile(file.Path)
	require.NoError(t, err)
	require.Equal(t, int64(len(read)), file.Bytes)
	require.NoError(t, file.Close())
	return file, string(read)
}

// fails fetches in vain, and checks the error's form and that nothing stays on disk.
func fails(t *testing.T, fetcher *fetch.Fetcher, options fetch.Options, kind error) *fetch.Error {
	t.Helper()
	return failsWith(t.Context(), t, fetcher, options, "", kind)
}

func failsWith(ctx context.Context, t *testing.T, fetcher *fetch.Fetcher, options fetch.Options, former string, kind error) *fetch.Error {
	t.Helper()
	file, err := fetcher.Fetch(ctx, former)
	require.ErrorIs(t, err, kind)
	require.Nil(t, file)
	own := (*fetch.Error)(nil)
	require.ErrorAs(t, err, &own)
	require.Equal(t, fetcher.String(), own.Address)
	require.NotContains(t, err.Error(), "\n")
	require.Less(t, len(err.Error()), 2000)
	if options.Spool != "" {
		require.Empty(t, remains(t, options.Spool))
	}
	return own
}

// remains are the names of the files in a folder.
func remains(t *testing.T, folder string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	return strings.Join(found, " ")
}
