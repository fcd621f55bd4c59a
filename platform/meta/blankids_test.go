package meta_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/meta"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
)

// TestABlankIDTakesTheWholeRequestWithIt at Meta: it answers 200, without handles, and
// names no item. So the client refuses such a change on every level of rules.
func TestABlankIDTakesTheWholeRequestWithIt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, edge string
		itemType   catalog.Type
		ids        []string
		says       string // "" where Meta takes the request
	}{
		{"blank", "items_batch", "PRODUCT_ITEM", []string{"A", " ", "B"}, "Can not find required field id"},
		{"tab", "items_batch", "PRODUCT_ITEM", []string{"A", "\t", "B"}, "Can not find required field id"},
		{"two blank ones", "items_batch", "PRODUCT_ITEM", []string{"A", " ", "  "}, "Duplicate retailer_id in batch api call - ."},
		{"blank in batch", "batch", "PRODUCT_ITEM", []string{"A", "  ", "B"}, "Can not find required field id"},
		{"blank hotel", "items_batch", "HOTEL", []string{" ", "B", "C"}, "Can not find required field hotel_id"},
		{"half of a room", "items_batch", "HOTEL_ROOM", []string{"H/1", "H/ ", "H/2"}, "Can not find required field hotel_retailer_id"},
		{"localized", "localized_items_batch", "PRODUCT_ITEM", []string{"A", " ", "B"}, "Can not find required field id"},
		{"padded", "items_batch", "PRODUCT_ITEM", []string{"A", " B", "C"}, ""},
		{"the same but for its padding", "items_batch", "PRODUCT_ITEM", []string{"A", "A ", "C"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			simulated := metasim.New(sandbox.Options{Delay: time.Hour, AllowIncomplete: true})
			server := httptest.NewServer(simulated)
			t.Cleanup(func() {
				simulated.Close()
				server.Close()
			})
			account, err := meta.New(platform.Settings{
				Name: "acme", BaseURL: server.URL + "/v25.0", HTTP: server.Client(), Rules: platform.RulesOff,
				Token:    func(context.Context) (string, error) { return "token", nil },
				Catalogs: map[string]setting.Values{"products": {"catalog_id": catalogID, "endpoint": test.edge}},
			})
			require.NoError(t, err)
			endpoint, problem := account.Endpoint("products", test.itemType)
			require.Nil(t, problem)
			records, refused := make([]catalog.Record, 0, len(test.ids)), 0
			for _, id := range test.ids {
				m := &catalog.Mutation{ID: id, ItemID: id, Operation: catalog.Delete}
				if test.edge == "localized_items_batch" {
					m.Localization = catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}
				}
				if problem, _ := endpoint.Validate(m); problem != nil {
					require.Equal(t, catalog.BadKey, problem.Reason)
					refused++
				}
				records = append(records, catalog.Record{Key: m.Key(), Change: m.Change(), Constituents: []*catalog.Mutation{m}})
			}
			require.NotZero(t, refused, "it must not reach Meta")
			group := endpoint.Group(catalog.Delete)
			body, err := endpoint.Encode(nil, group, records, 0)
			require.NoError(t, err)
			_, err = endpoint.Submit(t.Context(), body, group, records)
			if test.says == "" {
				require.NoError(t, err)
				return
			}
			var said *platform.Error
			require.ErrorAs(t, err, &said)
			require.Equal(t, platform.ScopeBatch, said.Scope)
			require.False(t, said.Ambiguous, "nothing was ingested")
			require.Contains(t, said.Message, test.says)
			require.Empty(t, said.Named)
			require.Zero(t, simulated.Counters().Accepted)
		})
	}
}
