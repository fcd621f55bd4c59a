package delivery_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
)

// TestLocalInventoryThatIsRefusedDelaysNoOtherType: its address names a catalog that is
// not there. The account's other changes go on, and these wait until it is.
func TestLocalInventoryThatIsRefusedDelaysNoOtherType(t *testing.T) {
	const minutes = 20
	scenario(t, func(w *world) {
		platform := pinterestsim.New(sandbox.Options{})
		w.t.Cleanup(platform.Close)
		missing := true
		handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if missing && strings.Contains(r.URL.Path, "/local_inventory_items/") {
				_, _ = io.Copy(io.Discard, r.Body)
				rw.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(rw, `{"code":50,"message":"Catalog not found"}`)
				return
			}
			platform.ServeHTTP(rw, r)
		})
		client, err := pinterest.New(settings("acme", "one app", handler, setting.Values{"country": "US", "language": "en-US", "catalog_id": "7"}))
		require.NoError(t, err)
		w.account("acme", quotaPolicy(10)).Client = client
		l := w.start()
		of := func(kind catalog.Type) func(*catalog.Mutation) {
			return func(m *catalog.Mutation) { m.Lane.Type = kind }
		}
		final := func(id string) bool {
			status := w.status()[id]
			return status != ledgermodel.Waiting && status != ledgermodel.Submitted
		}
		local := make([]string, 0, 2+minutes)
		for _, itemID := range []string{"x/berlin", "y/berlin"} {
			local = append(local, w.change(itemID, catalog.Upsert, `{"price":"1 USD","availability":"in stock"}`, of("LOCAL_INVENTORY")))
		}
		for i := range minutes {
			id := w.change(fmt.Sprint("x", i), catalog.Update, `{"price":"1 USD"}`, of("RETAIL"))
			local = append(local, w.change(fmt.Sprint("z/", i), catalog.Delete, "", of("LOCAL_INVENTORY")))
			pass(time.Minute)
			require.True(t, final(id), "minute %d: %s", i, w.status()[id])
		}
		for _, id := range local {
			require.False(t, final(id), "%s: nobody said that the record is bad", id)
		}
		missing = false
		w.until(2*time.Hour, "local inventory goes on", func() bool {
			for _, id := range local {
				if w.status()[id] != ledgermodel.Succeeded {
					return false
				}
			}
			return true
		})
		l.stop()
	})
}

// TestARefusalMeantForTheAccountIsTriedByAnotherType: one catalog type is refused as if the
// token were bad, and the other is not. After a pause the first due batch is the try, so
// that it may not always be one of the refused type.
func TestARefusalMeantForTheAccountIsTriedByAnotherType(t *testing.T) {
	scenario(t, func(w *world) {
		platform := pinterestsim.New(sandbox.Options{})
		w.t.Cleanup(platform.Close)
		handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/local_inventory_items/") {
				_, _ = io.Copy(io.Discard, r.Body)
				rw.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(rw, `{"code":2,"message":"Authentication failed."}`)
				return
			}
			platform.ServeHTTP(rw, r)
		})
		client, err := pinterest.New(settings("acme", "one app", handler, setting.Values{"country": "US", "language": "en-US", "catalog_id": "7"}))
		require.NoError(t, err)
		w.account("acme", quotaPolicy(10)).Client = client
		l := w.start()
		w.change("x/berlin", catalog.Delete, "", func(m *catalog.Mutation) { m.Lane.Type = "LOCAL_INVENTORY" })
		pass(time.Minute)
		id := w.change("x", catalog.Delete, "", func(m *catalog.Mutation) { m.Lane.Type = "RETAIL" })
		w.until(24*time.Hour, "the other type is delivered", func() bool { return w.status()[id] == ledgermodel.Succeeded })
		l.stop()
	})
}
