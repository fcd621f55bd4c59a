package batcher

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Lane tells the Batcher all it must know of one catalog type of one catalog: how
// its mutations merge, which may share a request, and how large a request may be.
// The functions must be pure, but for Overtaken.
type Lane struct {
	Key catalog.Lane
	// Sender names whoever calls the platform for the lane: its due groups take turns with
	// those of the sender's other lanes.
	Sender string
	// BaseLane holds the base items of the lane's localized items; the zero value
	// means this very lane. An item and its localizations are sent in the order of
	// their changes.
	BaseLane catalog.Lane

	Rules catalog.MergeRules
	// Group names what else than the lane a request fixes; nil means that all
	// operations share a request.
	Group func(catalog.Operation) string
	// Change is a mutation's effective change (the rest of a split one); nil means
	// the mutation's own.
	Change func(*catalog.Mutation) catalog.Change
	// OneRecord reports whether one record can carry the change. Mutations do not
	// merge into a change that would have to be split; nil means that every change
	// fits one record.
	OneRecord func(catalog.Change) bool
	// Size is an upper bound of the bytes a record adds to a body; nil counts the
	// item id and the attributes.
	Size func(catalog.ItemKey, catalog.Change) int
	// Overhead is an upper bound of the bytes of a body without records.
	Overhead int

	// Overtaken reports that a mutation is not to be sent any more: whoever says so has
	// taken it over. It is asked once of each that Load takes in and of the buffered ones
	// behind them, in order, because what Load brings may be older than they are. Nil
	// means none.
	Overtaken func(*catalog.Mutation) bool

	// MaxItems and MaxBytes are hard caps of one request; MaxBytes 0 means none.
	// MaxItems 0 makes a lane without a way out: it keeps what it is given and is
	// never due.
	MaxItems int
	MaxBytes int
	// FullItems and FullBytes are how much makes a group due before its age does.
	// 0, or more than the cap, means the cap.
	FullItems int
	FullBytes int
	// MaxAge is how long the oldest mutation of a group may wait for company.
	MaxAge time.Duration
}

func (l Lane) withDefaults() Lane {
	if l.BaseLane == (catalog.Lane{}) {
		l.BaseLane = l.Key
	}
	if l.Overtaken == nil {
		l.Overtaken = func(*catalog.Mutation) bool { return false }
	}
	if l.Group == nil {
		l.Group = func(catalog.Operation) string { return "" }
	}
	if l.Change == nil {
		l.Change = (*catalog.Mutation).Change
	}
	if l.Size == nil {
		l.Size = func(key catalog.ItemKey, change catalog.Change) int {
			return len(key.ItemID) + len(change.Attributes)
		}
	}
	l.FullItems = min(cmp.Or(l.FullItems, l.MaxItems), l.MaxItems)
	l.FullBytes = cmp.Or(l.FullBytes, l.MaxBytes)
	if l.MaxBytes > 0 {
		l.FullBytes = min(l.FullBytes, l.MaxBytes)
	}
	return l
}

// lane is the state of a Lane.
type lane struct {
	Lane
	sender *sender
	paused bool

	// plain has the items that are not localized, which are nearly all: a map of
	// strings is half the size of a map of item keys.
	plain     map[string]*item
	localized map[localizedName]*item
	// translations are the localized items by item id.
	translations map[string][]*item
	groups       map[string]*group
	// base is the lane of BaseLane, nil until it is known; localizers are the lanes,
	// perhaps this very one too, whose base lane this is.
	base       *lane
	localizers []*lane
	// parked are the items with waiting work that are in no group.
	parked itemList
	// blocked are, by item id, the items that wait for an older change on the other
	// side: items of this lane for their localizations, and localizations, of any
	// lane, for items of this one.
	blocked map[string][]*item

	// While spilled, cursor is how far waiting rows are loaded, floor is known to be no
	// newer than any row that is not (zero: nothing is known), and buffer has the
	// arrivals since, oldest first; the first bufferTaken of them have been given
	// out to be stored.
	spilled     bool
	cursor      catalog.Position
	floor       catalog.Position
	buffer      []*catalog.Mutation
	bufferTaken int

	waiting     int // mutations, those in buffer included
	unpersisted int // items with waiting mutations that have no waiting row
	bytes       int
}

type localizedName struct {
	id           string
	localization catalog.Localization
}

func (l *lane) find(id string, localization catalog.Localization) *item {
	if localization.IsZero() {
		return l.plain[id]
	}
	return l.localized[localizedName{id, localization}]
}

func (l *lane) create(id string, localization catalog.Localization) *item {
	id = strings.Clone(id) // a piece of its first message, which it would keep in memory
	it := &item{lane: l, id: id, index: noSlot}
	if localization.IsZero() {
		l.plain[id] = it
		return it
	}
	own := catalog.Localization{Type: strings.Clone(localization.Type), Value: strings.Clone(localization.Value)} // a copy, so that plain items do not pay for it
	it.localization = &own
	l.localized[localizedName{id, own}] = it
	l.translations[id] = append(l.translations[id], it)
	return it
}

func (l *lane) forget(it *item) {
	if it.localization == nil {
		delete(l.plain, it.id)
		return
	}
	delete(l.localized, localizedName{it.id, *it.localization})
	if left := without(l.translations[it.id], it); len(left) > 0 {
		l.translations[it.id] = left
	} else {
		delete(l.translations, it.id)
	}
}

// without takes an item out of a short list; the order of the others may change.
func without(items []*item, gone *item) []*item {
	i := slices.Index(items, gone)
	if i < 0 {
		return items
	}
	last := len(items) - 1
	items[i], items[last] = items[last], nil
	return items[:last]
}

// items calls visit for every item; visit may forget items.
func (l *lane) items(visit func(*item)) {
	for _, it := range l.plain {
		visit(it)
	}
	for _, it := range l.localized {
		visit(it)
	}
}

// mayHold reports whether mutations older than the position may wait that are not
// known by item.
func (l *lane) mayHold(position catalog.Position) bool {
	return l.spilled && (l.cursor.Compare(position) < 0 && l.floor.Compare(position) < 0 ||
		len(l.buffer) > 0 && l.buffer[0].Position.Compare(position) < 0)
}

// stopped reports whether nothing of the lane may be cut.
func (l *lane) stopped() bool { return l.paused || l.MaxItems == 0 }

// fits reports whether a body with only this record keeps the cap.
func (l *lane) fits(size int32) bool {
	return l.MaxBytes <= 0 || l.Overhead+int(size) <= l.MaxBytes
}

// size is Size, kept small: a message is at most 1 MiB, and a record that Size
// says takes more than 2 GiB fits no request either way.
func (l *lane) size(key catalog.ItemKey, change catalog.Change) int32 {
	return int32(min(l.Size(key, change), math.MaxInt32)) //nolint:gosec // G115: bounded
}

// mergeEach lays the entry's constituents over the change, one after the other.
func (l *lane) mergeEach(change catalog.Change, newer *entry) (catalog.Change, bool) {
	if len(newer.constituents) == 1 {
		return l.Rules.Merge(change, newer.change)
	}
	for _, m := range newer.constituents {
		merged, ok := l.Rules.Merge(change, l.Change(m))
		if !ok {
			return catalog.Change{}, false
		}
		change = merged
	}
	return change, true
}

// single is the entry of one mutation.
func (l *lane) single(m *catalog.Mutation) entry {
	change := l.Change(m)
	return entry{
		change:       change,
		constituents: []*catalog.Mutation{m},
		size:         l.size(m.Key(), change),
		payload:      int32(min(m.Message.Size(), math.MaxInt32)), //nolint:gosec // G115: bounded
		notBefore:    nanos(m.NotBefore),
	}
}
