package persistence_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

// TestIDsAsTheyAre sends ids in every form in which the program holds them, and gets them back.
func TestIDsAsTheyAre(t *testing.T) {
	t.Parallel()
	pool := newPool(t, persistencetest.Database(t))
	one, two := uuid.New(), uuid.New() // nobody changes them
	for name, mode := range map[string]pgx.QueryExecMode{"prepared": pgx.QueryExecModeCacheStatement, "simple": pgx.QueryExecModeSimpleProtocol} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var id, afterNull uuid.UUID
			var some, nothing *uuid.UUID
			var text string
			afterNull = two
			err := pool.QueryRow(t.Context(), "select $1::uuid, $2::uuid, $3::uuid, $4::uuid::text, null::uuid", mode, one, &two, nothing, one).
				Scan(&id, &some, &nothing, &text, &afterNull)
			require.NoError(t, err)
			require.Equal(t, one, id)
			require.Equal(t, &two, some)
			require.Nil(t, nothing)
			require.Equal(t, one.String(), text)
			require.Equal(t, two, afterNull, "null leaves it as it was")
		})
	}
	var list []uuid.UUID
	var withNull []*uuid.UUID
	err := pool.QueryRow(t.Context(), "select $1::uuid[], $2::uuid[]", []uuid.UUID{one, two}, []*uuid.UUID{&two, nil}).Scan(&list, &withNull)
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{one, two}, list)
	require.Equal(t, []*uuid.UUID{&two, nil}, withNull)
	var anything any
	require.NoError(t, pool.QueryRow(t.Context(), "select $1::uuid", one).Scan(&anything))
	require.Equal(t, [16]byte(one), anything)
	require.Error(t, pool.QueryRow(t.Context(), "select $1::uuid", 5).Scan(&anything), "a number is no id")
}

// BenchmarkID is what encoding an id costs beside all else of a statement.
func BenchmarkID(b *testing.B) {
	pool := newPool(b, persistencetest.Database(b))
	connection, err := pool.Acquire(b.Context())
	require.NoError(b, err)
	defer connection.Release()
	types, id := connection.Conn().TypeMap(), uuid.New()
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer, err = types.Encode(pgtype.UUIDOID, pgtype.BinaryFormatCode, id, buffer[:0])
	}
	require.NoError(b, err)
}
