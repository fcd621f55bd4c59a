package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
	"github.com/catalog-courier/catalog-courier/queue"
)

// shop is a source with a feed file, and real servers.
type shop struct {
	t      *testing.T
	folder string
	stream jetstream.Stream
	common []string
	at     time.Time
}

const shopConfig = `
accounts:
  acme-meta: {platform: meta, access_token: "${NOT_SET_HERE}", catalogs: {products: {catalog_id: 1}}}
  acme-pinterest: {platform: pinterest, access_token: "${NOT_SET_HERE}", catalogs: {us: {country: US}}}
sources:
  shop:
    feed: {url: FOLDER/feed.csv}
    item_id: "ITEM_ID"
    currency: USD
    routes:
      - {account: acme-meta, catalog: products, type: PRODUCT_ITEM, mapping: google}
      - {account: acme-pinterest, catalog: us, type: RETAIL, mapping: google, filter: 'brand != "Secret"'}
`

func newShop(t *testing.T) *shop {
	t.Helper()
	broker := natstest.Listen(t)
	stream, err := queue.Ensure(t.Context(), broker.JetStream(t), queue.StreamConfig{})
	require.NoError(t, err)
	raw, err := broker.JetStream(t).Stream(t.Context(), stream.Name())
	require.NoError(t, err)
	s := &shop{t: t, folder: t.TempDir(), stream: raw, at: time.Now().Add(-24 * time.Hour)}
	s.configure("{id}")
	s.common = []string{"--config", filepath.Join(s.folder, "courier.yaml"), "--nats", broker.URL(), "--database", persistencetest.Database(t)}
	return s
}

func (s *shop) configure(itemID string) {
	text := strings.NewReplacer("FOLDER", s.folder, "ITEM_ID", itemID).Replace(shopConfig)
	require.NoError(s.t, os.WriteFile(filepath.Join(s.folder, "courier.yaml"), []byte(text), 0o600))
}

// has writes the feed with items from .. to-1, an hour after the one before.
func (s *shop) has(items int, more ...string) {
	s.t.Helper()
	var text strings.Builder
	text.WriteString("id,title,description,link,image_link,availability,price,brand,sale_price,condition\n")
	for i := range items {
		fmt.Fprintf(&text, "SKU-%d,Item %d,About it,https://shop.example/%d,https://shop.example/%d.jpg,in_stock,%d.00,Acme,%d.50,new\n", i, i, i, i, i+2, i+1)
	}
	text.WriteString(strings.Join(more, ""))
	path := filepath.Join(s.folder, "feed.csv")
	require.NoError(s.t, os.WriteFile(path, []byte(text.String()), 0o600))
	s.at = s.at.Add(time.Hour)
	require.NoError(s.t, os.Chtimes(path, s.at, s.at))
}

func (s *shop) run(args ...string) execution {
	s.t.Helper()
	return execute(s.t, connect, "", append(append([]string{"feed"}, args...), s.common...)...)
}

// messages counts the mutations that the stream has, each as a worker reads it.
func (s *shop) messages() (count int) {
	s.t.Helper()
	info, err := s.stream.Info(s.t.Context())
	require.NoError(s.t, err)
	var decoder message.Decoder
	for sequence := uint64(1); sequence <= info.State.LastSeq; sequence++ {
		raw, err := s.stream.GetMsg(s.t.Context(), sequence)
		require.NoError(s.t, err)
		count += len(decoder.DecodeAll(nil, message.Raw{Subject: raw.Subject, Headers: raw.Header, Data: raw.Data}))
	}
	return count
}

// last is the newest message of the stream.
func (s *shop) last() string {
	s.t.Helper()
	info, err := s.stream.Info(s.t.Context())
	require.NoError(s.t, err)
	last, err := s.stream.GetMsg(s.t.Context(), info.State.LastSeq)
	require.NoError(s.t, err)
	return last.Subject + " " + string(last.Data)
}

func TestAFeedIsPlannedAndApplied(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.has(3, "SECRET,Item,About it,https://shop.example/s,https://shop.example/s.jpg,in_stock,5.00,Secret,,new\n")
	plan := s.run("plan", "shop", "--output", "json")
	require.Equal(t, 2, plan.code, plan.err)
	var said struct {
		Read   int `json:"read"`
		Routes []struct {
			Counts map[string]int `json:"counts"`
		} `json:"routes"`
	}
	require.NoError(t, json.Unmarshal([]byte(plan.out), &said), plan.out)
	require.Equal(t, 4, said.Read)
	require.Equal(t, 4, said.Routes[0].Counts["added"])
	require.Equal(t, 3, said.Routes[1].Counts["added"], "the filter leaves one out")
	require.Zero(t, s.messages(), "a plan sends nothing")

	applied := s.run("apply", "shop")
	require.Equal(t, 0, applied.code, applied.err)
	require.Contains(t, applied.out, "Published 7 mutations")
	require.Equal(t, 7, s.messages())

	again := s.run("plan", "shop")
	require.Equal(t, 0, again.code, again.err)
	require.Contains(t, again.out, "the same as in the last run")

	require.Equal(t, 2, s.run("apply", "shop", "--all", "--dry-run").code)
	require.Equal(t, 0, s.run("apply", "shop", "--all").code)
	require.Equal(t, 14, s.messages(), "every item again")

	// The sale of one item ends: Meta keeps what an UPSERT leaves out, so it is cleared.
	s.has(2, "SKU-2,Item 2,About it,https://shop.example/2,https://shop.example/2.jpg,in_stock,4.00,Acme,,new\n",
		"SECRET,Item,About it,https://shop.example/s,https://shop.example/s.jpg,in_stock,5.00,Secret,,new\n")
	changed := s.run("apply", "shop")
	require.Equal(t, 0, changed.code, changed.err)
	require.Equal(t, 16, s.messages(), changed.out)
	message, err := s.stream.GetMsg(t.Context(), 15)
	require.NoError(t, err)
	require.Contains(t, message.Subject, "acme-meta")
	require.Contains(t, string(message.Data), `"sale_price":null`)
	require.NotContains(t, s.last(), "sale_price", "Pinterest replaces the item")
}

// TestItemsWithErrorsAreNamedRunAfterRun: also while the feed is the same, and once for all
// routes.
func TestItemsWithErrorsAreNamedRunAfterRun(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	bad := make([]string, 0, 5)
	for i := range 5 {
		bad = append(bad, fmt.Sprintf("BAD-%d,Item,About it,https://shop.example/b,https://shop.example/b.jpg,in_stock,cheap,Acme,,new\n", i))
	}
	s.has(8, bad...)
	applied := s.run("apply", "shop")
	require.Equal(t, 0, applied.code, applied.err)
	require.Equal(t, 1, strings.Count(applied.out, "item BAD-0"), applied.out)
	require.Contains(t, applied.out, ": acme-meta/products/PRODUCT_ITEM, acme-pinterest/us/RETAIL: item BAD-0: ")
	require.Contains(t, applied.out, "more: enqueue feed runs 1")
	listed := s.run("runs", "1")
	require.Contains(t, listed.out, "item BAD-4", listed.out)

	again := s.run("apply", "shop")
	require.Equal(t, 0, again.code, again.err)
	require.Contains(t, again.out, "there is nothing to send")
	require.Contains(t, again.out, "acme-meta/products/PRODUCT_ITEM: 5 items of it had errors")
	require.Contains(t, again.out, "enqueue feed runs 1\n")
	planned := s.run("plan", "shop", "--output", "json")
	require.Equal(t, 0, planned.code, planned.err)
	require.NotContains(t, planned.out, "0001-01-01")
	require.Contains(t, planned.out, `"invalid": 5`)
}

func TestASavedPlanIsRefusedWhenStale(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.has(3)
	file := filepath.Join(s.folder, "plan.json")
	require.Equal(t, 2, s.run("plan", "shop", "-o", file).code)
	s.has(4)
	stale := s.run("apply", file)
	require.Equal(t, 1, stale.code)
	require.Contains(t, stale.err, "the plan is stale")
	require.Zero(t, s.messages())
	require.Equal(t, 2, s.run("plan", "shop", "-o", file).code)
	require.Equal(t, 0, s.run("apply", file).code)
	require.Equal(t, 8, s.messages())
	require.Equal(t, 1, s.run("apply", file).code, "it was applied")
	wrong := filepath.Join(s.folder, "wrong.json")
	require.NoError(t, os.WriteFile(wrong, []byte(`{}`), 0o600))
	require.Contains(t, s.run("apply", wrong).err, "is not a plan")
}

func TestAMassDeleteWaitsForAnApproval(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.has(200)
	require.Equal(t, 0, s.run("apply", "shop").code)
	before := s.messages()
	s.has(100, "NEW,Item,About it,https://shop.example/n,https://shop.example/n.jpg,in_stock,5.00,Acme,,new\n")
	plan := s.run("plan", "shop")
	require.Equal(t, 3, plan.code)
	require.Contains(t, plan.out, "100 of 200 items (50.0 %) are missing")
	withheld := s.run("apply", "shop")
	require.Equal(t, 3, withheld.code, withheld.err)
	require.Equal(t, before+2, s.messages(), "what is new goes")
	require.Contains(t, withheld.out, "200 deletes withheld. If they are meant: enqueue feed approve 3")
	runs := s.run("runs", "shop")
	require.Contains(t, runs.out, "withheld")
	shown := s.run("runs", "3", "--output", "json")
	require.Contains(t, shown.out, `"decision": "withheld"`)

	// It became more: an approval is a limit.
	s.has(90, "NEW,Item,About it,https://shop.example/n,https://shop.example/n.jpg,in_stock,5.00,Acme,,new\n")
	more := s.run("approve", "3", "--reason", "the mugs are sold out")
	require.Equal(t, 3, more.code, more.err)
	require.Equal(t, before+2, s.messages())
	require.Contains(t, more.out, "100 deletes were approved, and it is more now")
	approved := s.run("approve", "3", "--max", "110")
	require.Equal(t, 0, approved.code, approved.err)
	require.Equal(t, before+2+220, s.messages())
	require.Equal(t, 1, s.run("approve", "1").code, "it has withheld nothing")
	over := s.run("approve", "3")
	require.Equal(t, 1, over.code)
	require.Contains(t, over.err, "run 3 of shop is over", "an approval is for one time")
	require.Equal(t, 1, s.run("approve", "99").code)
	entries := s.audit(t, persistence.ActApproveDeletes)
	require.Len(t, entries, 2, "what is rejected before it begins is not logged as an action")
	require.Equal(t, []string{"approve_deletes", "run 3 of shop", "the mugs are sold out", "done", "command"},
		[]string{entries[1].Action, entries[1].Target, entries[1].Reason, entries[1].Result, entries[1].How})
	require.EqualValues(t, 100, *entries[1].Expected)
	require.Contains(t, entries[0].Message, "up to 110 deletes of each route")
	applied := s.audit(t, persistence.ActApplyFeed)
	require.Len(t, applied, 2, "the approvals are not written down twice, and plans not at all")
	require.Equal(t, []string{"shop", "done"}, []string{applied[1].Target, applied[1].Result})
	require.EqualValues(t, before, *applied[1].Changed)
}

// audit reads the audit log of an action.
func (s *shop) audit(t *testing.T, action string) []persistence.AuditEntry {
	t.Helper()
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: s.common[len(s.common)-1], MaxConns: 1})
	require.NoError(t, err)
	defer pool.Close()
	entries, err := persistence.NewAudit(pool).List(t.Context(), persistence.AuditFilter{Action: action})
	require.NoError(t, err)
	return entries
}

func TestOtherIDsAreAMigration(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.has(5)
	require.Equal(t, 0, s.run("apply", "shop").code)
	s.configure("shop-{id}")
	refused := s.run("apply", "shop")
	require.Equal(t, 1, refused.code)
	require.Contains(t, refused.err, "the item_id of the source was fixed at its first run")
	preview := s.run("migrate", "shop")
	require.Equal(t, 2, preview.code, preview.err)
	require.Contains(t, preview.out, "+ shop-SKU-0")
	require.Equal(t, 10, s.messages())
	require.Equal(t, 1, s.run("apply", "shop").code, "a preview changes nothing")
	done := s.run("migrate", "shop", "--yes")
	require.Equal(t, 0, done.code, done.err)
	require.Equal(t, 30, s.messages())
	require.Contains(t, s.last(), `"operation":"DELETE"`, "additions go first")
	migrated := s.audit(t, persistence.ActMigrateFeed)
	require.Len(t, migrated, 1, "a preview is not written down")
	require.EqualValues(t, 20, *migrated[0].Changed)
	require.Equal(t, 0, s.run("apply", "shop").code)
	require.Equal(t, 30, s.messages())
}

func TestWhatIsWrongWithAFeed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.has(120)
	require.Equal(t, 0, s.run("apply", "shop").code)
	before := s.messages()
	path := filepath.Join(s.folder, "feed.csv")
	for name, bad := range map[string]struct {
		text string
		code int
		said string
	}{
		"empty":        {"", 1, "feed.csv"},
		"header only":  {"id,title,description,link,image_link,availability,price\n", 3, "the source has no items"},
		"error page":   {"<!doctype html><html><body>502 Bad Gateway</body></html>", 1, "HTML"},
		"no id column": {"sku,title\nSKU-1,Item\nSKU-2,Item\n", 3, "have no id"},
	} {
		require.NoError(t, os.WriteFile(path, []byte(bad.text), 0o600), name)
		s.at = s.at.Add(time.Hour)
		require.NoError(t, os.Chtimes(path, s.at, s.at), name)
		got := s.run("apply", "shop")
		require.Equal(t, bad.code, got.code, "%s: %s %s", name, got.out, got.err)
		require.Contains(t, got.out+got.err, bad.said, name)
		require.Equal(t, before, s.messages(), name)
	}
	unknown := s.run("plan", "shpo")
	require.Equal(t, 1, unknown.code, "2 means that there are changes")
	require.Contains(t, unknown.err, "there is: shop")
}

func TestCheckRunsSamples(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.has(3, "BAD,Item,About it,https://shop.example/n,https://shop.example/n.jpg,in_stock,free,Acme,,new\n")
	mapping := filepath.Join(s.folder, "own.yaml")
	require.NoError(t, os.WriteFile(mapping, []byte("extends: google\nattributes:\n  brand: {constant: Own}\n"), 0o600))
	config := filepath.Join(s.folder, "courier.yaml")
	text, err := os.ReadFile(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(config, []byte(strings.Replace(string(text), "mapping: google}", "mapping: "+mapping+"}", 1)), 0o600))
	samples := filepath.Join(s.folder, "own.samples")
	require.NoError(t, os.Mkdir(samples, 0o700))
	input := `{"id": "1", "title": "Mug", "description": "A mug", "link": "https://shop.example/1", "image_link": "https://shop.example/1.jpg", "availability": "in_stock", "price": "15.00", "condition": "new"}`
	require.NoError(t, os.WriteFile(filepath.Join(samples, "mug.input.json"), []byte(input), 0o600))
	expected := `{"item_id": "1", "attributes": {"title": "Mug", "description": "A mug", "link": "https://shop.example/1", "image_link": "https://shop.example/1.jpg", "availability": "in stock", "price": "15.00 USD", "condition": "new", "brand": "OWN"}}`
	require.NoError(t, os.WriteFile(filepath.Join(samples, "mug.expected.json"), []byte(expected), 0o600))
	check := func(args ...string) execution {
		return execute(t, connect, "", append([]string{"feed", "check", "--config", config}, args...)...)
	}
	differs := check()
	require.Equal(t, 1, differs.code)
	require.Contains(t, differs.out, `attributes.brand: expected "OWN", got "Own"`)
	require.NoError(t, os.WriteFile(filepath.Join(samples, "mug.expected.json"), []byte(strings.Replace(expected, "OWN", "Own", 1)), 0o600))
	right := check("--read")
	require.Equal(t, 0, right.code, right.err)
	require.Contains(t, right.out, "1 sample of")
	require.Contains(t, right.out, "4 records")
	require.Contains(t, right.out, "error PRICE: ")
	require.NoError(t, os.WriteFile(mapping, []byte("extends: google\nattributes:\n  brand: {constnt: Own}\n"), 0o600))
	broken := check()
	require.Equal(t, 1, broken.code)
	require.Contains(t, broken.err, "own.yaml:3: attributes.brand.constnt")
}

// TestAReplayedDeliveryIsInTheAuditLog, whatever becomes of it.
func TestAReplayedDeliveryIsInTheAuditLog(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	secret := filepath.Join(s.folder, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), 0o600))
	file := filepath.Join(s.folder, "courier.yaml")
	config, err := os.ReadFile(file)
	require.NoError(t, err)
	config = append(config, []byte(`
  storefront:
    webhook: {kind: standard, secret_file: `+secret+`}
    item_id: "{id}"
    currency: USD
    routes:
      - {account: acme-meta, catalog: products, type: PRODUCT_ITEM, mapping: google}
`)...)
	require.NoError(t, os.WriteFile(file, config, 0o600))
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: s.common[len(s.common)-1], MaxConns: 1})
	require.NoError(t, err)
	defer pool.Close()
	lane := catalog.Lane{Account: "acme-meta", Catalog: "products", Type: "PRODUCT_ITEM"}
	_, err = persistence.NewSources(pool, 0).Open(t.Context(), "storefront", "{id}", []catalog.Lane{lane})
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `insert into courier.webhook_delivery (source, delivery_id, topic, state)
		select id, 'd', 'product.updated', 'rejected' from courier.source`)
	require.NoError(t, err)
	got := execute(t, connect, "", append([]string{"webhook", "replay", "1", "--reason", "the mapping is corrected"}, s.common...)...)
	require.Equal(t, cli.Failed, got.code, "its body is not kept: %s", got.err)
	entries := s.audit(t, persistence.ActReplayDelivery)
	require.Len(t, entries, 1, got.err)
	require.Equal(t, []string{"delivery 1 of storefront", "the mapping is corrected", "failed"}, []string{entries[0].Target, entries[0].Reason, entries[0].Result})
}
