package pinterest_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
)

func timed(c setting.Values) { c["last_updated_time"] = true }

// itemOf encodes one record and returns it as it stands in the body.
func itemOf(t require.TestingT, endpoint platform.Endpoint, record catalog.Record) string {
	body, err := endpoint.Encode(nil, endpoint.Group(record.Change.Operation), []catalog.Record{record}, 0)
	require.NoError(t, err)
	require.True(t, gjson.ValidBytes(body), string(body))
	bound := endpoint.Overhead() + endpoint.RecordSize(record.Key, record.Change)
	require.LessOrEqual(t, len(body), bound)
	return gjson.GetBytes(body, "items.0").Raw
}

func TestLastUpdatedTimeIsSentWherePinterestHasIt(t *testing.T) {
	t.Parallel()
	const at = "1641483432072"
	byName := map[string]variant{}
	for _, v := range variants() {
		byName[v.name] = v
	}
	const vertical, legacy, hotel = "vertical RETAIL", "legacy RETAIL", "vertical HOTEL"
	cases := []struct {
		variant    string
		operation  catalog.Operation
		attributes string
		want       string
	}{
		{vertical, catalog.Upsert, `{"title":"T"}`, `{"item_id":"A","operation":"UPSERT","attributes":{"title":"T","last_updated_time":` + at + `}}`},
		{vertical, catalog.Create, ` { } `, `{"item_id":"A","operation":"CREATE","attributes":{"last_updated_time":` + at + `}}`},
		{vertical, catalog.Update, `{"title":"T"}`, `{"item_id":"A","operation":"UPDATE","attributes":{"title":"T","last_updated_time":` + at + `}}`},
		{vertical, catalog.Update, `{"title":"T","brand":null}`, `{"item_id":"A","operation":"UPDATE","attributes":{"title":"T","last_updated_time":` +
			at + `},"update_mask":["title","brand","last_updated_time"]}`},
		{vertical, catalog.Update, `{"brand":null}`, `{"item_id":"A","operation":"UPDATE","attributes":{"last_updated_time":` + at +
			`},"update_mask":["brand","last_updated_time"]}`},
		{vertical, catalog.Delete, ``, `{"item_id":"A","operation":"DELETE","last_updated_time":` + at + `}`},
		{vertical, catalog.Upsert, `{"last_updated_time":5}`, `{"item_id":"A","operation":"UPSERT","attributes":{"last_updated_time":5}}`},
		{vertical, catalog.Upsert, `{"last_updated\u005ftime":5}`, `{"item_id":"A","operation":"UPSERT","attributes":{"last_updated\u005ftime":5}}`},
		{vertical, catalog.Update, `{"last_updated_time":null}`, `{"item_id":"A","operation":"UPDATE","attributes":{},"update_mask":["last_updated_time"]}`},
		{legacy, catalog.Upsert, `{"title":"T"}`, `{"item_id":"A","attributes":{"title":"T","last_updated_time":` + at + `}}`},
		{legacy, catalog.Update, `{"brand":null}`, `{"item_id":"A","attributes":{"last_updated_time":` + at + `},"update_mask":["brand","last_updated_time"]}`},
		{legacy, catalog.Delete, ``, `{"item_id":"A"}`},
		{legacy, catalog.DeleteDiscontinued, ``, `{"item_id":"A"}`},
		{hotel, catalog.Upsert, `{"name":"T"}`, `{"hotel_id":"A","operation":"UPSERT","attributes":{"name":"T"}}`},
		{hotel, catalog.Delete, ``, `{"hotel_id":"A","operation":"DELETE"}`},
	}
	for _, c := range cases {
		t.Run(c.variant+" "+c.operation.String()+" "+c.attributes, func(t *testing.T) {
			t.Parallel()
			m := byName[c.variant].mutation(c.operation, c.attributes)
			record := catalog.Record{Key: m.Key(), Change: m.Change(), Constituents: []*catalog.Mutation{m}}
			require.Equal(t, c.want, itemOf(t, byName[c.variant].endpointOf(t, timed), record))
			plain := itemOf(t, byName[c.variant].endpointOf(t), record)
			require.NotContains(t, plain, at, "only by setting")
			m.OccurredAt = time.Time{}
			require.Equal(t, plain, itemOf(t, byName[c.variant].endpointOf(t, timed), record), "only where the producer gave a time")
		})
	}
}

func TestTheNewestConstituentGivesTheTime(t *testing.T) {
	t.Parallel()
	v := variants()[0]
	older, newer := v.mutation(catalog.Update, `{"title":"T"}`), v.mutation(catalog.Update, `{"brand":"B"}`)
	older.OccurredAt, newer.OccurredAt = time.UnixMilli(2000), time.UnixMilli(1000)
	record := catalog.Record{
		Key: older.Key(), Constituents: []*catalog.Mutation{older, newer},
		Change: catalog.Change{Operation: catalog.Update, Attributes: []byte(`{"title":"T","brand":"B"}`)},
	}
	require.Contains(t, itemOf(t, v.endpointOf(t, timed), record), `"last_updated_time":1000`)
	newer.OccurredAt = time.Time{}
	require.NotContains(t, itemOf(t, v.endpointOf(t, timed), record), "last_updated_time")
	newer.OccurredAt = time.UnixMilli(-5)
	require.NotContains(t, itemOf(t, v.endpointOf(t, timed), record), "last_updated_time", "a time before 1970 is a mistake")
}

// TestARecordIsNeverLongerThanPromised draws attributes, ids and times.
func TestARecordIsNeverLongerThanPromised(t *testing.T) {
	t.Parallel()
	all := variants()
	rapid.Check(t, func(rt *rapid.T) {
		v := rapid.SampledFrom(all).Draw(rt, "variant")
		endpoint := v.endpointOf(t, func(c setting.Values) { c["last_updated_time"] = rapid.Bool().Draw(rt, "timed") })
		operation := rapid.SampledFrom(catalog.Operations()).Draw(rt, "operation")
		attributes := rapid.SampledFrom([]string{
			`{}`, ` { } `, `{"brand":null}`, `{"title":"x","brand":null,"size":null}`, "{\n\t\"title\" : \"x\"\n}", `{"name":"x"}`, `{"br\u0061nd":null}`,
		}).Draw(rt, "attributes")
		m := v.mutation(operation, attributes)
		m.ItemID = rapid.String().Draw(rt, "id")
		m.OccurredAt = time.UnixMilli(rapid.Int64Range(1, 1<<62).Draw(rt, "at"))
		if problem, _ := endpoint.Validate(m); problem != nil {
			return
		}
		record := catalog.Record{Key: m.Key(), Change: m.Change(), Constituents: []*catalog.Mutation{m}}
		const times = 50 // so that what a whole body may have more hides nothing
		body, err := endpoint.Encode(nil, endpoint.Group(operation), slices.Repeat([]catalog.Record{record}, times), 0)
		require.NoError(rt, err)
		require.True(rt, gjson.ValidBytes(body), string(body))
		require.LessOrEqual(rt, len(body), endpoint.Overhead()+times*endpoint.RecordSize(record.Key, record.Change))
	})
}
