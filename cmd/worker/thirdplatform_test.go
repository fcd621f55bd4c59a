package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/local"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/simulated"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/platform/platformtest/shelf"
	"github.com/catalog-courier/catalog-courier/publish"
)

// threePlatforms is the list with one more line.
func threePlatforms() []platform.Descriptor {
	return append(builtin.Platforms(),
		shelf.Descriptor(),
	)
}

// TestAPlatformIsOneFolderAndOneLine: a platform of which the program knows nothing but
// a line in the list is configured, documented and checked, simulated, delivered to by a
// real worker, and seen in SQL.
func TestAPlatformIsOneFolderAndOneLine(t *testing.T) {
	t.Parallel()
	environment, err := local.Start(context.WithoutCancel(t.Context()), local.Options{
		DatabaseURL: pgtest.Database(t), NATSPort: -1,
		Simulated: simulated.Options{Address: "127.0.0.1:0", Platforms: threePlatforms(), Behaviour: sandbox.Options{
			Delay: 50 * time.Millisecond, Tokens: []string{"shelf_0123456789"},
		}},
		Logger: telemetry.NewLogger(t.Output(), "text", 8),
	})
	require.NoError(t, err)
	p := &plant{
		environment: environment, config: filepath.Join(t.TempDir(), "courier.yaml"),
		variables: map[string]string{"NATS_URL": environment.NATS.URL(), "DATABASE_URL": environment.DatabaseURL, "COURIER_HTTP_LISTEN": "127.0.0.1:0"},
	}
	conn, err := environment.NATS.Connect()
	require.NoError(t, err)
	t.Cleanup(func() {
		conn.Close()
		require.NoError(t, environment.Close())
	})
	p.js, err = jetstream.New(conn)
	require.NoError(t, err)
	shop := simulatedPlatform(t, environment, "shelf")
	require.NoError(t, os.WriteFile(p.config, fmt.Appendf(nil, `
accounts:
  reader:
    platform: shelf
    access_token: shelf_0123456789
    base_url: %s
    batch: {max_age: 100ms}
    poll: {min: 50ms, max: 1s}
    catalogs: {novels: {shelf: window}}
`, shop.URL), 0o600))
	p.workOn(t, threePlatforms())

	results, err := publish.NewPublisher(p.js, publish.Options{}).PublishMutations(t.Context(),
		book("one", "emma", catalog.Upsert, `{"title":"Emma"}`),
		book("two", "untitled", catalog.Upsert, `{"author":"unknown"}`),
		book("three", "ulysses", catalog.Update, `{"title":"Ulysses"}`))
	require.NoError(t, err)
	require.Equal(t, 3, publish.Summarize(results).Stored)
	for id, want := range map[string]string{"one": "succeeded", "two": "failed", "three": "invalid"} {
		eventually(t, id+" is "+want, func() bool { return slices.Equal(p.statuses(t, id), []string{want}) })
	}
	require.Equal(t, map[string]string{"emma": `{"title":"Emma"}`}, shop.Items("window", "BOOK"))

	got := executeIn(t.Context(), threePlatforms(), p.variables, "check", "--config", p.config)
	require.Zero(t, got.code, got.out+got.err)
	require.Regexp(t, `reader +shelf +active`, p.run(t, "status").out)
}

func book(id, itemID string, operation catalog.Operation, attributes string) publish.Mutation {
	return publish.Mutation{
		Account: "reader", Catalog: "novels", Type: "BOOK", ID: id, ItemID: itemID, Operation: operation, Attributes: json.RawMessage(attributes),
	}
}

// TestAPlatformsKeysAreReadAndDocumented: by the list alone.
func TestAPlatformsKeysAreReadAndDocumented(t *testing.T) {
	t.Parallel()
	configs := platform.Configs(threePlatforms())
	reference := config.Reference(configs)
	require.Contains(t, reference, "| `shelf` | small letters, at most 32 | Shelf: the name of the shelf. |")
	require.Contains(t, reference, "| key | Pinterest | Meta | Shelf | allowed | meaning |")
	require.Contains(t, reference, "Shelf: a whole number from 1 to 500")
	for text, want := range map[string]string{
		"platform: shelf, access_token: t, catalogs: {novels: {}}":                                       "catalogs.novels: shelf is missing: Shelf shows it beside each shelf",
		"platform: shelf, access_token: t, catalogs: {novels: {shelf: A1}}":                              `shelf: "A1" is not allowed: small letters, at most 32`,
		"platform: shelf, access_token: t, catalogs: {novels: {shelf: a, country: US}}":                  "country: is for Pinterest catalogs only",
		"platform: meta, access_token: t, catalogs: {novels: {catalog_id: '1', shelf: a}}":               "shelf: is for Shelf catalogs only",
		"platform: shelf, client_id: i, client_secret: s, catalogs: {novels: {shelf: a}}":                "client_id: is for Pinterest accounts only",
		"platform: shelf, access_token: t, catalogs: {a: {shelf: x}, b: {shelf: x}}":                     "names the same platform catalog",
		"platform: shelf, access_token: t, batch: {max_items: 501}, catalogs: {a: {shelf: x}}":           "a request to Shelf has at most 500 records",
		"platform: book, access_token: t, catalogs: {a: {shelf: x}}":                                     "one of pinterest, meta, shelf",
		"platform: shelf, access_token: t, access_token_file: /dev/null, catalogs: {novels: {shelf: a}}": "is empty",
	} {
		_, err := config.Parse("courier.yaml", []byte("accounts:\n  reader: {"+text+"}\n"), config.Options{Platforms: configs})
		require.ErrorContains(t, err, want, text)
	}
	got := executeIn(t.Context(), threePlatforms(), nil, "sandbox", "--help")
	require.Zero(t, got.code)
	require.Contains(t, strings.Join(strings.Fields(got.out), " "), "a simulated Pinterest, Meta and Shelf")
}
