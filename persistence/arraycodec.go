package persistence

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// arrayCodec encodes a slice of T in one loop. Without it pgx puts each element into an
// interface and looks up how to encode it: half of what the index of items allocates.
type arrayCodec[T any] struct {
	pgtype.ArrayCodec

	appendElement func(buf []byte, value T) []byte // its length first
	size          func(values []T) int             // bytes of all elements, without their lengths
}

// registerArrays makes a connection use the codec for the slices that statements take. Other
// values of these types are encoded by pgx.
func registerArrays(types *pgtype.Map) {
	registerArray(types, pgtype.TextArrayOID, "text", appendText, textBytes)
	registerArray(types, pgtype.Int2ArrayOID, "int2", appendInt16, bytesEach[int16](2))
	registerArray(types, pgtype.Int4ArrayOID, "int4", appendInt32, bytesEach[int32](4))
	registerArray(types, pgtype.Int8ArrayOID, "int8", appendInt64, bytesEach[int64](8))
	registerArray(types, pgtype.TimestamptzArrayOID, "timestamptz", appendTime, bytesEach[time.Time](8))
	registerArray(types, pgtype.UUIDArrayOID, "uuid", appendUUID, bytesEach[uuid.UUID](16))
}

func registerArray[T any](types *pgtype.Map, oid uint32, of string, appendElement func(buf []byte, value T) []byte, size func(values []T) int) {
	elementType, _ := types.TypeForName(of) // pgx has them all
	types.RegisterType(&pgtype.Type{
		Name: "_" + of, OID: oid, Codec: &arrayCodec[T]{pgtype.ArrayCodec{ElementType: elementType}, appendElement, size},
	})
}

func textBytes(values []string) (size int) {
	for _, value := range values {
		size += len(value)
	}
	return size
}

func bytesEach[T any](each int) func(values []T) int {
	return func(values []T) int { return each * len(values) }
}

// PlanEncode is that of ArrayCodec, and takes a []T or, with nulls, a []*T.
func (c *arrayCodec[T]) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format == pgtype.BinaryFormatCode {
		switch value.(type) {
		case []T, []*T:
			return c
		}
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

// Encode appends a []T or a []*T. A nil slice is null, as it is for pgx.
func (c *arrayCodec[T]) Encode(value any, buf []byte) ([]byte, error) {
	switch values := value.(type) {
	case []T:
		if values == nil {
			return nil, nil
		}
		const length = 4
		buf = slices.Grow(buf, arrayHeader+length*len(values)+c.size(values)) // else it doubles, and is copied, again and again
		buf = c.appendHeader(buf, len(values), false)
		for i := range values {
			buf = c.appendElement(buf, values[i])
		}
		return buf, nil
	case []*T:
		if values == nil {
			return nil, nil
		}
		buf = c.appendHeader(buf, len(values), slices.Contains(values, nil))
		for _, value := range values {
			if value == nil {
				buf = appendNull(buf)
			} else {
				buf = c.appendElement(buf, *value)
			}
		}
		return buf, nil
	default:
		return nil, fmt.Errorf("a %T is not an array of %s", value, c.ElementType.Name)
	}
}

// arrayHeader is how many bytes come before the elements.
const arrayHeader = 20

// appendHeader begins an array as Postgres's array_recv reads it: how many dimensions it has,
// whether there are nulls, the type of the elements; then length and lower bound of each
// dimension. An empty array has none.
func (c *arrayCodec[T]) appendHeader(buf []byte, elements int, nulls bool) []byte {
	var dimensions, hasNulls uint32
	if elements > 0 {
		dimensions = 1
	}
	if nulls {
		hasNulls = 1
	}
	buf = binary.BigEndian.AppendUint32(buf, dimensions)
	buf = binary.BigEndian.AppendUint32(buf, hasNulls)
	buf = binary.BigEndian.AppendUint32(buf, c.ElementType.OID)
	if dimensions == 0 {
		return buf
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(elements)) //nolint:gosec // a message has less than 1 GiB
	return binary.BigEndian.AppendUint32(buf, 1)
}
