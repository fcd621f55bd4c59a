package ledger

import (
	"context"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// AccountHealth is how the calls of an account go, for people: the engine goes by its own
// memory.
type AccountHealth struct {
	Account string
	// SucceededAt is when a call last succeeded, zero when none is known to have.
	SucceededAt time.Time
	// FailingSince is when the first call failed since the last that got a usable answer;
	// zero while calls work. Reason and NextTry are of the last.
	FailingSince time.Time
	Reason       string
	NextTry      time.Time
	// PacedUntil is when the next POST may go where the pace within a quota holds it up for
	// long; zero otherwise. PacedBy is the scope of that quota. Where nothing at all is sent
	// until then, for a reason of this side, Withheld says why, and PacedBy is empty.
	PacedUntil time.Time
	PacedBy    string
	Withheld   string
}

// StrayLane is a lane that the owner of its partition cannot send anything of.
type StrayLane struct {
	Lane    catalog.Lane
	Problem string // for people
	Since   time.Time
	// InvalidAt is when what waits becomes invalid; zero where nothing does.
	InvalidAt time.Time
}

// MomentLayout is how sentences have a time, in UTC, as the views have it (courier.moment).
const MomentLayout = "2006-01-02 15:04:05 UTC"

// Standing is the part of a Store that tells people how things are. What it writes
// decides nothing.
type Standing interface {
	// SaveHealth writes how calls go. An account that was failing and still is keeps the
	// time since when it is. A lease that is lost writes nothing, which is no error.
	SaveHealth(ctx context.Context, lease Lease, accounts []AccountHealth) error
	// SaveStrays writes which lanes of the partition are stray: those named, and no other.
	// A lane without any row is not known and left out. A lease that is lost writes
	// nothing, which is no error.
	SaveStrays(ctx context.Context, lease Lease, lanes []StrayLane) error
	// EndRemoval forgets an account that somebody asked to have removed, once nothing of
	// it is open or waits and no running worker has it configured; otherwise it does
	// nothing, and says so.
	EndRemoval(ctx context.Context, account string) (removed bool, err error)
}
