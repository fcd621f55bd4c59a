package pinterest_test

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
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
)

// probe tests an account against a simulated Pinterest, and gives what was found as lines:
// check, catalog, and the problem, warning or detail. The platform changed nothing.
func probe(t *testing.T, options sandbox.Options, fault sandbox.FaultKind, change func(*platform.Settings)) []string {
	t.Helper()
	simulated := pinterestsim.New(options)
	t.Cleanup(simulated.Close)
	for _, call := range []sandbox.CallKind{sandbox.Look, sandbox.Poll} {
		if fault != "" {
			simulated.InjectNext(call, sandbox.Fault{Kind: fault})
		}
	}
	server := httptest.NewServer(simulated)
	t.Cleanup(server.Close)
	s := platform.Settings{
		Name: "acme", BaseURL: server.URL + "/v5", HTTP: server.Client(),
		Token: func(context.Context) (string, error) { return "pina_secret_0123456789", nil },
		Catalogs: map[string]setting.Values{
			"us": {"country": "US", "language": "en-US", "catalog_id": "1"},
			"de": {"country": "DE", "language": "DE"},
		},
	}
	if change != nil {
		change(&s)
	}
	account, err := pinterest.New(s)
	require.NoError(t, err)
	prober, ok := account.(platform.Prober)
	require.True(t, ok)
	found := prober.Probe(t.Context(), map[string][]catalog.Type{"us": {"RETAIL", "LOCAL_INVENTORY"}, "de": {"HOTEL"}})
	lines := make([]string, 0, len(found))
	for _, one := range found {
		line := strings.Join(strings.Fields(string(one.Check)+" "+one.Catalog+" "+one.Problem+one.Warning+one.Detail), " ")
		if one.Problem != "" {
			line = "FAILED " + line
		}
		require.NotContains(t, line, "pina_secret")
		lines = append(lines, line)
	}
	require.Zero(t, simulated.Counters().Posts)
	return lines
}

func TestProbe(t *testing.T) {
	t.Parallel()
	whole := sandbox.Options{Catalogs: map[string]string{"1": "RETAIL", "2": "HOTEL"}}
	require.Equal(t, []string{
		"token",
		"permission catalogs:read; the first batch shows whether catalogs:write is granted",
		`catalog de the oldest of its type; the account has 1 "simulated" RETAIL, 2 "simulated" HOTEL`,
		`catalog us 1 "simulated" RETAIL`,
	}, probe(t, whole, "", nil))

	limited := whole
	limited.Reads = sandbox.RateLimit{Calls: 100, Window: time.Minute}
	require.Contains(t, probe(t, limited, "", nil), "quota 99 of 100 reads are left, within 1m0s")

	other := probe(t, sandbox.Options{Catalogs: map[string]string{"7": "RETAIL"}}, "", nil)
	require.Contains(t, other, `FAILED catalog us the account has no catalog with the id 1; it has 7 "simulated" RETAIL`)
	require.Contains(t, other, `FAILED catalog de the account has no catalog for HOTEL items; it has 7 "simulated" RETAIL`)

	vertical := probe(t, sandbox.Options{Catalogs: map[string]string{"1": "HOTEL"}}, "", nil)
	require.Contains(t, vertical, "FAILED vertical us RETAIL items were sent to it, and catalog 1 takes HOTEL only")

	for fault, want := range map[sandbox.FaultKind]string{
		sandbox.TokenRevoked: "FAILED token Pinterest rejected the access token: GET catalogs: HTTP 401, code 2: Authentication failed.",
		sandbox.Forbidden:    "FAILED permission the token may not read the catalogs: it needs the scopes catalogs:read and catalogs:write",
		sandbox.RateLimited:  "FAILED quota the quota is used up: GET catalogs: HTTP 429, code 8",
		sandbox.ServerError:  "FAILED connection GET catalogs: HTTP 503",
		sandbox.HTMLError:    "FAILED connection GET catalogs: HTTP 502",
		sandbox.HTML:         "FAILED connection GET catalogs",
		sandbox.Reset:        "FAILED connection GET catalogs",
		sandbox.EchoToken:    "FAILED connection GET catalogs: HTTP 400",
	} {
		got := probe(t, whole, fault, nil)
		require.Len(t, got, 1, fault)
		require.True(t, strings.HasPrefix(got[0], want), got[0])
	}
	expired := probe(t, sandbox.Options{Tokens: []string{"another"}}, "", nil)
	require.True(t, strings.HasPrefix(expired[0], "FAILED token Pinterest rejected"), expired[0])
}

// TestProbeInTheNameOfTheApp: such a token cannot list catalogs.
func TestProbeInTheNameOfTheApp(t *testing.T) {
	t.Parallel()
	userless := func(s *platform.Settings) { s.Userless = true }
	got := probe(t, sandbox.Options{}, "", userless)
	require.Equal(t, "token", got[0])
	require.Contains(t, got[1], "catalog the catalogs cannot be listed")
	require.True(t, strings.HasPrefix(probe(t, sandbox.Options{}, sandbox.TokenRevoked, userless)[0], "FAILED token Pinterest rejected the access token"))
}
