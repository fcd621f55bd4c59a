package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

const (
	leaseTTL     = 2 * time.Second
	drainTimeout = 5 * time.Second
	// settle is above everything by which a POST can be late here: what the platform
	// adds, what a proxy holds, and how long a call is kept.
	settle     = 6 * time.Second
	partitions = 8
	maxItems   = 200
	// outcomeBytes is more than the events of a run take: none is removed before it is read.
	outcomeBytes = "512MiB"
)

// account is one account of the run.
type account struct {
	name     string
	site     string
	oauth    bool // it asks for its access tokens
	catalogs map[string]map[string]any
	types    map[string][]catalog.Type // by catalog
}

// Of the lanes below, one localizes the items of another, and one takes
// DELETE_DISCONTINUED.
var (
	localizingLane    = catalog.Lane{Account: "gamma-meta", Catalog: "languages", Type: "PRODUCT_ITEM"}
	localizedLane     = catalog.Lane{Account: "gamma-meta", Catalog: "products", Type: "PRODUCT_ITEM"}
	discontinuingLane = catalog.Lane{Account: "beta-pinterest", Catalog: "old", Type: "RETAIL"}
)

// accounts are on both platforms, with several catalog types and request bodies.
// Those on quiet sites show whether others' trouble reaches them.
func accounts() []account {
	pinterest := func(id int) map[string]any {
		return map[string]any{"country": "US", "language": "en-US", "catalog_id": strconv.Itoa(id)}
	}
	legacy := map[string]any{"country": "GB", "language": "EN", "body": "legacy"} // always the oldest catalog
	meta := func(id int) map[string]any { return map[string]any{"catalog_id": strconv.Itoa(id)} }
	metaLegacy := meta(2001)
	metaLegacy["endpoint"] = "batch"
	languages := meta(3001)
	languages["endpoint"] = "localized_items_batch"
	return []account{
		{
			name: "acme-pinterest", site: pinterestSite,
			catalogs: map[string]map[string]any{"us": pinterest(501)},
			types:    map[string][]catalog.Type{"us": {"RETAIL", "HOTEL", "CREATIVE_ASSETS", "LOCAL_INVENTORY"}},
		},
		{
			name: "beta-pinterest", site: pinterestSite,
			catalogs: map[string]map[string]any{"old": legacy}, types: map[string][]catalog.Type{"old": {"RETAIL"}},
		},
		{
			name: "gamma-pinterest", site: pinterestSite, oauth: true,
			catalogs: map[string]map[string]any{"us": pinterest(503)}, types: map[string][]catalog.Type{"us": {"RETAIL"}},
		},
		{
			name: "acme-meta", site: metaSite,
			catalogs: map[string]map[string]any{"products": meta(1001), "flights": meta(1002), "travel": meta(1003)},
			types: map[string][]catalog.Type{
				"products": {"PRODUCT_ITEM"}, "flights": {"FLIGHT"}, "travel": {"DESTINATION", "HOTEL_ROOM"},
			},
		},
		{
			name: "beta-meta", site: metaSite,
			catalogs: map[string]map[string]any{"old": metaLegacy, "cars": meta(2002)},
			types:    map[string][]catalog.Type{"old": {"PRODUCT_ITEM"}, "cars": {"VEHICLE"}},
		},
		{
			name: "gamma-meta", site: metaSite,
			catalogs: map[string]map[string]any{"products": meta(3001), "flights": meta(3002), "languages": languages},
			types: map[string][]catalog.Type{
				"products": {"PRODUCT_ITEM"}, "flights": {"FLIGHT"}, "languages": {"PRODUCT_ITEM"},
			},
		},
		{
			name: "quiet-pinterest", site: quietPinterestSite,
			catalogs: map[string]map[string]any{"us": pinterest(601)}, types: map[string][]catalog.Type{"us": {"RETAIL"}},
		},
		{
			name: "quiet-meta", site: quietMetaSite,
			catalogs: map[string]map[string]any{"products": meta(4001)}, types: map[string][]catalog.Type{"products": {"PRODUCT_ITEM"}},
		},
	}
}

// token is an account's access token: a word that must never be seen anywhere.
func (a account) token() string { return "canary-token-" + a.name + "-9d1f27" }

func (a account) platform() string {
	if a.site == metaSite || a.site == quietMetaSite {
		return "meta"
	}
	return "pinterest"
}

// tokens are those that the platforms take besides what they give out.
func tokens() (all []string) {
	for _, a := range accounts() {
		all = append(all, a.token())
	}
	return all
}

// secrets are all words that must never be seen anywhere.
func secrets() []string {
	return append(tokens(), oauthSecret, oauthRefresh, encryptionKey, "pina_simulated-access")
}

// lanes are all places that changes are published to.
func lanes() (all []catalog.Lane) {
	for _, a := range accounts() {
		for _, name := range slices.Sorted(maps.Keys(a.catalogs)) {
			for _, itemType := range a.types[name] {
				all = append(all, catalog.Lane{Account: a.name, Catalog: name, Type: itemType})
			}
		}
	}
	return all
}

// addresses are where one worker finds things.
type addresses struct{ nats, database, platforms, oauth string }

// writeSettings writes a worker's configuration file. JSON is YAML.
func writeSettings(folder, worker string, at addresses) (path string, err error) {
	text, err := json.MarshalIndent(settingsTree(worker, at), "", " ")
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, worker+".yaml")
	return path, os.WriteFile(path, text, 0o600)
}

func settingsTree(worker string, at addresses) map[string]any {
	perAccount := map[string]any{}
	for _, a := range accounts() {
		version := "/v5"
		if a.platform() == "meta" {
			version = "/v25.0"
		}
		settings := map[string]any{
			"platform": a.platform(), "catalogs": a.catalogs,
			"base_url": "http://" + at.platforms + "/" + a.site + "/from-" + worker + version,
		}
		if a.oauth {
			// All workers ask at one address: it is part of what tells credentials apart.
			settings["oauth_url"] = "http://" + at.oauth + "/" + a.site + "/from-all" + version + "/oauth/token"
			settings["client_id"], settings["client_secret"], settings["refresh_token"] = oauthClient, oauthSecret, oauthRefresh
		} else {
			settings["access_token"] = a.token()
		}
		perAccount[a.name] = settings
	}
	return map[string]any{
		"nats": map[string]any{
			"url": "nats://" + at.nats, "partitions": partitions, "stream": map[string]any{"max_bytes": streamBytes},
		},
		"database": map[string]any{"url": at.database, "max_conns": 8},
		"http":     map[string]any{"listen": "127.0.0.1:0"},
		"worker": map[string]any{
			"lease_ttl": leaseTTL.String(), "record_within": "500ms", "unknown_account_grace": "1s",
			"drain_timeout": drainTimeout.String(), "encryption_key": encryptionKey,
		},
		"outcomes": map[string]any{"enabled": true, "max_age": "24h", "max_bytes": outcomeBytes},
		"defaults": map[string]any{
			"settle": settle.String(), "concurrency": 4,
			"batch": map[string]any{"max_items": maxItems, "max_age": "100ms"},
			"poll":  map[string]any{"min": "50ms", "max": "500ms", "give_up": "20s"},
			"retry": map[string]any{"max_attempts": 20, "min": "100ms", "max": "1s"},
		},
		"accounts": perAccount,
	}
}
