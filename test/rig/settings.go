package rig

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/queue"
)

// Settings are configuration keys with dots, such as "worker.lease_ttl", with
// their values. A nil value takes the key out.
type Settings map[string]any

// With lays more settings over these.
func (s Settings) With(more Settings) Settings {
	merged := maps.Clone(s)
	for key, value := range more {
		if merged[key] = value; value == nil {
			delete(merged, key)
		}
	}
	return merged
}

// The accounts that an environment knows unless its settings say otherwise.
const (
	PinterestAccount = "acme-pinterest"
	MetaAccount      = "acme-meta"
)

// Tokens of the two accounts: what must never be seen anywhere.
const (
	PinterestToken = "canary-pinterest-7f3a91c2"
	MetaToken      = "canary-meta-e05b64d8" //nolint:gosec // of a simulated platform
)

// The lanes of the two accounts.
var (
	Retail   = catalog.Lane{Account: PinterestAccount, Catalog: "us", Type: "RETAIL"}
	Products = catalog.Lane{Account: MetaAccount, Catalog: "products", Type: "PRODUCT_ITEM"}
	Flights  = catalog.Lane{Account: MetaAccount, Catalog: "flights", Type: "FLIGHT"}
)

// baseSettings make everything quick: tests wait for what workers do.
func (e *Env) baseSettings() Settings {
	return Settings{
		"nats.partitions":              8,
		"database.url":                 e.Database,
		"database.max_conns":           6,
		"worker.lease_ttl":             "2s",
		"worker.record_within":         "200ms",
		"worker.unknown_account_grace": "1s",
		"worker.drain_timeout":         "5s",
		"defaults.batch.max_age":       "50ms",
		"defaults.poll.min":            "20ms",
		"defaults.poll.max":            "200ms",
		"defaults.poll.give_up":        "30s",
		"defaults.retry.min":           "50ms",
		"defaults.retry.max":           "500ms",
		"defaults.settle":              "1s",

		"accounts." + PinterestAccount + ".platform":     "pinterest",
		"accounts." + PinterestAccount + ".access_token": PinterestToken,
		"accounts." + PinterestAccount + ".catalogs.us":  map[string]any{"country": "US", "language": "en-US", "catalog_id": "2680059592705"},

		"accounts." + MetaAccount + ".platform":          "meta",
		"accounts." + MetaAccount + ".access_token":      MetaToken,
		"accounts." + MetaAccount + ".catalogs.products": map[string]any{"catalog_id": "1001"},
		"accounts." + MetaAccount + ".catalogs.flights":  map[string]any{"catalog_id": "1002"},
	}
}

// file writes the configuration of one worker. JSON is YAML.
func (e *Env) file(worker string, more Settings) string {
	e.tb.Helper()
	settings := e.settings.With(more)
	if url := e.NATS.URL(); url != "" {
		settings["nats.url"] = url
	}
	tree := settings.tree()
	for _, account := range tree["accounts"].(map[string]any) { //nolint:forcetypeassert // made by tree
		account := account.(map[string]any) //nolint:forcetypeassert // made by tree
		if account["base_url"] != nil {
			continue
		}
		account["base_url"] = e.MetaInterceptor.URL(worker) + "/v25.0"
		if account["platform"] == "pinterest" {
			account["base_url"] = e.PinterestInterceptor.URL(worker) + "/v5"
		}
	}
	text, err := json.MarshalIndent(tree, "", " ")
	require.NoError(e.tb, err)
	path := filepath.Join(e.tb.TempDir(), "courier.yaml")
	require.NoError(e.tb, os.WriteFile(path, text, 0o600))
	return path
}

// tree makes nested maps of the keys with dots.
func (s Settings) tree() map[string]any {
	tree := map[string]any{}
	for key, value := range s {
		at, parts := tree, strings.Split(key, ".")
		for _, part := range parts[:len(parts)-1] {
			below, ok := at[part].(map[string]any)
			if !ok {
				below = map[string]any{}
				at[part] = below
			}
			at = below
		}
		at[parts[len(parts)-1]] = value
	}
	return tree
}

// Config is the effective configuration of a worker.
func (e *Env) Config(worker string, more Settings) *config.Config {
	e.tb.Helper()
	loaded, err := config.Load(e.file(worker, more), config.Options{Platforms: platform.Configs(builtin.Platforms())})
	require.NoError(e.tb, err)
	return loaded
}

func (e *Env) streamConfig() queue.StreamConfig {
	c := e.Config("", nil)
	return queue.StreamConfig{Name: c.NATS.Stream.Name, Partitions: c.NATS.Partitions, MaxBytes: c.NATS.Stream.MaxBytes}
}
