package persistence_test

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
)

// Large mutations make short pages: memory is bounded by bytes, not by rows.
func TestPagesAreBoundedByBytes(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	tx := ledgertest.Transaction(lease)
	const rows = 24
	for sequence := range uint64(rows) {
		m := ledgertest.Mutation(sequence+1, "big")
		m.Message.Data = make([]byte, 1<<20) // bytes that do not compress
		_, err := rand.Read(m.Message.Data)
		require.NoError(t, err)
		m.Attributes = nil
		tx.Waiting = append(tx.Waiting, m)
	}
	require.NoError(t, store.Commit(t.Context(), lease, tx))

	var after catalog.Position
	read, pages := 0, 0
	for more := true; more; pages++ {
		page, err := store.Waiting(t.Context(), ledgertest.Lane, after, 5000)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Mutations), 9)
		read += len(page.Mutations)
		if more = page.More; more {
			after = page.Mutations[len(page.Mutations)-1].Position
		}
		require.Less(t, pages, rows)
	}
	require.Equal(t, rows, read)
	require.Greater(t, pages, 2)
}
