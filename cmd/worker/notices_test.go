package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
)

func TestNoticesTest(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad/canary-5e1f" {
			http.Error(w, "channel_not_found "+r.URL.Path, http.StatusNotFound)
		}
	}))
	t.Cleanup(receiver.Close)
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "slack"), []byte(receiver.URL+"/bad/canary-5e1f\n"), 0o600))
	config := filepath.Join(folder, "courier.yaml")
	accounts := "accounts: {a: {platform: meta, access_token: t, catalogs: {c: {catalog_id: '1'}}}}\n"
	require.NoError(t, os.WriteFile(config, []byte(accounts+`
notices:
  targets:
    - {name: ops, kind: webhook, url: "`+receiver.URL+`/good", secret: whsec_bm90aWNlcy1vZi10aGUtdGVzdHMtMDAwMQ==, events: ["account.*"]}
    - {name: chat, kind: slack, url_file: "`+filepath.Join(folder, "slack")+`"}
`), 0o600))
	got := execute(t, nil, "notices", "test", "--config", config)
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.out, "ops: taken\n")
	require.Contains(t, got.out, "notice to chat: the receiver refused the notice: HTTP 404 channel_not_found [secret]")
	require.NotContains(t, got.out+got.err, "canary")
	got = execute(t, nil, "notices", "test", "--config", config, "--target", "ops")
	require.Equal(t, cli.Done, got.code, got.err)
	require.Equal(t, "ops: taken\n", got.out)
	got = execute(t, nil, "notices", "test", "--config", config, "--target", "nobody")
	require.Equal(t, cli.Usage, got.code)
	require.NoError(t, os.WriteFile(config, []byte(accounts), 0o600))
	require.Equal(t, cli.Usage, execute(t, nil, "notices", "test", "--config", config).code)
}
