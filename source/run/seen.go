package run

import (
	"crypto/sha256"
	"encoding/binary"
)

// MaxRoutes is how many routes a source can have.
const MaxRoutes = 32

// seen is which ids a snapshot has for which routes, and which record has each id last, in
// 24 bytes an id and language: a million items take some 50 MiB. An id is known by 16 bytes of
// its SHA-256.
type seen struct {
	routes []Route
	ids    map[[16]byte]sighting
	counts [MaxRoutes]int // of ids, by route
	// before is the record before this one, number, of each id that it repeats: every route
	// asks, and the first one already notes this record.
	before map[[16]byte]uint32
	number uint32
}

type sighting struct {
	last   uint32 // number of the last record
	routes uint32 // a bit each
}

func newSeen(routes []Route) *seen {
	return &seen{routes: routes, ids: make(map[[16]byte]sighting), before: make(map[[16]byte]uint32)}
}

// add notes an id of a route in a record. For one that the route had before, it returns the
// record that had it.
func (s *seen) add(route int, id string, number int64) (before int64, repeated bool) {
	key := s.key(route, id)
	known := s.ids[key]
	repeated = known.routes&(1<<route) != 0
	before = s.recordBefore(key, known, shortened(number))
	if !repeated {
		s.counts[route]++
	}
	s.ids[key] = sighting{last: shortened(number), routes: known.routes | 1<<route}
	return before, repeated
}

// again notes a record that a route does not have, and reports whether the route had its id
// before.
func (s *seen) again(route int, id string, number int64) bool {
	key := s.key(route, id)
	known := s.ids[key]
	if known.routes&(1<<route) == 0 {
		return false
	}
	s.recordBefore(key, known, shortened(number))
	known.last = shortened(number)
	s.ids[key] = known
	return true
}

// recordBefore is the last record with an id before the record with a number, 0 for none.
func (s *seen) recordBefore(key [16]byte, known sighting, number uint32) int64 {
	if s.number != number {
		s.number = number
		clear(s.before)
	}
	if known.last != 0 && known.last != number {
		s.before[key] = known.last
	}
	return int64(s.before[key])
}

// drop takes an id away from a route.
func (s *seen) drop(route int, id string) {
	key := s.key(route, id)
	known := s.ids[key]
	if known.routes&(1<<route) != 0 {
		known.routes &^= 1 << route
		s.ids[key] = known
		s.counts[route]--
	}
}

// last reports whether the record is the last one with its id.
func (s *seen) last(one spooled) bool {
	return s.ids[s.key(one.route, one.item.ID)].last == shortened(one.number)
}

func (s *seen) has(route int, id string) bool { return s.ids[s.key(route, id)].routes&(1<<route) != 0 }

// count is how many ids a route has.
func (s *seen) count(route int) int { return s.counts[route] }

func shortened(number int64) uint32 { return uint32(min(number, 1<<32-1)) } //nolint:gosec // G115: bounded

// key is that of an id among the records of a route's language: an id may have a record in
// each language, and each of them is the last one of its own.
func (s *seen) key(route int, id string) (key [16]byte) {
	if language := s.routes[route].Language; language != "" {
		id = language + "\x00" + id
	}
	sum := sha256.Sum256([]byte(id))
	binary.BigEndian.PutUint64(key[:8], binary.BigEndian.Uint64(sum[:8]))
	binary.BigEndian.PutUint64(key[8:], binary.BigEndian.Uint64(sum[8:16]))
	return key
}
