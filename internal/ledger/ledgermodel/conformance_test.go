package ledgermodel_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
)

// TestModelConforms: the suite that the store on Postgres passes too.
func TestModelConforms(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(t *testing.T) ledgertest.Harness {
		t.Helper()
		const partitions = 4
		store := ledgermodel.New()
		store.EnsurePartitions(partitions)
		return ledgertest.Harness{
			Store: store, Positions: store, Outbox: store, Leases: store, Partitions: partitions,
			People:  func(t *testing.T) ledgertest.People { t.Helper(); return store },
			Acquire: func(t *testing.T, partition int) ledger.Lease { t.Helper(); return store.Acquire(partition) },
			Answers: func(t *testing.T, batch uuid.UUID) []string { t.Helper(); return store.Answers(batch) },
			Statuses: func(t *testing.T) map[string]string {
				t.Helper()
				found := map[string]string{}
				for _, m := range store.Mutations() {
					found[m.ID] = string(m.Status)
				}
				return found
			},
		}
	})
}
