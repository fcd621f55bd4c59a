package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
)

const withSources = `
accounts:
  acme-meta: {platform: meta, access_token: "${NOT_SET_HERE}", catalogs: {products: {catalog_id: 1}}}
  acme-pinterest: {platform: pinterest, access_token: "${NOT_SET_HERE}", catalogs: {us: {country: US}}}
sources:
  shop:
    feed:
      url: https://shop.example/feed.xml.gz
      every: 1h
      username: courier
      password: ${FEED_PASSWORD}
      header: {X-Key: "${FEED_KEY}"}
    webhook: {kind: shopify, secret_file: SECRETS, shop: {url: "https://acme.example", access_token: "${SHOP}"}}
    item_id: "{id}"
    currency: EUR
    routes:
      - {account: acme-meta, catalog: products, type: PRODUCT_ITEM, mapping: google}
      - {account: acme-pinterest, catalog: us, type: RETAIL, mapping: google, filter: 'availability != "discontinued"', missing: out_of_stock}
    deletes: {missing_runs: 2, hold_over: {items: 5}}
serve:
  listen: :8440
  tokens:
    - {name: shop, sha256: HASH, accounts: [acme-meta, acme-pinterest]}
    - {name: all, sha256: HASH, accounts: "*"}
`

func parseSources(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	secrets := filepath.Join(t.TempDir(), "secrets")
	require.NoError(t, os.WriteFile(secrets, []byte("one\n\n two \n"), 0o600))
	text = strings.NewReplacer("SECRETS", secrets, "HASH", strings.Repeat("ab", 32)).Replace(text)
	return config.Parse("courier.yaml", []byte(text), config.Options{
		Lookup:          environment("FEED_PASSWORD", "pass", "FEED_KEY", "key", "SHOP", "shpat"),
		WithoutAccounts: true, WithSources: true, Platforms: platforms,
	})
}

func TestSources(t *testing.T) {
	t.Parallel()
	c, err := parseSources(t, withSources)
	require.NoError(t, err)
	shop := c.Sources["shop"]
	require.Equal(t, time.Hour, shop.Feed.Every)
	require.Equal(t, "pass", shop.Feed.Password.Reveal())
	require.Equal(t, "key", shop.Feed.Header["X-Key"].Reveal())
	require.Equal(t, 3*time.Hour, shop.SilentAfter, "three runs that should have been")
	require.EqualValues(t, 4<<30, shop.Feed.MaxBytes)
	require.Len(t, shop.Webhook.Secrets, 2)
	require.Equal(t, "two", shop.Webhook.Secrets[1].Reveal())
	require.Equal(t, 7*24*time.Hour, shop.Webhook.Keep)
	require.Equal(t, "shpat", shop.Webhook.Shop.AccessToken.Reveal())
	require.Equal(t, config.Deletes{Missing: "delete", MissingRuns: 2, HoldOverItems: 5, HoldOverPercent: 10}, shop.Deletes)
	require.Equal(t, "meta", shop.Routes[0].Platform)
	require.Equal(t, config.Route{
		Account: "acme-pinterest", Catalog: "us", Type: "RETAIL", Platform: "pinterest", Mapping: "google",
		Filter: `availability != "discontinued"`, Missing: "out_of_stock",
	}, shop.Routes[1])
	require.Equal(t, []string{"*"}, c.Serve.Tokens[1].Accounts)
	require.Equal(t, []string{"acme-meta", "acme-pinterest"}, c.Serve.Tokens[0].Accounts)
	require.Equal(t, ":8440", c.Serve.Listen)
}

// TestWorkersPassOverSources: a worker needs neither the sources nor their secrets.
func TestWorkersPassOverSources(t *testing.T) {
	t.Parallel()
	text := valid + "sources: {shop: {feed: {password: '${NOT_SET_HERE}'}}}\nserve: {tokens: []}\n"
	c, err := config.Parse("courier.yaml", []byte(text), config.Options{Lookup: environment(), Platforms: platforms})
	require.NoError(t, err)
	require.Empty(t, c.Sources)
}

func TestWrongSources(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]struct{ before, after, said string }{
		"no item id":         {`    item_id: "{id}"` + "\n", "", `courier.yaml:6: sources.shop: item_id is missing`},
		"unknown account":    {"account: acme-meta, catalog", "account: acme-mata, catalog", `routes[0].account: accounts has no "acme-mata"; it has: acme-meta, acme-pinterest`},
		"unknown catalog":    {"catalog: us", "catalog: uk", `routes[1].catalog: the account acme-pinterest has no catalog "uk"; it has: us`},
		"unknown key":        {"missing: out_of_stock", "mising: out_of_stock", `routes[1].mising: is not a known key`},
		"no secret":          {"secret_file: SECRETS, ", "", "sources.shop.webhook: secret is missing"},
		"two routes":         {"account: acme-pinterest, catalog: us, type: RETAIL", "account: acme-meta, catalog: products, type: PRODUCT_ITEM", "routes[1]: is the second route of the source to acme-meta/products/PRODUCT_ITEM"},
		"token in clear":     {"sha256: HASH, accounts: \"*\"", "sha256: ccat_secret, accounts: \"*\"", "serve.tokens[1].sha256"},
		"token without":      {", accounts: \"*\"", "", "serve.tokens[1]: accounts is missing"},
		"twice one name":     {"name: all", "name: shop", `serve.tokens[1].name: "shop" is the name of two tokens`},
		"accounts a section": {`accounts: "*"`, "accounts: {a: b}", "serve.tokens[1].accounts: must be a single value"},
		"nothing comes in":   {"    webhook:", "    webhok:", "sources.shop.webhok: is not a known key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, withSources, wrong.before)
			_, err := parseSources(t, strings.Replace(withSources, wrong.before, wrong.after, 1))
			require.ErrorContains(t, err, wrong.said)
			require.NotContains(t, err.Error(), "pass")
		})
	}
}
