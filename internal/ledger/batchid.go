package ledger

import (
	"time"

	"github.com/google/uuid"
)

// NewBatchID makes the id of a batch that begins at a time, to the millisecond. The
// time says where the rows of the batch are, so that it is the time given and not what
// the library makes of it: after the clock was ahead once, that would go on from there
// for as long as the clock was ahead.
func NewBatchID(at time.Time) uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	milliseconds := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(milliseconds >> (8 * (5 - i))) //nolint:gosec // one byte of them
	}
	return id
}
