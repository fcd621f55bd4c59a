package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/test/evidence"
)

// look is how often the leases are looked at.
const look = 25 * time.Millisecond

// mostEven is how long partitions may take to be spread evenly.
const mostEven = 10 * time.Second

// names are those of the workers.
func names(workers []*worker) []string {
	all := make([]string, 0, len(workers))
	for _, w := range workers {
		all = append(all, w.name)
	}
	return all
}

// awaitEven waits until the workers own all partitions and none has two more than
// another. It fails when that takes longer than within.
func (c *cluster) awaitEven(ctx context.Context, workers []string, within time.Duration) error {
	began := time.Now()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		leases, err := evidence.Leases(ctx, c.Database)
		switch {
		case err != nil:
			return err
		case even(leases, workers):
			return nil
		case time.Since(began) > within:
			return fmt.Errorf("the partitions are not spread evenly over %v within %s", workers, within)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// even reports that the workers own all partitions, each as many as any other or one
// more.
func even(leases []evidence.Lease, workers []string) bool {
	owned := make([]int, len(workers))
	for _, l := range leases {
		at := slices.Index(workers, l.Owner)
		if at < 0 {
			return false
		}
		owned[at]++
	}
	return len(leases) > 0 && slices.Max(owned)-slices.Min(owned) <= 1
}

// tenure is the time that a partition was with one owner, as far as it was seen.
type tenure struct {
	partition   int
	owner       string
	from        time.Time
	firstCommit time.Time // zero: none yet
	lastCommit  time.Time // zero: none yet
}

// handOver is a partition's change of owner.
type handOver struct {
	partition int
	from, to  string
	owned     time.Time // by the new owner
	// gap is from the last transaction of the old owner to the first of the new one.
	gap time.Duration
}

// watch keeps looking at the leases.
type watch struct {
	mu      sync.Mutex
	tenures map[int][]tenure       // by partition
	commits map[int]evidence.Lease // as seen last
	err     error

	cancel context.CancelFunc
	ended  chan struct{}
}

// watchLeases looks until stop is called.
func (c *cluster) watchLeases(ctx context.Context) *watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{tenures: map[int][]tenure{}, commits: map[int]evidence.Lease{}, cancel: cancel, ended: make(chan struct{})}
	go func() { // stop waits for it
		defer close(w.ended)
		ticker := time.NewTicker(look)
		defer ticker.Stop()
		for {
			leases, err := evidence.Leases(ctx, c.Database)
			if ctx.Err() != nil {
				return
			}
			w.note(time.Now(), leases, err)
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return w
}

func (w *watch) stop() error {
	w.cancel()
	<-w.ended
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *watch) note(now time.Time, leases []evidence.Lease, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.err = err
		return
	}
	for _, l := range leases {
		before, known := w.commits[l.Partition]
		w.commits[l.Partition] = l
		all := w.tenures[l.Partition]
		if newOwner := len(all) == 0 || all[len(all)-1].owner != l.Owner; l.Owner != "" && newOwner {
			all = append(all, tenure{partition: l.Partition, owner: l.Owner, from: now})
		}
		if known && len(all) > 0 && l.Commits > before.Commits {
			last := &all[len(all)-1]
			last.lastCommit = now
			if last.firstCommit.IsZero() {
				last.firstCommit = now
			}
		}
		w.tenures[l.Partition] = all
	}
}

// handOvers are those since a time of which both owners have committed something.
func (w *watch) handOvers(since time.Time) []handOver {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []handOver
	for _, all := range w.tenures {
		for i := 1; i < len(all); i++ {
			old, now := all[i-1], all[i]
			if now.from.Before(since) || old.lastCommit.IsZero() || now.firstCommit.IsZero() {
				continue
			}
			found = append(found, handOver{
				partition: now.partition, from: old.owner, to: now.owner, owned: now.from, gap: now.firstCommit.Sub(old.lastCommit),
			})
		}
	}
	return found
}
