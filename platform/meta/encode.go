package meta

import (
	"github.com/catalog-courier/catalog-courier/catalog"
)

// maxFiller is how many spaces a variant adds at most.
const maxFiller = 64

// Overhead implements platform.Endpoint.
func (e *endpoint) Overhead() int {
	return e.dialect.headSize(e.row) + maxFiller + len("]}")
}

// RecordSize implements platform.Endpoint.
func (e *endpoint) RecordSize(key catalog.ItemKey, change catalog.Change) int {
	return e.dialect.recordSize(e.row, key, change) + len(",")
}

// Encode implements platform.Endpoint. A variant begins with another record and
// adds white space.
func (e *endpoint) Encode(dst []byte, group string, records []catalog.Record, variant int) ([]byte, error) {
	dst = e.dialect.appendHead(dst, e.row, group)
	for range variant % maxFiller {
		dst = append(dst, ' ')
	}
	for i := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = e.dialect.appendRecord(dst, e.row, &records[(i+variant)%len(records)]); err != nil {
			return nil, err
		}
	}
	return append(dst, "]}"...), nil
}
