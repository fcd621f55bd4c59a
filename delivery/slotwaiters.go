package delivery

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// waitForSlot notes that the open batch found no slot for a call of its account that draws on
// the scopes. It is stepped again when one was given back, first come first served.
func (b *openBatches) waitForSlot(f *openBatch, scopes []string) {
	key := f.lane.key.Account + " " + strings.Join(scopes, " ")
	if f.slotScopes == key {
		return
	}
	f.slotScopes = key
	b.slotWaiters[key] = append(b.slotWaiters[key], f)
}

// wakeSlotWaiters steps the batches that found no slot, for each account until one finds
// none again: stepping them all at each slot would cost the square of their number.
func (e *Engine) wakeSlotWaiters() {
	now := time.Now()
	for _, key := range slices.Sorted(maps.Keys(e.batches.slotWaiters)) {
		for e.feed(key, now) {
		}
	}
}

// feed steps the first open batch that waits for a slot of the kind. It reports
// whether it is worth going on.
func (e *Engine) feed(key string, now time.Time) bool {
	queue := e.batches.slotWaiters[key]
	if len(queue) == 0 {
		delete(e.batches.slotWaiters, key)
		return false
	}
	f := queue[0]
	queue[0] = nil
	e.batches.slotWaiters[key] = queue[1:]
	if f.slotScopes != key {
		return true // it came to its end meanwhile, or waits for something else
	}
	f.slotScopes = ""
	e.step(f, now)
	if f.slotScopes != key {
		return true
	}
	// It found none and went to the end of the line, where it does not belong.
	queue = e.batches.slotWaiters[key]
	copy(queue[1:], queue[:len(queue)-1])
	queue[0] = f
	return false
}
