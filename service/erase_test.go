package service_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestEraseAnItem: afterwards no table has its id or a value of it; other items are as
// they were, and delivery goes on.
func TestEraseAnItem(t *testing.T) {
	t.Parallel()
	const secret, other = "person-4711", "neighbour-1"
	env := rig.Start(t, rig.Options{Meta: sandbox.Options{Delay: 300 * time.Millisecond, Rules: []sandbox.ItemRule{{Contains: "person-", Action: sandbox.RefuseItem, Message: "the price of person-4711 is not allowed"}}}})
	env.StartWorker("a", rig.WorkerOptions{})
	refused := env.Publish(
		rig.Mutation(rig.Products, secret, catalog.Upsert, rig.Whole(rig.Products.Type, secret)),
		rig.Mutation(rig.Products, other, catalog.Upsert, rig.Whole(rig.Products.Type, other)))
	_, err := env.Store.EraseItem(t.Context(), rig.MetaAccount, secret, false)
	env.AwaitFinal(2, patience)
	require.Equal(t, "failed", env.AwaitStatus(refused[0], "failed", patience).Status)
	// Before the batch was final it was refused, if it was recorded by then.
	if err != nil {
		require.ErrorIs(t, err, persistence.ErrItemOpen)
	}
	env.Await("the index has both items", patience, func() bool { return env.Count(`SELECT count(*) FROM courier.item`) == 2 })
	require.Contains(t, tablesWith(env, secret), "dead_letter")
	require.Contains(t, tablesWith(env, secret), "mutation")
	before := tablesWith(env, other)

	dry, err := env.Store.EraseItem(t.Context(), rig.MetaAccount, secret, true)
	require.NoError(t, err)
	require.Contains(t, tablesWith(env, secret), "dead_letter", "a dry run changes nothing")
	done, err := env.Store.EraseItem(t.Context(), rig.MetaAccount, secret, false)
	require.NoError(t, err)
	require.Equal(t, dry, done)
	require.Contains(t, done, persistence.Erased{What: "dead letters deleted", Rows: 1})
	require.Contains(t, done, persistence.Erased{What: "mutations without the item", Rows: 1})
	require.Contains(t, done, persistence.Erased{What: "batches without the item's messages", Rows: 1})
	require.Empty(t, tablesWith(env, secret))
	require.Equal(t, before, tablesWith(env, other))
	require.Zero(t, batchesWith(t, env, secret))
	require.Positive(t, batchesWith(t, env, other))
	require.Equal(t, "failed", env.AwaitStatus(refused[0], "failed", patience).Status)

	again, err := env.Store.EraseItem(t.Context(), rig.MetaAccount, secret, false)
	require.NoError(t, err)
	for _, one := range again {
		require.Zero(t, one.Rows, one.What)
	}
	env.Publish(upserts(rig.Products, "later", 3)...)
	env.AwaitFinal(5, patience)
}

// TestErasingAnItemErasesTheAnswers: those of its batches, to POSTs and to polls, which may
// name it. Those of other batches stay.
func TestErasingAnItemErasesTheAnswers(t *testing.T) {
	t.Parallel()
	const secret, other = "person-4711", "neighbour-1"
	env := rig.Start(t, rig.Options{Meta: sandbox.Options{Rules: []sandbox.ItemRule{{Contains: "-1", Action: sandbox.RefuseItem, Message: "no"}}}})
	env.StartWorker("a", rig.WorkerOptions{})
	for i, item := range []string{secret, other} { // a batch each
		env.Publish(rig.Mutation(rig.Products, item, catalog.Upsert, rig.Whole(rig.Products.Type, item)))
		env.AwaitFinal(i+1, patience)
	}
	answers := func(attempt, item string) int {
		return env.Count(`SELECT count(*) FROM courier.batch_answers a JOIN courier.mutation m USING (batch_id) WHERE a.attempt IS `+attempt+` AND m.item_id = $1`, item)
	}
	for _, item := range []string{secret, other} {
		require.Equal(t, 1, answers("NULL", item), "of the last poll")
		require.Equal(t, 1, answers("NOT NULL", item), "of the POST")
	}
	require.Contains(t, tablesWith(env, other), "batch")
	// As one that the platform names in an answer.
	_, err := env.DB.Exec(t.Context(), `UPDATE courier.attempt SET answer = answer || 'person-4711' WHERE batch_id IN (SELECT batch_id FROM courier.mutation WHERE item_id = $1)`, secret)
	require.NoError(t, err)

	_, err = env.Store.EraseItem(t.Context(), rig.MetaAccount, secret, false)
	require.NoError(t, err)
	require.Empty(t, tablesWith(env, secret))
	require.Equal(t, 2, env.Count(`SELECT count(*) FROM courier.batch_answers`))
	require.Equal(t, 1, answers("NULL", other))
	require.Equal(t, 1, answers("NOT NULL", other))
}

// TestEraseRefusesWhatIsOpen: a change waits, as its account is paused.
func TestEraseRefusesWhatIsOpen(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	w := env.StartWorker("a", rig.WorkerOptions{})
	env.Publish(upserts(rig.Products, "first", 1)...)
	env.AwaitFinal(1, patience)
	require.NoError(t, env.Store.PauseAccount(t.Context(), rig.MetaAccount, "test"))
	require.NoError(t, w.Stop())
	env.StartWorker("b", rig.WorkerOptions{})
	id := env.Publish(upserts(rig.Products, "open", 1)...)[0]
	env.Await("it is recorded", patience, func() bool {
		return env.Count(`SELECT count(*) FROM courier.mutation WHERE mutation_id = $1`, id) == 1
	})
	_, err := env.Store.EraseItem(t.Context(), rig.MetaAccount, "open-0", false)
	require.ErrorIs(t, err, persistence.ErrItemOpen)
	require.Contains(t, tablesWith(env, "open-0"), "mutation")
	require.NoError(t, env.Store.ResumeAccount(t.Context(), rig.MetaAccount))
	env.AwaitFinal(2, patience)
	_, err = env.Store.EraseItem(t.Context(), rig.MetaAccount, "open-0", false)
	require.NoError(t, err)
	require.Empty(t, tablesWith(env, "open-0"))
}

// tablesWith are the tables that have a row with the text, also among bytes.
func tablesWith(env *rig.Env, text string) map[string]int {
	found := map[string]int{}
	rows, err := env.DB.Query(env.Context(), `SELECT relname FROM pg_class
		WHERE relnamespace = 'courier'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`)
	if err != nil {
		panic(err)
	}
	var names []string
	for rows.Next() {
		var name string
		_ = rows.Scan(&name)
		names = append(names, name)
	}
	rows.Close()
	for _, name := range names {
		n := env.Count(fmt.Sprintf(`SELECT count(*) FROM courier.%q t
			WHERE position($1 in t::text) > 0 OR position(encode(convert_to($1, 'UTF8'), 'hex') in t::text) > 0`, name), text)
		if n > 0 {
			found[name] = n
		}
	}
	return found
}

// TestEraseReachesEarlierBatchesAndPosts: the item was returned, so earlier batches that
// its mutation does not name any more have it too, and the receiver of its outcomes is
// down, so a POST that waits has it.
func TestEraseReachesEarlierBatchesAndPosts(t *testing.T) {
	t.Parallel()
	const secret, other = "person-4711", "neighbour-1"
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(receiver.Close)
	env := rig.Start(t, rig.Options{
		Pinterest: sandbox.Options{Rules: []sandbox.ItemRule{{Contains: "person-", Action: sandbox.OmitItem}}},
		Settings: rig.Settings{"outcomes.webhooks.shop": map[string]any{
			"url": receiver.URL, "allow_http": true, "secret": "whsec_Y2F0YWxvZy1jb3VyaWVyLWV4YW1wbGUtc2VjcmV0",
		}},
	})
	env.StartWorker("a", rig.WorkerOptions{})
	ids := env.Publish(
		rig.Mutation(rig.Retail, secret, catalog.Upsert, rig.Whole(rig.Retail.Type, secret)),
		rig.Mutation(rig.Retail, other, catalog.Upsert, rig.Whole(rig.Retail.Type, other)))
	env.AwaitFinal(2, patience)
	require.Equal(t, "unconfirmed", env.AwaitStatus(ids[0], "unconfirmed", patience).Status)
	env.Await("both outcomes wait for the receiver", patience, func() bool {
		return env.Count(`SELECT coalesce(sum(events), 0) FROM courier.outcome_delivery WHERE state = 'pending'`) == 2
	})
	require.Contains(t, tablesWith(env, secret), "outcome_delivery")
	require.Greater(t, batchesWith(t, env, secret), 1, "it was returned")
	posts := env.Count(`SELECT count(*) FROM courier.outcome_delivery`)

	_, err := env.Store.EraseItem(t.Context(), rig.PinterestAccount, secret, false)
	require.NoError(t, err)
	require.Empty(t, tablesWith(env, secret))
	require.Zero(t, batchesWith(t, env, secret))
	require.Contains(t, tablesWith(env, other), "outcome_delivery", "outcomes of other items stay")
	require.Equal(t, posts, env.Count(`SELECT count(*) FROM courier.outcome_delivery WHERE body IS NOT NULL`))
	require.Equal(t, 1, env.Count(`SELECT count(*) FROM courier.outcome_delivery d, jsonb_array_elements(convert_from(d.body, 'UTF8')::jsonb -> 'data') e
		WHERE e #>> '{data,mutation_id}' = $1 AND e #>> '{data,status}' = 'unconfirmed' AND NOT e ? 'subject' AND e #>> '{data,item_id}' = ''`, ids[0]),
		"what became of the mutation is still told")
}

// batchesWith counts the batches whose messages have the text.
func batchesWith(t *testing.T, env *rig.Env, text string) (found int) {
	t.Helper()
	rows, err := env.DB.Query(t.Context(), `SELECT payload FROM courier.batch WHERE payload <> ''`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var payload []byte
		require.NoError(t, rows.Scan(&payload))
		records, err := persistence.UnpackRecords(payload, 1<<24)
		require.NoError(t, err)
		for i := range records {
			for _, m := range records[i].Constituents {
				if strings.Contains(m.ItemID, text) {
					found++
				}
			}
		}
	}
	require.NoError(t, rows.Err())
	return found
}

// TestEraseReadsEscapes: shops write the same id with escapes of JSON.
func TestEraseReadsEscapes(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	_, err := env.DB.Exec(t.Context(), `INSERT INTO courier.source (name, item_id) VALUES ('shop', '{id}')`)
	require.NoError(t, err)
	_, err = env.DB.Exec(t.Context(), `INSERT INTO courier.source_route (source, account, catalog, catalog_type)
		SELECT id, $1, 'us', 'RETAIL' FROM courier.source`, rig.PinterestAccount)
	require.NoError(t, err)
	for i, body := range []string{`{"sku":"a/ż"}`, `{"sku":"a\/ż"}`, `{"sku":"a\/\u017c"}`, `{"sku":"b"}`} {
		_, err := env.DB.Exec(t.Context(), `INSERT INTO courier.webhook_delivery (source, delivery_id, topic, state, body)
			SELECT id, $1, 't', 'accepted', $2 FROM courier.source`, strconv.Itoa(i), []byte(body))
		require.NoError(t, err)
	}
	_, err = env.Store.EraseItem(t.Context(), rig.PinterestAccount, "a/ż", false)
	require.NoError(t, err)
	require.Equal(t, 1, env.Count(`SELECT count(*) FROM courier.webhook_delivery WHERE body IS NOT NULL`))
}
