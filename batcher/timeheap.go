package batcher

// slotted is a thing that remembers its slot in a timeHeap, so that it can be
// moved and removed without a search.
type slotted interface {
	slot() int
	setSlot(slot int)
}

// noSlot is the slot of a thing that is in no heap.
const noSlot = -1

// timeHeap orders things by a time in nanoseconds, earliest first. A thing may be
// in one heap at a time. The times lie beside the pointers, so that sifting reads
// few cache lines.
type timeHeap[T slotted] struct {
	slots []timed[T]
}

type timed[T slotted] struct {
	at    int64
	thing T
}

func (h *timeHeap[T]) len() int { return len(h.slots) }

// min is the earliest thing; the heap must not be empty.
func (h *timeHeap[T]) min() (thing T, at int64) {
	return h.slots[0].thing, h.slots[0].at
}

// set puts the thing at the time, whether or not it is in the heap already.
func (h *timeHeap[T]) set(thing T, at int64) {
	slot := thing.slot()
	if slot == noSlot {
		h.slots = append(h.slots, timed[T]{at: at, thing: thing})
		slot = len(h.slots) - 1
		thing.setSlot(slot)
		h.up(slot)
		return
	}
	if h.slots[slot].at == at {
		return
	}
	h.slots[slot].at = at
	h.up(slot)
	h.down(thing.slot())
}

// remove takes the thing out, if it is in.
func (h *timeHeap[T]) remove(thing T) {
	slot := thing.slot()
	if slot == noSlot {
		return
	}
	last := len(h.slots) - 1
	h.swap(slot, last)
	h.slots[last] = timed[T]{}
	h.slots = h.slots[:last]
	thing.setSlot(noSlot)
	if slot < last {
		moved := h.slots[slot].thing
		h.up(slot)
		h.down(moved.slot())
	}
	if last == 0 {
		h.slots = nil
	}
}

func (h *timeHeap[T]) up(slot int) {
	for slot > 0 {
		parent := (slot - 1) / 2
		if h.slots[parent].at <= h.slots[slot].at {
			return
		}
		h.swap(slot, parent)
		slot = parent
	}
}

func (h *timeHeap[T]) down(slot int) {
	for {
		child := 2*slot + 1
		if child >= len(h.slots) {
			return
		}
		if right := child + 1; right < len(h.slots) && h.slots[right].at < h.slots[child].at {
			child = right
		}
		if h.slots[slot].at <= h.slots[child].at {
			return
		}
		h.swap(slot, child)
		slot = child
	}
}

func (h *timeHeap[T]) swap(i, j int) {
	if i == j {
		return
	}
	h.slots[i], h.slots[j] = h.slots[j], h.slots[i]
	h.slots[i].thing.setSlot(i)
	h.slots[j].thing.setSlot(j)
}
