package delivery

import (
	"sync"
	"time"
)

// trouble is since when nothing of the partition can be recorded, and why. The recorder
// writes it and the engine shows it.
type trouble struct {
	mu    sync.Mutex
	since time.Time
	why   string
}

// note takes in a failed call that was begun at a time.
func (t *trouble) note(err error, began time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since.IsZero() {
		t.since = began
	}
	t.why = Words(err)
}

// end says that something was recorded.
func (t *trouble) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.since, t.why = time.Time{}, ""
}

func (t *trouble) now() (since time.Time, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.since, t.why
}
