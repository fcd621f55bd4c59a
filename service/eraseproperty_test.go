package service_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/service"
	"github.com/catalog-courier/catalog-courier/status"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// similarIDs are easily taken for one another: beginnings of others, other letters, other
// forms of Unicode, signs that JSON and regular expressions escape, and the mark of an
// erased id.
var similarIDs = []string{
	"SKU-1", "SKU-10", "SKU-1-RED", "sku-1", "SKU-1.5", "XSKU-1", "SKU_1", "47110815", "471108150",
	"caf\u00e9-1", "cafe\u0301-1", "cafe-1", "erased", `a/b-"1"`, `a/b-\1`, "a/b-(1)+", "1", "\U0001F600-1",
}

// itemsOf are the ids of an account: some are in all of them.
func itemsOf(account string) []string {
	return slices.Concat(similarIDs, []string{"own-" + account + "-1", "own-" + account + "-10", "OWN-" + account + "-1", "own-" + account + "-1-x"})
}

func (e erasedOf) own() bool { return strings.HasPrefix(strings.ToLower(e.item), "own-") }

// similarLanes have items of the same ids, in three accounts.
var similarLanes = []catalog.Lane{
	rig.Retail, rig.Products,
	{Account: rig.MetaAccount, Catalog: "second", Type: "PRODUCT_ITEM"},
	{Account: rig.MetaAccount, Catalog: "localized", Type: "PRODUCT_ITEM"},
	{Account: "acme-other", Catalog: "products", Type: "PRODUCT_ITEM"},
}

// erasedOf names an item of an account: all of its lanes and localizations are erased.
type erasedOf struct{ account, item string }

func anItem(random *rand.Rand, account string) erasedOf {
	items := itemsOf(account)
	return erasedOf{account, items[random.IntN(len(items))]}
}

// mark is in every value of the item, and nowhere else.
func (e erasedOf) mark() string {
	return "<" + hex.EncodeToString([]byte(e.account+"|"+e.item)) + ">"
}

// TestEraseLeavesNeighbours: over random histories, nothing in the schema has an erased item's
// id or values, and all that is said of other items is what was said before, byte for byte.
func TestEraseLeavesNeighbours(t *testing.T) {
	t.Parallel()
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			eraseHistory(t, rand.New(rand.NewPCG(seed, 3)))
		})
	}
}

func eraseHistory(t *testing.T, random *rand.Rand) {
	t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(receiver.Close)
	rules := []sandbox.ItemRule{
		{Contains: "1", Action: sandbox.RefuseItem, Rate: 0.2},
		{Contains: "1", Action: sandbox.OmitItem, Rate: 0.2},
	}
	options := sandbox.Options{Seed: random.Uint64(), Rules: rules, Delay: 5 * time.Millisecond}
	localized := map[string]any{"catalog_id": "1001", "endpoint": "localized_items_batch"}
	env := rig.Start(t, rig.Options{Pinterest: options, Meta: options, Settings: rig.Settings{
		"accounts." + rig.MetaAccount + ".catalogs.second":    map[string]any{"catalog_id": "1003"},
		"accounts." + rig.MetaAccount + ".catalogs.localized": localized,
		"accounts.acme-other.platform":                        "meta",
		"accounts.acme-other.access_token":                    "other-token",
		"accounts.acme-other.catalogs.products":               map[string]any{"catalog_id": "2001"},
		"defaults.retry.max_attempts":                         3,
		"outcomes.webhooks.shop": map[string]any{
			"url": receiver.URL, "allow_http": true, "secret": "whsec_Y2F0YWxvZy1jb3VyaWVyLWV4YW1wbGUtc2VjcmV0",
		},
	}})
	env.StartWorker("a", rig.WorkerOptions{})
	published := 0
	publishSome := func(n int) {
		for range n {
			if random.IntN(12) == 0 {
				publishBroken(env, random)
			} else {
				env.Publish(similarChange(random))
			}
			published++
		}
		env.AwaitFinal(published, patience)
	}
	publishSome(60)
	publishSome(60)
	fillSources(t, env)
	shown := newShown(t, env)
	for range 4 {
		victim := anItem(random, similarLanes[random.IntN(len(similarLanes))].Account)
		env.Await("the index has all", patience, func() bool {
			return env.Count(`SELECT transactions_behind + filling::int FROM courier.item_index_status`) == 0
		})
		before := shown.others(t, victim)
		_, err := env.Store.EraseItem(t.Context(), victim.account, victim.item, false)
		require.NoError(t, err)
		requireErased(t, env, victim)
		after := shown.others(t, victim)
		for what := range before {
			require.Equal(t, before[what], after[what], "%s after erasing %q of %s", what, victim.item, victim.account)
		}
		publishSome(5)
	}
}

func similarChange(random *rand.Rand) publish.Mutation {
	lane := similarLanes[random.IntN(len(similarLanes))]
	of := anItem(random, lane.Account)
	text := fmt.Sprint(of.mark(), " ", random.IntN(1_000_000))
	if lane.Catalog == "localized" {
		m := rig.Mutation(lane, of.item, catalog.Upsert, map[string]any{"title": text})
		m.Localization = catalog.Localization{Type: "LANGUAGE", Value: []string{"pl_PL", "fr_FR"}[random.IntN(2)]}
		return m
	}
	switch random.IntN(6) {
	case 0:
		return rig.Mutation(lane, of.item, catalog.Delete, nil)
	case 1:
		return rig.Mutation(lane, of.item, catalog.Update, map[string]any{"title": text})
	case 2: // against the rules, which say so
		return rig.Mutation(lane, of.item, catalog.Upsert, map[string]any{"title": text, "price": text, "link": text})
	default:
		return rig.Mutation(lane, of.item, catalog.Upsert, rig.Whole(lane.Type, text))
	}
}

// publishBroken publishes what cannot be read, or names an operation that there is not.
func publishBroken(env *rig.Env, random *rand.Rand) {
	lane := similarLanes[random.IntN(len(similarLanes))]
	of := anItem(random, lane.Account)
	body := `{"item_id":` + asJSON(of.item) + `,"operation":"BEND","attributes":{"title":"` + of.mark() + `"}}`
	if random.IntN(2) == 0 {
		body = body[:len(body)-1]
	}
	env.PublishRaw("catalog.mutations."+lane.Account+"."+lane.Catalog+"."+string(lane.Type), body, nats.Header{})
}

// fillSources has a shop with the items: deliveries, runs and what was sent.
func fillSources(t *testing.T, env *rig.Env) {
	t.Helper()
	exec := func(sql string, arguments ...any) {
		_, err := env.DB.Exec(t.Context(), sql, arguments...)
		require.NoError(t, err)
	}
	for i, lane := range similarLanes {
		shop := "shop-" + lane.Account
		exec(`INSERT INTO courier.source (name, item_id) VALUES ($1, '{id}') ON CONFLICT DO NOTHING`, shop)
		exec(`INSERT INTO courier.source_route (source, account, catalog, catalog_type)
			SELECT id, $2, $3, $4 FROM courier.source WHERE name = $1`, shop, lane.Account, lane.Catalog, lane.Type)
		for j, item := range itemsOf(lane.Account) {
			of := erasedOf{lane.Account, item}
			body := fmt.Sprintf(`{"id":%s,"title":%q}`, asJSON(item), of.mark())
			if j%2 == 0 {
				body = strings.ReplaceAll(body, "/", `\/`)
			}
			if regexp.MustCompile(`^\d+$`).MatchString(item) {
				body = fmt.Sprintf(`{"variants":[{"variant_id": %s,"title":%q}]}`, item, of.mark())
			}
			exec(`INSERT INTO courier.webhook_delivery (source, delivery_id, topic, state, body) SELECT id, $2, 't', 'accepted', $3 FROM courier.source WHERE name = $1`,
				shop, fmt.Sprint(i, "-", j), []byte(body))
			route := lane.Account + "/" + lane.Catalog + "/" + string(lane.Type)
			findings := asJSON([]map[string]string{
				{"kind": "k", "item_id": item, "route": route, "value": of.mark(), "rule": "r"},
				{"kind": "k", "item_id": "another", "route": route, "rule": "r"},
			})
			exec(`INSERT INTO courier.source_run (source, token, trigger, findings) SELECT id, 1, 'hand', $2 FROM courier.source WHERE name = $1`, shop, findings)
			exec(`INSERT INTO courier.source_item (route, item_id, revision) SELECT r.id, $2, 1 FROM courier.source_route r JOIN courier.source s ON s.id = r.source
				WHERE s.name = $1 AND r.catalog = $3`, shop, item, lane.Catalog)
		}
	}
}

func asJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // strings always encode
	}
	return string(text)
}

// requireErased looks through every column of every table, also inside of payloads.
func requireErased(t *testing.T, env *rig.Env, victim erasedOf) {
	t.Helper()
	for _, table := range []string{"mutation", "item", "dead_letter", "item_version"} {
		require.Zero(t, env.Count(`SELECT count(*) FROM courier.`+table+` x JOIN courier.lane l ON l.id = x.lane
			WHERE l.account = $1 AND x.item_id = $2`, victim.account, victim.item), table)
	}
	for _, view := range []string{"mutation_status", "item_status", "dead_letters", "indexed_items", "source_items"} {
		require.Zero(t, env.Count(`SELECT count(*) FROM courier.`+view+` WHERE account = $1 AND item_id = $2`, victim.account, victim.item), view)
	}
	id := regexp.MustCompile(`(^|[^[:alnum:]_-])` + regexp.QuoteMeta(victim.item) + `($|[^[:alnum:]_-])`)
	has := func(text []byte) bool {
		return bytes.Contains(text, []byte(victim.mark())) || victim.own() && id.Match(text)
	}
	unpack, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer unpack.Close()
	for _, name := range column(t, env, `SELECT relname::text FROM pg_class
		WHERE relnamespace = 'courier'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`) {
		for _, row := range column(t, env, fmt.Sprintf(`SELECT to_jsonb(t)::text FROM courier.%q t`, name)) {
			require.False(t, has([]byte(row)), "%s: %s", name, row)
			for _, raw := range regexp.MustCompile(`"\\\\x([0-9a-f]*)"`).FindAllStringSubmatch(row, -1) {
				value, err := hex.DecodeString(raw[1])
				require.NoError(t, err)
				if plain, err := unpack.DecodeAll(value, nil); err == nil {
					value = plain
				}
				require.False(t, has(value), "%s: %s\n%q", name, row, value)
			}
		}
	}
}

func column(t *testing.T, env *rig.Env, sql string) []string {
	t.Helper()
	rows, err := env.DB.Query(t.Context(), sql)
	require.NoError(t, err)
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return texts
}

// shown is what people are shown.
type shown struct {
	env    *rig.Env
	reader *status.Reader
}

func newShown(t *testing.T, env *rig.Env) *shown {
	t.Helper()
	encode := service.Encoder(env.Config("a", nil), builtin.Platforms())
	return &shown{env, status.NewReader(env.DB, status.Config{Encode: encode})}
}

// others is all that is said of items other than one, by where it is said.
func (s *shown) others(t *testing.T, than erasedOf) map[string][]string {
	t.Helper()
	said := map[string][]string{}
	read := func(what, sql string, arguments ...any) {
		rows, err := s.env.DB.Query(t.Context(), sql, arguments...)
		require.NoError(t, err)
		said[what], err = pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err, what)
		require.NotEmpty(t, said[what], what)
		slices.Sort(said[what])
	}
	for _, view := range []string{"mutation_status", "item_status", "dead_letters", "indexed_items", "source_items"} {
		// Workers mark letters as resolved in their own time.
		read(view, `SELECT (to_jsonb(v) - 'state' - 'resolved_at')::text FROM courier.`+view+` v WHERE (account, item_id) <> ($1, $2) AND item_id <> ''`, than.account, than.item)
	}
	read("deliveries", `SELECT d::text FROM courier.webhook_delivery d JOIN courier.source s ON s.id = d.source
		WHERE s.name <> $1 OR position($2 in convert_from(d.body, 'UTF8')) = 0`, "shop-"+than.account, than.mark())
	read("findings", `SELECT r.id || f::text FROM courier.source_run r JOIN courier.source s ON s.id = r.source, jsonb_array_elements(r.findings) f
		WHERE s.name <> $1 OR f ->> 'item_id' <> $2`, "shop-"+than.account, than.item)
	read("series", `SELECT s::text FROM courier.lane_series s`)
	s.bodies(t, than, said)
	return said
}

// bodies are the messages in all batches, and the requests that were made of them, item by item.
func (s *shown) bodies(t *testing.T, than erasedOf, said map[string][]string) {
	t.Helper()
	rows, err := s.env.DB.Query(t.Context(), `SELECT b.id, b.payload, l.account FROM courier.batch b JOIN courier.lane l ON l.id = b.lane ORDER BY b.id`)
	require.NoError(t, err)
	var id uuid.UUID
	var payload []byte
	var account string
	_, err = pgx.ForEachRow(rows, []any{&id, &payload, &account}, func() error {
		records, err := persistence.UnpackRecords(payload, 1<<24)
		require.NoError(t, err)
		for i := range records {
			for _, m := range records[i].Constituents {
				if m.ItemID == "" || (erasedOf{account, m.ItemID}) == than {
					continue
				}
				said["messages"] = append(said["messages"], fmt.Sprint(id, i, fmt.Sprintf("%+v", *m)))
			}
			newest := records[i].Newest()
			if newest.ItemID == "" || (erasedOf{account, newest.ItemID}) == than {
				continue
			}
			request, err := s.reader.Request(t.Context(), id, 0, newest.ItemID)
			require.NoError(t, err)
			// How many blanks a request begins with goes by the attempts of all its changes,
			// those of the erased item too.
			var body bytes.Buffer
			require.NoError(t, json.Compact(&body, request.Body))
			said["requests"] = append(said["requests"], fmt.Sprint(id, " ", body.String()))
		}
		return nil
	})
	require.NoError(t, err)
}
