package run

import (
	"crypto/sha256"
	"encoding/binary"
)

// seen is which ids a snapshot has, with the place where each was first, in about 32 bytes
// an id: a million items take some 60 MiB at worst. An id is known by 16 bytes of its SHA-256.
type seen struct {
	places map[[16]byte]uint32
}

func newSeen() *seen { return &seen{places: make(map[[16]byte]uint32)} }

// add notes an id. For one that was there before it returns its first place.
func (s *seen) add(id string, place int64) (first int64, repeated bool) {
	key := keyOf(id)
	if first, repeated := s.places[key]; repeated {
		return int64(first), true
	}
	s.places[key] = uint32(min(place, 1<<32-1)) //nolint:gosec // G115: bounded
	return 0, false
}

func (s *seen) has(id string) bool {
	_, found := s.places[keyOf(id)]
	return found
}

func keyOf(id string) (key [16]byte) {
	sum := sha256.Sum256([]byte(id))
	binary.BigEndian.PutUint64(key[:8], binary.BigEndian.Uint64(sum[:8]))
	binary.BigEndian.PutUint64(key[8:], binary.BigEndian.Uint64(sum[8:16]))
	return key
}
