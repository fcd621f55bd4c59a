package sources_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestAFeedReachesThePlatforms goes the whole way, by the commands and with a worker: a feed
// fills two catalogs, a later one changes them, and one that lost most of its items deletes
// nothing until somebody approves.
func TestAFeedReachesThePlatforms(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	worker := s.StartWorker("a", rig.WorkerOptions{})
	for i := range 150 {
		s.items[fmt.Sprintf("item-%03d", i)] = product{title: fmt.Sprint("Item ", i), price: 100 + i, sale: 50}
	}
	s.write()
	require.Equal(t, int64(300), s.apply().Result.Published)
	s.arrives("the first feed")

	s.items["item-000"] = product{title: "Item 0", price: 90, sale: 50}
	s.items["item-001"] = product{title: "Item 1", price: 101} // its sale is over
	s.items["item-new"] = product{title: "New", price: 7}
	delete(s.items, "item-002")
	s.write()
	require.Equal(t, int64(8), s.apply().Result.Published)
	s.arrives("the changed feed")

	before := s.wantedItems()
	for i := 10; i < 120; i++ {
		delete(s.items, fmt.Sprintf("item-%03d", i))
	}
	s.items["item-003"] = product{title: "Item 3", price: 1}
	s.write()
	withheld := s.run("apply", "shop")
	require.Equal(t, 3, withheld.code, withheld.err)
	require.Equal(t, "withheld", withheld.Result.State)
	require.Equal(t, 220, withheld.Result.Withheld)
	require.Equal(t, int64(2), withheld.Result.Published, "what is changed goes")
	before["item-003"] = wanted("item-003", s.items["item-003"])
	s.arrive("nothing is deleted", before)

	number := strconv.FormatInt(withheld.Result.Run, 10)
	short := s.run("approve", number, "--max", "109")
	require.Equal(t, 3, short.code, "an approval is a limit")
	approved := s.run("approve", number)
	require.Zero(t, approved.code, approved.err)
	require.Equal(t, "done", approved.Result.State)
	require.Equal(t, int64(220), approved.Result.Published)
	s.arrives("the approved deletes")

	s.AwaitFinal(530, patience)
	require.NoError(t, worker.Stop())
	require.Equal(t, 530, s.CheckInvariants()["succeeded"], "nothing is refused")
}

func (s *shop) arrives(what string) {
	s.t.Helper()
	s.arrive(what, s.wantedItems())
}

// arrive waits until all that was published is final, and compares.
func (s *shop) arrive(what string, want map[string]map[string]any) {
	s.t.Helper()
	s.AwaitFinal(len(s.Published()), time.Minute)
	for _, lane := range []catalog.Lane{rig.Products, rig.Retail} {
		require.Empty(s.t, differences(want, s.platform(lane)), "%s: %s", what, lane)
	}
}
