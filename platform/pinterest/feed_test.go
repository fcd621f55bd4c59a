package pinterest_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
)

func TestAFeedsCatalogTakesUpdatesAndDeletesOnly(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			endpoint := v.endpointOf(t, func(c setting.Values) { c["feed_owned"] = true })
			for _, operation := range []catalog.Operation{catalog.Create, catalog.Upsert} {
				problem, _ := endpoint.Validate(v.mutation(operation, v.suite.Complete))
				require.NotNil(t, problem)
				require.Equal(t, catalog.UnsupportedOperation, problem.Reason)
				require.Equal(t, "operation", problem.Field)
				require.Contains(t, problem.Text, "feed")
				require.Contains(t, problem.Text, "UPDATE or DELETE", "says what to do")
			}
			problem, _ := endpoint.Validate(v.mutation(catalog.Update, v.suite.Update))
			require.Nil(t, problem)
			problem, _ = endpoint.Validate(v.mutation(catalog.Delete, ""))
			require.Nil(t, problem)
		})
	}
}

// TestAFeedThatOnlyThePlatformKnowsOf: the outcome says what the platform says,
// and the account goes on.
func TestAFeedThatOnlyThePlatformKnowsOf(t *testing.T) {
	t.Parallel()
	const text = "restricted to users without a feed data source"
	for _, v := range variants() {
		for _, wholeBatch := range []bool{false, true} {
			simulated := pinterestsim.New(sandbox.Options{
				Delay: time.Hour, FeedOwned: []string{keyOf(v.suite.Catalog)}, FeedRefusesBatch: wholeBatch,
			})
			server := httptest.NewServer(simulated)
			t.Cleanup(func() {
				simulated.Close()
				server.Close()
			})
			s := settings()
			s.BaseURL, s.HTTP = server.URL+"/v5", server.Client()
			s.Catalogs = map[string]setting.Values{"main": v.suite.Catalog}
			endpoint := openEndpoint(t, s, "main", v.suite.Type)
			m := v.mutation(catalog.Upsert, v.suite.Complete)
			records := []catalog.Record{{Key: m.Key(), Change: m.Change(), Constituents: []*catalog.Mutation{m}}}
			group := endpoint.Group(catalog.Upsert)
			body, err := endpoint.Encode(nil, group, records, 0)
			require.NoError(t, err)

			submission, err := endpoint.Submit(t.Context(), body, group, records)
			if wholeBatch {
				failure := (*platform.Error)(nil)
				require.ErrorAs(t, err, &failure)
				require.Equal(t, platform.ScopeBatch, failure.Scope)
				require.Contains(t, failure.Message, text)
				continue
			}
			require.NoError(t, err)
			simulated.Settle()
			report, err := endpoint.Poll(t.Context(), submission.Handles[0], group, records)
			require.NoError(t, err)
			require.Equal(t, platform.Failed, report.Verdicts[0].Outcome)
			require.Contains(t, report.Verdicts[0].Errors[0].Message, text)
			require.Empty(t, simulated.Items(keyOf(v.suite.Catalog), v.suite.Type))
		}
	}
}
