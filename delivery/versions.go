package delivery

import (
	"context"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// versions holds the newest versions of items that were seen lately. The store
// has them all; what counts here is what it does not have yet, or still had when it was
// read: of a counter that ended since.
//
// A version is recorded together with the mutation that sets it, never before: a new
// owner that found it alone would take the older changes, which it reads again, for
// overtaken. For the same reason what it overtakes is recorded together with it at the
// earliest.
type versions struct {
	young map[catalog.ItemKey]knownVersion
	old   map[catalog.ItemKey]knownVersion
	since time.Time // when young was begun
	asked time.Time // before the store was asked for the versions admitted last

	// late are the newest versions of changes that waited for a configuration, where
	// newer ones, behind them in the stream, were seen before they were read back. They
	// count for what stands between.
	late map[catalog.ItemKey]knownVersion

	// carried are the versions that no transaction has yet, by the position of the
	// mutation that sets them.
	carried map[catalog.Position]*carriedVersion
	// pins counts by item the versions that no transaction is known to have recorded:
	// they are not forgotten.
	pins map[catalog.ItemKey]int
	// heldBytes is the memory of the mutations that wait for a carried version.
	heldBytes int64

	// unweighed are mutations of the page that is being taken in whose versions nobody has
	// compared yet.
	unweighed map[*catalog.Mutation]bool
}

// carriedVersion is a version whose mutation has no row yet, with the mutations that it
// overtakes.
type carriedVersion struct {
	version   ledger.ItemVersion
	overtaken []*catalog.Mutation
}

// knownVersion is the newest version of an item that was seen here.
type knownVersion struct {
	version    int64
	mutationID string
	position   catalog.Position
	// A DELETE at endedAt ended the counter; until another version was seen, nothing
	// else is known.
	ended   bool
	endedAt catalog.Position
	none    bool
}

// versionsAge is how long a version is remembered at least.
const versionsAge = time.Minute

// versionsKept is how many versions may be remembered for longer.
const versionsKept = 100_000

func newVersions() versions {
	return versions{
		young: map[catalog.ItemKey]knownVersion{}, late: map[catalog.ItemKey]knownVersion{},
		carried: map[catalog.Position]*carriedVersion{}, pins: map[catalog.ItemKey]int{},
	}
}

func (v *versions) find(key catalog.ItemKey) (knownVersion, bool) {
	if known, ok := v.young[key]; ok {
		return known, true
	}
	known, ok := v.old[key]
	return known, ok
}

// before is the newest version of the item that was set before the position in the
// stream, if its counter was not ended since.
func (v *versions) before(key catalog.ItemKey, position catalog.Position) (knownVersion, bool) {
	if known, ok := v.find(key); ok && !known.none && known.position.Compare(position) < 0 {
		return known, true
	}
	known, ok := v.late[key]
	return known, ok && known.position.Compare(position) < 0
}

// forgetLate forgets what counted while a lane was read back.
func (v *versions) forgetLate(lane catalog.Lane) {
	for key := range v.late {
		if key.Lane == lane {
			delete(v.late, key)
		}
	}
}

// saw notes the newest version of an item.
func (v *versions) saw(key catalog.ItemKey, known knownVersion, now time.Time) {
	v.rotate(now)
	if have, ok := v.find(key); ok && have.ended && !known.ended {
		known.ended, known.endedAt = true, have.endedAt
	}
	// Keys and ids are pieces of messages, which they would keep in memory.
	known.mutationID = strings.Clone(known.mutationID)
	key.ItemID = strings.Clone(key.ItemID)
	key.Localization.Type, key.Localization.Value = strings.Clone(key.Localization.Type), strings.Clone(key.Localization.Value)
	v.young[key] = known
}

// rotate forgets what was noted long ago, recorded since, and cannot be contradicted by
// what is still to be admitted: that was read from the store later.
func (v *versions) rotate(now time.Time) {
	if len(v.young) < versionsKept || now.Sub(v.since) < versionsAge || !v.asked.After(v.since) {
		return
	}
	forgotten := v.old
	v.old, v.young, v.since = v.young, map[catalog.ItemKey]knownVersion{}, now
	for key := range v.pins {
		known, ok := forgotten[key]
		if _, newer := v.old[key]; ok && !newer {
			v.young[key] = known
		}
	}
}

// learn takes in what was read from the store, perhaps a while ago.
func (v *versions) learn(read map[catalog.ItemKey]ledger.ItemVersion, now time.Time) {
	for key, stored := range read {
		have, ok := v.find(key)
		if have.ended && stored.Position.Compare(have.endedAt) <= 0 {
			continue // it was read before the counter ended
		}
		if !ok || have.none || stored.Newer(have.of(key)) {
			v.saw(key, knownVersion{version: stored.Version, mutationID: stored.MutationID, position: stored.Position}, now)
		}
	}
}

// of is the version as it is stored.
func (k knownVersion) of(key catalog.ItemKey) ledger.ItemVersion {
	return ledger.ItemVersion{Key: key, Version: k.version, MutationID: k.mutationID, Position: k.position}
}

// reset ends the item's counter. What was set behind the DELETE belongs to the next.
func (v *versions) reset(ended ledger.ItemVersion, now time.Time) {
	known, ok := v.find(ended.Key)
	if !ok || known.none || known.of(ended.Key).EndedBy(ended) {
		known = knownVersion{none: true}
	}
	known.ended, known.endedAt = true, ended.Position
	if late, ok := v.late[ended.Key]; ok && late.of(ended.Key).EndedBy(ended) {
		delete(v.late, ended.Key)
	}
	v.saw(ended.Key, known, now)
}

// forget lets go of the version of a mutation that is a dead letter.
func (v *versions) forget(m *catalog.Mutation) {
	for _, known := range []map[catalog.ItemKey]knownVersion{v.young, v.old, v.late} {
		if known[m.Key()].position == m.Position {
			delete(known, m.Key())
		}
	}
}

// pin keeps the item's version from being forgotten, until it is unpinned as often.
func (v *versions) pin(key catalog.ItemKey) { v.pins[key]++ }

func (v *versions) unpin(key catalog.ItemKey, now time.Time) {
	if v.pins[key]--; v.pins[key] == 0 {
		delete(v.pins, key)
	}
	if known, ok := v.find(key); ok {
		v.saw(key, known, now) // a reading that began before the commit may still arrive
	}
}

// lookUpVersions reads what the store knows of the items of mutations whose versions
// are to be compared, in one query. asked is before the reading began.
func (s *storeCalls) lookUpVersions(ctx context.Context, arrivals []catalog.Arrival) (known map[catalog.ItemKey]ledger.ItemVersion, asked time.Time, err error) {
	var keys []catalog.ItemKey
	for i := range arrivals {
		if m := arrivals[i].Mutation; arrivals[i].Problem == nil && weighed(m) {
			keys = append(keys, m.Key())
		}
	}
	return s.versionsOf(ctx, keys)
}

func (s *storeCalls) versionsOf(ctx context.Context, keys []catalog.ItemKey) (known map[catalog.ItemKey]ledger.ItemVersion, asked time.Time, err error) {
	asked = time.Now()
	if len(keys) == 0 {
		return nil, asked, nil
	}
	known, err = s.readKnownVersions(ctx, keys)
	return known, asked, err
}

// weighed reports that the newest version of the mutation's item matters to it.
func weighed(m *catalog.Mutation) bool { return m.HasVersion || m.Operation == catalog.Delete }

// overtakes finds the newer version that makes the mutation superfluous: one that was
// set before it in the stream. A DELETE without a version takes the newest before it:
// when it succeeds, the counter that it found ends.
func (v *versions) overtakes(m *catalog.Mutation) (by knownVersion, overtaken bool) {
	if !weighed(m) {
		return knownVersion{}, false
	}
	have, ok := v.before(m.Key(), m.Position)
	switch {
	case !ok:
		return knownVersion{}, false
	case !m.HasVersion:
		m.Version, m.HasVersion = have.version, true
		return knownVersion{}, false
	default:
		return have, m.Version < have.version
	}
}

// supersede records a mutation as overtaken, but not before the one that overtakes it:
// should that not be recorded by this owner, the next reads both again and judges for
// itself.
func (e *Engine) supersede(m *catalog.Mutation, by knownVersion) {
	if carried := e.versions.carried[by.position]; carried != nil && m.RecordedOn.IsZero() {
		carried.overtaken = append(carried.overtaken, m)
		e.versions.heldBytes += int64(m.Size())
		return
	}
	e.jobs.next.tx.Stale = append(e.jobs.next.tx.Stale, ledger.StaleVersion{Mutation: m, SupersededBy: by.mutationID})
	e.jobs.next.note(m)
}

// carry notes the version of a mutation that is on its way. It is recorded when the
// mutation is.
func (e *Engine) carry(m *catalog.Mutation, now time.Time) {
	key := m.Key()
	set := ledger.ItemVersion{Key: key, Version: m.Version, MutationID: m.ID, Position: m.Position}
	known := knownVersion{version: m.Version, mutationID: m.ID, position: m.Position}
	if have, ok := e.versions.find(key); !ok || have.none || set.Newer(have.of(key)) {
		e.versions.saw(key, known, now)
	} else if late, ok := e.versions.late[key]; !ok || set.Newer(late.of(key)) {
		e.versions.late[key] = known
	}
	if !m.RecordedOn.IsZero() { // it waited for a configuration
		e.jobs.next.tx.Versions = append(e.jobs.next.tx.Versions, set)
		return
	}
	e.versions.carried[m.Position] = &carriedVersion{version: set}
	e.versions.pin(key)
}

// writeVersions adds to a job the versions of the mutations that it records, and what
// they overtake.
func (e *Engine) writeVersions(j *job) {
	if len(e.versions.carried) == 0 {
		return
	}
	var written []catalog.ItemKey
	write := func(ms []*catalog.Mutation) {
		for _, m := range ms {
			carried := e.versions.carried[m.Position]
			if carried == nil {
				continue
			}
			delete(e.versions.carried, m.Position)
			j.tx.Versions = append(j.tx.Versions, carried.version)
			written = append(written, carried.version.Key)
			for _, overtaken := range carried.overtaken {
				j.tx.Stale = append(j.tx.Stale, ledger.StaleVersion{Mutation: overtaken, SupersededBy: m.ID})
				e.versions.heldBytes -= int64(overtaken.Size())
			}
			j.note(carried.overtaken...)
		}
	}
	for b := range j.tx.Batches {
		for r := range j.tx.Batches[b].Records {
			write(j.tx.Batches[b].Records[r].Constituents)
		}
	}
	write(j.tx.Waiting)
	if len(written) == 0 {
		return
	}
	j.after(func() { e.onVersionsRecorded(written) })
}

// onVersionsRecorded lets versions be forgotten that the store has.
func (e *Engine) onVersionsRecorded(written []catalog.ItemKey) {
	now := time.Now()
	for _, key := range written {
		e.versions.unpin(key, now)
	}
	e.updateBudget()
}

// overtakenReadBack compares a mutation that is read back with the versions before it,
// and records it as overtaken where one is newer. Between the rows of a lane may be some
// that waited for a configuration and whose versions count only now.
func (e *Engine) overtakenReadBack(m *catalog.Mutation) bool {
	fresh, own := e.versions.unweighed[m], m.HasVersion
	by, ok := e.versions.overtakes(m)
	if ok && (fresh || by.position != (catalog.Position{})) {
		e.handOn(m, by)
		e.supersede(m, by)
		return true
	}
	if fresh && own {
		e.carry(m, time.Now())
	}
	return false
}

// handOn takes back the version of a mutation that is overtaken after all: what it was
// to overtake is overtaken by the other.
func (e *Engine) handOn(m *catalog.Mutation, by knownVersion) {
	carried := e.versions.carried[m.Position]
	if carried == nil {
		return
	}
	delete(e.versions.carried, m.Position)
	e.versions.unpin(m.Key(), time.Now())
	for _, overtaken := range carried.overtaken {
		e.versions.heldBytes -= int64(overtaken.Size())
		e.supersede(overtaken, by)
	}
}
