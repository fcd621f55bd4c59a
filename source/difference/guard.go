package difference

import "fmt"

// Counts is what a comparison of a whole snapshot with what was sent found, for one route.
type Counts struct {
	// Known is how many items the destination had before: sent and not gone.
	Known     int `json:"known"`
	Read      int `json:"read"`
	Added     int `json:"added"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	// Refreshed did not change and were not sent for long.
	Refreshed int `json:"refreshed"`
	Removed   int `json:"removed"`
	// Awaited are missing for fewer snapshots in a row than it takes to remove them.
	Awaited int `json:"awaited"`
	// Older are items of which something newer was sent than the snapshot says.
	Older int `json:"older"`
	// FilteredOut are records that the route's filter leaves out.
	FilteredOut int `json:"filtered_out"`
	// Invalid are items that could not be mapped; they are neither sent nor missing.
	Invalid int `json:"invalid"`
}

// Count adds one comparison.
func (c *Counts) Count(kind Kind) {
	switch kind {
	case Unchanged:
		c.Unchanged++
	case Added:
		c.Added++
	case Changed:
		c.Changed++
	case Removed:
		c.Removed++
	case Older:
		c.Older++
	case Refreshed:
		c.Refreshed++
	case Awaited:
		c.Awaited++
	}
}

// Guard protects a destination from a mass delete that nobody meant: an export that lost
// half of its rows looks like a shop that deleted half of its items.
type Guard struct {
	// Items and Percent are how many removals of one snapshot are let through. More than
	// both withholds all of them; what is added and changed goes. Percent is of the items
	// that the destination had before.
	Items   int
	Percent float64
	// AllowEmpty lets a snapshot without items remove everything, within the limits.
	AllowEmpty bool
	// Known is how many items the destination had when removals were withheld first; 0 while
	// none are. What was added since does not make them a smaller part.
	Known int
	// NewIDs says that most ids are new on purpose.
	NewIDs bool
}

// DefaultGuard withholds removals of more than 50 items and more than 10 % of them: small
// shops may delete half of what they have, large ones thousands, and a broken export does
// neither.
var DefaultGuard = Guard{Items: 50, Percent: 10}

// Decision is what the guard says of a snapshot's removals.
type Decision uint8

// The decisions.
const (
	// Allowed lets everything go.
	Allowed Decision = iota
	// Withheld lets additions and changes go and waits with removals for an approval.
	Withheld
	// Stopped lets nothing go.
	Stopped
)

var decisionNames = [...]string{Allowed: "allowed", Withheld: "withheld", Stopped: "stopped"}

func (d Decision) String() string { return decisionNames[d] }

// Check decides about one route's counts, and says why when not everything goes. approved is
// the highest number of removals that somebody approved; 0 when nobody did. It is a limit,
// not a licence: more removals than approved are withheld again, and it lifts no Stopped.
func (g Guard) Check(counts Counts, approved int) (Decision, string) {
	if counts.Read == 0 && counts.Known > 0 && !g.AllowEmpty {
		return Stopped, fmt.Sprintf("the source has no items, and %d were sent before: nothing is deleted. If it is empty on purpose, set allow_empty", counts.Known)
	}
	if scheme := !g.NewIDs && counts.Known > 0 && 2*counts.Added > counts.Read && 2*(counts.Removed+counts.Awaited) > counts.Known; scheme {
		return Stopped, fmt.Sprintf("%d of %d items are new and %d of %d are gone: the item ids have probably changed. Nothing is sent. "+
			"Check the id column and item_id of the source; if the new ids are right: enqueue feed migrate", counts.Added, counts.Read, counts.Removed+counts.Awaited, counts.Known)
	}
	known := counts.Known
	if g.Known > 0 {
		known = min(known, g.Known)
	}
	if counts.Removed <= g.Items || float64(counts.Removed) <= g.Percent/100*float64(known) {
		return Allowed, ""
	}
	if counts.Removed <= approved {
		return Allowed, ""
	}
	share := 100 * float64(counts.Removed) / float64(known)
	why := fmt.Sprintf("%d of %d items (%.1f %%) are missing, more than %d items and %g %%: they are not deleted until somebody approves", counts.Removed, known, share, g.Items, g.Percent)
	if approved > 0 {
		why += fmt.Sprintf("; %d deletes were approved, and it is more now", approved)
	}
	return Withheld, why
}
