package difference

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Hash is a digest of an item's mapped attributes: the first 16 bytes of SHA-256.
type Hash [16]byte

// Item is what a source says of an item, mapped for one destination.
type Item struct {
	ID string
	// Group names what the item belongs to, such as the product of a variant. A source
	// that deletes a group deletes its items.
	Group string
	// Attributes is a JSON object with the platform's own names. Equal items have equal
	// bytes: names sorted, numbers written in one way.
	Attributes json.RawMessage
	// ChangedAt is the source's own time of the item's last change. The zero value means
	// that the source names none; then the time of the snapshot counts.
	ChangedAt time.Time
}

// State is what is kept of an item at one destination. The zero value is an item that was
// never sent.
type State struct {
	// Hash is that of the attributes that were sent last; it means nothing while Gone.
	Hash Hash
	// Names are the attributes that were sent and not cleared since, sorted.
	Names []string
	Group string
	// Revision counts what was sent of the item.
	Revision int
	// ChangedAt is the time of the newest change that was sent, by the source's clock.
	ChangedAt time.Time
	// Gone reports that the item was deleted, or set out of stock because it was missing.
	Gone bool
	// Missing counts the snapshots in a row that lacked the item.
	Missing int
	// MissingAt is the time of the last snapshot that was counted in Missing.
	MissingAt time.Time
	// Doubtful reports that the state was intended, and that nobody knows whether it was sent:
	// a process ended in between. Names are then those that the item may have.
	Doubtful bool
	// SentAt is when something was sent of the item last, by the database's clock.
	SentAt time.Time
}

// Known reports whether the item was ever sent.
func (s State) Known() bool { return s.Revision > 0 }

// next is the revision of what is sent now. What was intended, and is found again, keeps its
// revision, so that the stream drops it where it has it.
func (s State) next(hash Hash, gone bool) int {
	if s.Doubtful && s.Hash == hash && s.Gone == gone {
		return s.Revision
	}
	return s.Revision + 1
}

// Intended is the state to keep before a change is published: that of the change, with all
// attributes that the item then may have. A process that ends in between leaves it.
func (c Change) Intended(known State) State {
	intended := c.State
	intended.Doubtful, intended.Missing = true, known.Missing
	intended.Names = slices.Compact(slices.Sorted(slices.Values(slices.Concat(known.Names, c.State.Names))))
	return intended
}

// Kind says what a comparison found.
type Kind uint8

// The kinds of a comparison.
const (
	// Unchanged needs nothing.
	Unchanged Kind = iota
	// Added is an item that was never sent, or was gone.
	Added
	// Changed is an item whose attributes differ from what was sent.
	Changed
	// Removed is an item that the source no longer has.
	Removed
	// Older is an item of which something newer than this snapshot was sent; nothing is
	// sent of it.
	Older
	// Refreshed is an item that did not change and was not sent for a long time.
	Refreshed
	// Awaited is an item that is missing, in fewer snapshots in a row than it takes to
	// count as removed; only its State changes.
	Awaited
)

var kindNames = [...]string{
	Unchanged: "unchanged", Added: "added", Changed: "changed", Removed: "removed", Older: "older", Refreshed: "refreshed", Awaited: "awaited",
}

func (k Kind) String() string { return kindNames[k] }

// Change is a mutation to be sent, with the State to keep once it is published. Without an
// Operation nothing is sent; State is kept all the same where it differs from the known one.
type Change struct {
	Kind      Kind
	ItemID    string
	Operation catalog.Operation
	// Attributes is nil for a DELETE.
	Attributes json.RawMessage
	// MutationID is the same whenever the same change is found from the same State, so
	// that the stream drops the repeat after a crash, and another one for every other change.
	MutationID string
	// Left are attributes that the source no longer has and the platform keeps, as
	// nothing clears them there.
	Left []string
	// Added and Gone are the names of attributes that the item did not have before, or has
	// no longer.
	Added, Gone []string
	State       State
}

// Publishes reports whether something is sent.
func (c Change) Publishes() bool { return c.Operation != 0 }

// Keeps reports whether State is to be kept in the place of the known one. Nearly all items
// of a snapshot need neither.
func (c Change) Keeps(known State) bool {
	return c.Publishes() || c.State.Gone != known.Gone || c.State.Missing != known.Missing || !c.State.MissingAt.Equal(known.MissingAt) || c.State.Group != known.Group ||
		!c.State.ChangedAt.Equal(known.ChangedAt)
}

// Missing says what becomes of an item that the source no longer has.
type Missing uint8

// What becomes of missing items.
const (
	// Delete removes the item from the platform.
	Delete Missing = iota
	// OutOfStock leaves the item on the platform and says that it cannot be bought.
	OutOfStock
	// Keep leaves the item as it is.
	Keep
)

// Route is one destination of a source, as far as the comparison goes.
type Route struct {
	// Source and Lane name the route in mutation ids.
	Source string
	Lane   catalog.Lane
	// Operation is what additions and changes are sent as: Upsert, or Update where the
	// destination has no UPSERT.
	Operation catalog.Operation
	// Replaces says that the operation is the whole item. Without it the platform keeps
	// what the operation leaves out, so that attributes that are gone are sent as null.
	Replaces bool
	// Clears reports whether null clears an attribute; nil: it clears each.
	Clears func(attribute string) bool
	// Missing says what becomes of missing items, after Runs snapshots in a row without
	// them; 0 means 1.
	Missing Missing
	Runs    int
	// Refresh is after how long an item is sent again though it did not change; 0 means
	// never. Now is the time that it is compared with.
	Refresh time.Duration
	Now     time.Time
	// Unavailable are the attributes that set an item out of stock at this destination.
	Unavailable json.RawMessage
}

// resolution is how exact times are kept: Postgres has microseconds.
const resolution = time.Microsecond

// ErrAttributes says that an item's attributes are not a JSON object.
var ErrAttributes = errors.New("the attributes are not a JSON object")

// Compare decides what the source's item changes. snapshot is when what the source says was
// true; it counts where the item has no time of its own. A caller refuses snapshots that are
// older than the last one: of what it finds unchanged, no time is kept, as that would be a
// write for each item.
func (r Route) Compare(item Item, known State, snapshot time.Time) (Change, error) {
	at := item.ChangedAt
	if at.IsZero() {
		at = snapshot
	}
	at = at.Truncate(resolution)
	change := Change{ItemID: item.ID, Kind: Unchanged, State: known}
	// That an item is back is news of the snapshot: it may come back as it was, with the time
	// of a change before it was gone.
	back := known.Gone && !known.ChangedAt.After(snapshot)
	if known.ChangedAt.After(at) && !back {
		change = Present(item.ID, known, snapshot)
		change.Kind = Older
		return change, nil
	}
	hash := hashOf(item.Attributes)
	same := known.Known() && !known.Gone && !known.Doubtful && known.Hash == hash
	stale := same && r.Refresh > 0 && !known.SentAt.IsZero() && r.Now.Sub(known.SentAt) >= r.Refresh
	if same && !stale {
		change.State.Missing, change.State.MissingAt, change.State.Group = 0, time.Time{}, item.Group
		if !item.ChangedAt.IsZero() {
			change.State.ChangedAt = at
		}
		return change, nil
	}
	names, err := namesOf(item.Attributes)
	if err != nil {
		return Change{}, err
	}
	switch {
	case stale:
		change.Kind = Refreshed
	case !known.Known() || known.Gone:
		change.Kind = Added
	default:
		change.Kind = Changed
	}
	change.Operation, change.Attributes = r.Operation, item.Attributes
	if change.Kind == Changed {
		change.Added, change.Gone = gone(names, known.Names), gone(known.Names, names)
	}
	if !r.Replaces {
		var cleared []string
		cleared, change.Left = r.clear(gone(known.Names, names))
		change.Attributes = withNulls(item.Attributes, cleared)
	}
	kept := names
	if len(change.Left) > 0 {
		kept = slices.Compact(slices.Sorted(slices.Values(slices.Concat(names, change.Left))))
	}
	change.State = State{Hash: hash, Names: kept, Group: item.Group, Revision: known.next(hash, false), ChangedAt: at}
	change.MutationID = r.mutationID(item.ID, change.State)
	return change, nil
}

// Present ends the row of snapshots that lacked an item: one has it. Nothing is sent, as what
// the snapshot says of the item cannot be.
func Present(itemID string, known State, snapshot time.Time) Change {
	change := Change{ItemID: itemID, Kind: Unchanged, State: known}
	if !known.MissingAt.After(snapshot) {
		change.State.Missing, change.State.MissingAt = 0, time.Time{}
	}
	return change
}

// Absent decides what it changes that a snapshot lacks an item.
func (r Route) Absent(itemID string, known State, snapshot time.Time) Change {
	change := Change{ItemID: itemID, Kind: Unchanged, State: known}
	switch {
	case !known.Known() || known.Gone && !known.Doubtful || r.Missing == Keep && !known.Gone:
		return change
	case known.ChangedAt.After(snapshot):
		change.Kind = Older
		return change
	}
	snapshot = snapshot.Truncate(resolution)
	missing := known.Missing
	if snapshot.After(known.MissingAt) { // a snapshot that is read once more counts once
		missing++
	}
	if missing < r.Runs {
		change.Kind = Awaited
		change.State.Missing, change.State.MissingAt = missing, snapshot
		return change
	}
	return r.remove(itemID, known, snapshot)
}

// Deleted decides what it changes that the source said at a time that an item is deleted.
func (r Route) Deleted(itemID string, known State, at time.Time) Change {
	at = at.Truncate(resolution)
	change := Change{ItemID: itemID, Kind: Unchanged, State: known}
	switch {
	case known.ChangedAt.After(at):
		change.Kind = Older
		return change
	case !known.Known():
		change.State.Gone = true // so that an older snapshot does not bring it
		fallthrough
	case known.Gone && !known.Doubtful || r.Missing == Keep && !known.Gone:
		change.State.ChangedAt = at
		return change
	}
	return r.remove(itemID, known, at)
}

func (r Route) remove(itemID string, known State, at time.Time) Change {
	change := Change{ItemID: itemID, Kind: Removed, Operation: catalog.Delete}
	change.State = State{Group: known.Group, Revision: known.next(Hash{}, true), ChangedAt: at, Gone: true}
	if r.Missing == OutOfStock {
		// The item stays, so that what was sent of it is cleared when it comes back without.
		change.Operation, change.Attributes = catalog.Update, r.Unavailable
		// What sets it out of stock is among that.
		names, err := namesOf(r.Unavailable)
		if err != nil {
			names = nil // a route without such attributes
		}
		change.State.Names = slices.Compact(slices.Sorted(slices.Values(slices.Concat(known.Names, names))))
	}
	change.MutationID = r.mutationID(itemID, change.State)
	return change
}

// mutationID digests what makes a change the same: where, of which item, the how many-th and
// with which content. JetStream drops a repeat within its duplicate window (two minutes by
// default), so a change back to a former content needs another id than the first time.
func (r Route) mutationID(itemID string, state State) string {
	digest := sha256.New()
	for _, part := range []string{r.Source, r.Lane.Account, r.Lane.Catalog, string(r.Lane.Type), itemID} {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(part))) //nolint:gosec // G115: names are short
		digest.Write(length[:])
		digest.Write([]byte(part))
	}
	var rest [9]byte
	binary.BigEndian.PutUint64(rest[:], uint64(state.Revision)) //nolint:gosec // G115: never negative
	if state.Gone {
		rest[8] = 1
	}
	digest.Write(rest[:])
	digest.Write(state.Hash[:])
	return "src-" + lower.EncodeToString(digest.Sum(nil)[:20])
}

var lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func hashOf(attributes json.RawMessage) Hash {
	sum := sha256.Sum256(attributes)
	return Hash(sum[:16])
}

// namesOf lists the top-level names of an object that have a value, sorted.
func namesOf(attributes json.RawMessage) ([]string, error) {
	object := gjson.ParseBytes(attributes)
	if !gjson.ValidBytes(attributes) || !object.IsObject() {
		return nil, fmt.Errorf("%w: %.60q", ErrAttributes, attributes)
	}
	var names, nulls []string
	object.ForEach(func(name, value gjson.Result) bool {
		if value.Type == gjson.Null {
			nulls = append(nulls, strings.Clone(name.Str))
		} else {
			names = append(names, strings.Clone(name.Str))
		}
		return true
	})
	slices.Sort(names)
	names = slices.Compact(names)
	if len(nulls) > 0 { // of a name that comes twice, the last value counts nowhere for sure
		names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(nulls, name) })
	}
	return names, nil
}

// clear tells the names that null clears from those that stay on the platform.
func (r Route) clear(names []string) (cleared, left []string) {
	for _, name := range names {
		if r.Clears == nil || r.Clears(name) {
			cleared = append(cleared, name)
		} else {
			left = append(left, name)
		}
	}
	return cleared, left
}

// gone lists the names of before that are not among now; both are sorted.
func gone(before, now []string) (left []string) {
	for _, name := range before {
		if _, found := slices.BinarySearch(now, name); !found {
			left = append(left, name)
		}
	}
	return left
}

// withNulls adds null members to an object. A name that the object has as null already is
// not added again.
func withNulls(attributes json.RawMessage, names []string) json.RawMessage {
	var members map[string]json.RawMessage
	if len(names) == 0 || json.Unmarshal(attributes, &members) != nil {
		return attributes
	}
	object := bytes.TrimRight(attributes, " \t\r\n")
	object = bytes.TrimRight(object[:len(object)-1], " \t\r\n")
	longer := slices.Clip(object)
	for i, name := range names {
		if _, there := members[name]; there {
			continue
		}
		if i > 0 || len(members) > 0 {
			longer = append(longer, ',')
		}
		quoted, _ := json.Marshal(name) //nolint:errchkjson // a string always marshals
		longer = append(longer, quoted...)
		longer = append(longer, ":null"...)
	}
	return append(longer, '}')
}
