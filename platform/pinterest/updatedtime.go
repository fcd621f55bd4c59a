package pinterest

import (
	"strconv"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

// lastUpdatedTime is "the millisecond timestamp when the item was lastly modified
// by the merchant" (OpenAPI file): an attribute, and a member of the vertical
// body's DELETE. Whether Pinterest drops a change with an older one is not
// documented, so it is sent only where a setting asks for it.
const lastUpdatedTime = "last_updated_time"

// timed reports whether items of the type have a last_updated_time: in the OpenAPI
// file 5.23.0 those of RETAIL alone.
func (t *catalogType) timed() bool { return t.canMask(lastUpdatedTime) }

// updatedAt is the time to send with a record, in milliseconds since 1970; 0 for
// none. The newest change stands for those merged into it. What the producer says
// himself in the attributes is never overruled.
func (e *endpoint) updatedAt(record *catalog.Record) int64 {
	if !e.timed || len(record.Constituents) == 0 {
		return 0
	}
	occurred := record.Newest().OccurredAt
	if occurred.IsZero() {
		return 0
	}
	if operation := record.Change.Operation; !operation.NeedsAttributes() {
		if !e.form.timedDelete || operation != catalog.Delete {
			return 0
		}
	} else if _, said := rawjson.Find(record.Change.Attributes, lastUpdatedTime); said {
		return 0
	}
	return max(occurred.UnixMilli(), 0)
}

// appendTime appends the member, after a comma unless it is an object's first.
func appendTime(dst []byte, milliseconds int64) []byte {
	if milliseconds == 0 {
		return dst
	}
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return strconv.AppendInt(append(dst, `"`+lastUpdatedTime+`":`...), milliseconds, 10)
}
