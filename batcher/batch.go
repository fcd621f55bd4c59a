package batcher

import "github.com/catalog-courier/catalog-courier/catalog"

// FlushReason says why a batch was cut when it was.
type FlushReason uint8

// The reasons to cut a batch.
const (
	FlushAge   FlushReason = iota + 1 // its oldest mutation had waited long enough
	FlushCount                        // enough records
	FlushBytes                        // enough bytes
)

func (r FlushReason) String() string {
	switch r {
	case FlushAge:
		return "age"
	case FlushCount:
		return "count"
	case FlushBytes:
		return "bytes"
	default:
		return "unknown"
	}
}

// Batch is what one request will carry: at most one record per item, within the
// lane's caps, oldest items first.
type Batch struct {
	Lane    catalog.Lane
	Group   string
	Records []catalog.Record
	// Bytes is an upper bound of the encoded body.
	Bytes  int
	Reason FlushReason
}
