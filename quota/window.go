package quota

import "time"

// historySlots is how finely a window is looked at.
const historySlots = 60

// history counts calls within a window that ends now, in slots of equal length. A
// slot leaves when its youngest call would.
type history struct {
	slot   time.Duration // 0: it counts nothing
	counts [historySlots + 1]uint32
	newest int64 // slots since 1970
	total  int
}

func (h *history) advance(now time.Time) (gone int) {
	if h.slot <= 0 {
		return 0
	}
	current := now.UnixNano() / int64(h.slot)
	for steps := 0; h.newest < current && steps < len(h.counts); steps++ {
		h.newest++
		oldest := &h.counts[h.newest%int64(len(h.counts))]
		gone += int(*oldest)
		*oldest = 0
	}
	h.newest = max(h.newest, current)
	h.total -= gone
	return gone
}

// add counts a call at the time of the last advance.
func (h *history) add() {
	if h.slot > 0 {
		h.counts[h.newest%int64(len(h.counts))]++
		h.total++
	}
}

// undo takes back the newest call.
func (h *history) undo() {
	for slot := h.newest; h.slot > 0 && h.total > 0 && slot > h.newest-int64(len(h.counts)); slot-- {
		if count := h.at(slot); *count > 0 {
			*count--
			h.total--
			return
		}
	}
}

// leaves is when the oldest calls leave the window; there must be some.
func (h *history) leaves() time.Time {
	at, ever := h.leave(func(int) bool { return true })
	if !ever {
		return time.Unix(0, h.newest*int64(h.slot))
	}
	return at
}

// leave is when so many calls have left the window that they are enough.
func (h *history) leave(enough func(gone int) bool) (at time.Time, ever bool) {
	size, gone := int64(len(h.counts)), 0
	for slot := h.newest - size + 1; slot <= h.newest; slot++ {
		if count := *h.at(slot); count > 0 {
			if gone += int(count); enough(gone) {
				return time.Unix(0, (slot+size)*int64(h.slot)), true
			}
		}
	}
	return time.Time{}, false
}

// at is the count of a slot.
func (h *history) at(slot int64) *uint32 {
	size := int64(len(h.counts))
	return &h.counts[(slot%size+size)%size]
}
