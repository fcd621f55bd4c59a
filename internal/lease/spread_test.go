package lease

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func worker(n byte) uuid.UUID { return uuid.UUID{15: n} }

func TestSpreadTable(t *testing.T) {
	t.Parallel()
	one, two, three := worker(1), worker(2), worker(3)
	owned := func(owners ...uuid.UUID) []ownership {
		partitions := make([]ownership, len(owners))
		for i, owner := range owners {
			partitions[i] = ownership{partition: i, owner: owner}
		}
		return partitions
	}
	for name, test := range map[string]struct {
		me         uuid.UUID
		workers    []uuid.UUID
		partitions []ownership
		want       decision
	}{
		"alone takes all":                  {one, []uuid.UUID{one}, owned(uuid.Nil, uuid.Nil), decision{take: []int{0, 1}}},
		"two share what is free":           {two, []uuid.UUID{two, one}, owned(uuid.Nil, uuid.Nil, uuid.Nil), decision{take: []int{1}}},
		"a new one asks for its share":     {two, []uuid.UUID{one, two}, owned(one, one, one, one), decision{ask: []int{0, 1}}},
		"one more is no surplus":           {two, []uuid.UUID{one, two}, owned(one, one, two), decision{}},
		"the richest is asked":             {three, []uuid.UUID{one, two, three}, owned(one, one, two, two, two), decision{ask: []int{2}}},
		"who leaves gets nothing":          {one, []uuid.UUID{two}, owned(uuid.Nil), decision{}},
		"the poorer takes what is free":    {one, []uuid.UUID{one, two}, owned(one, uuid.Nil), decision{}},
		"a dead one's partitions are free": {one, []uuid.UUID{one}, owned(one, uuid.Nil), decision{take: []int{1}}},
		"what is promised counts": {three, []uuid.UUID{one, two, three}, []ownership{
			{partition: 0, owner: one}, {partition: 1, owner: one, wantedBy: two}, {partition: 2, owner: one, wantedBy: three},
		}, decision{}},
		"a stranded one is anybody's": {one, []uuid.UUID{one, two}, []ownership{
			{partition: 0, owner: one}, {partition: 1, stranded: true},
		}, decision{take: []int{1}}},
		"a barred one is left": {one, []uuid.UUID{one}, []ownership{{partition: 0, barred: true}}, decision{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, spread(test.me, test.workers, test.partitions))
		})
	}
}

// cluster is a group of workers that all see the same, with hand-overs that take
// a round.
type cluster struct {
	workers    []uuid.UUID
	partitions []ownership
	moves      int
}

func (c *cluster) alive(id uuid.UUID) bool { return slices.Contains(c.workers, id) }

// round lets every worker decide once, in turn or all from one view.
func (c *cluster) round(t *rapid.T, together bool) {
	for i := range c.partitions { // hand over what was asked for before, free what the dead had
		p := &c.partitions[i]
		if !c.alive(p.wantedBy) {
			p.wantedBy = uuid.Nil
		}
		if p.owner != uuid.Nil && p.wantedBy != uuid.Nil {
			p.owner, p.wantedBy = p.wantedBy, uuid.Nil
			c.moves++
		}
		if !c.alive(p.owner) {
			p.owner = uuid.Nil
		}
	}
	seen := slices.Clone(c.partitions)
	for _, me := range c.workers {
		if !together {
			seen = slices.Clone(c.partitions)
		}
		d := spread(me, c.workers, seen)
		for _, partition := range d.take {
			p := &c.partitions[partition]
			if together && p.owner != uuid.Nil {
				t.Fatalf("two workers that see the same take partition %d", partition)
			}
			p.owner = me
		}
		for _, partition := range d.ask {
			if p := &c.partitions[partition]; p.wantedBy == uuid.Nil { // the database lets one win
				p.wantedBy = me
			}
		}
	}
}

func (c *cluster) even() bool {
	count := make(map[uuid.UUID]int)
	for _, p := range c.partitions {
		if p.owner == uuid.Nil {
			return false
		}
		count[p.owner]++
	}
	low, high := len(c.partitions), 0
	for _, id := range c.workers {
		low, high = min(low, count[id]), max(high, count[id])
	}
	return high-low <= 1
}

// Whatever the start, the spread becomes even in few rounds, then nothing moves
// any more, and every partition that moves was a surplus.
func TestSpreadConverges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ids := make([]uuid.UUID, rapid.IntRange(1, 9).Draw(t, "workers"))
		for i := range ids {
			ids[i] = worker(byte(i + 1))
		}
		c := &cluster{workers: ids, partitions: make([]ownership, rapid.IntRange(1, 64).Draw(t, "partitions"))}
		for i := range c.partitions {
			c.partitions[i].partition = i
			if owner := rapid.IntRange(0, len(ids)+1).Draw(t, "owner"); owner > 0 {
				c.partitions[i].owner = worker(byte(owner)) // one of them is dead
			}
		}
		together := rapid.Bool().Draw(t, "together")
		const bound = 8
		for range bound {
			c.round(t, together)
		}
		c.round(t, together)
		if !c.even() {
			t.Fatalf("not even after %d rounds: %v", bound, c.partitions)
		}
		moves := c.moves
		for range 3 {
			c.round(t, together)
		}
		if c.moves != moves {
			t.Fatalf("partitions move although they are spread evenly")
		}
		if c.moves > len(c.partitions) {
			t.Fatalf("%d moves for %d partitions", c.moves, len(c.partitions))
		}
	})
}
