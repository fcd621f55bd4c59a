package delivery

import (
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/ledger"
)

// versions holds the newest versions of items that were seen lately. The store
// has them all; what counts here is what it may not have yet, or still has of a
// counter that was reset.
type versions struct {
	young map[catalog.ItemKey]knownVersion
	old   map[catalog.ItemKey]knownVersion
	since time.Time // when young was begun
}

// knownVersion is the newest version of an item that was seen here.
type knownVersion struct {
	version    int64
	mutationID string
	// A DELETE ended the counter when it had come to endedAt; until another version
	// was seen, nothing else is known.
	ended   bool
	endedAt int64
	none    bool
}

// versionsAge is how long a version is remembered at least: the time in which it
// is surely in the store, and in which an older reading of the store may arrive.
const versionsAge = time.Minute

// versionsKept is how many versions may be remembered for longer.
const versionsKept = 100_000

func newVersions() versions {
	return versions{young: map[catalog.ItemKey]knownVersion{}}
}

func (v *versions) find(key catalog.ItemKey) (knownVersion, bool) {
	if known, ok := v.young[key]; ok {
		return known, true
	}
	known, ok := v.old[key]
	return known, ok
}

// newest is the newest version of the item, if its counter was not ended since.
func (v *versions) newest(key catalog.ItemKey) (knownVersion, bool) {
	known, ok := v.find(key)
	return known, ok && !known.none
}

// saw notes the newest version of an item.
func (v *versions) saw(key catalog.ItemKey, known knownVersion, now time.Time) {
	if len(v.young) >= versionsKept && now.Sub(v.since) >= versionsAge {
		v.old, v.young, v.since = v.young, map[catalog.ItemKey]knownVersion{}, now
	}
	if have, ok := v.find(key); ok && have.ended && !known.ended {
		known.ended, known.endedAt = true, have.endedAt
	}
	v.young[key] = known
}

// learn takes in what was read from the store, perhaps a while ago.
func (v *versions) learn(read map[catalog.ItemKey]ledger.ItemVersion, now time.Time) {
	for key, stored := range read {
		have, ok := v.find(key)
		if have.ended && stored.Version <= have.endedAt {
			continue // it was read before the counter ended
		}
		if !ok || have.none || stored.Version > have.version {
			v.saw(key, knownVersion{version: stored.Version, mutationID: stored.MutationID}, now)
		}
	}
}

// reset ends the item's counter, unless a newer version was seen meanwhile.
func (v *versions) reset(ended ledger.ItemVersion, now time.Time) {
	if have, ok := v.find(ended.Key); !ok || have.none || have.version <= ended.Version {
		v.saw(ended.Key, knownVersion{ended: true, endedAt: ended.Version, none: true}, now)
	}
}
