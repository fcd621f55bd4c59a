package delivery_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
)

// TestChangesOfTwoCurrenciesOfMeta: an item of Meta's endpoint batch has one currency
// for both of its prices, so that two changes which each bring another go one after
// the other.
func TestChangesOfTwoCurrenciesOfMeta(t *testing.T) {
	scenario(t, func(w *world) {
		simulated := metasim.New(sandbox.Options{Delay: 2 * time.Second})
		defer simulated.Close()
		client, err := meta.New(settings("acme", "", simulated, setting.Values{"catalog_id": "1", "endpoint": "batch"}))
		require.NoError(t, err)
		w.account("acme", policy()).Client = client
		product := func(m *catalog.Mutation) { m.Lane.Type = "PRODUCT_ITEM" }
		l := w.start()
		w.change("x", catalog.Create, metaItem, product)
		w.finish(time.Hour)
		w.change("x", catalog.Update, `{"sale_price":"5 USD"}`, product)
		w.change("x", catalog.Update, `{"price":"9.90 EUR"}`, product)
		w.finish(time.Hour)
		require.Equal(t, map[string]ledgermodel.Status{
			"m1": ledgermodel.Succeeded, "m2": ledgermodel.Succeeded, "m3": ledgermodel.Succeeded,
		}, w.status())
		require.Len(t, w.store.Batches(), 3, "none was refused and sent again as its parts")
		batches := w.store.Batches()
		require.Equal(t, batches[1].ID, w.row("m2").BatchID, "the older sale price does not come after the newer price")
		require.Equal(t, batches[2].ID, w.row("m3").BatchID)
		l.stop()
	})
}
