package publish

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
)

func TestPublicationOfAMutation(t *testing.T) {
	t.Parallel()
	version := int64(3)
	publication, err := Mutation{
		Account: "acme", Catalog: "us", Type: "RETAIL", ItemID: "SKU-1", Operation: catalog.Upsert,
		Attributes: map[string]any{"title": "<A>"}, Version: &version, OccurredAt: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
		Localization: catalog.Localization{Type: "COUNTRY", Value: "GB"},
	}.Publication()
	require.NoError(t, err)
	require.Equal(t, testSubject, publication.Subject)
	require.Contains(t, string(publication.Data), "<A>")
	m := message.Decode(message.Raw{Subject: publication.Subject, Data: publication.Data}).Mutation
	require.Equal(t, publication.ID, m.ID)
	require.Equal(t, version, m.Version)
	require.Equal(t, "GB", m.Localization.Value)

	for _, broken := range []Mutation{
		{Account: "a b", Catalog: "us", Type: "RETAIL", ItemID: "1", Operation: catalog.Delete},
		{Account: "a", Catalog: "us", Type: "RETAIL", Operation: catalog.Delete},
		{Account: "a", Catalog: "us", Type: "RETAIL", ItemID: "1"},
		{Account: "a", Catalog: "us", Type: "RETAIL", ItemID: "1", Operation: catalog.Upsert, Attributes: 7},
		{Account: "a", Catalog: "us", Type: "RETAIL", ItemID: "1", Operation: catalog.Upsert, Attributes: func() {}},
		{Account: "a", Catalog: "us", Type: "RETAIL", ItemID: "1", Operation: catalog.Upsert, Attributes: json.RawMessage(`{`)},
		{Account: "a", Catalog: "us", Type: "RETAIL", ItemID: "1", Operation: catalog.Upsert, Attributes: []byte(`{"title":"A"}`)},
		{Account: "a", Catalog: "us", Type: "RETAIL", ItemID: "1", Operation: catalog.Delete, OccurredAt: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)},
		{Account: "a", Catalog: "us", Type: "RETAIL", ItemID: "1", Operation: catalog.Delete, ID: "two\nlines"},
		{Account: "a", Catalog: "us", Type: "RETAIL", ItemID: "1", Operation: catalog.Delete, ID: " spaced"},
		{Account: "a", Catalog: "us", Type: "RETAIL", ItemID: "1", Operation: catalog.Delete, Localization: catalog.Localization{Value: "pl_PL"}},
	} {
		_, err := broken.Publication()
		problem := new(catalog.Problem)
		require.ErrorAs(t, err, &problem)
	}
}
