package persistence

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// maxPayload bounds what a payload may become when it is unpacked. A batch is far
// below: a platform's cap is some 30 MB.
const maxPayload = 1 << 30

// codec packs and unpacks payloads. It is safe for concurrent use.
type codec struct {
	pack   *zstd.Encoder
	unpack *zstd.Decoder
	// scratch keeps the buffers in which batches are laid out before they are packed.
	scratch *sync.Pool
}

// maxScratch is the largest buffer worth keeping: that of a full batch of ordinary
// items.
const maxScratch = 8 << 20

// window is how far back zstd looks for repetitions, in bytes. Records resemble their neighbours:
// a larger one packs no better, and takes 8 MiB of memory for each processor instead of 1 MiB.
const window = 512 << 10

func newCodec() (codec, error) {
	pack, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true), zstd.WithWindowSize(window))
	if err != nil {
		return codec{}, fmt.Errorf("preparing compression: %w", err)
	}
	unpack, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxPayload))
	if err != nil {
		return codec{}, fmt.Errorf("preparing decompression: %w", err)
	}
	return codec{pack: pack, unpack: unpack, scratch: &sync.Pool{New: func() any { return new([]byte) }}}, nil
}

func (c codec) close() {
	c.unpack.Close()
	_ = c.pack.Close() // nothing was streamed, so nothing can fail
}

func (c codec) packRecords(records []catalog.Record) []byte {
	scratch, _ := c.scratch.Get().(*[]byte)
	raw := ledger.EncodeRecords(slices.Grow((*scratch)[:0], payloadSize(records)), records)
	payload := c.pack.EncodeAll(raw, make([]byte, 0, len(raw)/4))
	if *scratch = raw; cap(raw) <= maxScratch {
		c.scratch.Put(scratch)
	}
	return payload
}

// unpackAsKept undoes packRecords, and nothing more.
func (c codec) unpackAsKept(payload []byte) ([]catalog.Record, error) {
	raw, err := c.unpack.DecodeAll(payload, nil)
	if err != nil {
		return nil, fmt.Errorf("unpacking a batch: %w", err)
	}
	return ledger.DecodeRecords(raw)
}

func (c codec) unpackRecords(payload []byte) ([]catalog.Record, error) {
	records, err := c.unpackAsKept(payload)
	if err != nil {
		return nil, err
	}
	for _, record := range records {
		for _, m := range record.Constituents {
			m.HasWaitingRow = false
			m.RecordedOn = recordedOn(m)
		}
	}
	return records, nil
}

// scanRecords calls see for each mutation of a batch: see ledger.ScanRecords. Nothing that
// see is given may be kept, apart from texts.
func (c codec) scanRecords(payload []byte, see func(record int, newest bool, m *catalog.Mutation)) error {
	scratch, _ := c.scratch.Get().(*[]byte)
	raw, err := c.unpack.DecodeAll(payload, (*scratch)[:0])
	if err != nil {
		return fmt.Errorf("unpacking a batch: %w", err)
	}
	err = ledger.ScanRecords(raw, see)
	if *scratch = raw; cap(raw) <= maxScratch {
		c.scratch.Put(scratch)
	}
	return err
}

func (c codec) packMutation(m *catalog.Mutation) []byte {
	raw := ledger.EncodeMutation(make([]byte, 0, encodedSize(m)), m)
	return c.pack.EncodeAll(raw, make([]byte, 0, len(raw)))
}

// unpackedSize is how many bytes a payload becomes, as it says itself; 0 when it does
// not say.
func unpackedSize(payload []byte) int {
	var header zstd.Header
	if header.Decode(payload) != nil || !header.HasFCS {
		return 0
	}
	return int(min(header.FrameContentSize, maxPayload))
}

func (c codec) unpackMutation(payload []byte) (*catalog.Mutation, error) {
	raw, err := c.unpack.DecodeAll(payload, nil)
	if err != nil {
		return nil, fmt.Errorf("unpacking a waiting mutation: %w", err)
	}
	m, err := ledger.DecodeMutation(raw)
	if err != nil {
		return nil, err
	}
	m.HasWaitingRow = true
	m.RecordedOn = recordedOn(m)
	return m, nil
}

func payloadSize(records []catalog.Record) int {
	size := 16
	for i := range records {
		for _, m := range records[i].Constituents {
			size += encodedSize(m)
		}
	}
	return size
}

// encodedSize is about how many bytes ledger.EncodeMutation writes, so that the buffer need not
// grow.
func encodedSize(m *catalog.Mutation) int {
	size := 160 + len(m.ID) + len(m.ItemID) + len(m.Message.Data)
	for _, header := range m.Message.Headers {
		size += len(header.Name) + len(header.Value) + 4
	}
	return size
}

// lineOf is the column's form of the line of a place.
func lineOf(p catalog.Position) int16 { return int16(p.Line) } //nolint:gosec // at most message.MaxPackLines

// recordedOn is the day whose partition holds, or will hold, the mutation's row.
// For a new row it depends on nothing but the mutation, so that a transaction
// that is repeated names the same day.
func recordedOn(m *catalog.Mutation) time.Time {
	if !m.RecordedOn.IsZero() {
		return m.RecordedOn
	}
	return day(m.ReceivedAt)
}

func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// clean makes text that Postgres takes: valid UTF-8 without NUL. What a producer
// sends in a message that is refused may be anything.
func clean(text string) string {
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// cleanOrNull is clean with nil for the empty text.
func cleanOrNull(text string) *string {
	if text == "" {
		return nil
	}
	return new(clean(text))
}

// timeOrNull is nil for the zero time.
func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// localizationText is the column's form of a localization: TYPE/value.
func localizationText(l catalog.Localization) string {
	if l.IsZero() {
		return ""
	}
	return clean(l.Type + "/" + l.Value)
}

func localizationOf(text string) catalog.Localization {
	if text == "" {
		return catalog.Localization{}
	}
	kind, value, _ := strings.Cut(text, "/")
	return catalog.Localization{Type: kind, Value: value}
}

func anchor(generation, sequence, messageNs int64, messageID string) ledger.Anchor {
	a := ledger.Anchor{
		Position:  catalog.Position{Generation: generation, Sequence: uint64(sequence)}, //nolint:gosec // written from one
		MessageID: messageID,
	}
	if messageNs != 0 {
		a.Time = time.Unix(0, messageNs).UTC()
	}
	return a
}

// nanoseconds is the exact form of a stream timestamp; 0 for the zero time.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
