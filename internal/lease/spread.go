package lease

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/google/uuid"
)

// ownership is one partition as a worker sees it.
type ownership struct {
	partition int
	// owner is uuid.Nil where nobody owns it, or nobody alive: such a partition is
	// free to be taken.
	owner uuid.UUID
	// wantedBy is the living worker that asked for it, or uuid.Nil.
	wantedBy uuid.UUID
	// barred keeps this worker from taking it.
	barred bool
	// stranded is a free partition that the worker it falls to has left alone for
	// too long: anybody takes it.
	stranded bool
}

// decision is what a worker should do to spread partitions evenly.
type decision struct {
	take []int // free partitions
	ask  []int // partitions to ask a richer worker for
}

// spread decides for the worker me what to take and what to ask for. workers are
// those alive and not shutting down; me need not be among them (then it does
// nothing). It is pure: workers that see the same decide on disjoint partitions,
// and where they see differently the database lets one win.
//
// A partition is only asked for if its owner has at least two more than me, both
// counted as after all hand-overs under way. So every hand-over brings the two
// closer together, the spread ends when no two workers differ by more than one,
// and nothing moves back.
func spread(me uuid.UUID, workers []uuid.UUID, partitions []ownership) decision {
	if !slices.Contains(workers, me) {
		return decision{}
	}
	workers = slices.Clone(workers)
	slices.SortFunc(workers, compareIDs)
	load := loads(workers, partitions)
	var d decision
	for _, p := range partitions {
		if p.owner != uuid.Nil {
			continue
		}
		to := least(workers, load)
		load[to]++
		if (to == me || p.stranded) && !p.barred {
			d.take = append(d.take, p.partition)
		}
	}
	for range partitions {
		asked, ok := askOne(me, partitions, load, d.ask)
		if !ok {
			break
		}
		d.ask = append(d.ask, asked)
	}
	return d
}

// loads counts the partitions of each worker as after the hand-overs under way.
func loads(workers []uuid.UUID, partitions []ownership) map[uuid.UUID]int {
	load := make(map[uuid.UUID]int, len(workers))
	for _, id := range workers {
		load[id] = 0
	}
	for _, p := range partitions {
		to := p.owner
		if to != uuid.Nil && p.wantedBy != uuid.Nil {
			to = p.wantedBy
		}
		if _, alive := load[to]; alive {
			load[to]++
		}
	}
	return load
}

// askOne finds the next partition to ask for, from the richest worker.
func askOne(me uuid.UUID, partitions []ownership, load map[uuid.UUID]int, asked []int) (partition int, ok bool) {
	best := -1
	for i, p := range partitions {
		if p.owner == uuid.Nil || p.owner == me || p.wantedBy != uuid.Nil || p.barred || slices.Contains(asked, p.partition) {
			continue
		}
		owned, alive := load[p.owner]
		if !alive || owned < load[me]+2 {
			continue
		}
		if best < 0 || richer(p.owner, partitions[best].owner, load) {
			best = i
		}
	}
	if best < 0 {
		return 0, false
	}
	load[partitions[best].owner]--
	load[me]++
	return partitions[best].partition, true
}

func richer(a, b uuid.UUID, load map[uuid.UUID]int) bool {
	return cmp.Or(cmp.Compare(load[a], load[b]), -compareIDs(a, b)) > 0
}

// least is the worker with the fewest partitions, the first of equals.
func least(workers []uuid.UUID, load map[uuid.UUID]int) uuid.UUID {
	return slices.MinFunc(workers, func(a, b uuid.UUID) int { return cmp.Compare(load[a], load[b]) })
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
