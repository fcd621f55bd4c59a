package persistence

import (
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"
)

// arrayCodec encodes a slice of T in one loop. Without it pgx puts each element into an
// interface and looks up how to encode it: half of what the index of items allocates.
type arrayCodec[T any] struct {
	pgtype.ArrayCodec

	appendElement func(buf []byte, value T) []byte // its length first
}

// registerArrays makes a connection use the codec for the slices that statements take. Other
// values of these types, such as slices with nulls, are encoded by pgx.
func registerArrays(types *pgtype.Map) {
	registerArray(types, pgtype.TextArrayOID, "text", appendText)
	registerArray(types, pgtype.Int2ArrayOID, "int2", appendInt16)
	registerArray(types, pgtype.Int4ArrayOID, "int4", appendInt32)
	registerArray(types, pgtype.Int8ArrayOID, "int8", appendInt64)
	registerArray(types, pgtype.TimestamptzArrayOID, "timestamptz", appendTime)
	registerArray(types, pgtype.UUIDArrayOID, "uuid", appendUUID)
}

func registerArray[T any](types *pgtype.Map, oid uint32, of string, appendElement func(buf []byte, value T) []byte) {
	elementType, _ := types.TypeForName(of) // pgx has them all
	types.RegisterType(&pgtype.Type{Name: "_" + of, OID: oid, Codec: &arrayCodec[T]{pgtype.ArrayCodec{ElementType: elementType}, appendElement}})
}

// PlanEncode is that of ArrayCodec, and takes a []T.
func (c *arrayCodec[T]) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.([]T); ok && format == pgtype.BinaryFormatCode {
		return c
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

// Encode appends a []T as Postgres's array_recv reads it: dimensions, whether it has nulls,
// the type of the elements; length and lower bound of the dimension; each element after its
// length. A nil slice is null, as it is for pgx.
func (c *arrayCodec[T]) Encode(value any, buf []byte) ([]byte, error) {
	values, ok := value.([]T)
	if !ok {
		return nil, fmt.Errorf("a %T is no %T", value, values)
	}
	if values == nil {
		return nil, nil
	}
	dimensions := uint32(min(len(values), 1)) // an empty array has none
	buf = binary.BigEndian.AppendUint32(buf, dimensions)
	buf = binary.BigEndian.AppendUint32(buf, 0)
	buf = binary.BigEndian.AppendUint32(buf, c.ElementType.OID)
	if dimensions == 0 {
		return buf, nil
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(values))) //nolint:gosec // a message has less than 1 GiB
	buf = binary.BigEndian.AppendUint32(buf, 1)
	for i := range values {
		buf = c.appendElement(buf, values[i])
	}
	return buf, nil
}
