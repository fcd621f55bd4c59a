package batcher

import (
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Lane tells the Batcher all it must know of one catalog type of one catalog: how
// its mutations merge, which may share a request, and how large a request may be.
// The functions must be pure.
type Lane struct {
	Key catalog.Lane
	// Scope is the send-quota scope whose turns the lane's groups share.
	Scope string
	// BaseLane holds the base items of the lane's localized items; the zero value
	// means this very lane.
	BaseLane catalog.Lane

	Rules catalog.Rules
	// Group names what else than the lane a request fixes; nil means that all
	// operations share a request.
	Group func(catalog.Operation) string
	// Change is a mutation's effective change (the rest of a split one); nil means
	// the mutation's own.
	Change func(*catalog.Mutation) catalog.Change
	// Size is an upper bound of the bytes a record adds to a body; nil counts the
	// attributes and the item id.
	Size func(catalog.ItemKey, catalog.Change) int
	// Overhead is an upper bound of the bytes of a body without records.
	Overhead int

	// MaxItems and MaxBytes are hard caps of one request. MaxItems 0 makes a lane
	// without a way out: it keeps what it is given, is never due, and has no cap.
	MaxItems int
	MaxBytes int
	// FullItems and FullBytes are how much makes a group due before its age does.
	// 0, or more than the cap, means the cap.
	FullItems int
	FullBytes int
	// MaxAge is how long the oldest mutation of a group may wait for company.
	MaxAge time.Duration
}
