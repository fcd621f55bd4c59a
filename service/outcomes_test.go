package service_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestEveryOutcomeIsTold: whatever way a mutation becomes final, an event says so, also
// when its owner is killed and another goes on; the oracle compares all of them with the
// rows (E1).
func TestEveryOutcomeIsTold(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{
		Pinterest: sandbox.Options{Rules: []sandbox.ItemRule{{Contains: "S-3", Action: sandbox.RefuseItem, Message: "not this one"}}},
		Settings:  rig.Settings{"outcomes.enabled": true},
	})
	meters := metric.NewManualReader()
	first := env.StartWorker("a", rig.WorkerOptions{Meters: meters})
	mutations := upserts(rig.Retail, "S", 30)
	mutations = append(mutations, upserts(rig.Products, "S", 30)...)
	for range 5 { // merged
		mutations = append(mutations, rig.Mutation(rig.Products, "M", catalog.Upsert, rig.Whole("PRODUCT_ITEM", "m")))
	}
	env.Publish(mutations...)
	env.Publish(ofVersion(rig.Retail, "V", 9), ofVersion(rig.Retail, "V", 4))
	env.PublishRaw("catalog.mutations.nobody.us.RETAIL", `{"item_id":"X","operation":"DELETE"}`, nats.Header{})
	env.PublishRaw("catalog.mutations."+rig.PinterestAccount+".us.RETAIL", `{`, nats.Header{})
	total := len(mutations) + 4
	env.AwaitFinal(total, patience)
	env.AwaitEvents(total)
	require.InDelta(t, total, measure(t, meters)["courier.events.published"], 0)
	require.NoError(t, first.Stop())

	second := env.StartWorker("b", rig.WorkerOptions{})
	env.Publish(upserts(rig.Retail, "T", 10)...)
	env.AwaitFinal(total+10, patience)
	statuses := env.CheckInvariants()
	for _, status := range []string{"succeeded", "failed", "superseded", "invalid"} {
		require.NotZero(t, statuses[status], status)
	}
	require.NoError(t, second.Stop())
	for _, told := range env.AwaitEvents(total + 10) {
		require.Regexp(t, `^catalog\.outcomes\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Z_]+\.`+told.Status+`$`, told.Subject)
	}
}

func ofVersion(lane catalog.Lane, item string, version int64) publish.Mutation {
	m := rig.Mutation(lane, item, catalog.Upsert, rig.Whole("RETAIL", "v"))
	m.Version = &version
	return m
}

// TestDeliveryGoesOnWithoutTheStreamOfEvents: where the stream cannot be made nothing is
// delayed, and the events come once it can.
func TestDeliveryGoesOnWithoutTheStreamOfEvents(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Settings: rig.Settings{"outcomes.enabled": true}})
	// Another stream has the subjects.
	_, err := env.JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"catalog.outcomes.>"}})
	require.NoError(t, err)
	w := env.StartWorker("a", rig.WorkerOptions{})
	w.AwaitLog("the stream of outcome events cannot be used yet", patience)
	env.Publish(upserts(rig.Retail, "S", 10)...)
	env.AwaitFinal(10, patience)
	require.NoError(t, env.JetStream().DeleteStream(t.Context(), "OTHER"))
	require.Len(t, env.AwaitEvents(10), 10, "the other stream took none of them")
	require.NoError(t, w.Stop())
}

// TestOutcomesReachAWebhook: without the stream of events, through two workers, one of
// which is stopped in the middle.
func TestOutcomesReachAWebhook(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	got := map[string]int{}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var posted struct {
			Data []struct {
				ID string `json:"id"`
			} `json:"data"`
		}
		if json.NewDecoder(r.Body).Decode(&posted) != nil || r.Header.Get("Webhook-Signature") == "" {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, event := range posted.Data {
			got[event.ID]++
		}
	}))
	t.Cleanup(receiver.Close)
	env := rig.Start(t, rig.Options{Settings: rig.Settings{"outcomes.webhooks.shop": map[string]any{
		"url": receiver.URL, "allow_http": true, "secret": "whsec_Y2F0YWxvZy1jb3VyaWVyLWV4YW1wbGUtc2VjcmV0", "accounts": []string{rig.PinterestAccount},
	}}})
	first, second := env.StartWorker("a", rig.WorkerOptions{}), env.StartWorker("b", rig.WorkerOptions{})
	env.Publish(upserts(rig.Retail, "S", 40)...)
	env.Publish(upserts(rig.Products, "S", 10)...) // not wanted
	require.NoError(t, first.Stop())
	env.Publish(upserts(rig.Retail, "T", 20)...)
	env.AwaitFinal(70, patience)
	env.Await("60 outcomes at the receiver", patience, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) == 60
	})
	require.NoError(t, second.Stop())
	require.Zero(t, env.Count(`SELECT count(*) FROM courier.outcome_cursor WHERE consumer = 'events'`), "nothing is kept for a consumer that is off")
	require.False(t, second.Log.Contains("whsec_"))
}
