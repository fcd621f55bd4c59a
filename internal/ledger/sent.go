package ledger

import (
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
)

// ErrOtherHistory says that what is noted outside the store about a partition was
// noted by somebody whose transactions this owner does not know: another database
// goes on with the partition, or this one lost its last commits. Nothing may be sent.
var ErrOtherHistory = errors.New("another history of the partition has been noted: two databases are in use, or this one lost its last commits")

// Sent is what is noted of a partition outside the store before anything is sent, so
// that a store which loses its last commits is found out: it does not know the
// transaction. A number would not do, as the same numbers come again.
type Sent struct {
	// Transaction is the last one that announced a POST; zero: nothing was ever sent.
	Transaction uuid.UUID
	// Commits counts the partition's transactions, for people.
	Commits int64
	// Slowest is how long the slowest recent batch took: how long to wait follows from
	// it, and the store may have lost it.
	Slowest time.Duration
}

// Knows reports whether a transaction noted outside the store is in the history that
// the resumption is of. An owner that ended between its commit and the note left the
// note of a transaction before.
func (r *Resumption) Knows(transaction uuid.UUID) bool {
	return transaction == r.Sent || slices.Contains(r.Noted, transaction)
}
