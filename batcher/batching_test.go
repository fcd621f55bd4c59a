package batcher_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/batcher"
	"github.com/catalog-courier/catalog-courier/catalog"
)

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func TestFloodDoesNotStarveAnotherGroupOfTheSender(t *testing.T) {
	t.Parallel()
	b := newBatcher(testLane(products, 10), testLane(flights, 10))
	var p producer
	for i := range 5000 {
		add(t, b, start, p.update(products, fmt.Sprint("item", i), start))
	}
	for i := range 25 {
		add(t, b, start, p.update(flights, fmt.Sprint("flight", i), start))
	}
	turns := make([]string, 0, 8)
	now := start.Add(2 * time.Second)
	for range 8 {
		turns = append(turns, cut(t, b, now).Lane.Catalog)
	}
	require.Equal(t, []string{"products", "flights", "products", "flights", "products", "flights", "products", "products"}, turns)
}

func TestGroupsOfOneLaneTakeTurns(t *testing.T) {
	t.Parallel()
	lane := testLane(products, 2)
	lane.Group = catalog.Operation.String
	b := newBatcher(lane)
	var p producer
	for i := range 6 {
		add(t, b, start, p.update(products, fmt.Sprint("u", i), start))
	}
	add(t, b, start, p.remove(products, "d", start), p.remove(products, "e", start))
	turns := make([]string, 0, 4)
	for range 4 {
		turns = append(turns, cut(t, b, start).Group)
	}
	require.Equal(t, []string{"UPDATE", "DELETE", "UPDATE", "UPDATE"}, turns)
	requireNothingDue(t, b, start)
}

func TestCapByCount(t *testing.T) {
	t.Parallel()
	b := newBatcher(testLane(products, 3))
	var p producer
	for i := range 7 {
		add(t, b, start, p.update(products, fmt.Sprint("item", i), start))
	}
	for range 2 {
		batch := cut(t, b, start)
		require.Len(t, batch.Records, 3)
		require.Equal(t, batcher.FlushCount, batch.Reason)
	}
	requireNothingDue(t, b, start)
	last := cut(t, b, start.Add(2*time.Second))
	require.Equal(t, []string{"item6"}, ids(last))
	require.Equal(t, batcher.FlushAge, last.Reason)
}

func TestCapByEncodedBytes(t *testing.T) {
	t.Parallel()
	lane := testLane(products, 1000)
	lane.Overhead, lane.MaxBytes = 50, 1000
	lane.Size = func(_ catalog.ItemKey, change catalog.Change) int { return 2 * len(change.Attributes) } // as escaping may
	b := newBatcher(lane)
	var p producer
	attributes := `{"a":"` + strings.Repeat("x", 92) + `"}` // 100 bytes, 200 encoded
	for i := range 5 {
		requireNothingDue(t, b, start)
		add(t, b, start, p.mutation(products, fmt.Sprint("item", i), catalog.Update, attributes, start))
	}
	batch := cut(t, b, start)
	require.Equal(t, batcher.FlushBytes, batch.Reason)
	require.Len(t, batch.Records, 4)
	require.Equal(t, 850, batch.Bytes)
	requireNothingDue(t, b, start)
}

// TestTriggerBelowTheCap: what is waiting when a batch is cut goes along, up to the
// cap, even where less would have made the group due.
func TestTriggerBelowTheCap(t *testing.T) {
	t.Parallel()
	lane := testLane(products, 10)
	lane.FullItems = 4
	b := newBatcher(lane)
	var p producer
	for i := range 6 {
		add(t, b, start, p.update(products, fmt.Sprint("item", i), start))
	}
	require.Len(t, cut(t, b, start).Records, 6)
}

func TestOversizedItemGetsItsOwnError(t *testing.T) {
	t.Parallel()
	lane := testLane(products, 2)
	lane.MaxBytes = 100
	b := newBatcher(lane)
	var p producer
	problem := b.Add(p.mutation(products, "big", catalog.Update, `{"a":"`+strings.Repeat("x", 100)+`"}`, start), start)
	require.NotNil(t, problem)
	require.Equal(t, catalog.RecordTooLarge, problem.Reason)
	require.Contains(t, problem.Text, "100 bytes")
	requireEmpty(t, b)

	add(t, b, start, p.update(products, "a", start), p.update(products, "b", start))
	require.Equal(t, []string{"a", "b"}, ids(cut(t, b, start)), "others are not concerned")
}

// TestMergingStaysWithinTheCap: two mutations that fit but whose sum does not are
// sent in order.
func TestMergingStaysWithinTheCap(t *testing.T) {
	t.Parallel()
	lane := testLane(products, 1)
	lane.MaxBytes = 150
	b := newBatcher(lane)
	var p producer
	long := strings.Repeat("x", 80)
	add(t, b, start,
		p.mutation(products, "i", catalog.Update, `{"a":"`+long+`"}`, start),
		p.mutation(products, "i", catalog.Update, `{"b":"`+long+`"}`, start),
		p.mutation(products, "i", catalog.Update, `{"b":"short"}`, start))
	first := cut(t, b, start)
	require.Equal(t, [][]uint64{{1}}, constituents(first))
	release(b, first, start)
	second := cut(t, b, start)
	require.Equal(t, [][]uint64{{2, 3}}, constituents(second))
	require.JSONEq(t, `{"b":"short"}`, string(second.Records[0].Change.Attributes))
}

func TestRecordGathersABoundedNumberOfMutations(t *testing.T) {
	t.Parallel()
	b := batcher.New(batcher.Config{MaxConstituents: 3})
	b.AddLane(testLane(products, 1))
	var p producer
	for range 7 {
		add(t, b, start, p.update(products, "i", start))
	}
	for _, want := range [][][]uint64{{{1, 2, 3}}, {{4, 5, 6}}, {{7}}} {
		batch := cut(t, b, start)
		require.Equal(t, want, constituents(batch))
		release(b, batch, start)
	}
	requireEmpty(t, b)
}

func TestBatchGathersABoundedPayload(t *testing.T) {
	t.Parallel()
	b := batcher.New(batcher.Config{MaxPayload: 100})
	b.AddLane(testLane(products, 100))
	var p producer
	for i := range 5 {
		add(t, b, start, p.mutation(products, strconv.Itoa(i), catalog.Update, `{"a":"`+strings.Repeat("x", 32)+`"}`, start)) // 40 bytes
	}
	batch := cut(t, b, start)
	require.Len(t, batch.Records, 2)
	require.Equal(t, batcher.FlushBytes, batch.Reason)
}

// TestHeadersCount: a producer may send as many bytes in headers as in the body, and all of them
// are kept.
func TestHeadersCount(t *testing.T) {
	t.Parallel()
	const headers, most = 500_000, 5_000_000
	b := batcher.New(batcher.Config{MaxPayload: most})
	b.AddLane(testLane(products, 100))
	var p producer
	long := []catalog.Header{{Name: "note", Value: strings.Repeat("x", headers)}}
	mutation := func(item string) *catalog.Mutation {
		m := p.update(products, item, start)
		m.Message.Headers = long
		return m
	}
	for i := range 50 {
		add(t, b, start, mutation(strconv.Itoa(i)))
	}
	require.Greater(t, b.Bytes(), 50*headers)
	batch := cut(t, b, start)
	require.Len(t, batch.Records, most/headers-1)
	require.Equal(t, batcher.FlushBytes, batch.Reason)
	release(b, batch, start)
	for range 50 {
		add(t, b, start, mutation("49"))
	}
	for b.Stats().Waiting > 0 {
		batch, ok := b.Cut(account, start.Add(time.Hour))
		require.True(t, ok)
		for i := range batch.Records {
			require.Less(t, len(batch.Records[i].Constituents), most/headers, "as many merge as one value may hold")
		}
		release(b, batch, start)
	}
	add(t, b, start, mutation("50"))
	require.Greater(t, b.Bytes(), headers)
	require.Len(t, b.Spill(products), 1)
	require.Zero(t, b.Bytes())
	waiting := mutation("51")
	add(t, b, start, waiting)
	require.Greater(t, b.Bytes(), headers, "of a spilled lane, too")
	b.MarkPersisted(b.TakeUnpersisted(start.Add(time.Hour), 10))
	require.Zero(t, b.Bytes())
	requireNothingDue(t, b, start)
}

// TestMergingMayChangeTheGroup: a legacy body fixes the operation per request, and
// an UPSERT after an UPDATE makes the record an UPSERT.
func TestMergingMayChangeTheGroup(t *testing.T) {
	t.Parallel()
	lane := testLane(products, 2)
	lane.Rules = catalog.MergeRules{Semantics: replacing}
	lane.Group = catalog.Operation.String
	b := newBatcher(lane)
	var p producer
	add(t, b, start,
		p.update(products, "x", start),
		p.mutation(products, "y", catalog.Upsert, `{"a":1}`, start.Add(time.Second)),
		p.mutation(products, "x", catalog.Upsert, `{"a":2}`, start.Add(time.Second)))
	require.Equal(t, 1, b.Stats().Groups)
	batch := cut(t, b, start)
	require.Equal(t, "UPSERT", batch.Group)
	require.Equal(t, []string{"x", "y"}, ids(batch), "x has waited longer")
	require.Equal(t, [][]uint64{{1, 3}, {2}}, constituents(batch))
}

func TestDeleteThenRecreateStaysTwoRecords(t *testing.T) {
	t.Parallel()
	b := newBatcher(testLane(products, 1))
	var p producer
	add(t, b, start,
		p.remove(products, "x", start),
		p.mutation(products, "x", catalog.Create, `{"a":1}`, start),
		p.mutation(products, "x", catalog.Update, `{"b":2}`, start))
	first := cut(t, b, start)
	require.Equal(t, catalog.Delete, first.Records[0].Change.Operation)
	requireNothingDue(t, b, start)
	release(b, first, start)
	second := cut(t, b, start)
	require.Equal(t, catalog.Create, second.Records[0].Change.Operation)
	require.JSONEq(t, `{"a":1,"b":2}`, string(second.Records[0].Change.Attributes))
	require.Equal(t, "m3", second.Records[0].Newest().ID)
}

// TestRetryMergesWithNewerChanges: what is stale is never sent again.
func TestRetryMergesWithNewerChanges(t *testing.T) {
	t.Parallel()
	b := newBatcher(testLane(products, 1))
	var p producer
	first := p.mutation(products, "x", catalog.Update, `{"a":1,"b":1}`, start)
	add(t, b, start, first)
	batch := cut(t, b, start)
	add(t, b, start, p.mutation(products, "x", catalog.Update, `{"a":2}`, start))
	b.Release(first.Key(), batch.Records[0].Constituents, start)
	retry := cut(t, b, start)
	require.Equal(t, [][]uint64{{1, 2}}, constituents(retry))
	require.JSONEq(t, `{"a":2,"b":1}`, string(retry.Records[0].Change.Attributes))
}

// TestRefusedRecordGoesAgainAsItsParts: parts with NoMerge merge with nothing, and keep
// their order.
func TestRefusedRecordGoesAgainAsItsParts(t *testing.T) {
	t.Parallel()
	b := newBatcher(testLane(products, 1))
	var p producer
	add(t, b, start, p.update(products, "x", start), p.update(products, "x", start))
	batch := cut(t, b, start)
	require.Equal(t, [][]uint64{{1, 2}}, constituents(batch))
	add(t, b, start, p.update(products, "x", start))
	for _, m := range batch.Records[0].Constituents {
		m.NoMerge = true
	}
	b.Release(batch.Records[0].Key, batch.Records[0].Constituents, start)
	for _, want := range [][][]uint64{{{1}}, {{2}}, {{3}}} {
		part := cut(t, b, start)
		require.Equal(t, want, constituents(part))
		release(b, part, start)
	}
	requireEmpty(t, b)
}

// TestMergedChangeFitsOneRecord: mutations do not merge into what would have to be
// split again.
func TestMergedChangeFitsOneRecord(t *testing.T) {
	t.Parallel()
	lane := testLane(products, 1)
	lane.OneRecord = func(change catalog.Change) bool {
		return !change.HasNull || !strings.Contains(string(change.Attributes), "unmaskable")
	}
	b := newBatcher(lane)
	var p producer
	add(t, b, start,
		p.mutation(products, "x", catalog.Update, `{"unmaskable":1}`, start),
		p.mutation(products, "x", catalog.Update, `{"a":null}`, start),
		p.mutation(products, "x", catalog.Update, `{"a":1}`, start))
	first := cut(t, b, start)
	require.Equal(t, [][]uint64{{1}}, constituents(first))
	release(b, first, start)
	require.Equal(t, [][]uint64{{2, 3}}, constituents(cut(t, b, start)))
}

func TestHeldItemsWait(t *testing.T) {
	t.Parallel()
	b := newBatcher(testLane(products, 1))
	var p producer
	held := p.update(products, "x", start)
	b.MarkInFlight([]catalog.Record{{Key: held.Key(), Change: held.Change(), Constituents: []*catalog.Mutation{held}}})
	require.Equal(t, batcher.Stats{Items: 1, InFlight: 1}, b.Stats())
	add(t, b, start, p.update(products, "x", start))
	requireNothingDue(t, b, start.Add(time.Hour))
	b.Release(held.Key(), nil, start)
	require.Equal(t, [][]uint64{{2}}, constituents(cut(t, b, start)))
}

func TestPausedLaneYieldsItsTurns(t *testing.T) {
	t.Parallel()
	b := newBatcher(testLane(products, 1), testLane(flights, 1))
	var p producer
	add(t, b, start, p.update(products, "x", start), p.update(flights, "BOS/JFK", start))
	b.SetPaused(products, true)
	add(t, b, start, p.update(products, "x", start))
	require.Equal(t, []string{"BOS/JFK"}, ids(cut(t, b, start)))
	requireNothingDue(t, b, start.Add(time.Hour))
	b.SetPaused(products, false)
	require.Equal(t, []string{account}, b.Due(start))
	require.Equal(t, [][]uint64{{1, 3}}, constituents(cut(t, b, start)))
}

// localizing is a batcher with items and their localizations.
func localizing() *batcher.Batcher {
	lane := testLane(localizedLane, 10)
	lane.BaseLane = products
	return newBatcher(lane, testLane(products, 10))
}

func inPolish(m *catalog.Mutation) *catalog.Mutation {
	m.Localization = polish
	return m
}

func TestLocalizedItemWaitsForItsBase(t *testing.T) {
	t.Parallel()
	b := localizing()
	var p producer
	add(t, b, start, p.update(products, "x", start), inPolish(p.update(localizedLane, "x", start)), inPolish(p.update(localizedLane, "y", start)))

	now := start.Add(2 * time.Second)
	first, free := cut(t, b, now), cut(t, b, now)
	require.Equal(t, []string{"y"}, ids(free))
	require.Equal(t, []string{"x"}, ids(first))
	require.Equal(t, products, first.Lane)
	requireNothingDue(t, b, now)
	require.Equal(t, start, b.LaneStats()[0].Oldest)

	b.Release(first.Records[0].Key, first.Records[0].Constituents, now) // it comes back
	again := cut(t, b, now)
	require.Equal(t, products, again.Lane)
	requireNothingDue(t, b, now)
	release(b, again, now)
	last := cut(t, b, now)
	require.Equal(t, localizedLane, last.Lane)
	require.Equal(t, []string{"x"}, ids(last))
}

// TestItemAndLocalizationsKeepTheirOrder: a deletion does not overtake what was to be
// localized before, a creation does not go before that deletion, and nothing merges
// over a change of the other side.
func TestItemAndLocalizationsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	b := localizing()
	var p producer
	add(t, b, start,
		inPolish(p.update(localizedLane, "x", start)), p.remove(products, "x", start),
		p.mutation(products, "x", catalog.Create, `{"a":1}`, start), inPolish(p.update(localizedLane, "x", start)),
		p.update(products, "x", start), p.update(products, "x", start), inPolish(p.update(localizedLane, "x", start)))
	now := start.Add(2 * time.Second)
	for _, want := range [][]uint64{{1}, {2}, {3}, {4}, {5, 6}, {7}} {
		batch := cut(t, b, now)
		require.Equal(t, [][]uint64{want}, constituents(batch))
		requireNothingDue(t, b, now)
		release(b, batch, now)
	}
	requireEmpty(t, b)
}

// TestChangesOfAnItemStarveNoLocalization: later changes of the item wait for it.
func TestChangesOfAnItemStarveNoLocalization(t *testing.T) {
	t.Parallel()
	b := localizing()
	var p producer
	add(t, b, start, p.update(products, "x", start), inPolish(p.update(localizedLane, "x", start)))
	now := start.Add(2 * time.Second)
	flying := cut(t, b, now)
	add(t, b, now, p.update(products, "x", now), p.update(products, "x", now))
	release(b, flying, now)
	now = now.Add(2 * time.Second)
	require.Equal(t, [][]uint64{{2}}, constituents(cut(t, b, now)))
	requireNothingDue(t, b, now)
}

func TestTenThousandGroups(t *testing.T) {
	t.Parallel()
	const groups = 10_000
	b := batcher.New(batcher.Config{})
	var p producer
	lanes := make([]catalog.Lane, groups)
	for i := range lanes {
		lanes[i] = catalog.Lane{Account: "acme", Catalog: fmt.Sprint("c", i), Type: "RETAIL"}
		b.AddLane(testLane(lanes[i], 100))
		received := start.Add(time.Duration(i%1000) * time.Millisecond)
		add(t, b, received, p.update(lanes[i], "x", received), p.update(lanes[i], "y", received))
	}
	require.Equal(t, groups, b.Stats().Groups)

	seen := make(map[string]bool)
	now, ok := b.NextDue()
	for ; ok; now, ok = b.NextDue() {
		require.Equal(t, []string{account}, b.Due(now))
		for batch, more := b.Cut(account, now); more; batch, more = b.Cut(account, now) {
			require.Equal(t, now, batch.Records[0].Constituents[0].ReceivedAt.Add(2*time.Second).Local(), "neither early nor late")
			require.Len(t, batch.Records, 2)
			require.False(t, seen[batch.Lane.Catalog])
			seen[batch.Lane.Catalog] = true
			release(b, batch, now)
		}
	}
	require.Len(t, seen, groups)
	requireEmpty(t, b)
}

func TestLaneWithoutAWayOutKeepsAndDrops(t *testing.T) {
	t.Parallel()
	b := newBatcher(batcher.Lane{Key: products})
	var p producer
	for i := range 5 {
		received := start.Add(time.Duration(i) * time.Minute)
		add(t, b, received, p.update(products, fmt.Sprint("item", i%2), received))
	}
	requireNothingDue(t, b, start.Add(time.Hour))
	_, ok := b.NextDue()
	require.False(t, ok)
	dropped := b.Drop(products, start.Add(150*time.Second), 100)
	require.ElementsMatch(t, []uint64{1, 2, 3}, positions(dropped))
	require.Equal(t, 2, b.Stats().Waiting)
	require.Equal(t, start.Add(3*time.Minute), b.LaneStats()[0].Oldest)
	require.Len(t, b.Drop(products, start.Add(time.Hour), 1), 1)
	require.Len(t, b.Drop(products, start.Add(time.Hour), 1), 1)
	requireEmpty(t, b)
}

func TestUnknownLane(t *testing.T) {
	t.Parallel()
	b := newBatcher()
	var p producer
	require.False(t, b.HasLane(products))
	problem := b.Add(p.update(products, "x", start), start)
	require.NotNil(t, problem)
	require.Equal(t, catalog.InternalError, problem.Reason)
	requireNothingDue(t, b, start)
	require.Nil(t, b.Spill(products))
	require.Nil(t, b.Load(products, catalog.Position{}, nil, false, start))
	require.Nil(t, b.Drop(products, start, 1))
}
