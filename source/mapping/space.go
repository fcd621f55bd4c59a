package mapping

import (
	"bytes"
	"sync"
)

// space is what one record needs while it is mapped; it is used again for another.
type space struct {
	attributes object
	encoded    []byte
}

// keptSpace bounds the space that waits for another record, in bytes of an encoded item.
const keptSpace = 64 << 10

var spaces = sync.Pool{New: func() any { return &space{attributes: make(object, 0, 64), encoded: make([]byte, 0, 2048)} }}

// finish encodes the attributes, and keeps nothing of the record.
func (s *space) finish(attributes object) []byte {
	s.encoded = appendJSON(s.encoded[:0], attributes)
	item := bytes.Clone(s.encoded)
	clear(attributes)
	s.attributes = attributes[:0]
	if cap(s.encoded) <= keptSpace {
		spaces.Put(s)
	}
	return item
}
