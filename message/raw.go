package message

import (
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Raw is a stream message before decoding. Decoding keeps parts of Data, which must not
// change afterwards.
type Raw struct {
	Subject    string // the producer's or the stored one
	Headers    map[string][]string
	Data       []byte
	Time       time.Time // the stream's timestamp
	Position   catalog.Position
	ReceivedAt time.Time
}
