package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

var platforms = platform.Configs(builtin.Platforms())

const valid = `
nats: {url: "nats://broker:4222"}
defaults:
  poll: {min: 3s}
accounts:
  acme-pinterest:
    platform: pinterest
    access_token: ${PINTEREST_ACCESS_TOKEN}
    ad_account_id: "549755885175"
    catalogs:
      us: {country: US, language: en-US, catalog_id: "2680059592705"}
      "no": {country: NO, language: nb-NO}
  acme-meta:
    platform: meta
    access_token: ${META_ACCESS_TOKEN}
    batch: {max_items: 5000, max_bytes: 20MB}
    settle: 5m
    catalogs:
      products: {catalog_id: 1234567890}
      polish: {catalog_id: "1234567890", endpoint: localized_items_batch}
`

func environment(pairs ...string) func(string) (string, bool) {
	set := map[string]string{"PINTEREST_ACCESS_TOKEN": "pina_secret", "META_ACCESS_TOKEN": "EAA_secret"}
	for i := 0; i+1 < len(pairs); i += 2 {
		set[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) {
		value, found := set[name]
		return value, found
	}
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "courier.yaml")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestLoadGivesEveryFieldItsEffectiveValue(t *testing.T) {
	t.Parallel()
	c, err := config.Load(write(t, valid), config.Options{Platforms: platforms, Lookup: environment()})
	require.NoError(t, err)

	require.Equal(t, []string{"acme-meta", "acme-pinterest"}, c.AccountNames())
	pin := c.Accounts["acme-pinterest"]
	require.Equal(t, "pinterest", pin.Platform)
	require.Equal(t, "pina_secret", pin.AccessToken.Reveal())
	require.Equal(t, "https://api.pinterest.com/v5", pin.BaseURL)
	require.Equal(t, 1000, pin.Batch.MaxItems)
	require.Equal(t, 3*time.Second, pin.Poll.Min, "from defaults")
	require.Equal(t, time.Minute, pin.Poll.Max, "the platform's default")
	require.Zero(t, pin.Settle)
	require.Equal(t, config.Catalog{Name: "no", Keys: setting.Values{"country": "NO", "language": "nb-NO"}}, pin.Catalogs["no"])

	meta := c.Accounts["acme-meta"]
	require.Equal(t, 5000, meta.Batch.MaxItems)
	require.Equal(t, 20_000_000, meta.Batch.MaxBytes)
	require.Equal(t, 30*time.Second, meta.Batch.MaxAge)
	require.Equal(t, 5*time.Minute, meta.Settle)
	require.Equal(t, "1234567890", meta.Catalogs["products"].Keys.Text("catalog_id"), "unquoted digits are text")
	require.Equal(t, "items_batch", meta.Catalogs["products"].Keys.Text("endpoint"))
	require.Equal(t, time.Hour, meta.Keys.Duration("quota_window"))
	require.Zero(t, pin.Keys.Duration("quota_window"))

	require.Equal(t, "CATALOG_MUTATIONS", c.NATS.Stream.Name)
	require.Equal(t, 64, c.NATS.Partitions)
	require.Equal(t, 10*time.Second, c.Worker.LeaseTTL)
}

func TestFlagWinsOverEnvironmentOverFileOverDefault(t *testing.T) {
	t.Parallel()
	path := write(t, "nats: {url: 'nats://file:1'}\nworker: {lease_ttl: 20s}")
	load := func(lookup func(string) (string, bool), flags map[string]string) *config.Config {
		c, err := config.Load(path, config.Options{Platforms: platforms, Lookup: lookup, Flags: flags})
		require.NoError(t, err)
		return c
	}
	c := load(environment(), nil)
	require.Equal(t, "nats://file:1", c.NATS.URL.Reveal())
	require.Equal(t, 5*time.Second, c.Worker.RecordWithin)

	fromEnvironment := environment("NATS_URL", "nats://env:2", "DATABASE_URL", "postgres://db/x", "COURIER_WORKER_LEASE_TTL", "30s")
	c = load(fromEnvironment, nil)
	require.Equal(t, "nats://env:2", c.NATS.URL.Reveal())
	require.Equal(t, "postgres://db/x", c.Database.URL.Reveal())
	require.Equal(t, 30*time.Second, c.Worker.LeaseTTL)

	c = load(fromEnvironment, map[string]string{"nats.url": "nats://flag:3"})
	require.Equal(t, "nats://flag:3", c.NATS.URL.Reveal())
}

func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	tokenFile := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(tokenFile, []byte("from-file\n"), 0o600))
	c, err := config.Load(write(t, fmt.Sprintf(`
database: {url_file: %q}
accounts:
  a: {platform: meta, access_token_file: %q, catalogs: {c: {catalog_id: "1"}}}`, writeFile(t, "postgres://u:p@h/d"), tokenFile)),
		config.Options{Platforms: platforms, Lookup: environment()})
	require.NoError(t, err)
	require.Equal(t, "from-file", c.Accounts["a"].AccessToken.Reveal())
	require.Equal(t, "postgres://u:p@h/d", c.Database.URL.Reveal())
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestCredentialsOfAccounts(t *testing.T) {
	t.Parallel()
	refreshFile, tokenFile := writeFile(t, "pinr_first\n"), writeFile(t, "EAA_first")
	c, err := config.Load(write(t, fmt.Sprintf(`
worker: {former_encryption_keys: "old1,old2"}
accounts:
  user: {platform: pinterest, client_id: id, client_secret: s, refresh_token_file: %q, rules: strict, catalogs: {us: {country: US, language: EN}}}
  app:
    {platform: pinterest, client_id: id, client_secret: s, oauth_url: "http://login/t", base_url: "http://x/v5/", catalogs: {gb: {country: GB, language: EN}}}
  meta: {platform: meta, access_token_file: %q, app_secret: a, rules: off, catalogs: {c: {catalog_id: "1", item_sub_type: CLOTHING}}}`,
		refreshFile, tokenFile)), config.Options{Platforms: platforms, Lookup: environment("COURIER_ENCRYPTION_KEY", "the key")})
	require.NoError(t, err)
	user, app, meta := c.Accounts["user"], c.Accounts["app"], c.Accounts["meta"]
	require.Equal(t, "pinr_first", user.RefreshToken.Reveal())
	require.Equal(t, "https://api.pinterest.com/v5/oauth/token", user.OAuthURL)
	require.Equal(t, config.RulesStrict, user.Rules)
	require.True(t, app.RefreshToken.IsZero())
	require.Equal(t, "http://login/t", app.OAuthURL)
	require.Equal(t, config.RulesWarn, app.Rules)
	require.Equal(t, tokenFile, meta.AccessTokenFile)
	require.Equal(t, "EAA_first", meta.AccessToken.Reveal())
	require.Equal(t, "a", meta.Keys.Secret("app_secret").Reveal())
	require.Empty(t, meta.OAuthURL)
	require.Equal(t, config.RulesOff, meta.Rules)
	require.Equal(t, "CLOTHING", meta.Catalogs["c"].Keys.Text("item_sub_type"))
	require.Equal(t, "the key", c.Worker.EncryptionKey.Reveal())
	require.Equal(t, "old1,old2", c.Worker.FormerEncryptionKeys.Reveal())
}

func TestWithoutAccountsNeedsNoTokens(t *testing.T) {
	t.Parallel()
	c, err := config.Load(write(t, valid), config.Options{Platforms: platforms, WithoutAccounts: true})
	require.NoError(t, err)
	require.Empty(t, c.Accounts)
	require.Equal(t, "nats://broker:4222", c.NATS.URL.Reveal())
}

func TestNoFileMeansDefaults(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "# nothing\n", "accounts:\n"} {
		c, err := config.Load(write(t, content), config.Options{Platforms: platforms})
		require.NoError(t, err, "%q", content)
		require.Empty(t, c.Accounts)
	}
	_, err := config.Load("", config.Options{Platforms: platforms})
	require.NoError(t, err)
	_, err = config.Load(filepath.Join(t.TempDir(), "missing.yaml"), config.Options{Platforms: platforms})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// account wraps lines of one Meta account that is fine otherwise.
func account(lines string) string {
	return "accounts:\n  a:\n    platform: meta\n    access_token: t\n    catalogs: {c: {catalog_id: '1'}}\n" + lines
}

func pinterestCatalog(catalog string) string {
	return "accounts:\n  p:\n    platform: pinterest\n    access_token: t\n    catalogs:\n      us: " + catalog + "\n"
}

// pinterest is one Pinterest account with the given keys.
func pinterest(keys string) string {
	return "accounts:\n  p: {platform: pinterest, " + keys + ", catalogs: {us: {country: US, language: EN}}}\n"
}

func TestEveryProblemNamesLineKeyAndWhatIsAllowed(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, yaml, want string }{
		{"not YAML", "a: [", "courier.yaml:1: is not YAML: did not find expected node content"},
		{"not YAML further down", "nats:\n  url: x\n bad: y\n", "courier.yaml:2: is not YAML: did not find expected key"},
		{"two documents", "nats: {}\n---\nnats: {}\n", ":2: a second YAML document begins here"},
		{"a list at the top", "- a\n", ":1: must be a section"},
		{"unknown at the top", "natz: {}\n", ":1: natz: is not a known key; known here: nats, database, http, worker, console, outcomes, defaults, accounts"},
		{"unknown deep", "nats:\n  stream:\n    nam: x\n", ":3: nats.stream.nam: is not a known key; known here: name, max_bytes"},
		{"twice", "nats: {}\nhttp: {}\nnats: {}\n", ":3: nats: is set twice, first in line 1"},
		{"section wanted", "nats: 4222\n", ":1: nats: must be a section of its own"},
		{"value wanted", "http:\n  listen: [a]\n", ":2: http.listen: must be a single value"},
		{"no value", "http:\n  listen:\n", ":2: http.listen: has no value"},
		{"no such variable", "http: {listen: '${NOPE}'}\n", ":1: http.listen: the environment variable NOPE is not set"},
		{"broken variable", "http: {listen: '${NO-PE}'}\n", "has a ${ that is not ${NAME}"},
		{"duration", "worker: {lease_ttl: 10}\n", `worker.lease_ttl: "10" is not allowed: a duration such as 500ms, 2s, 5m or 24h, from 1s to 5m`},
		{"duration range", "worker: {lease_ttl: 1h}\n", `worker.lease_ttl: "1h" is not allowed`},
		{"number", "nats: {partitions: 0}\n", `nats.partitions: "0" is not allowed: a whole number from 1 to 1024`},
		{"size", "worker: {memory_limit: 1 TX}\n", `worker.memory_limit: "1 TX" is not allowed: a size such as`},
		{"size overflow", "worker: {memory_limit: 99999999999TiB}\n", "worker.memory_limit"},
		{"listen", "http: {listen: here}\n", `http.listen: "here" is not allowed: host:port`},
		{"nats scheme", "nats: {url: 'http://x'}\n", "nats.url: is not a NATS address: nats://"},
		{"postgres scheme", "database: {url: 'mysql://x'}\n", "database.url: is not a Postgres address"},
		{"half of TLS", "nats:\n  tls: {cert_file: a}\n", ":2: nats.tls: cert_file and key_file are only of use together"},
		{"missing secret file", "database: {url_file: /nope/nope}\n", "database.url_file: the file cannot be read"},
		{"stream name", "nats: {stream: {name: 'a.b'}}\n", "nats.stream.name"},

		{"account name", "accounts:\n  a.b: {platform: meta}\n", ":2: accounts.a.b: is not allowed as a name: letters, digits, _ and -"},
		{"platform missing", "accounts:\n  a: {access_token: t}\n", ":2: accounts.a: platform is missing: one of pinterest, meta"},
		{"platform wrong", "accounts:\n  a: {platform: tiktok}\n", `:2: accounts.a.platform: "tiktok" is not allowed: one of pinterest, meta`},
		{"sub type", "accounts:\n  a: {platform: meta, access_token: t, catalogs: {c: {catalog_id: '1', item_sub_type: SHOES}}}\n", `:2: accounts.a.catalogs.c.item_sub_type: "SHOES" is not allowed: a sub type`},
		{"sub type of another endpoint", "accounts:\n  a: {platform: meta, access_token: t, catalogs: {c: {catalog_id: '1', endpoint: batch, item_sub_type: CLOTHING}}}\n", "accounts.a.catalogs.c.item_sub_type: is a parameter of items_batch only"},
		{"no token", "accounts:\n  a: {platform: meta, catalogs: {c: {catalog_id: '1'}}}\n", "accounts.a: access_token is missing"},
		{"empty token", account("    access_token_file: " + os.DevNull + "\n"), "is empty"},
		{"both tokens", account("    access_token_file: x\n"), "give either access_token or access_token_file"},
		{"client id for Meta", account("    client_id: x\n"), ":6: accounts.a.client_id: is for Pinterest accounts only"},
		{"refresh token for Meta", account("    refresh_token: x\n"), ":6: accounts.a.refresh_token: is for Pinterest accounts only"},
		{"a secret's file for Meta", account("    client_secret_file: " + os.DevNull + "\n"), ":6: accounts.a.client_secret_file: is for Pinterest accounts only"},
		{"empty client id", pinterest(`client_id: "", client_secret: s`), `accounts.p.client_id: "" is not allowed: text, not empty`},
		{"ad account too long", pinterest(`access_token: t, ad_account_id: "1234567890123456789"`), "accounts.p.ad_account_id: \"1234567890123456789\" is not allowed: 1 to 18 digits"},
		{"oauth url for Meta", account("    oauth_url: https://x/token\n"), "accounts.a.oauth_url: is for Pinterest accounts only"},
		{"quota window for Pinterest", pinterest("access_token: t, quota_window: 1m"), "accounts.p.quota_window: is for Meta accounts only"},
		{"app secret for Pinterest", pinterest("access_token: t, app_secret: s"), "accounts.p.app_secret: is for Meta accounts only"},
		{
			"no country of Pinterest's", "accounts:\n  p:\n    platform: pinterest\n    access_token: t\n    catalogs:\n      c:\n        country: XX\n        language: EN\n",
			`:7: accounts.p.catalogs.c.country: "XX" is not allowed: two capital letters of Pinterest's list, such as US`,
		},
		{
			"no language of Pinterest's", "accounts:\n  p:\n    platform: pinterest\n    access_token: t\n    catalogs:\n      c:\n        country: US\n        language: xx-XX\n",
			`:8: accounts.p.catalogs.c.language: "xx-XX" is not allowed: a locale of Pinterest's list such as en-US, or a language such as EN`,
		},
		{"client id alone", pinterest("client_id: x"), "client_id and client_secret are needed together"},
		{"refresh token alone", pinterest("refresh_token: x"), "client_id and client_secret are needed together"},
		{"oauth url alone", pinterest("oauth_url: https://x/token"), "client_id and client_secret are needed together"},
		{"client id and token", pinterest("access_token: t, client_id: x, client_secret: y"), "give either access_token, or client_id and client_secret"},
		{"refresh and token", pinterest("access_token: t, refresh_token: y"), "give either access_token, or client_id and client_secret"},
		{"both secrets", pinterest("client_id: x, client_secret: y, client_secret_file: z"), "give either client_secret or client_secret_file"},
		{"secret in oauth url", pinterest("client_id: x, client_secret: y, oauth_url: 'https://u:p@x/t'"), "accounts.p.oauth_url"},
		{"rules", account("    rules: maybe\n"), `accounts.a.rules: "maybe" is not allowed: one of warn, strict, off`},
		{"no catalogs", "accounts:\n  a: {platform: meta, access_token: t}\n", "accounts.a: catalogs is missing"},
		{"ad account", account("    ad_account_id: '1'\n"), "accounts.a.ad_account_id: is for Pinterest accounts only"},
		{"base url", account("    base_url: graph.facebook.com\n"), "accounts.a.base_url"},
		{"secret in base url", account("    base_url: https://x/?access_token=y\n"), "accounts.a.base_url"},
		{"too many items", account("    batch: {max_items: 5001}\n"), `:6: accounts.a.batch.max_items: "5001" is not allowed: a whole number from 1 to 5000`},
		{"more items than Pinterest takes", "accounts:\n  a:\n    platform: pinterest\n    access_token: x\n    catalogs: {us: {country: US, language: en-US}}\n    batch: {max_items: 5000}\n", ":6: accounts.a.batch.max_items: 5000 is not allowed"},
		{"more bytes than the client sends", "accounts:\n  a:\n    platform: pinterest\n    access_token: x\n    catalogs: {us: {country: US, language: en-US}}\n    batch: {max_bytes: 20MB}\n", "accounts.a.batch.max_bytes"},
		{"too many bytes", account("    batch: {max_bytes: 30MB}\n"), "accounts.a.batch.max_bytes"},
		{"poll order", account("    poll: {min: 2m, max: 1m}\n"), "accounts.a.poll: min (2m) must not be longer than max (1m)"},
		{"poll give up", account("    poll: {give_up: 1s}\n"), "give_up (1s) must not be shorter than min (2s)"},
		{"retry order", account("    retry: {min: 1h, max: 1m}\n"), "accounts.a.retry: min (1h) must not be longer than max (1m)"},
		{"settle", account("    settle: soon\n"), `accounts.a.settle: "soon" is not allowed: auto, or a duration`},
		{"concurrency", account("    concurrency: 0\n"), "accounts.a.concurrency"},

		{"Meta without id", "accounts:\n  a: {platform: meta, access_token: t, catalogs: {c: {}}}\n", "accounts.a.catalogs.c: catalog_id is missing"},
		{"Meta id", "accounts:\n  a: {platform: meta, access_token: t, catalogs: {c: {catalog_id: abc}}}\n", `accounts.a.catalogs.c.catalog_id: "abc" is not allowed: digits`},
		{"Meta with country", "accounts:\n  a: {platform: meta, access_token: t, catalogs: {c: {catalog_id: '1', country: US}}}\n", "is for Pinterest catalogs only"},
		{"Meta endpoint", "accounts:\n  a: {platform: meta, access_token: t, catalogs: {c: {catalog_id: '1', endpoint: feed}}}\n", "one of items_batch, batch, localized_items_batch"},
		{"Pinterest country", pinterestCatalog("{country: usa, language: EN}"), "accounts.p.catalogs.us.country"},
		{"Pinterest no country", pinterestCatalog("{language: EN}"), "accounts.p.catalogs.us: country is missing"},
		{"Pinterest language", pinterestCatalog("{country: US, language: en_US}"), "accounts.p.catalogs.us.language"},
		{"Pinterest endpoint", pinterestCatalog("{country: US, language: EN, endpoint: batch}"), "is for Meta catalogs only"},
		{"Pinterest sub type", pinterestCatalog("{country: US, language: EN, item_sub_type: HOME}"), "item_sub_type: is for Meta catalogs only"},
		{"Meta feed", "accounts:\n  a: {platform: meta, access_token: t, catalogs: {c: {catalog_id: '1', feed_owned: true}}}\n", "feed_owned: is for Pinterest catalogs only"},
		{"neither true nor false", pinterestCatalog("{country: US, language: EN, last_updated_time: yes}"), `last_updated_time: "yes" is not allowed: true or false`},
		{"Pinterest body", pinterestCatalog("{country: US, language: EN, body: old}"), "accounts.p.catalogs.us.body"},
		{"legacy with id", pinterestCatalog("{country: US, language: EN, body: legacy, catalog_id: '1'}"), "cannot be chosen with body: legacy"},
		{"catalog name", "accounts:\n  a: {platform: meta, access_token: t, catalogs: {'c d': {catalog_id: '1'}}}\n", "is not allowed as a name"},

		{
			"defaults for one platform", "defaults: {batch: {max_items: 5000}}\n" + pinterestCatalog("{country: US, language: EN}"),
			":1: defaults.batch.max_items: \"5000\" is not allowed: a whole number from 1 to 1000 (as pinterest accounts use it)",
		},
		{"defaults unknown", "defaults: {access_token: x}\n", "defaults.access_token: is not a known key"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(write(t, test.yaml), config.Options{Platforms: platforms, Lookup: environment()})
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, "courier.yaml")
			var problems config.Problems
			require.ErrorAs(t, err, &problems)
		})
	}
}

func TestTwoNamesForOnePlatformCatalogAreRefused(t *testing.T) {
	t.Parallel()
	twice := func(platform, one, two string) string {
		return fmt.Sprintf("accounts:\n  a: {platform: %s, access_token: t, catalogs: {c: %s}}\n  b: {platform: %s, access_token: t, catalogs: {d: %s}}\n",
			platform, one, platform, two)
	}
	once := func(one, two string) string {
		return fmt.Sprintf("accounts:\n  a: {platform: meta, access_token: t, catalogs: {c: %s, d: %s}}\n", one, two)
	}
	cases := []struct {
		name, yaml string
		same       bool
	}{
		{"Meta, same id", twice("meta", "{catalog_id: '1'}", "{catalog_id: '1'}"), true},
		{"Meta, two endpoints", twice("meta", "{catalog_id: '1'}", "{catalog_id: '1', endpoint: batch}"), true},
		{"Meta, batch and localized", once("{catalog_id: '1', endpoint: batch}", "{catalog_id: '1', endpoint: localized_items_batch}"), false},
		{"Meta, localized twice", twice("meta", "{catalog_id: '1', endpoint: localized_items_batch}", "{catalog_id: '1', endpoint: localized_items_batch}"), true},
		{"Pinterest, two bodies", twice("pinterest", "{country: US, language: EN}", "{country: US, language: EN, body: legacy}"), true},
		{"Meta, localized apart", once("{catalog_id: '1'}", "{catalog_id: '1', endpoint: localized_items_batch}"), false},
		{"Meta, other id", twice("meta", "{catalog_id: '1'}", "{catalog_id: '2'}"), false},
		{"Pinterest, same all", twice("pinterest", "{country: US, language: EN}", "{country: US, language: EN}"), true},
		{"Pinterest, a locale of the language", twice("pinterest", "{country: US, language: EN, catalog_id: '7'}", "{country: US, language: en-US, catalog_id: '7'}"), true},
		{"Pinterest, other language", twice("pinterest", "{country: US, language: ES, catalog_id: '7'}", "{country: US, language: en-US, catalog_id: '7'}"), false},
		{"Pinterest, other id", twice("pinterest", "{country: US, language: EN, catalog_id: '8'}", "{country: US, language: en-US, catalog_id: '7'}"), false},
		{"Pinterest, other country", twice("pinterest", "{country: US, language: EN}", "{country: GB, language: EN}"), false},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(write(t, test.yaml), config.Options{Platforms: platforms})
			if !test.same {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, ":3: accounts.b.catalogs.d: names the same platform catalog as accounts.a.catalogs.c")
		})
	}
}

// TestSpellingsOfOneServer: a catalog has one name also where two addresses lead to it.
func TestSpellingsOfOneServer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		one, two string
		same     bool
	}{
		"two versions":   {"https://graph.facebook.com/v25.0", "https://graph.facebook.com/v26.0", true},
		"letter case":    {"https://graph.facebook.com/v25.0", "https://Graph.Facebook.com/v25.0", true},
		"a port":         {"https://graph.facebook.com/v25.0", "https://graph.facebook.com:443/v25.0/", true},
		"no version":     {"https://graph.facebook.com/v25.0", "https://graph.facebook.com", true},
		"http":           {"http://localhost/meta/v25.0", "http://localhost:80/meta/v26.0", true},
		"another port":   {"http://localhost:1/v25.0", "http://localhost:2/v25.0", false},
		"another path":   {"http://localhost:1/one/v25.0", "http://localhost:1/two/v25.0", false},
		"another server": {"https://graph.facebook.com/v25.0", "https://graph.example.com/v25.0", false},
	} {
		_, err := config.Load(write(t, fmt.Sprintf("accounts:\n  a: {platform: meta, base_url: %q, access_token: t, catalogs: {c: {catalog_id: '1'}}}\n"+
			"  b: {platform: meta, base_url: %q, access_token: u, catalogs: {d: {catalog_id: '1'}}}\n", test.one, test.two)), config.Options{Platforms: platforms})
		if test.same {
			require.ErrorContains(t, err, "names the same platform catalog as accounts.a.catalogs.c", name)
		} else {
			require.NoError(t, err, name)
		}
	}
}

// TestIDsHaveOneSpelling: 0123 and 123 would be two names of one catalog.
func TestIDsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	for _, catalog := range []string{"{platform: meta, access_token: t, catalogs: {c: {catalog_id: '0123'}}}", "{platform: pinterest, access_token: t, catalogs: {c: {country: US, language: EN, catalog_id: '07'}}}"} {
		_, err := config.Load(write(t, "accounts:\n  a: "+catalog+"\n"), config.Options{Platforms: platforms})
		require.ErrorContains(t, err, "catalog_id", catalog)
	}
}

func TestLocalizationsStandInTheAccountOfTheirItems(t *testing.T) {
	t.Parallel()
	const yaml = `
accounts:
  a: {platform: meta, access_token: t, catalogs: {c: {catalog_id: '1'}}}
  b: {platform: meta, access_token: u, catalogs: {d: {catalog_id: '%s', endpoint: localized_items_batch}}}
`
	_, err := config.Load(write(t, fmt.Sprintf(yaml, "1")), config.Options{Platforms: platforms})
	require.ErrorContains(t, err, ":4: accounts.b.catalogs.d: localizes items of accounts.a.catalogs.c, which is in another account")
	_, err = config.Load(write(t, fmt.Sprintf(yaml, "2")), config.Options{Platforms: platforms})
	require.NoError(t, err)
}

func TestPinterestCatalogsThatMayBeOneAreTold(t *testing.T) {
	t.Parallel()
	for catalogs, warnings := range map[string]int{
		"a: {country: US, language: EN}, b: {country: US, language: en-US}":                                    1,
		"a: {country: US, language: EN, catalog_id: '7'}, b: {country: US, language: en-US}":                   1,
		"a: {country: US, language: EN}, b: {country: US, language: EN, catalog_id: '7'}":                      1,
		"a: {country: US, language: EN, body: legacy}, b: {country: US, language: en-US}":                      1,
		"a: {country: US, language: EN, body: legacy}, b: {country: US, language: en-US, catalog_id: '7'}":     1,
		"a: {country: US, language: EN, catalog_id: '8'}, b: {country: US, language: en-US, catalog_id: '7'}":  0,
		"a: {country: US, language: EN}, b: {country: US, language: es-MX}, c: {country: GB, language: en-GB}": 0,
	} {
		c, err := config.Load(write(t, "accounts:\n  p: {platform: pinterest, access_token: t, catalogs: {"+catalogs+"}}\n"), config.Options{Platforms: platforms})
		require.NoError(t, err, catalogs)
		require.Len(t, c.Warnings, warnings, catalogs)
		if warnings > 0 {
			require.ErrorContains(t, c.Warnings[0], "courier.yaml:2: accounts.p.catalogs.b: may name the same platform catalog as accounts.p.catalogs.a")
		}
	}
}

func TestSecretsTravelByHTTPS(t *testing.T) {
	t.Parallel()
	for address, fine := range map[string]bool{
		"https://graph.facebook.com/v25.0": true, "http://127.0.0.1:1/v5": true, "http://[::1]:1/v5": true, "http://localhost/v5": true,
		"http://sandbox:8090/meta": true, "http://meta.localhost:1/x": true,
		"http://graph.facebook.com/v25.0": false, "http://10.0.0.1/v5": false, "http://127.0.0.1.example.com/v5": false, "http://localhost.example.com": false,
	} {
		for _, at := range []struct{ key, yaml string }{
			{"accounts.a.base_url", account("    base_url: " + address + "\n")},
			{"accounts.p.oauth_url", pinterest("client_id: x, client_secret: y, oauth_url: '" + address + "'")},
			{"defaults.base_url", "defaults: {base_url: '" + address + "'}\n" + account("")},
		} {
			_, err := config.Load(write(t, at.yaml), config.Options{Platforms: platforms})
			if fine {
				require.NoError(t, err, address)
				continue
			}
			require.ErrorContains(t, err, at.key+": must begin with https://", address)
		}
	}
}

func TestDefaultBaseURLHoldsForOnePlatformOnly(t *testing.T) {
	t.Parallel()
	one := "defaults: {base_url: 'http://127.0.0.1:1/v5'}\n" + pinterestCatalog("{country: US, language: EN}")
	c, err := config.Load(write(t, one), config.Options{Platforms: platforms})
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:1/v5", c.Accounts["p"].BaseURL)

	both := one + "  a: {platform: meta, access_token: t, catalogs: {c: {catalog_id: '1'}}}\n"
	_, err = config.Load(write(t, both), config.Options{Platforms: platforms})
	require.ErrorContains(t, err, "defaults.base_url: would hold for accounts of both platforms")
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load(write(t, "natz: {}\nhttp: {listen: here}\naccounts:\n  a: {platform: meta}\n"),
		config.Options{Platforms: platforms, Lookup: environment("COURIER_WORKER_LEASE_TTL", "x"), Flags: map[string]string{"nats.partitions": "-1", "no.such": "1"}})
	var problems config.Problems
	require.ErrorAs(t, err, &problems)
	text := err.Error()
	for _, want := range []string{
		"natz", "http.listen", "access_token is missing", "catalogs is missing",
		"environment: COURIER_WORKER_LEASE_TTL", "command line: nats.partitions", "command line: no.such",
	} {
		require.Contains(t, text, want)
	}
	require.Len(t, problems, 7)
}

func TestSecretsNeverPrint(t *testing.T) {
	t.Parallel()
	const canary = "canary-7f3a"
	c, err := config.Load(write(t, strings.ReplaceAll(valid, "${META_ACCESS_TOKEN}", canary)), config.Options{
		Platforms: platforms,
		Lookup:    environment("PINTEREST_ACCESS_TOKEN", canary, "DATABASE_URL", "postgres://u:"+canary+"@h/d"),
	})
	require.NoError(t, err)
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "config", c, "token", c.Accounts["acme-meta"].AccessToken)
	asJSON, err := json.Marshal(c) //nolint:musttag // nobody marshals it; if somebody did, nothing may show
	require.NoError(t, err)
	asYAML, err := yaml.Marshal(c)
	require.NoError(t, err)
	token := c.Accounts["acme-meta"].AccessToken
	for _, printed := range []string{
		logged.String(), string(asJSON), string(asYAML), fmt.Sprint(c), fmt.Sprintf("%v %+v %#v", *c, *c, *c),
		fmt.Sprintf("%s %q %x %d %#v", token, token, token, token, token), fmt.Sprintf("%v %+v", struct{ held config.Secret }{token}, &struct{ held config.Account }{c.Accounts["acme-meta"]}), c.Database.URL.Address(),
	} {
		require.NotContains(t, printed, canary)
		require.NotContains(t, printed, fmt.Sprintf("%x", canary))
	}
	require.Equal(t, "postgres://h/d", c.Database.URL.Address())

	_, err = config.Load(write(t, "nats: {url: 'http://u:"+canary+"@h'}\ndatabase: {url: "+canary+"}\nhttp: {listen: '${X}'}\n"), config.Options{Platforms: platforms, Lookup: environment("X", "bad")})
	require.Error(t, err)
	require.NotContains(t, err.Error(), canary)
}

func FuzzLoad(f *testing.F) {
	f.Add(valid)
	f.Add("accounts: &a\n  x: {<<: *a, platform: meta}\n")
	f.Add("a: [")
	f.Fuzz(func(t *testing.T, content string) {
		path := filepath.Join(t.TempDir(), "courier.yaml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = config.Load(path, config.Options{Platforms: platforms, Lookup: environment()})
	})
}
