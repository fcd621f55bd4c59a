package batcher_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/batcher"
	"github.com/catalog-courier/catalog-courier/catalog"
)

// reread is a mutation as its waiting row gives it back.
func reread(m *catalog.Mutation) *catalog.Mutation {
	row := *m
	row.HasWaitingRow = true
	return &row
}

// TestSpilledDeleteDoesNotOvertakeANewerCreation is the reason why arrivals follow
// what is spilled.
func TestSpilledDeleteDoesNotOvertakeANewerCreation(t *testing.T) {
	t.Parallel()
	b := newBatcher(testLane(products, 1))
	var p producer
	remove := p.remove(products, "x", start)
	add(t, b, start, remove)
	require.Equal(t, []*catalog.Mutation{remove}, b.Spill(products))
	require.True(t, remove.HasWaitingRow)

	add(t, b, start, p.mutation(products, "x", catalog.Create, `{"a":1}`, start))
	requireNothingDue(t, b, start.Add(time.Hour))
	b.Load(products, b.LoadCursor(products), []*catalog.Mutation{reread(remove)}, false, start)
	require.False(t, b.Spilled(products))
	for _, want := range [][][]uint64{{{1}}, {{2}}} {
		batch := cut(t, b, start)
		require.Equal(t, want, constituents(batch))
		release(b, batch, start)
	}
	requireEmpty(t, b)
}

func TestSpillAndReadBackInOrder(t *testing.T) {
	t.Parallel()
	b := newBatcher(testLane(products, 1000))
	b.AddLane(testLane(flights, 10))
	var p producer
	rows := make([]*catalog.Mutation, 0, 200) // what Postgres holds
	for i := range 90 {
		add(t, b, start, p.update(products, fmt.Sprint("item", i%30), start))
	}
	add(t, b, start, p.update(flights, "BOS/JFK", start))
	early := b.TakeUnpersisted(start.Add(time.Second), 10)
	require.Equal(t, uint64(1), early[0].Position.Sequence)
	require.Len(t, early, 10)
	rows = append(rows, early...)
	b.MarkPersisted(early)

	spilled := b.Spill(products)
	require.Len(t, spilled, 80)
	require.Equal(t, batcher.Stats{Groups: 1, Items: 1, Waiting: 1, Unpersisted: 1, Bytes: b.Bytes()}, b.Stats(), "all but the flight is forgotten")
	rows = append(rows, spilled...)
	b.MarkPersisted(spilled)

	for i := range 60 { // arrivals while spilled: half of them stored before the load
		add(t, b, start, p.update(products, fmt.Sprint("item", i%30), start))
	}
	require.Equal(t, 61, b.Stats().Waiting)
	late := b.TakeUnpersisted(start.Add(time.Second), 30)
	require.Len(t, late, 30)
	rows = append(rows, late...)
	b.MarkPersisted(late)
	require.Equal(t, 31, b.Stats().Waiting, "what is stored is forgotten")

	require.Equal(t, []catalog.Lane{products}, b.SpilledLanes())
	for b.Spilled(products) {
		after := b.LoadCursor(products)
		var page []*catalog.Mutation
		more := false
		for sequence := after.Sequence + 1; sequence <= p.last; sequence++ {
			for _, row := range rows {
				if row.Position.Sequence != sequence || row.Lane != products {
					continue
				}
				if len(page) == 50 {
					more = true
					break
				}
				page = append(page, reread(row))
			}
		}
		require.Empty(t, b.Load(products, after, page, more, start))
	}
	now := start.Add(2 * time.Second)
	batch := cut(t, b, now)
	if batch.Lane == flights {
		batch = cut(t, b, now)
	}
	require.Len(t, batch.Records, 30)
	for i, got := range constituents(batch) {
		at := uint64(i)
		require.Equal(t, []uint64{at + 1, at + 31, at + 61, at + 92, at + 122}, got)
	}
	unpersisted := b.TakeUnpersisted(start.Add(time.Second), 1000)
	require.LessOrEqual(t, len(unpersisted), 1, "only the flight can be left")
}

// TestReturnedMutationIsNotLoadedTwice: a retry may be in memory when its waiting
// row is met.
func TestReturnedMutationIsNotLoadedTwice(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		b := newBatcher(testLane(products, 1))
		var p producer
		first := p.update(products, "x", start)
		add(t, b, start, first)
		batch := cut(t, b, start)
		newer := p.remove(products, "x", start)
		add(t, b, start, newer)
		require.Len(t, b.Spill(products), 1)

		first.HasWaitingRow = true // the outcome has written its waiting row
		b.Release(first.Key(), batch.Records[0].Constituents, start)
		if again { // it is in flight again when the page comes
			batch = cut(t, b, start)
			require.Equal(t, [][]uint64{{1}}, constituents(batch))
		}
		b.Load(products, catalog.Position{}, []*catalog.Mutation{reread(first), reread(newer)}, false, start)
		if again {
			requireNothingDue(t, b, start)
			release(b, batch, start)
			require.Equal(t, [][]uint64{{2}}, constituents(cut(t, b, start)))
		} else {
			require.Equal(t, [][]uint64{{1, 2}}, constituents(cut(t, b, start)))
		}
		require.Zero(t, b.Stats().Waiting)
	}
}

// TestPageFromBeforeASpillIsIgnored: it does not start where loading starts again.
func TestPageFromBeforeASpillIsIgnored(t *testing.T) {
	t.Parallel()
	b := newBatcher(testLane(products, 1))
	var p producer
	b.SpilledAtStart(products)
	one, two := p.update(products, "x", start), p.update(products, "x", start)
	b.Load(products, catalog.Position{}, []*catalog.Mutation{reread(one)}, true, start)
	after := b.LoadCursor(products)
	require.Equal(t, one.Position, after)
	require.Empty(t, b.Spill(products))
	b.Load(products, after, []*catalog.Mutation{reread(two)}, false, start)
	require.True(t, b.Spilled(products))
	requireNothingDue(t, b, start)
	b.Load(products, catalog.Position{}, []*catalog.Mutation{reread(one), reread(two)}, false, start)
	require.Equal(t, [][]uint64{{1, 2}}, constituents(cut(t, b, start)))
}

// TestLoadingGoesBackForOlderArrivals: after a take-over, an arrival that nobody had
// recorded may be older than rows that are loaded already.
func TestLoadingGoesBackForOlderArrivals(t *testing.T) {
	t.Parallel()
	b := newBatcher(testLane(products, 2))
	var p producer
	x, y, x2 := p.update(products, "x", start), p.update(products, "y", start), p.update(products, "x", start)
	b.SpilledAtStart(products)
	y.Position.Sequence, x.Position.Sequence = 1, 2
	b.Load(products, catalog.Position{}, []*catalog.Mutation{reread(x)}, true, start)
	require.Equal(t, x.Position, b.LoadCursor(products))

	add(t, b, start, y)
	b.MarkPersisted(b.TakeUnpersisted(start.Add(time.Second), 10))
	after := b.LoadCursor(products)
	require.Negative(t, after.Compare(y.Position))
	b.Load(products, x.Position, nil, false, start)
	require.True(t, b.Spilled(products), "a page that was on its way does not have it")
	b.Load(products, after, []*catalog.Mutation{reread(y), reread(x), reread(x2)}, false, start)
	require.ElementsMatch(t, [][]uint64{{1}, {2, 3}}, constituents(cut(t, b, start)))
	require.Zero(t, b.Stats().Waiting)
}

func TestLoadReturnsWhatNoRequestCanCarry(t *testing.T) {
	t.Parallel()
	lane := testLane(products, 1)
	lane.MaxBytes = 20
	b := newBatcher(lane)
	var p producer
	b.SpilledAtStart(products)
	large, small := p.mutation(products, "x", catalog.Update, `{"a":"too long now"}`, start), p.update(products, "x", start)
	tooLarge := b.Load(products, catalog.Position{}, []*catalog.Mutation{large, small}, false, start)
	require.Equal(t, []*catalog.Mutation{large}, tooLarge)
	require.Equal(t, [][]uint64{{2}}, constituents(cut(t, b, start)))
}

func TestTakeUnstored(t *testing.T) {
	t.Parallel()
	b := newBatcher(testLane(products, 1))
	var p producer
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	add(t, b, at(0), p.update(products, "flying", at(0)))
	batch := cut(t, b, at(0))
	add(t, b, at(1), p.update(products, "flying", at(1))) // 2
	add(t, b, at(2), p.update(products, "x", at(2)))      // 3
	add(t, b, at(3), p.update(products, "y", at(3)))      // 4
	add(t, b, at(4), p.remove(products, "flying", at(4))) // 5

	require.Empty(t, b.TakeUnpersisted(at(1), 10), "not what is in flight")
	require.Equal(t, []uint64{2}, positions(b.TakeUnpersisted(at(9), 1)))
	require.Equal(t, []uint64{3, 5}, positions(b.TakeUnpersisted(at(3), 10)), "the rest of the first item goes along")
	require.Equal(t, []uint64{4}, positions(b.TakeUnpersisted(at(9), 10)))
	require.Empty(t, b.TakeUnpersisted(at(9), 10))

	add(t, b, at(5), p.update(products, "x", at(5))) // 6
	require.Equal(t, []string{"x"}, ids(cut(t, b, at(5))))
	require.Empty(t, b.TakeUnpersisted(at(9), 10), "cut in the meantime")
	b.Release(batch.Records[0].Key, batch.Records[0].Constituents, at(6))
	require.Equal(t, []uint64{1}, positions(b.TakeUnpersisted(at(9), 10)), "a returned one that has no row yet")
}
