package sources_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/process"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// product is an item of the shop.
type product struct {
	title string
	price int // in whole dollars
	sale  int // 0: no sale
}

// shop is a source with a feed file and two destinations.
type shop struct {
	*rig.Env

	t      *testing.T
	folder string
	items  map[string]product
	text   string    // of the file
	at     time.Time // of the file
}

const shopConfig = `
accounts:
  acme-meta: {platform: meta, access_token: "${NOT_SET_HERE}", catalogs: {products: {catalog_id: 1001}}}
  acme-pinterest: {platform: pinterest, access_token: "${NOT_SET_HERE}", catalogs: {us: {country: US}}}
sources:
  shop:
    feed: {url: FOLDER/feed.xml}
    item_id: "{id}"
    routes:
      - {account: acme-meta, catalog: products, type: PRODUCT_ITEM, mapping: google}
      - {account: acme-pinterest, catalog: us, type: RETAIL, mapping: google}
`

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{
		Env: rig.Start(t, rig.Options{Listen: true}), t: t, folder: t.TempDir(), items: make(map[string]product),
		// Long ago: a file that was written just now is read twice.
		at: time.Now().Add(-1000 * time.Hour).Truncate(time.Second),
	}
	config := strings.ReplaceAll(shopConfig, "FOLDER", s.folder)
	require.NoError(t, os.WriteFile(s.config(), []byte(config), 0o600))
	return s
}

func (s *shop) config() string { return filepath.Join(s.folder, "courier.yaml") }

// write writes the feed, which is an hour newer than the one before.
func (s *shop) write() {
	s.t.Helper()
	var text strings.Builder
	text.WriteString(`<?xml version="1.0"?><rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>` + "\n")
	for _, id := range slices.Sorted(maps.Keys(s.items)) {
		item := s.items[id]
		fmt.Fprintf(&text, `<item><g:id>%s</g:id><g:title>%s</g:title><g:description>About it</g:description><g:link>https://shop.example/%s</g:link>`+
			`<g:image_link>https://shop.example/%s.jpg</g:image_link><g:availability>in_stock</g:availability><g:condition>new</g:condition>`+
			`<g:brand>Acme</g:brand><g:price>%d.25 USD</g:price>`, id, item.title, id, id, item.price)
		if item.sale > 0 {
			fmt.Fprintf(&text, `<g:sale_price>%d.25 USD</g:sale_price>`, item.sale)
		}
		text.WriteString("</item>\n")
	}
	text.WriteString("</channel></rss>\n")
	s.text = text.String()
	s.at = s.at.Add(time.Hour)
	s.save()
}

// rewrite writes the same items again, in another file a second later.
func (s *shop) rewrite() {
	s.t.Helper()
	s.text += "\n"
	s.at = s.at.Add(time.Second)
	s.save()
}

func (s *shop) save() {
	s.t.Helper()
	path := filepath.Join(s.folder, "feed.xml")
	require.NoError(s.t, os.WriteFile(path, []byte(s.text), 0o600))
	require.NoError(s.t, os.Chtimes(path, s.at, s.at))
}

// wanted is an item as a destination must have it.
func wanted(id string, item product) map[string]any {
	attributes := map[string]any{
		"title": item.title, "description": "About it", "link": "https://shop.example/" + id, "image_link": "https://shop.example/" + id + ".jpg",
		"availability": "in stock", "condition": "new", "brand": "Acme", "price": fmt.Sprintf("%d.25 USD", item.price),
	}
	if item.sale > 0 {
		attributes["sale_price"] = fmt.Sprintf("%d.25 USD", item.sale)
	}
	return attributes
}

// wantedItems are all items as a destination must have them.
func (s *shop) wantedItems() map[string]map[string]any {
	all := make(map[string]map[string]any, len(s.items))
	for id, item := range s.items {
		all[id] = wanted(id, item)
	}
	return all
}

// platform reads the items of a lane, without what only repeats their ids.
func (s *shop) platform(lane catalog.Lane) map[string]map[string]any {
	s.t.Helper()
	all := make(map[string]map[string]any)
	for id, text := range s.Items(lane) {
		all[id] = attributesOf(s.t, []byte(text))
	}
	return all
}

func attributesOf(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var attributes map[string]any
	require.NoError(t, json.Unmarshal(text, &attributes), string(text))
	return attributes
}

// command is enqueue with the shop's configuration, at these addresses.
func (s *shop) command(nats, database string, args ...string) (*exec.Cmd, *said) {
	all := append([]string{"feed"}, args...)
	all = append(all, "--config", s.config(), "--output", "json", "--nats", nats, "--database", database)
	command := exec.Command(program(s.t), all...)
	heard := &said{}
	command.Stdout, command.Stderr = &heard.out, &heard.err
	return command, heard
}

// answer is what apply and approve print.
type answer struct {
	code   int
	err    string
	Result struct {
		Run       int64  `json:"run"`
		State     string `json:"state"`
		Published int64  `json:"published"`
		Withheld  int    `json:"withheld"`
	} `json:"result"`
}

const patience = time.Minute

// run runs a command to its end.
func (s *shop) run(args ...string) answer {
	s.t.Helper()
	command, heard := s.command(s.NATS.URL(), s.Database, args...)
	child, err := process.Start(command, process.Options{})
	require.NoError(s.t, err)
	s.t.Cleanup(child.Kill)
	err = child.Await(patience)
	require.NotErrorIs(s.t, err, process.ErrStays)
	got := answer{err: heard.err.String()}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got.code = exit.ExitCode()
	}
	if heard.out.Len() > 0 {
		require.NoError(s.t, json.Unmarshal(heard.out.Bytes(), &got), heard.out.String())
	}
	return got
}

// apply runs the source, which must succeed.
func (s *shop) apply() answer {
	s.t.Helper()
	got := s.run("apply", "shop")
	require.Zero(s.t, got.code, got.err)
	return got
}

// differences says of which items two states differ, at most a few.
func differences(want, have map[string]map[string]any) (found []string) {
	const most = 5
	all := maps.Clone(want)
	maps.Copy(all, have)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if !reflect.DeepEqual(want[id], have[id]) && len(found) < most {
			found = append(found, fmt.Sprintf("%s: want %v, have %v", id, want[id], have[id]))
		}
	}
	return found
}
