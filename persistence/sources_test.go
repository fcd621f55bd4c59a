package persistence_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

var shopRoutes = []catalog.Lane{
	{Account: "acme-meta", Catalog: "products", Type: "PRODUCT_ITEM"},
	{Account: "acme-pinterest", Catalog: "us", Type: "RETAIL"},
}

func newSources(t *testing.T) (*persistence.Sources, persistence.Source) {
	t.Helper()
	sources, source, _ := newSourcesAt(t)
	return sources, source
}

func newSourcesAt(t *testing.T) (*persistence.Sources, persistence.Source, string) {
	t.Helper()
	database := persistencetest.Database(t)
	sources := persistence.NewSources(newPool(t, database), 0)
	source, err := sources.Open(t.Context(), "shop", "{id}", shopRoutes)
	require.NoError(t, err)
	require.Len(t, source.Routes, 2)
	return sources, source, database
}

func TestSourceIsMadeOnce(t *testing.T) {
	t.Parallel()
	sources, source := newSources(t)
	again, err := sources.Open(t.Context(), "shop", "{id}", shopRoutes)
	require.NoError(t, err)
	require.Equal(t, source, again)
	_, err = sources.Open(t.Context(), "shop", "{sku}", shopRoutes)
	require.ErrorIs(t, err, persistence.ErrItemIDChanged)
	require.ErrorContains(t, err, "{id}")
}

func TestOneRunnerHoldsASource(t *testing.T) {
	t.Parallel()
	sources, source := newSources(t)
	first, err := sources.Hold(t.Context(), source.ID, "one", time.Minute)
	require.NoError(t, err)
	_, err = sources.Hold(t.Context(), source.ID, "two", time.Minute)
	require.ErrorIs(t, err, persistence.ErrSourceHeld)
	require.ErrorContains(t, err, "one", "it says who")
	longer, err := sources.Hold(t.Context(), source.ID, "one", time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, first, longer, "the same hold")
	run, err := sources.StartRun(t.Context(), source.ID, first, "schedule", 0)
	if err != nil {
		require.ErrorIs(t, err, persistence.ErrHoldLost, "a millisecond is soon over")
	}

	var second int64
	require.Eventually(t, func() bool {
		second, err = sources.Hold(t.Context(), source.ID, "two", time.Minute)
		return err == nil
	}, 10*time.Second, 5*time.Millisecond)
	require.Greater(t, second, first)
	_, err = sources.StartRun(t.Context(), source.ID, first, "schedule", 0)
	require.ErrorIs(t, err, persistence.ErrHoldLost)
	_, err = sources.StartRun(t.Context(), source.ID, second, "schedule", 0)
	require.NoError(t, err)
	if run != 0 {
		require.ErrorIs(t, sources.SaveRun(t.Context(), persistence.SourceRun{ID: run, State: persistence.RunDone}), persistence.ErrHoldLost,
			"the new runner abandoned it")
	}
	require.ErrorIs(t, sources.FinishSource(t.Context(), source, first), persistence.ErrHoldLost)
	source.SnapshotAt, source.Fingerprint = time.Date(2026, 11, 1, 2, 3, 4, 5000, time.UTC), `W/"1"`
	source.Routes[0].MappingRevision = "abc"
	require.NoError(t, sources.FinishSource(t.Context(), source, second))
	read, err := sources.Open(t.Context(), "shop", "{id}", shopRoutes)
	require.NoError(t, err)
	require.True(t, read.SnapshotAt.Equal(source.SnapshotAt))
	read.SnapshotAt = source.SnapshotAt
	require.Equal(t, source, read)

	require.NoError(t, sources.Release(t.Context(), source.ID, second))
	_, err = sources.Hold(t.Context(), source.ID, "three", time.Minute)
	require.NoError(t, err)
}

func TestItemsAreChangedTogether(t *testing.T) {
	t.Parallel()
	sources, source, database := newSourcesAt(t)
	route := source.Routes[0].ID
	changed := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	states := []persistence.SourceItem{
		{ItemID: "b", Hash: [16]byte{1}, Names: []string{"price", "title"}, Group: "g", Revision: 1, ChangedAt: changed},
		{ItemID: "a", Hash: [16]byte{2}, Names: []string{"title"}, Revision: 1, ChangedAt: changed},
	}
	change := func(ids []string, states []persistence.SourceItem, failure error) error {
		return sources.ChangeItems(t.Context(), route, ids, func(context.Context, map[string]persistence.SourceItem) ([]persistence.SourceItem, error) {
			return states, failure
		})
	}
	failure := errors.New("the stream is away")
	require.ErrorIs(t, change([]string{"b", "a"}, states, failure), failure)
	known, err := sources.Items(t.Context(), route, []string{"a", "b", "c"})
	require.NoError(t, err)
	require.Empty(t, known, "nothing of a change that failed is kept")

	require.NoError(t, change([]string{"b", "a", "c", "a"}, states, nil))
	for _, reader := range []*persistence.Sources{sources, persistence.NewSources(newPool(t, database), 0)} {
		known, err = reader.Items(t.Context(), route, []string{"a", "b"})
		require.NoError(t, err)
		for _, want := range states {
			got := known[want.ItemID]
			require.True(t, got.ChangedAt.Equal(want.ChangedAt))
			require.WithinDuration(t, time.Now(), got.SentAt, time.Minute)
			got.SentAt = time.Time{}
			got.ChangedAt = want.ChangedAt
			require.Equal(t, want, got)
		}
	}
	page, err := sources.ItemsAfter(t.Context(), route, "", 1)
	require.NoError(t, err)
	require.Len(t, page, 1)
	require.Equal(t, "a", page[0].ItemID)
	page, err = sources.ItemsAfter(t.Context(), route, "a", 10)
	require.NoError(t, err)
	require.Len(t, page, 1, "c was never sent")
	ids, err := sources.ItemsOfGroup(t.Context(), route, "g", "", 10)
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, ids)
	other, err := sources.ItemsAfter(t.Context(), source.Routes[1].ID, "", 10)
	require.NoError(t, err)
	require.Empty(t, other, "each destination has its own")

	gone := states[0]
	gone.Gone, gone.Names, gone.Revision = true, nil, 2
	require.NoError(t, change([]string{"b"}, []persistence.SourceItem{gone}, nil))
	ids, err = sources.ItemsOfGroup(t.Context(), route, "g", "", 10)
	require.NoError(t, err)
	require.Empty(t, ids)
	more, err := sources.Forget(t.Context())
	require.NoError(t, err)
	require.False(t, more)
	known, err = sources.Items(t.Context(), route, []string{"a", "b", "c"})
	require.NoError(t, err)
	require.Len(t, known, 2, "what is gone for a short time is kept; what was never sent is not")
}

// TestForgetGoneItems: a deleted item is forgotten; one that is out of stock is still there,
// and what it has there must be cleared when it comes back.
func TestForgetGoneItems(t *testing.T) {
	t.Parallel()
	sources, source := newSources(t)
	route, long := source.Routes[0].ID, time.Now().Add(-31*24*time.Hour).UTC().Truncate(time.Microsecond)
	change := func(itemID string, names []string) {
		gone := persistence.SourceItem{ItemID: itemID, Names: names, Revision: 2, Gone: true, ChangedAt: long}
		require.NoError(t, sources.ChangeItems(t.Context(), route, []string{itemID}, func(context.Context, map[string]persistence.SourceItem) ([]persistence.SourceItem, error) {
			return []persistence.SourceItem{gone}, nil
		}))
	}
	change("deleted", nil)
	change("out of stock", []string{"availability", "sale_price"})
	_, err := sources.Forget(t.Context())
	require.NoError(t, err)
	known, err := sources.Items(t.Context(), route, []string{"deleted", "out of stock"})
	require.NoError(t, err)
	require.Len(t, known, 1)
	require.Equal(t, []string{"availability", "sale_price"}, known["out of stock"].Names)
}

// TestChangesOfAnItemWaitForEachOther: of many that change the same items at once, each sees
// what the one before it kept, so that none is lost.
func TestChangesOfAnItemWaitForEachOther(t *testing.T) {
	t.Parallel()
	sources, source := newSources(t)
	const writers, times = 5, 20
	var wait sync.WaitGroup
	for writer := range writers {
		wait.Go(func() {
			ids := []string{"a", "b", "c"}
			if writer%2 == 0 {
				ids = []string{"c", "b", "a"}
			}
			for range times {
				err := sources.ChangeItems(t.Context(), source.Routes[0].ID, ids, func(_ context.Context, known map[string]persistence.SourceItem) (kept []persistence.SourceItem, err error) {
					for _, id := range ids {
						state := known[id]
						state.ItemID, state.Revision = id, state.Revision+1
						kept = append(kept, state)
					}
					return kept, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	known, err := sources.Items(t.Context(), source.Routes[0].ID, []string{"a", "b", "c"})
	require.NoError(t, err)
	for _, id := range []string{"a", "b", "c"} {
		require.Equal(t, writers*times, known[id].Revision)
	}
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	sources, source := newSources(t)
	found, err := sources.LookUpDelivery(t.Context(), source.ID, "d1")
	require.NoError(t, err)
	require.Equal(t, persistence.WebhookSource{ItemID: "{id}"}, found)
	id, err := sources.SaveDelivery(t.Context(), source.ID, persistence.WebhookDelivery{
		DeliveryID: "d1", Topic: "products/update", State: persistence.DeliveryRejected, Reason: "no price",
		Headers: map[string]string{"X-Shopify-Topic": "products/update"}, Body: []byte(`{"id":1}`),
	})
	require.NoError(t, err)
	found, err = sources.LookUpDelivery(t.Context(), source.ID, "d1")
	require.NoError(t, err)
	require.False(t, found.Seen(), "a rejected one is tried again")
	delivery, err := sources.Delivery(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, `{"id":1}`, string(delivery.Body))
	require.Equal(t, "products/update", delivery.Headers["X-Shopify-Topic"])
	delivery.State, delivery.Published = persistence.DeliveryAccepted, 2
	same, err := sources.SaveDelivery(t.Context(), source.ID, delivery)
	require.NoError(t, err)
	require.Equal(t, id, same)
	found, err = sources.LookUpDelivery(t.Context(), source.ID, "d1")
	require.NoError(t, err)
	require.True(t, found.Seen())
	delivery.State = persistence.DeliveryRejected
	same, err = sources.SaveDelivery(t.Context(), source.ID, delivery)
	require.NoError(t, err)
	require.Zero(t, same, "what was accepted stays so")
	_, err = sources.Delivery(t.Context(), id+1)
	require.ErrorIs(t, err, persistence.ErrNoSuchDelivery)
	require.NoError(t, sources.NoteWebhook(t.Context(), source.ID))
	_, err = sources.Run(t.Context(), 1)
	require.ErrorIs(t, err, persistence.ErrNoSuchRun)
}

// TestPlansLeaveTheStateOfASource: a plan sends nothing, so how one ended, or that one is
// under way, says nothing of the source.
func TestPlansLeaveTheStateOfASource(t *testing.T) {
	t.Parallel()
	sources, source := newSources(t)
	token, err := sources.Hold(t.Context(), source.ID, "one", time.Minute)
	require.NoError(t, err)
	run := func(trigger string, end persistence.RunState, reason, routes string) int64 {
		id, err := sources.StartRun(t.Context(), source.ID, token, trigger, 0)
		require.NoError(t, err)
		require.NoError(t, sources.SaveRun(t.Context(), persistence.SourceRun{
			ID: id, State: end, Reason: reason, Counts: []byte(routes), Finished: true,
		}))
		return id
	}
	const counts = `[{"route": "acme-meta/products/PRODUCT_ITEM", "counts": {"invalid": 3}}]`
	run(persistence.TriggerPlan, persistence.RunFailed, "the feed is away", "[]")
	_, never, err := sources.StartedAgo(t.Context(), "shop")
	require.NoError(t, err)
	require.True(t, never, "a plan postpones no run")
	good := run("apply", persistence.RunDone, "", counts)
	same := func() {
		t.Helper()
		routes, err := sources.Status(t.Context())
		require.NoError(t, err)
		require.Len(t, routes, 2)
		require.Equal(t, persistence.RunDone, routes[0].State)
		require.Empty(t, routes[0].Reason)
		require.Equal(t, good, routes[0].Run)
		require.EqualValues(t, 3, routes[0].Invalid)
	}
	run(persistence.TriggerPlan, persistence.RunFailed, "the feed is away", "[]")
	same()
	run(persistence.TriggerPlan, persistence.RunPlanned, "", counts)
	same()
	_, err = sources.StartRun(t.Context(), source.ID, token, persistence.TriggerPlan, 0)
	require.NoError(t, err)
	same()

	failed := run("schedule", persistence.RunFailed, "the feed is away", "[]")
	routes, err := sources.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, persistence.RunFailed, routes[0].State)
	require.Equal(t, failed, routes[0].Run)
}
