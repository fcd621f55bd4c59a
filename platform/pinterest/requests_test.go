package pinterest_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
)

// request is a body of POST catalogs/items/batch, of either form. The examples in
// testdata are made of the values that the OpenAPI file gives as examples.
type request struct {
	CatalogType catalog.Type     `json:"catalog_type"`
	Country     string           `json:"country"`
	Language    string           `json:"language"`
	CatalogID   string           `json:"catalog_id"`
	Operation   string           `json:"operation"`
	Items       []map[string]any `json:"items"`
}

// messages are what producers publish to have the request made.
func (r request) messages(t *testing.T, idField string) [][]byte {
	t.Helper()
	messages := make([][]byte, 0, len(r.Items))
	for _, item := range r.Items {
		message := map[string]any{"item_id": item[idField], "operation": r.Operation}
		if operation, own := item["operation"]; own {
			message["operation"] = operation
		}
		if attributes, has := item["attributes"].(map[string]any); has {
			mask, _ := item["update_mask"].([]any)
			for _, name := range mask {
				if _, valued := attributes[name.(string)]; !valued {
					attributes[name.(string)] = nil
				}
			}
			message["attributes"] = attributes
		}
		data, err := json.Marshal(message)
		require.NoError(t, err)
		messages = append(messages, data)
	}
	return messages
}

func (r request) settings() setting.Values {
	c := setting.Values{"country": r.Country, "language": r.Language, "catalog_id": r.CatalogID}
	if r.CatalogType == "" {
		c["body"] = "legacy"
	}
	return c
}

// TestExampleRequestsAreMadeOfMessages publishes what an example asks for, makes the
// body, and wants the example; the simulated Pinterest must take it.
func TestExampleRequestsAreMadeOfMessages(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/requests/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			example, err := os.ReadFile(path)
			require.NoError(t, err)
			var wanted request
			require.NoError(t, json.Unmarshal(example, &wanted))
			itemType := catalog.Type("RETAIL")
			if wanted.CatalogType != "" {
				itemType = wanted.CatalogType
			}
			idField := map[catalog.Type]string{"RETAIL": "item_id", "HOTEL": "hotel_id", "CREATIVE_ASSETS": "creative_assets_id"}[itemType]

			simulated := pinterestsim.New(sandbox.Options{Delay: time.Hour, AllowIncomplete: true})
			server := httptest.NewServer(simulated)
			t.Cleanup(func() {
				simulated.Close()
				server.Close()
			})
			s := settings()
			s.BaseURL, s.HTTP = server.URL+"/v5", server.Client()
			s.Catalogs = map[string]setting.Values{"main": wanted.settings()}
			endpoint := openEndpoint(t, s, "main", itemType)
			records := recordsOfMessages(t, endpoint, itemType, wanted.messages(t, idField))
			group := endpoint.Group(records[0].Change.Operation)
			body, err := endpoint.Encode(nil, group, records, 0)
			require.NoError(t, err)
			require.JSONEq(t, sortedMasks(t, example), sortedMasks(t, body))

			submission, err := endpoint.Submit(t.Context(), body, group, records)
			require.NoError(t, err)
			simulated.Settle()
			report, err := endpoint.Poll(t.Context(), submission.Handles[0], group, records)
			require.NoError(t, err)
			for i, verdict := range report.Verdicts {
				for _, issue := range verdict.Errors {
					require.Equal(t, "The item does not exist.", issue.Message, "record %d: all of its values are good", i)
				}
			}
		})
	}
}

func recordsOfMessages(t *testing.T, endpoint platform.Endpoint, itemType catalog.Type, messages [][]byte) []catalog.Record {
	t.Helper()
	records := make([]catalog.Record, 0, len(messages))
	for _, data := range messages {
		arrival := message.Decode(message.Raw{
			Subject: "catalog.mutations.acme.main." + string(itemType), Data: data, Time: time.Now(), ReceivedAt: time.Now(),
			Headers: map[string][]string{"Nats-Msg-Id": {"m"}}, Position: catalog.Position{Sequence: 1},
		})
		require.Nil(t, arrival.Problem, "%s", data)
		m := arrival.Mutation
		problem, warnings := endpoint.Validate(m)
		require.Nil(t, problem, "%s", data)
		require.Empty(t, incomplete(warnings), "Pinterest's own examples keep its rules")
		first, rest := endpoint.Split(m.Change())
		require.Nil(t, rest)
		records = append(records, catalog.Record{Key: m.Key(), Change: first, Constituents: []*catalog.Mutation{m}})
	}
	return records
}

// incomplete drops the warnings that an example leaves out what an item needs.
func incomplete(warnings []catalog.Problem) []catalog.Problem {
	return slices.DeleteFunc(warnings, func(p catalog.Problem) bool { return p.Reason == catalog.MissingField })
}

// sortedMasks writes a body with its masks in the order of the alphabet: a mask is
// a set.
func sortedMasks(t *testing.T, body []byte) string {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal(body, &members))
	for _, item := range members["items"].([]any) {
		if mask, has := item.(map[string]any)["update_mask"].([]any); has {
			slices.SortFunc(mask, func(a, b any) int {
				if a.(string) < b.(string) {
					return -1
				}
				return 1
			})
		}
	}
	text, err := json.Marshal(members)
	require.NoError(t, err)
	return string(text)
}
