package batcher_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// TestRelatedItemsGoOnWithOneLaneInMemory: memory may be too short for an item's lane
// and that of its localizations together. The side with the oldest change is sent
// all the same when it is read back alone.
func TestRelatedItemsGoOnWithOneLaneInMemory(t *testing.T) {
	t.Parallel()
	b := localizing()
	var p producer
	changes := []*catalog.Mutation{
		p.update(products, "x", start), inPolish(p.update(localizedLane, "x", start)),
		p.update(products, "x", start), inPolish(p.update(localizedLane, "x", start)),
	}
	add(t, b, start, changes...)
	due := start.Add(time.Hour)
	rows := map[catalog.Lane][]*catalog.Mutation{}
	for _, m := range changes {
		rows[m.Lane] = append(rows[m.Lane], m)
	}
	for turn, m := range changes {
		for _, stats := range b.LaneStats() {
			if stats.Waiting > 0 {
				b.Spill(stats.Lane)
			}
		}
		other := products
		if m.Lane == products {
			other = localizedLane
		}
		read := func(lane catalog.Lane) {
			page := make([]*catalog.Mutation, 0, len(rows[lane]))
			for _, row := range rows[lane] {
				page = append(page, reread(row))
			}
			b.Load(lane, b.LoadCursor(lane), page, false, due)
		}
		if len(rows[other]) > 0 {
			read(other)
			requireNothingDue(t, b, due)
			b.Spill(other)
		}
		read(m.Lane)
		batch := cut(t, b, due)
		require.Equal(t, [][]uint64{{uint64(turn + 1)}}, constituents(batch))
		rows[m.Lane] = rows[m.Lane][1:]
		release(b, batch, due)
	}
}
