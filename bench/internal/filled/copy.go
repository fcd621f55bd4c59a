package filled

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// rows are encoded for COPY in Postgres's binary format, by hand: the general way takes
// longer than the server does.
type rows struct{ buf []byte }

const copySignature = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

var (
	postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	copyEnd       = []byte{0xff, 0xff}
)

func (r *rows) begin(columns uint16) { r.buf = binary.BigEndian.AppendUint16(r.buf, columns) }
func (r *rows) null()                { r.buf = append(r.buf, 0xff, 0xff, 0xff, 0xff) }

func (r *rows) int8(v int64) {
	r.buf = binary.BigEndian.AppendUint64(append(r.buf, 0, 0, 0, 8), uint64(v)) //nolint:gosec // the same bits
}

func (r *rows) int4(v int) {
	r.buf = binary.BigEndian.AppendUint32(append(r.buf, 0, 0, 0, 4), uint32(v)) //nolint:gosec // the same bits
}

func (r *rows) int2(v int) {
	r.buf = binary.BigEndian.AppendUint16(append(r.buf, 0, 0, 0, 2), uint16(v)) //nolint:gosec // the same bits
}

func (r *rows) time(t time.Time) {
	if t.IsZero() {
		r.null()
		return
	}
	r.int8(t.UnixMicro() - postgresEpoch.UnixMicro())
}

func (r *rows) date(t time.Time) { r.int4(int((t.Unix() - postgresEpoch.Unix()) / 86400)) }

func (r *rows) uuid(id uuid.UUID) {
	if id == uuid.Nil {
		r.null()
		return
	}
	r.buf = append(append(r.buf, 0, 0, 0, 16), id[:]...)
}

func (r *rows) text(s string) {
	r.buf = append(binary.BigEndian.AppendUint32(r.buf, uint32(len(s))), s...) //nolint:gosec // short
}

func (r *rows) textOrNull(s string) {
	if s == "" {
		r.null()
		return
	}
	r.text(s)
}

func (r *rows) bytes(b []byte) {
	r.buf = append(binary.BigEndian.AppendUint32(r.buf, uint32(len(b))), b...) //nolint:gosec // short
}

// json writes a jsonb value: the version of its binary form is 1, and the text follows.
func (r *rows) json(text string) {
	if text == "" {
		r.null()
		return
	}
	r.buf = append(binary.BigEndian.AppendUint32(r.buf, uint32(len(text)+1)), 1) //nolint:gosec // short
	r.buf = append(r.buf, text...)
}

// array writes a one-dimensional array of elements of a type, each of which add appends.
func (r *rows) array(elementOID uint32, n int, add func(i int)) {
	at := len(r.buf)
	r.buf = append(r.buf, 0, 0, 0, 0)
	dimensions := uint32(0)
	if n > 0 {
		dimensions = 1
	}
	r.buf = binary.BigEndian.AppendUint32(r.buf, dimensions)
	r.buf = binary.BigEndian.AppendUint32(r.buf, 0)
	r.buf = binary.BigEndian.AppendUint32(r.buf, elementOID)
	if n > 0 {
		r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(n)) //nolint:gosec // short
		r.buf = binary.BigEndian.AppendUint32(r.buf, 1)
		for i := range n {
			add(i)
		}
	}
	binary.BigEndian.PutUint32(r.buf[at:], uint32(len(r.buf)-at-4)) //nolint:gosec // short
}

// The types of array elements.
const (
	oidUUID  = 2950
	oidText  = 25
	oidBytea = 17
)
