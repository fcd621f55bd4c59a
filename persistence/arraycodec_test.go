package persistence_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

// TestArraysAsTheyAre sends slices of every type that has a codec of its own, and gets them back.
func TestArraysAsTheyAre(t *testing.T) {
	t.Parallel()
	pool := newPool(t, persistencetest.Database(t))
	ids := []uuid.UUID{uuid.New(), uuid.New()}
	checkArray(t, pool, "text[]", []string{"", "ä", `a "quoted", {braced} \ NULL`}, func(s string) *string { return &s })
	checkArray(t, pool, "smallint[]", []int16{-32768, 0, 32767}, func(n int16) *int16 { return &n })
	checkArray(t, pool, "integer[]", []int32{-1 << 31, 0, 1<<31 - 1}, func(n int32) *int32 { return &n })
	checkArray(t, pool, "bigint[]", []int64{-1 << 63, 0, 1<<63 - 1}, func(n int64) *int64 { return &n })
	checkArray(t, pool, "uuid[]", ids, func(id uuid.UUID) *uuid.UUID { return &id })
	checkArray(t, pool, "timestamptz[]", []time.Time{time.Unix(0, 1000).UTC(), time.Date(1999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)},
		func(at time.Time) *time.Time { return &at })
	var at []time.Time
	finer := []time.Time{time.Date(2026, 3, 1, 0, 0, 0, 1999, time.FixedZone("CET", 3600))}
	require.NoError(t, pool.QueryRow(t.Context(), "select $1::timestamptz[]", finer).Scan(&at))
	require.Equal(t, []time.Time{time.Date(2026, 2, 28, 23, 0, 0, 1000, time.UTC)}, at, "cut off to microseconds, in UTC")
	require.Error(t, pool.QueryRow(t.Context(), "select $1::bigint[]", []string{"x"}).Scan(&at), "a text is not a number")
}

func checkArray[T any](t *testing.T, pool *pgxpool.Pool, of string, values []T, pointer func(T) *T) {
	t.Helper()
	var all, none, null []T
	var count *int
	err := pool.QueryRow(t.Context(), "select $1::"+of+", $2::"+of+", $3::"+of+", cardinality($3::"+of+")", values, []T{}, []T(nil)).
		Scan(&all, &none, &null, &count)
	require.NoError(t, err, of)
	require.Equal(t, values, all, of)
	require.Equal(t, []T{}, none, of)
	require.Nil(t, null, of)
	require.Nil(t, count, "%s: null and not empty", of)
	for _, pointers := range [][]*T{{pointer(values[0]), nil}, {nil, pointer(values[1]), nil}, {pointer(values[1])}, {nil}, {}, nil} {
		var got []*T
		require.NoError(t, pool.QueryRow(t.Context(), "select $1::"+of, pointers).Scan(&got), of)
		require.Equal(t, pointers, got, of)
	}
}

// BenchmarkArrays is what encoding a text and a time of each of 1,000 items costs.
func BenchmarkArrays(b *testing.B) {
	pool := newPool(b, persistencetest.Database(b))
	connection, err := pool.Acquire(b.Context())
	require.NoError(b, err)
	defer connection.Release()
	types, texts, times := connection.Conn().TypeMap(), make([]string, 1000), make([]time.Time, 1000)
	for i := range texts {
		texts[i], times[i] = "item-000001", time.Now()
	}
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer, err = types.Encode(pgtype.TextArrayOID, pgtype.BinaryFormatCode, texts, buffer[:0])
		require.NoError(b, err)
		buffer, err = types.Encode(pgtype.TimestamptzArrayOID, pgtype.BinaryFormatCode, times, buffer[:0])
		require.NoError(b, err)
	}
}
