package fetch_test

import (
	"context"
	"crypto/sha256"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/source/fetch"
)

// TestMain: no fetch leaves a goroutine, whatever its server did. The certificate of
// httptest's servers, which is for 127.0.0.1, is trusted as an operator would trust one.
func TestMain(m *testing.M) {
	server := httptest.NewTLSServer(nil)
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	server.Close()
	folder, err := os.MkdirTemp("", "fetch-test-*")
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "roots.pem"), block, 0o600)
	}
	if err == nil {
		err = os.Setenv("SSL_CERT_FILE", filepath.Join(folder, "roots.pem"))
	}
	if err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(folder)
		os.Exit(code)
	}))
}

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

// same compares long texts, and shows no difference of megabytes.
func same(t *testing.T, want, read string) {
	t.Helper()
	require.Equal(t, len(want), len(read)) //nolint:testifylint // Len would show the whole text
	require.Equal(t, sha256.Sum256([]byte(want)), sha256.Sum256([]byte(read)))
}

// remains are the names of the files in a folder.
func remains(t *testing.T, folder string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	return strings.Join(found, " ")
}
