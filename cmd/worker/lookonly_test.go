package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/internal/devservers"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
)

// readmeConfig is the courier.yaml that the README has people write.
func readmeConfig(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```yaml\n(# courier.yaml\n.*?)```").FindSubmatch(text)
	require.NotNil(t, block)
	return block[1]
}

// TestLookingBesideDevNeedsNoTokens: the README's file, which has no tokens, is in the folder
// of the commands; the accounts whose requests are shown are those of worker dev.
func TestLookingBesideDevNeedsNoTokens(t *testing.T) {
	t.Parallel()
	state, folder := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, cli.DefaultConfig), readmeConfig(t), 0o600))
	startDev(t, state)
	dev, found := devservers.Running(cli.Streams{Lookup: func(name string) (string, bool) { return state, name == "XDG_STATE_HOME" }})
	require.True(t, found)
	conn, err := nats.Connect(dev.NATS)
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	_, err = publish.NewPublisher(js, publish.Options{}).PublishMutations(t.Context(), publish.Mutation{
		ID: "m-lamp", Account: "demo-meta", Catalog: "products", Type: "PRODUCT_ITEM", ItemID: "LAMP-1", Operation: catalog.Create, Attributes: lampOf("one"),
	})
	require.NoError(t, err)
	run := func(args ...string) (code int, said string) {
		p := startProcessIn(t, folder, map[string]string{"XDG_STATE_HOME": state}, args...)
		return p.exitCode(t), p.said.String()
	}
	var said string
	eventually(t, "the item is up to date", func() bool {
		_, said = run("item", "LAMP-1")
		return regexp.MustCompile("up to date on Meta").MatchString(said)
	})
	require.NotContains(t, said, "not shown")
	require.Contains(t, said, `"id": "LAMP-1"`, "the request of worker dev's account")

	code, said := run("notices", "test")
	require.Equal(t, cli.Usage, code)
	require.Contains(t, said, "courier.yaml has no notices.targets")
	require.NotContains(t, said, "missing")

	// A migration is never of a database that was found by chance.
	for _, args := range [][]string{{"migrate"}, {"migrate", "--dry-run"}, {"migrate", "--adopt-stream", "--yes"}} {
		code, said = run(args...)
		require.Equal(t, cli.Failed, code, said)
		require.Contains(t, said, "no database is named")
		require.Regexp(t, `that of the running worker dev \(process \d+\) is not taken: it migrates its own`, said)
		require.NotContains(t, said, "using the servers")
	}
	code, said = run("migrate", "--database", pgtest.Database(t))
	require.Zero(t, code, said)
}

// TestMigrateSaysThatNoDatabaseIsNamed, where no worker dev runs either.
func TestMigrateSaysThatNoDatabaseIsNamed(t *testing.T) {
	t.Parallel()
	got := execute(t, map[string]string{"XDG_STATE_HOME": t.TempDir()}, "migrate")
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.err, "no database")
	require.NotContains(t, got.err, "worker dev is not taken")
}

// TestLookingNeedsNoTokens: neither tokens nor files of tokens nor the key of the tokens kept
// in the database have to be at hand to see what was sent.
func TestLookingNeedsNoTokens(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sandbox.Options{})
	p.work(t)
	p.publish(t, publish.Mutation{ID: "m-lamp", ItemID: "LAMP-1", Operation: catalog.Create, Attributes: lampOf("one")})
	eventually(t, "it is on Meta", func() bool { return slices.Equal(p.statuses(t, "m-lamp"), []string{"succeeded"}) })
	for name, account := range map[string]string{
		"a variable that is not set": "access_token: ${NOT_SET_7}",
		"a file that is not there":   "access_token_file: /nowhere/token",
		"no token":                   "",
		"an app":                     "client_id: app\n    client_secret: ${NOT_SET_7}\n    refresh_token_file: /nowhere/token",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "courier.yaml")
			text := "accounts:\n  demo-meta:\n    platform: meta\n    catalogs: {products: {catalog_id: '1000000001'}}\n    " + account + "\n" +
				"notices: {targets: [{name: chat, kind: slack, url: '${NOT_SET_8}'}]}\n"
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			got := p.run(t, "item", "LAMP-1", "--config", path)
			require.Zero(t, got.code, got.err)
			require.Contains(t, got.out, `"id": "LAMP-1"`)
			require.NotContains(t, got.out, "not shown")
			got = p.run(t, "notices", "test", "--config", path)
			require.Equal(t, cli.Failed, got.code)
			require.Contains(t, got.err, "1 problem:")
			require.Contains(t, got.err, "NOT_SET_8", "what it needs it does ask for")
		})
	}
	_, err := persistence.CheckSchema(t.Context(), p.environment.DatabaseURL)
	require.NoError(t, err)
}
