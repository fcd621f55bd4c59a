package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"
)

// track is a row of faults that come one after the other. The tracks run beside each
// other, so that up to three faults are there at once.
type track int

const (
	storeTrack    track = iota // workers, NATS, Postgres
	networkTrack               // connections of workers
	platformTrack              // the simulated platforms
	trackCount
)

func (t track) String() string {
	return [...]string{"workers and stores", "network", "platforms"}[t]
}

// kind is one way to break something.
type kind struct {
	name  string
	track track
	lasts time.Duration // about, with the repair
	// inject breaks it and repairs it again; it returns once both are done. detail
	// says what was chosen. The error means that the run cannot go on.
	inject func(c *faultContext) (detail string, err error)
	// after is how long the accounts that it hit may rest afterwards, by design. It
	// does not come when less than that is left of the run.
	after time.Duration
}

// planned is a fault of the schedule.
type planned struct {
	at   time.Duration // from the beginning
	kind kind
	seed uint64 // of the choices that the fault makes
}

// calmShare of a run only the platforms are in trouble, at least and at most so
// long.
const (
	calmShare = 6
	leastCalm = 8 * time.Second
	mostCalm  = 30 * time.Second
)

func calmTime(duration time.Duration) time.Duration {
	return min(max(duration/calmShare, leastCalm), mostCalm, duration/2)
}

// gaps are the least and the most pause between two faults of a track.
var gaps = [trackCount][2]time.Duration{
	storeTrack:    {500 * time.Millisecond, 2 * time.Second},
	networkTrack:  {time.Second, 4 * time.Second},
	platformTrack: {time.Second, 3 * time.Second},
}

// plan makes the schedule: everything follows from the seed. Every kind of a track
// comes once before any comes again.
func plan(seed uint64, duration time.Duration, full bool) [trackCount][]planned {
	var schedule [trackCount][]planned
	for t := range trackCount {
		random := rand.New(rand.NewPCG(seed, uint64(t))) //nolint:gosec // repeatable on purpose
		begin := time.Duration(0)
		if t != platformTrack {
			begin = calmTime(duration)
		}
		kinds := kindsOf(t, full)
		queue := []kind{}
		draw := func() kind {
			if len(queue) == 0 {
				queue = slices.Clone(kinds)
				random.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })
			}
			next := queue[0]
			queue = queue[1:]
			return next
		}
		picked := fit(t, begin, duration, draw)
		if t == storeTrack {
			picked = withCopies(random, picked, duration-begin)
		}
		schedule[t] = at(random, t, begin, picked)
	}
	return schedule
}

// fit draws kinds until the time is used up.
func fit(t track, begin, duration time.Duration, draw func() kind) (picked []kind) {
	left := duration - begin
	if t == storeTrack {
		left -= reserved(duration - begin)
	}
	const tries = 100
	for skipped := 0; skipped < tries; {
		next := draw()
		if next.after > left {
			skipped++
			continue
		}
		left -= next.lasts + gaps[t][1]
		if left < 0 {
			return picked
		}
		picked = append(picked, next)
	}
	return picked
}

// Copies are taken and restored within the store track, first of one store, then of
// the other. A short run has time for one only.
const (
	copyTime      = 2 * time.Second
	enoughForBoth = 50 * time.Second
)

func reserved(duration time.Duration) time.Duration {
	one := copyTime + gaps[storeTrack][1]
	if duration < enoughForBoth {
		return 2 * one
	}
	return 4 * one
}

// withCopies inserts the faults that lose data: a store is restored from a copy that
// was taken some faults before. The two stores never at the same time: together
// they would lose what nobody could know of any more.
func withCopies(random *rand.Rand, picked []kind, duration time.Duration) []kind {
	pairs := [][2]kind{
		{{"copy of Postgres taken", storeTrack, copyTime, copyPostgres, 0}, {"Postgres restored from an older copy", storeTrack, copyTime, restorePostgres, 0}},
		{{"copy of the stream taken", storeTrack, copyTime, copyStream, 0}, {"stream restored from an older copy", storeTrack, copyTime, restoreStream, 0}},
	}
	random.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	n := len(picked)
	if duration < enoughForBoth {
		return slices.Concat([]kind{pairs[0][0]}, picked[:n*2/3], []kind{pairs[0][1]}, picked[n*2/3:])
	}
	return slices.Concat(
		picked[:n/8], []kind{pairs[0][0]}, picked[n/8:n*3/8], []kind{pairs[0][1]},
		picked[n*3/8:n*5/8], []kind{pairs[1][0]}, picked[n*5/8:n*7/8], []kind{pairs[1][1]}, picked[n*7/8:])
}

// at gives every fault its time.
func at(random *rand.Rand, t track, begin time.Duration, picked []kind) []planned {
	faults := make([]planned, 0, len(picked))
	now := begin
	for _, k := range picked {
		now += gaps[t][0] + time.Duration(random.Int64N(int64(gaps[t][1]-gaps[t][0])))
		faults = append(faults, planned{at: now.Round(time.Millisecond), kind: k, seed: random.Uint64()})
		now += k.lasts
	}
	return faults
}

// printSchedule shows the schedule to people.
func printSchedule(out io.Writer, schedule [trackCount][]planned) {
	for t, faults := range schedule {
		_, _ = fmt.Fprintf(out, "%s:\n", track(t))
		for _, fault := range faults {
			_, _ = fmt.Fprintf(out, "  %7.1f s  %s\n", fault.at.Seconds(), fault.kind.name)
		}
	}
}
