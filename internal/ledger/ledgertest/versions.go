//nolint:thelper // these are tests, not helpers: a failure is where it happens
package ledgertest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// versionAt is a version of item a or of its Polish localization, as the mutation at a
// place in the stream sets it.
func versionAt(m *catalog.Mutation, version int64) ledger.ItemVersion {
	m.Version, m.HasVersion = version, true
	return ledger.ItemVersion{Key: m.Key(), Version: version, MutationID: m.ID, Position: m.Position}
}

func versions(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	key := catalog.ItemKey{Lane: Lane, ItemID: "a"}
	polish := key
	polish.Localization = catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}
	see := func(versions ...ledger.ItemVersion) {
		tx := Transaction(lease)
		for _, version := range versions {
			m := Mutation(version.Position.Sequence, "a")
			m.Position, m.Localization = version.Position, version.Key.Localization
			m.Version, m.HasVersion = version.Version, true
			tx.Waiting = append(tx.Waiting, m)
		}
		tx.Versions = versions
		commit(t, h, lease, tx)
	}
	read := func() map[catalog.ItemKey]ledger.ItemVersion {
		known, err := h.Store.NewestVersions(t.Context(), []catalog.ItemKey{key, polish, {Lane: Lane, ItemID: "unknown"}})
		require.NoError(t, err)
		return known
	}
	at := func(sequence uint64, version int64) ledger.ItemVersion {
		return versionAt(Mutation(sequence, "a"), version)
	}
	require.Empty(t, read())
	polishOne := at(4, 1)
	polishOne.Key = polish
	see(at(1, 3), at(2, 5))
	see(at(3, 4), polishOne)
	require.Equal(t, map[catalog.ItemKey]ledger.ItemVersion{key: at(2, 5), polish: polishOne}, read())

	see(at(7, 5), at(6, 5))
	require.Equal(t, at(7, 5), read()[key], "of equal ones the later in the stream")
	see(at(5, 5))
	require.Equal(t, at(7, 5), read()[key], "in whatever order they are written")

	reset := func(sequence uint64, version int64) {
		batch := record(t, h, lease, Record(Mutation(sequence+100, "a")))
		ended := outcome(batch)
		ended.ResetVersions = []ledger.ItemVersion{at(sequence, version)}
		tx := Transaction(lease)
		tx.Outcomes = []ledger.BatchOutcome{ended}
		commit(t, h, lease, tx)
	}
	reset(8, 4)
	require.Equal(t, at(7, 5), read()[key], "a newer version was seen since the delete")
	reset(6, 5)
	require.Equal(t, at(7, 5), read()[key], "it was set behind the delete")
	reset(8, 5)
	require.NotContains(t, read(), key)
	require.Contains(t, read(), polish)

	see(at(9, 1))
	other := at(2, 1)
	other.Position.Generation = 1
	see(other)
	require.Equal(t, other, read()[key], "a later generation is later in the stream")
	reset(200, 1)
	require.Contains(t, read(), key, "whatever its sequence is")
}
