package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// ErrPayload is returned for bytes that are not a payload, or one of a version
// that this program does not know.
var ErrPayload = errors.New("not a readable payload")

// payloadVersion is the first byte of a payload. Readers must go on knowing the
// versions before it for as long as rows of them may exist.
const payloadVersion = 1

// What a mutation's flags say is there.
const (
	flagSameLane      = 1 << iota // the lane of the mutation before it
	flagSameSubject               // the subject of the mutation before it
	flagLocalization              //
	flagAttributes                // not nil, and a piece of the data
	flagAttributesOwn             // not nil, but not a piece of the data: written out
	flagHasNull
	flagHasVersion
	flagTrace
	flagNoMerge
	flagWaitingRow
	flagDelivery // attempts, step, not before
	flagChecked
	flagMaybeApplied
	flagLine        // a line of a pack
	flagSameHeaders // those of the mutation before it, as the lines of a pack have
)

// EncodeRecords appends the records to dst in Courier's own framing: all there
// is to know of each constituent, with its raw message. Changes are not written:
// they follow from the constituents.
func EncodeRecords(dst []byte, records []catalog.Record) []byte {
	e := encoder{buf: append(dst, payloadVersion)}
	e.uint(uint64(len(records)))
	for i := range records {
		e.uint(uint64(len(records[i].Constituents)))
		for _, m := range records[i].Constituents {
			e.mutation(m)
		}
	}
	return e.buf
}

// DecodeRecords undoes EncodeRecords. Data and attributes alias payload, and
// each Change is left zero. The key of a record is that of its constituents.
func DecodeRecords(payload []byte) ([]catalog.Record, error) {
	d, err := newDecoder(payload)
	if err != nil {
		return nil, err
	}
	records := make([]catalog.Record, 0, d.count(minMutationBytes))
	for range cap(records) {
		n := d.count(minMutationBytes)
		if d.err == nil && n == 0 {
			d.fail("a record without a mutation")
		}
		constituents := make([]*catalog.Mutation, 0, n)
		for range n {
			constituents = append(constituents, d.mutation())
		}
		if d.err != nil {
			return nil, d.err
		}
		records = append(records, catalog.Record{Key: constituents[0].Key(), Constituents: constituents})
	}
	return records, d.end()
}

// ScanRecords calls see for each mutation of what EncodeRecords wrote, with the number of its
// record and whether it is the newest there. It is for those who only want to know which
// mutations there are: the Mutation is the same one each time, without message, attributes
// and headers.
func ScanRecords(payload []byte, see func(record int, newest bool, m *catalog.Mutation)) error {
	d, err := newDecoder(payload)
	if err != nil {
		return err
	}
	d.brief = new(catalog.Mutation)
	for record := range d.count(minMutationBytes) {
		n := d.count(minMutationBytes)
		if d.err == nil && n == 0 {
			d.fail("a record without a mutation")
		}
		for i := range n {
			m := d.mutation()
			if d.err != nil {
				return d.err
			}
			see(record, i == n-1, m)
		}
	}
	return d.end()
}

// EncodeMutation appends one mutation to dst, in the same framing.
func EncodeMutation(dst []byte, m *catalog.Mutation) []byte {
	e := encoder{buf: append(dst, payloadVersion)}
	e.mutation(m)
	return e.buf
}

// DecodeMutation undoes EncodeMutation. Data and attributes alias payload.
func DecodeMutation(payload []byte) (*catalog.Mutation, error) {
	d, err := newDecoder(payload)
	if err != nil {
		return nil, err
	}
	m := d.mutation()
	return m, d.end()
}

type encoder struct {
	buf     []byte
	lane    catalog.Lane
	subject string
	headers []catalog.Header
}

func (e *encoder) uint(v uint64) { e.buf = binary.AppendUvarint(e.buf, v) }
func (e *encoder) int(v int64)   { e.buf = binary.AppendVarint(e.buf, v) }

func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	e.buf = append(e.buf, s...)
}

// time writes a time to the nanosecond. The zero time is far outside the stream's
// range and gets through like any other.
func (e *encoder) time(t time.Time) {
	e.int(t.Unix())
	e.uint(uint64(t.Nanosecond())) //nolint:gosec // 0 to 999,999,999
}

func (e *encoder) mutation(m *catalog.Mutation) {
	offset, inside := attributesOffset(m)
	flags := e.flags(m, inside)
	e.uint(flags)
	e.text(m.ID)
	if flags&flagSameLane == 0 {
		e.lane = m.Lane
		e.text(m.Lane.Account)
		e.text(m.Lane.Catalog)
		e.text(string(m.Lane.Type))
	}
	e.text(m.ItemID)
	if flags&flagLocalization != 0 {
		e.text(m.Localization.Type)
		e.text(m.Localization.Value)
	}
	e.buf = append(e.buf, byte(m.Operation))
	e.int(m.Version)
	e.time(m.OccurredAt)
	e.time(m.PublishedAt)
	e.time(m.ReceivedAt)
	e.time(m.RecordedOn)
	e.int(m.Position.Generation)
	e.uint(m.Position.Sequence)
	if flags&flagLine != 0 {
		e.uint(uint64(m.Position.Line)) //nolint:gosec // not negative
	}
	if flags&flagTrace != 0 {
		e.text(m.TraceParent)
		e.text(m.TraceState)
	}
	if flags&flagDelivery != 0 {
		e.int(int64(m.Attempts))
		e.int(int64(m.SplitStep))
		e.time(m.NotBefore)
	}
	e.message(m, flags)
	switch {
	case flags&flagAttributes != 0:
		e.uint(uint64(offset)) //nolint:gosec // an offset is not negative
		e.uint(uint64(len(m.Attributes)))
	case flags&flagAttributesOwn != 0:
		e.text(string(m.Attributes))
	}
}

func (e *encoder) message(m *catalog.Mutation, flags uint64) {
	if flags&flagSameSubject == 0 {
		e.subject = m.Message.Subject
		e.text(m.Message.Subject)
	}
	if flags&flagSameHeaders == 0 {
		e.headers = m.Message.Headers
		e.uint(uint64(len(m.Message.Headers)))
		for _, header := range m.Message.Headers {
			e.text(header.Name)
			e.text(header.Value)
		}
	}
	e.uint(uint64(len(m.Message.Data)))
	e.buf = append(e.buf, m.Message.Data...)
}

func (e *encoder) flags(m *catalog.Mutation, attributesInside bool) uint64 {
	var flags uint64
	set := func(flag uint64, on bool) {
		if on {
			flags |= flag
		}
	}
	set(flagSameLane, m.Lane == e.lane)
	set(flagSameSubject, m.Message.Subject == e.subject)
	set(flagLocalization, !m.Localization.IsZero())
	set(flagAttributes, m.Attributes != nil && attributesInside)
	set(flagAttributesOwn, m.Attributes != nil && !attributesInside)
	set(flagHasNull, m.HasNull)
	set(flagHasVersion, m.HasVersion)
	set(flagTrace, m.TraceParent != "" || m.TraceState != "")
	set(flagNoMerge, m.NoMerge)
	set(flagWaitingRow, m.HasWaitingRow)
	set(flagChecked, m.Checked)
	set(flagMaybeApplied, m.MaybeApplied)
	set(flagLine, m.Position.Line > 0)
	set(flagSameHeaders, sameHeaders(m.Message.Headers, e.headers))
	set(flagDelivery, m.Attempts != 0 || m.SplitStep != 0 || !m.NotBefore.IsZero())
	return flags
}

// sameHeaders reports that two messages have one list of headers, as lines of a pack do.
func sameHeaders(a, b []catalog.Header) bool {
	return len(a) > 0 && len(a) == len(b) && &a[0] == &b[0]
}

// attributesOffset finds where the attributes lie in the message's data. They
// are a piece of it, so nothing has to be searched: two slices of one array that
// were cut without a limit end at the same capacity.
func attributesOffset(m *catalog.Mutation) (offset int, inside bool) {
	data, attributes := m.Message.Data, m.Attributes
	if len(attributes) == 0 || len(attributes) > len(data) {
		return 0, false
	}
	offset = cap(data) - cap(attributes)
	if offset >= 0 && offset+len(attributes) <= len(data) && &data[offset] == &attributes[0] {
		return offset, true
	}
	offset = bytes.Index(data, attributes)
	return offset, offset >= 0
}

// minMutationBytes is less than the smallest mutation takes. It bounds what a
// damaged count can make the decoder allocate.
const minMutationBytes = 20

type decoder struct {
	buf     []byte
	err     error
	lane    catalog.Lane
	subject string
	headers []catalog.Header
	names   map[string]string // header names seen, to share their memory
	brief   *catalog.Mutation // takes each mutation in turn, without its message; nil: each is new
}

func newDecoder(payload []byte) (*decoder, error) {
	if len(payload) == 0 || payload[0] != payloadVersion {
		return nil, fmt.Errorf("%w: unknown version", ErrPayload)
	}
	return &decoder{buf: payload[1:], names: make(map[string]string, 8)}, nil
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrPayload, what)
	}
	d.buf = nil
}

func (d *decoder) end() error {
	if d.err == nil && len(d.buf) != 0 {
		d.fail("bytes after the end")
	}
	return d.err
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.buf)
	if n <= 0 {
		d.fail("a number is cut off")
		return 0
	}
	d.buf = d.buf[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.buf)
	if n <= 0 {
		d.fail("a number is cut off")
		return 0
	}
	d.buf = d.buf[n:]
	return v
}

// count reads a number of things that take at least size bytes each.
func (d *decoder) count(size int) int {
	n := d.uint()
	if n > uint64(len(d.buf)/size) { //nolint:gosec // a length is not negative
		d.fail("a count is larger than what follows")
		return 0
	}
	return int(n) //nolint:gosec // bounded by the line above
}

// bytes reads a piece whose capacity ends with it, so that an append to it never
// runs into its neighbour.
func (d *decoder) bytes() []byte {
	n := d.count(1)
	piece := d.buf[:n:n]
	if d.err != nil {
		return nil
	}
	d.buf = d.buf[n:]
	return piece
}

func (d *decoder) text() string { return string(d.bytes()) }

func (d *decoder) time() time.Time {
	seconds, nanoseconds := d.int(), d.uint()
	if nanoseconds > 999_999_999 {
		d.fail("a time out of range")
		return time.Time{}
	}
	t := time.Unix(seconds, int64(nanoseconds)).UTC()
	if t.IsZero() {
		return time.Time{}
	}
	return t
}

func (d *decoder) small() int {
	v := d.int()
	if v < 0 || v > math.MaxInt32 {
		d.fail("a counter out of range")
		return 0
	}
	return int(v)
}

// line reads the number of a line.
func (d *decoder) line() int {
	v := d.uint()
	if v > math.MaxInt16 {
		d.fail("a line out of range")
		return 0
	}
	return int(v)
}

func (d *decoder) mutation() *catalog.Mutation {
	flags := d.uint()
	m := d.brief
	if m == nil {
		m = new(catalog.Mutation)
	}
	*m = catalog.Mutation{
		ID:            d.text(),
		HasNull:       flags&flagHasNull != 0,
		HasVersion:    flags&flagHasVersion != 0,
		NoMerge:       flags&flagNoMerge != 0,
		HasWaitingRow: flags&flagWaitingRow != 0,
		Checked:       flags&flagChecked != 0,
		MaybeApplied:  flags&flagMaybeApplied != 0,
	}
	if flags&flagSameLane == 0 {
		d.lane = catalog.Lane{Account: d.text(), Catalog: d.text(), Type: catalog.Type(d.text())}
	}
	m.Lane = d.lane
	m.ItemID = d.text()
	if flags&flagLocalization != 0 {
		m.Localization = catalog.Localization{Type: d.text(), Value: d.text()}
	}
	if len(d.buf) == 0 {
		d.fail("an operation is cut off")
		return m
	}
	m.Operation, d.buf = catalog.Operation(d.buf[0]), d.buf[1:]
	m.Version = d.int()
	m.OccurredAt, m.PublishedAt, m.ReceivedAt, m.RecordedOn = d.time(), d.time(), d.time(), d.time()
	m.Position = catalog.Position{Generation: d.int(), Sequence: d.uint()}
	if flags&flagLine != 0 {
		m.Position.Line = d.line()
	}
	if flags&flagTrace != 0 {
		m.TraceParent, m.TraceState = d.text(), d.text()
	}
	if flags&flagDelivery != 0 {
		m.Attempts, m.SplitStep, m.NotBefore = d.small(), d.small(), d.time()
	}
	d.message(m, flags)
	switch {
	case d.brief != nil:
		d.skipAttributes(flags)
	case flags&flagAttributes != 0:
		d.attributes(m)
	case flags&flagAttributesOwn != 0:
		m.Attributes = d.bytes()
	}
	return m
}

func (d *decoder) message(m *catalog.Mutation, flags uint64) {
	if flags&flagSameSubject == 0 {
		d.subject = d.text()
	}
	if d.brief != nil {
		if flags&flagSameHeaders == 0 {
			for range 2 * d.count(2) {
				d.bytes()
			}
		}
		d.bytes()
		return
	}
	m.Message.Subject = d.subject
	if flags&flagSameHeaders == 0 {
		d.headers = nil
		if n := d.count(2); n > 0 {
			d.headers = make([]catalog.Header, n)
			for i := range d.headers {
				d.headers[i] = catalog.Header{Name: d.name(), Value: d.text()}
			}
		}
	}
	m.Message.Headers = d.headers
	m.Message.Data = d.bytes()
}

func (d *decoder) skipAttributes(flags uint64) {
	switch {
	case flags&flagAttributes != 0:
		d.uint()
		d.uint()
	case flags&flagAttributesOwn != 0:
		d.bytes()
	}
}

func (d *decoder) name() string {
	raw := d.bytes()
	if known, ok := d.names[string(raw)]; ok {
		return known
	}
	name := string(raw)
	d.names[name] = name
	return name
}

func (d *decoder) attributes(m *catalog.Mutation) {
	offset, length := d.uint(), d.uint()
	size := uint64(len(m.Message.Data))
	if offset > size || length > size-offset {
		d.fail("attributes outside the message")
		return
	}
	m.Attributes = m.Message.Data[offset : offset+length]
}
