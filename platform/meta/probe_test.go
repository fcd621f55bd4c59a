package meta_test

import (
	"context"
	"net/http/httptest"
	"strings"
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

// probe tests an account against a simulated Meta, and gives what was found as lines: check,
// catalog, and the problem, warning or detail. The platform changed nothing.
func probe(t *testing.T, options sandbox.Options, fault sandbox.FaultKind) []string {
	t.Helper()
	simulated := metasim.New(options)
	t.Cleanup(simulated.Close)
	if fault != "" {
		simulated.InjectNext(sandbox.Look, sandbox.Fault{Kind: fault})
	}
	server := httptest.NewServer(simulated)
	t.Cleanup(server.Close)
	account, err := meta.New(platform.Settings{
		Name: "acme", BaseURL: server.URL + "/v25.0", HTTP: server.Client(),
		Token: func(context.Context) (string, error) { return "EAAsecret0123456789", nil },
		Catalogs: map[string]setting.Values{
			"rooms":    {"catalog_id": "2"},
			"products": {"catalog_id": "1"},
			"words":    {"catalog_id": "1", "endpoint": "localized_items_batch"},
			"old":      {"catalog_id": "2", "endpoint": "batch"},
		},
	})
	require.NoError(t, err)
	prober, ok := account.(platform.Prober)
	require.True(t, ok)
	found := prober.Probe(t.Context(), map[string][]catalog.Type{"products": {"PRODUCT_ITEM"}, "rooms": {"HOTEL_ROOM", "FLIGHT"}})
	lines := make([]string, 0, len(found))
	for _, one := range found {
		line := strings.Join(strings.Fields(string(one.Check)+" "+one.Catalog+" "+one.Problem+one.Warning+one.Detail), " ")
		if one.Problem != "" {
			line = "FAILED " + line
		}
		require.NotContains(t, line, "EAAsecret")
		lines = append(lines, line)
	}
	require.Zero(t, simulated.Counters().Posts)
	require.LessOrEqual(t, simulated.Counters().Looks, 3, "a catalog of several names is read once")
	return lines
}

func TestProbe(t *testing.T) {
	t.Parallel()
	whole := sandbox.Options{Catalogs: map[string]string{"1": "commerce", "2": "hotels"}, Reads: sandbox.RateLimit{Calls: 10, Window: time.Hour}}
	require.Equal(t, []string{
		"token",
		"permission catalog_management, business_management",
		`catalog old 2 "Simulated" hotels, of business "Simulated business"`,
		"FAILED vertical old endpoint: batch needs a catalog of the vertical commerce, and this one is of hotels",
		`catalog products 1 "Simulated" commerce, of business "Simulated business"`,
		`catalog rooms 2 "Simulated" hotels, of business "Simulated business"`,
		"FAILED vertical rooms FLIGHT items were sent to it, which need a catalog of the vertical flights; this one is of hotels",
		`catalog words 1 "Simulated" commerce, of business "Simulated business"`,
		`quota 10% of the quota "catalog management" is used`,
	}, probe(t, whole, ""))

	declined := whole
	declined.Declined = []string{"catalog_management"}
	require.Contains(t, strings.Join(probe(t, declined, ""), "\n"), "FAILED permission the token has not the permission catalog_management")

	missing := strings.Join(probe(t, sandbox.Options{Catalogs: map[string]string{"2": "hotels"}}, ""), "\n")
	require.Contains(t, missing, "FAILED catalog products the catalog does not exist, or its business gave the token's user no access to it: GET catalog 1: HTTP 400, code 100, subcode 33")
	require.Contains(t, missing, "FAILED catalog words")

	for fault, want := range map[sandbox.FaultKind]string{
		sandbox.TokenRevoked: "FAILED token Meta rejected the access token: GET me/permissions: HTTP 401, code 190",
		sandbox.RateLimited:  "FAILED quota the quota is used up: GET me/permissions: HTTP 400, code 80009",
		sandbox.ServerError:  "FAILED connection GET me/permissions: HTTP 500",
		sandbox.HTML:         "FAILED connection GET me/permissions",
		sandbox.EchoToken:    "FAILED connection GET me/permissions",
	} {
		got := probe(t, whole, fault)
		require.Len(t, got, 1, fault)
		require.True(t, strings.HasPrefix(got[0], want), got[0])
	}
	forbidden := probe(t, whole, sandbox.Forbidden)
	require.True(t, strings.HasPrefix(forbidden[0], "FAILED permission the token lacks a permission"), forbidden[0])
}

// TestEveryTypeHasItsVertical: what an account can write to can be compared.
func TestEveryTypeHasItsVertical(t *testing.T) {
	t.Parallel()
	for _, itemType := range meta.Descriptor().Types {
		require.NotEmpty(t, meta.VerticalOf(itemType), itemType)
	}
}
