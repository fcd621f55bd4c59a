package run

import (
	"crypto/sha256"
	"encoding/binary"
)

// MaxRoutes is how many routes a source can have.
const MaxRoutes = 32

// seen is which ids a snapshot has for which routes, and which record has each id last, in
// 24 bytes an id: a million items take some 50 MiB. An id is known by 16 bytes of its SHA-256.
type seen struct {
	ids    map[[16]byte]sighting
	counts [MaxRoutes]int // of ids, by route
}

type sighting struct {
	last   uint32 // number of the last record
	routes uint32 // a bit each
}

func newSeen() *seen { return &seen{ids: make(map[[16]byte]sighting)} }

// add notes an id of a route in a record. For one that the route had before, it returns the
// record that had it.
func (s *seen) add(route int, id string, number int64) (before int64, repeated bool) {
	key := keyOf(id)
	known := s.ids[key]
	repeated = known.routes&(1<<route) != 0
	before = int64(known.last)
	if !repeated {
		s.counts[route]++
	}
	s.ids[key] = sighting{last: shortened(number), routes: known.routes | 1<<route}
	return before, repeated
}

// again notes a record that a route does not have, and reports whether the route had its id
// before.
func (s *seen) again(route int, id string, number int64) bool {
	key := keyOf(id)
	known := s.ids[key]
	if known.routes&(1<<route) == 0 {
		return false
	}
	known.last = shortened(number)
	s.ids[key] = known
	return true
}

// drop takes an id away from a route.
func (s *seen) drop(route int, id string) {
	key := keyOf(id)
	known := s.ids[key]
	if known.routes&(1<<route) != 0 {
		known.routes &^= 1 << route
		s.ids[key] = known
		s.counts[route]--
	}
}

// last reports whether the record is the last one with its id.
func (s *seen) last(one spooled) bool { return s.ids[keyOf(one.item.ID)].last == shortened(one.number) }

func (s *seen) has(route int, id string) bool { return s.ids[keyOf(id)].routes&(1<<route) != 0 }

// count is how many ids a route has.
func (s *seen) count(route int) int { return s.counts[route] }

func shortened(number int64) uint32 { return uint32(min(number, 1<<32-1)) } //nolint:gosec // G115: bounded

func keyOf(id string) (key [16]byte) {
	sum := sha256.Sum256([]byte(id))
	binary.BigEndian.PutUint64(key[:8], binary.BigEndian.Uint64(sum[:8]))
	binary.BigEndian.PutUint64(key[8:], binary.BigEndian.Uint64(sum[8:16]))
	return key
}
