package service_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// badMessage is one kind of bad input and what must come of it.
type badMessage struct {
	name    string
	subject string // after catalog.mutations.
	body    string
	reason  catalog.Reason
	says    string // in the sentence: the field or the rule
}

func badMessages(t *testing.T) []badMessage {
	t.Helper()
	retail, product, flight := "acme-pinterest.us.RETAIL", "acme-meta.products.PRODUCT_ITEM", "acme-meta.flights.FLIGHT"
	upsert := func(attributes string) string {
		return `{"item_id":"X","operation":"UPSERT","attributes":` + attributes + `}`
	}
	update := func(itemID, attributes string) string {
		return `{"item_id":"` + itemID + `","operation":"UPDATE","attributes":` + attributes + `}`
	}
	large, err := json.Marshal(strings.Repeat("x", 1<<20))
	require.NoError(t, err)
	return []badMessage{
		{"no JSON", retail, `{"item_id":`, catalog.InvalidJSON, "JSON"},
		{"not an object", retail, `[1]`, catalog.WrongType, "object"},
		{"empty", retail, ``, catalog.InvalidJSON, "JSON"},
		{"unknown account", "nobody.us.RETAIL", upsert(`{}`), catalog.UnknownAccount, "nobody"},
		{"unknown catalog", "acme-pinterest.nowhere.RETAIL", upsert(`{}`), catalog.UnknownCatalog, "nowhere"},
		{"unknown type", "acme-pinterest.us.SHOES", upsert(`{}`), catalog.UnknownType, "SHOES"},
		{"type of the other platform", "acme-pinterest.us.FLIGHT", upsert(`{}`), catalog.UnknownType, "FLIGHT"},
		{"bad token", "acme-pinterest.u$s.RETAIL", upsert(`{}`), catalog.BadSubject, "catalog"},
		{"long token", "acme-pinterest." + strings.Repeat("u", 129) + ".RETAIL", upsert(`{}`), catalog.BadSubject, "128"},
		{"no item_id", retail, `{"operation":"DELETE"}`, catalog.MissingField, "item_id"},
		{"empty item_id", retail, `{"item_id":"","operation":"DELETE"}`, catalog.InvalidValue, "item_id"},
		{"item_id a number", retail, `{"item_id":7,"operation":"DELETE"}`, catalog.WrongType, "item_id"},
		{"no operation", retail, `{"item_id":"X"}`, catalog.MissingField, "operation"},
		{"unknown operation", retail, `{"item_id":"X","operation":"REMOVE"}`, catalog.UnknownOperation, "REMOVE"},
		{"operation of the other body", retail, `{"item_id":"X","operation":"DELETE_DISCONTINUED"}`, catalog.UnsupportedOperation, "DELETE_DISCONTINUED"},
		{"no attributes", retail, `{"item_id":"X","operation":"UPSERT"}`, catalog.MissingField, "attributes"},
		{"attributes a list", retail, upsert(`[]`), catalog.WrongType, "attributes"},
		{"attributes a text", product, upsert(`"title"`), catalog.WrongType, "attributes"},
		{"version a text", retail, `{"item_id":"X","operation":"DELETE","version":"7"}`, catalog.WrongType, "version"},
		{"key that disagrees", retail, upsert(`{"item_id":"Y"}`), catalog.KeyMismatch, "item_id"},
		{"key part that disagrees", flight, `{"item_id":"BOS/JFK","operation":"UPSERT","attributes":{"origin_airport":"LHR"}}`, catalog.KeyMismatch, "origin_airport"},
		{"key with a part missing", flight, `{"item_id":"BOS","operation":"DELETE"}`, catalog.BadKey, "origin_airport"},
		{"not clearable, Pinterest", retail, update("X", `{"mobile_link":null}`), catalog.NotClearable, "mobile_link"},
		{"not clearable, Meta", product, update("X", `{"price":null}`), catalog.NotClearable, "price"},
		{"not updatable", retail, update("X", `{"image_link":"https://shop.example/x.jpg"}`), catalog.NotUpdatable, "image_link"},
		{"a member twice", retail, upsert(`{"title":"a","title":"b"}`), catalog.InvalidJSON, "title"},
		{"body over the cap", retail, upsert(`{"title":` + string(large) + `}`), catalog.MessageTooLarge, "1"},
		{"a localization for Pinterest", retail, `{"item_id":"X","operation":"DELETE","localization":{"type":"LANGUAGE","value":"pl_PL"}}`, catalog.InvalidValue, "localization"},
	}
}

// TestBadInput: bad input ends in dead_letters with a reason and a sentence, shows
// as invalid, and delays nothing else.
func TestBadInput(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	env.StartWorker("a", rig.WorkerOptions{})
	cases := badMessages(t)
	sequences := map[uint64]badMessage{}
	good := make([]string, 0, len(cases))
	for i, c := range cases {
		header := nats.Header{"Nats-Msg-Id": {"bad-" + c.name}}
		sequences[env.PublishRaw("catalog.mutations."+c.subject, c.body, header)] = c
		good = append(good, env.Publish(rig.Mutation(rig.Retail, "good-"+string(rune('a'+i)), catalog.Upsert, rig.Whole("RETAIL", "good")))...)
	}
	published := 2 * len(cases)
	env.AwaitFinal(published, patience)
	for _, id := range good {
		require.Equal(t, "succeeded", env.AwaitStatus(id, "succeeded", patience).Status)
	}
	letters := deadLetters(t, env)
	require.Len(t, letters, len(cases))
	for _, letter := range letters {
		c, known := sequences[letter.Position.Sequence]
		require.True(t, known)
		assert.Equal(t, c.reason, letter.Reason, c.name)
		assert.Contains(t, letter.Text, c.says, c.name)
		assert.Equal(t, "catalog.mutations."+c.subject, letter.Message.Subject, c.name)
		assert.Equal(t, c.body, string(letter.Message.Data), c.name)
		assert.Contains(t, letter.Message.Headers, catalog.Header{Name: "Nats-Msg-Id", Value: "bad-" + c.name}, c.name)
	}
	for _, s := range env.Statuses() {
		if c, bad := sequences[s.Position.Sequence]; bad {
			assert.Equal(t, "invalid", s.Status, c.name)
			if assert.NotEmpty(t, s.Errors, c.name) {
				assert.Equal(t, string(c.reason), s.Errors[0].Code, c.name)
			}
		}
	}
	env.CheckInvariants()
}

func deadLetters(t *testing.T, env *rig.Env) []persistence.DeadLetter {
	t.Helper()
	letters, err := env.Store.DeadLetters(t.Context(), persistence.DeadLetterFilter{Limit: 1000})
	require.NoError(t, err)
	return letters
}

// TestReplay: what was invalid while the configuration lacked an account is
// replayed once it is there, as the same mutation.
func TestReplay(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	first := env.StartWorker("a", rig.WorkerOptions{})
	lane := catalog.Lane{Account: "late", Catalog: "us", Type: "RETAIL"}
	id := env.Publish(rig.Mutation(lane, "L", catalog.Upsert, rig.Whole("RETAIL", "late")))[0]
	env.AwaitStatus(id, "invalid", patience)
	require.NoError(t, first.Stop())

	env.StartWorker("b", rig.WorkerOptions{Settings: rig.Settings{
		"accounts.late.platform": "pinterest", "accounts.late.access_token": "late-token",
		"accounts.late.catalogs.us": map[string]any{"country": "US", "language": "en-US", "catalog_id": "77"},
	}})
	letters := deadLetters(t, env)
	require.Len(t, letters, 1)
	require.Equal(t, id, letters[0].MutationID)
	newer, err := env.Store.NewerChanges(t.Context(), []int64{letters[0].ID})
	require.NoError(t, err)
	require.Empty(t, newer)
	require.True(t, env.IsDuplicate(letters[0].Message), "under its old Nats-Msg-Id it would be swallowed")
	env.Replay(letters...)
	final := env.AwaitStatus(id, "succeeded", patience)
	require.Greater(t, final.Position.Sequence, letters[0].Position.Sequence)
	require.Contains(t, env.Pinterest.Items("US/en-US/77", "RETAIL")["L"], "late")
	require.Empty(t, deadLetters(t, env), "a replayed letter is not listed any more")
}

// TestUnknownAccountGetsGrace: workers may be between two configurations.
func TestUnknownAccountGetsGrace(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Settings: rig.Settings{"worker.unknown_account_grace": "5m"}})
	first := env.StartWorker("a", rig.WorkerOptions{})
	lane := catalog.Lane{Account: "late", Catalog: "us", Type: "RETAIL"}
	ids := env.Publish(
		rig.Mutation(lane, "L", catalog.Upsert, rig.Whole("RETAIL", "one")),
		rig.Mutation(lane, "L", catalog.Update, rig.Part("RETAIL", "two", 0)),
		rig.Mutation(rig.Retail, "other", catalog.Upsert, rig.Whole("RETAIL", "other")))
	env.AwaitStatus(ids[2], "succeeded", patience)
	env.AwaitStatus(ids[0], "waiting", patience)
	env.AwaitStatus(ids[1], "waiting", patience)
	first.AwaitLog("not configured", patience)
	require.NoError(t, first.Stop())

	env.StartWorker("b", rig.WorkerOptions{Settings: rig.Settings{
		"accounts.late.platform": "pinterest", "accounts.late.access_token": "late-token",
		"accounts.late.catalogs.us": map[string]any{"country": "US", "language": "en-US", "catalog_id": "77"},
	}})
	env.AwaitStatus(ids[1], "succeeded", patience)
	require.Contains(t, env.Pinterest.Items("US/en-US/77", "RETAIL")["L"], "two")
}
