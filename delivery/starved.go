package delivery

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// starve notes that the flight found no slot for a call of its account that draws on
// the scopes. It is stepped again when one was given back, first come first served.
func (e *Engine) starve(f *flight, scopes []string) {
	key := f.lane.key.Account + " " + strings.Join(scopes, " ")
	if f.starvesFor == key {
		return
	}
	f.starvesFor = key
	e.starved[key] = append(e.starved[key], f)
}

// retryStarved steps the flights that found no slot, for each account until one finds
// none again: stepping them all at each slot would cost the square of their number.
func (e *Engine) retryStarved() {
	now := time.Now()
	for _, key := range slices.Sorted(maps.Keys(e.starved)) {
		for e.feed(key, now) {
		}
	}
}

// feed steps the first flight that waits for a slot of the kind. It reports
// whether it is worth going on.
func (e *Engine) feed(key string, now time.Time) bool {
	queue := e.starved[key]
	if len(queue) == 0 {
		delete(e.starved, key)
		return false
	}
	f := queue[0]
	queue[0] = nil
	e.starved[key] = queue[1:]
	if f.starvesFor != key {
		return true // it came to its end meanwhile, or waits for something else
	}
	f.starvesFor = ""
	e.step(f, now)
	if f.starvesFor != key {
		return true
	}
	// It found none and went to the end of the line, where it does not belong.
	queue = e.starved[key]
	copy(queue[1:], queue[:len(queue)-1])
	queue[0] = f
	return false
}
