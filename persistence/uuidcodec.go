package persistence

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// uuidCodec takes ids as they are. Without it pgx asks an id for its text, fails to encode
// the text, parses it and encodes what that gives: a tenth of what a batch of one mutation
// costs this process.
type uuidCodec struct{ pgtype.UUIDCodec }

// registerUUIDs makes a connection use the codec; registerArrays does so for arrays.
func registerUUIDs(types *pgtype.Map) {
	types.RegisterType(&pgtype.Type{Name: "uuid", OID: pgtype.UUIDOID, Codec: uuidCodec{}})
}

// PlanEncode is that of UUIDCodec, and takes a uuid.UUID.
func (c uuidCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(uuid.UUID); ok && format == pgtype.BinaryFormatCode {
		return encodeUUID{}
	}
	return c.UUIDCodec.PlanEncode(m, oid, format, value)
}

// PlanScan is that of UUIDCodec, and fills a uuid.UUID.
func (c uuidCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if _, ok := target.(*uuid.UUID); ok && format == pgtype.BinaryFormatCode {
		return scanUUID{}
	}
	return c.UUIDCodec.PlanScan(m, oid, format, target)
}

type encodeUUID struct{}

func (encodeUUID) Encode(value any, buf []byte) ([]byte, error) {
	id, ok := value.(uuid.UUID)
	if !ok {
		return nil, fmt.Errorf("a %T is no uuid", value)
	}
	return append(buf, id[:]...), nil
}

type scanUUID struct{}

// Scan leaves the id as it is where the value is null, as uuid.UUID's own Scan does.
func (scanUUID) Scan(src []byte, dst any) error {
	id, ok := dst.(*uuid.UUID)
	switch {
	case !ok:
		return fmt.Errorf("a %T is no place for a uuid", dst)
	case src == nil:
		return nil
	case len(src) != len(id):
		return fmt.Errorf("a uuid has %d bytes, not %d", len(id), len(src))
	}
	copy(id[:], src)
	return nil
}
