package source_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/source"
	"github.com/catalog-courier/catalog-courier/source/difference"
	"github.com/catalog-courier/catalog-courier/source/run"
)

var update = flag.Bool("update", false, "write the expected mutations; look at each difference")

// builtIn finds the types of the platforms that are built in.
func builtIn(name string, t catalog.Type) (source.Destination, bool) {
	found, ok := platform.Find(builtin.Platforms(), name)
	if !ok || !slices.Contains(found.Types, t) {
		return source.Destination{}, false
	}
	overlay := found.Overlay(t)
	return source.Destination{KeyParts: overlay.KeyParts, Replaces: overlay.Replaces, Clears: overlay.Clears, OutOfStock: overlay.OutOfStock}, true
}

// ways are how the feeds of the readers' tests are mapped, by the beginning of their names;
// the first that fits.
var ways = []struct {
	prefix, preset, quoting string
	targets                 []string
}{
	{"google-hotel-list", "meta", "", []string{"meta/HOTEL"}},
	{"google-text-unquoted", "google", "none", []string{"meta/PRODUCT_ITEM", "pinterest/RETAIL"}},
	{"meta-destination", "meta", "", []string{"meta/DESTINATION"}},
	{"meta-flight", "meta", "", []string{"meta/FLIGHT"}},
	{"meta-home", "meta", "", []string{"meta/HOME_LISTING"}},
	{"meta-hotel", "meta", "", []string{"meta/HOTEL", "pinterest/HOTEL"}},
	{"meta-vehicle", "meta", "", []string{"meta/VEHICLE"}},
	{"meta", "meta", "", []string{"meta/PRODUCT_ITEM", "pinterest/RETAIL"}},
	{"pinterest", "pinterest", "", []string{"meta/PRODUCT_ITEM", "pinterest/RETAIL"}},
	{"shopify", "shopify", "", []string{"meta/PRODUCT_ITEM", "pinterest/RETAIL"}},
	{"woo", "woocommerce", "", []string{"meta/PRODUCT_ITEM", "pinterest/RETAIL"}},
	{"adobe", "adobe", "", []string{"meta/PRODUCT_ITEM", "pinterest/RETAIL"}},
	{"", "google", "", []string{"meta/PRODUCT_ITEM", "pinterest/RETAIL"}},
}

// relaxed is a preset that takes items without the attributes that platforms require: the
// feeds are as small as what they show.
func relaxed(t *testing.T, preset, target string) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("extends: " + preset + "\n")
	if target == "meta/PRODUCT_ITEM" || target == "pinterest/RETAIL" {
		text.WriteString("attributes:\n")
		for name, rule := range map[string]string{
			"availability": "required: false", "condition": "required: false", "description": "required: false", "image_link": "required: false",
			"link": "required: false", "price": "required: false", "title": "required: false",
		} {
			if own := map[string]string{
				"shopify link": `template: "https://shop.example/{handle}"`, "woocommerce link": `template: "https://shop.example/?p={id}"`,
				"adobe link": `template: "https://shop.example/{url_key}.html"`, "shopify price": "", "woocommerce price": "", "adobe price": "",
				"shopify availability": "", "woocommerce availability": "", "adobe availability": "", "shopify condition": "", "woocommerce condition": "", "adobe condition": "",
			}; own[preset+" "+name] != "" {
				rule = own[preset+" "+name]
			} else if _, given := own[preset+" "+name]; given {
				continue
			}
			text.WriteString("  " + name + ": {" + rule + "}\n")
		}
	}
	path := filepath.Join(t.TempDir(), "relaxed.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o600))
	return path
}

// TestFeedsBecomeMutations: small feeds of the shapes that shops have, from the file to what
// is published of them.
func TestFeedsBecomeMutations(t *testing.T) {
	t.Parallel()
	feeds := 0
	entries, err := os.ReadDir("feed/testdata")
	require.NoError(t, err)
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || strings.HasSuffix(name, ".golden.json") {
			continue
		}
		feeds++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := mutationsOf(t, name)
			path := filepath.Join("testdata", "mutations", name+".jsonl")
			if *update {
				require.NoError(t, os.WriteFile(path, got, 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err, "run go test ./source -run Mutations -update")
			require.Equal(t, string(want), string(got))
		})
	}
	require.Greater(t, feeds, 50)
}

// mutationsOf runs a feed against destinations that have nothing yet.
func mutationsOf(t *testing.T, name string) []byte {
	t.Helper()
	at := slices.IndexFunc(ways, func(way struct {
		prefix, preset, quoting string
		targets                 []string
	},
	) bool {
		return strings.HasPrefix(name, way.prefix)
	})
	way := ways[at]
	settings := config.Source{
		Name: "shop", Currency: "EUR", Zone: "Europe/Berlin",
		Feed: &config.Feed{URL: filepath.Join("feed", "testdata", name), Timeout: time.Minute, MaxBytes: 1 << 30, Quoting: way.quoting},
	}
	for _, target := range way.targets {
		platformName, itemType, _ := strings.Cut(target, "/")
		settings.Routes = append(settings.Routes, config.Route{Account: "acme-" + platformName, Catalog: "main", Type: itemType, Platform: platformName, Mapping: relaxed(t, way.preset, target)})
	}
	made, err := source.New(settings, builtIn, t.TempDir())
	require.NoError(t, err)
	var out bytes.Buffer
	say := func(what string, value any) {
		encoded, err := json.Marshal(value)
		require.NoError(t, err)
		fmt.Fprintf(&out, "%s %s\n", what, encoded)
	}
	snapshot, err := made.Open(t.Context(), "")
	if err != nil {
		say("failed", err.Error())
		return out.Bytes()
	}
	defer snapshot.Close()
	for {
		record, err := snapshot.Next()
		if errors.Is(err, io.EOF) {
			return out.Bytes()
		}
		if err != nil {
			say("failed", err.Error())
			return out.Bytes()
		}
		for _, route := range made.Routes {
			mapped := route.Map(record.Item)
			for _, finding := range mapped.Findings {
				if finding.Severity == "error" {
					say("error", []string{route.String(), mapped.Item.ID, finding.Kind, finding.Field, finding.Value})
				}
			}
			if mapped.Invalid || mapped.Skipped || record.Damaged || mapped.Item.ID == "" {
				continue
			}
			say("mutation", published(t, made, route, mapped))
		}
	}
}

// published is the message of an item that the destination does not have.
func published(t *testing.T, made *source.Source, route run.Route, mapped run.Mapped) json.RawMessage {
	t.Helper()
	destination := difference.Route{Source: made.Name, Lane: route.Lane, Operation: route.Operation, Replaces: route.Replaces, Clears: route.Clears}
	change, err := destination.Compare(mapped.Item, difference.State{}, time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	publication, err := publish.Mutation{
		Account: route.Lane.Account, Catalog: route.Lane.Catalog, Type: route.Lane.Type, ItemID: change.ItemID,
		Operation: change.Operation, ID: change.MutationID, Attributes: change.Attributes,
	}.Publication()
	require.NoError(t, err, "a feed's item must be a message")
	var body map[string]any
	require.NoError(t, json.Unmarshal(publication.Data, &body))
	body["subject"] = publication.Subject
	delete(body, "id") // a digest of the rest
	encoded, err := json.Marshal(body)
	require.NoError(t, err)
	return encoded
}
