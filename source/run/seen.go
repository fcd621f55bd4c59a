package run

import (
	"crypto/sha256"
	"encoding/binary"
)

// MaxRoutes is how many routes a source can have.
const MaxRoutes = 32

// seen is which ids a snapshot has for which routes, with the place where each was first, in
// 24 bytes an id: a million items take some 50 MiB. An id is known by 16 bytes of its SHA-256.
type seen struct {
	ids map[[16]byte]sighting
}

type sighting struct {
	place  uint32
	routes uint32 // a bit each
}

func newSeen() *seen { return &seen{ids: make(map[[16]byte]sighting)} }

// add notes an id of a route. For one that was there before it returns its first place.
func (s *seen) add(route int, id string, place int64) (first int64, repeated bool) {
	key := keyOf(id)
	known, found := s.ids[key]
	if known.routes&(1<<route) != 0 {
		return int64(known.place), true
	}
	known.routes |= 1 << route
	if !found {
		known.place = uint32(min(place, 1<<32-1)) //nolint:gosec // G115: bounded
	}
	s.ids[key] = known
	return 0, false
}

func (s *seen) has(route int, id string) bool { return s.ids[keyOf(id)].routes&(1<<route) != 0 }

func keyOf(id string) (key [16]byte) {
	sum := sha256.Sum256([]byte(id))
	binary.BigEndian.PutUint64(key[:8], binary.BigEndian.Uint64(sum[:8]))
	binary.BigEndian.PutUint64(key[8:], binary.BigEndian.Uint64(sum[8:16]))
	return key
}
