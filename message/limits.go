package queue

import (
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Limits of a message. A longer value is refused, not cut.
const (
	// MaxBody is the longest body, in bytes.
	MaxBody = 1 << 20
	// MaxItemID is the longest item_id, in bytes. Platforms allow 100 to 127
	// characters for a part; this leaves room for a key of several parts.
	MaxItemID = 512
	// MaxID is the longest mutation id, in bytes.
	MaxID = 256
	// MaxLocalizationValue is the longest localization value, in bytes.
	MaxLocalizationValue = 64
	// MaxDepth is how deep objects and arrays may be nested.
	MaxDepth = 256
)

// RawMessage is a stream message before decoding. Decoding keeps parts of Data,
// which must not change afterwards.
type RawMessage struct {
	Subject    string // the producer's or the stored one
	Headers    map[string][]string
	Data       []byte
	Time       time.Time // the stream's timestamp
	Position   catalog.Position
	ReceivedAt time.Time
}
