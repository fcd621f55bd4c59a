package message

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
)

const (
	testSubject = "catalog.mutations.acme.us.RETAIL"
	testBody    = `{"id":"m-1","item_id":"SKU-1","operation":"UPSERT","attributes":{"title":"A"},"occurred_at":"2026-11-22T10:00:00Z"}`
)

func delivery(body string, headers ...string) Raw {
	d := Raw{
		Subject: testSubject, Data: []byte(body),
		Time: time.Unix(1000, 0), ReceivedAt: time.Unix(1001, 0),
		Position: catalog.Position{Generation: 3, Sequence: 42},
	}
	for i := 0; i < len(headers); i += 2 {
		if d.Headers == nil {
			d.Headers = make(map[string][]string)
		}
		d.Headers[headers[i]] = append(d.Headers[headers[i]], headers[i+1])
	}
	return d
}

func TestDecodeReadsTheContract(t *testing.T) {
	t.Parallel()
	body := ` {"id":"m-1","item_id":"a/b","operation":"UPDATE","attributes":{"title":null,"n":{"a":1,"a":2}},
		"occurred_at":"2026-11-22T10:00:00.5+01:00","version":-7,"localization":{"type":"LANGUAGE","value":"pl_PL"},"unknown":[1]} `
	traceparent := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	d := delivery(body, "nats-msg-id", "other", "TraceParent", traceparent, "tracestate", "a=b", "X-Mine", "1", "X-Mine", "2", "Nats-Batch-Id", "b")
	arrival := Decode(d)
	require.Nil(t, arrival.Problem)
	m := arrival.Mutation
	require.Equal(t, "m-1", m.ID)
	require.Equal(t, catalog.Lane{Account: "acme", Catalog: "us", Type: "RETAIL"}, m.Lane)
	require.Equal(t, "a/b", m.ItemID)
	require.Equal(t, catalog.Update, m.Operation)
	require.JSONEq(t, `{"title":null,"n":{"a":1,"a":2}}`, string(m.Attributes))
	require.True(t, m.HasNull)
	require.True(t, m.HasVersion)
	require.Equal(t, int64(-7), m.Version)
	require.Equal(t, catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}, m.Localization)
	require.Equal(t, time.Date(2026, 11, 22, 9, 0, 0, 5e8, time.UTC), m.OccurredAt.UTC())
	require.Equal(t, time.Unix(1000, 0), m.PublishedAt)
	require.Equal(t, time.Unix(1001, 0), m.ReceivedAt)
	require.Equal(t, d.Position, m.Position)
	require.Equal(t, traceparent, m.TraceParent)
	require.Equal(t, "a=b", m.TraceState)
	require.Equal(t, testSubject, m.Message.Subject)
	require.Equal(t, body, string(m.Message.Data))
	require.ElementsMatch(t, []catalog.Header{
		{Name: "nats-msg-id", Value: "other"},
		{Name: "TraceParent", Value: traceparent},
		{Name: "tracestate", Value: "a=b"},
		{Name: "X-Mine", Value: "1"},
		{Name: "X-Mine", Value: "2"},
	}, m.Message.Headers)
}

func TestAttributesShareTheMessagesMemory(t *testing.T) {
	t.Parallel()
	d := delivery(testBody)
	m := Decode(d).Mutation
	offset := strings.Index(testBody, `{"title"`)
	require.Same(t, &d.Data[offset], &m.Attributes[0])
}

func TestStoredSubjectIsReadLikeTheProducers(t *testing.T) {
	t.Parallel()
	d := delivery(testBody)
	d.Subject = "catalog.p.63.acme.us.RETAIL"
	arrival := Decode(d)
	require.Nil(t, arrival.Problem)
	require.Equal(t, catalog.Lane{Account: "acme", Catalog: "us", Type: "RETAIL"}, arrival.Mutation.Lane)
	require.Equal(t, testSubject, arrival.Mutation.Message.Subject)
}

func TestMutationIDFallsBack(t *testing.T) {
	t.Parallel()
	const plain = `{"item_id":"1","operation":"DELETE"}`
	require.Equal(t, "m-1", Decode(delivery(testBody, "Nats-Msg-Id", "h-1")).Mutation.ID)
	require.Equal(t, "h-1", Decode(delivery(plain, "NATS-MSG-ID", "h-1")).Mutation.ID)
	require.Equal(t, "3-42", Decode(delivery(plain)).Mutation.ID)
	require.Equal(t, "h-1", Decode(delivery("{", "Nats-Msg-Id", "h-1")).Mutation.ID)

	arrival := Decode(delivery(plain, "Nats-Msg-Id", "\xff"))
	require.Equal(t, catalog.InvalidValue, arrival.Problem.Reason)
	require.Equal(t, "3-42", arrival.Mutation.ID, "the id must be fit for a text column")
}

func TestDecodeRefusesWhatTheContractForbids(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	long := strings.Repeat("x", MaxBody)
	with := func(member string) string {
		return `{"item_id":"1","operation":"UPSERT","attributes":{},` + member + `}`
	}
	for name, c := range map[string]struct {
		body   string
		reason catalog.Reason
		field  string
	}{
		"empty":                    {"", catalog.InvalidJSON, ""},
		"half":                     {`{"item_id":`, catalog.InvalidJSON, ""},
		"trailing":                 {testBody + "{}", catalog.InvalidJSON, ""},
		"two lines":                {testBody + "\n" + testBody, catalog.InvalidJSON, ""},
		"byte order mark":          {"\ufeff" + testBody, catalog.InvalidJSON, ""},
		"not UTF-8":                {`{"item_id":"` + "\xff" + `"}`, catalog.InvalidJSON, ""},
		"array":                    {`[` + testBody + `]`, catalog.WrongType, ""},
		"null":                     {`null`, catalog.WrongType, ""},
		"too deep":                 {with(`"x":` + deep), catalog.InvalidJSON, ""},
		"brackets in strings":      {with(`"x":"` + strings.Repeat("[", 2*MaxDepth) + `","version":"1"`), catalog.WrongType, "version"},
		"too long":                 {with(`"x":"` + long + `"`), catalog.MessageTooLarge, ""},
		"no item id":               {`{"operation":"DELETE"}`, catalog.MissingField, "item_id"},
		"null item id":             {`{"item_id":null,"operation":"DELETE"}`, catalog.MissingField, "item_id"},
		"empty item id":            {`{"item_id":"","operation":"DELETE"}`, catalog.InvalidValue, "item_id"},
		"number as item id":        {`{"item_id":1,"operation":"DELETE"}`, catalog.WrongType, "item_id"},
		"long item id":             {`{"item_id":"` + strings.Repeat("x", MaxItemID+1) + `","operation":"DELETE"}`, catalog.InvalidValue, "item_id"},
		"NUL in item id":           {`{"item_id":"a\u0000","operation":"DELETE"}`, catalog.InvalidValue, "item_id"},
		"half a surrogate pair":    {`{"item_id":"a\ud800","operation":"DELETE"}`, catalog.InvalidValue, "item_id"},
		"NUL in id":                {with(`"id":"a\u0000"`), catalog.InvalidValue, "id"},
		"long id":                  {with(`"id":"` + strings.Repeat("x", MaxID+1) + `"`), catalog.InvalidValue, "id"},
		"number as id":             {with(`"id":7`), catalog.WrongType, "id"},
		"no operation":             {`{"item_id":"1"}`, catalog.MissingField, "operation"},
		"unknown operation":        {`{"item_id":"1","operation":"upsert"}`, catalog.UnknownOperation, "operation"},
		"no attributes":            {`{"item_id":"1","operation":"UPDATE"}`, catalog.MissingField, "attributes"},
		"null attributes":          {`{"item_id":"1","operation":"CREATE","attributes":null}`, catalog.MissingField, "attributes"},
		"array as attributes":      {`{"item_id":"1","operation":"DELETE","attributes":[]}`, catalog.WrongType, "attributes"},
		"string as attributes":     {`{"item_id":"1","operation":"UPSERT","attributes":"{}"}`, catalog.WrongType, "attributes"},
		"member twice":             {with(`"item_id":"2"`), catalog.InvalidJSON, "item_id"},
		"member twice, escaped":    {with(`"item\u005fid":"2"`), catalog.InvalidJSON, "item_id"},
		"member twice, no JSON":    {with(`"item_id":tru`), catalog.InvalidJSON, ""},
		"unknown member twice":     {with(`"x":1,"x":2`), catalog.InvalidJSON, "x"},
		"attribute twice":          {`{"item_id":"1","operation":"UPSERT","attributes":{"a":1,"b":2,"a":1}}`, catalog.InvalidJSON, "a"},
		"fractional version":       {with(`"version":1.0`), catalog.InvalidValue, "version"},
		"exponent in version":      {with(`"version":1e3`), catalog.InvalidValue, "version"},
		"huge version":             {with(`"version":9223372036854775808`), catalog.InvalidValue, "version"},
		"string as version":        {with(`"version":"1"`), catalog.WrongType, "version"},
		"localization as string":   {with(`"localization":"pl_PL"`), catalog.WrongType, "localization"},
		"localization, no value":   {with(`"localization":{"type":"COUNTRY"}`), catalog.MissingField, "localization.value"},
		"localization, other type": {with(`"localization":{"type":"PLANET","value":"x"}`), catalog.InvalidValue, "localization.type"},
		"leap second at noon":      {with(`"occurred_at":"2026-11-22T12:00:60Z"`), catalog.InvalidValue, "occurred_at"},
		"time without zone":        {with(`"occurred_at":"2026-11-22T10:00:00"`), catalog.InvalidValue, "occurred_at"},
		"number as time":           {with(`"occurred_at":1}`[:len(`"occurred_at":1`)]), catalog.WrongType, "occurred_at"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrival := Decode(delivery(c.body))
			require.NotNil(t, arrival.Problem)
			require.Equal(t, c.reason, arrival.Problem.Reason, arrival.Problem.Text)
			require.Equal(t, c.field, arrival.Problem.Field, arrival.Problem.Text)
			require.NotEmpty(t, arrival.Problem.Text)
			require.Equal(t, c.body, string(arrival.Mutation.Message.Data))
			require.NotEmpty(t, arrival.Mutation.ID)
		})
	}
}

// TestLinesWithoutTheHeaderOfAPack: whoever publishes a pack and forgets its header learns of it.
func TestLinesWithoutTheHeaderOfAPack(t *testing.T) {
	t.Parallel()
	const line = `{"item_id":"A","operation":"DELETE"}`
	for body, names := range map[string]bool{
		line + "\n" + line: true, line + "\r\n" + line + "\n": true, line + "\n{": true,
		line + "\nx": false, "{\n" + line: false, line + "}": false,
	} {
		problem := Decode(delivery(body)).Problem
		require.NotNil(t, problem, body)
		require.Equal(t, catalog.InvalidJSON, problem.Reason)
		require.Equal(t, names, strings.Contains(problem.Text, "Content-Type: application/x-ndjson"), problem.Text)
	}
}

func TestManyAttributesAreCheckedForRepeats(t *testing.T) {
	t.Parallel()
	attributes := make(map[string]int)
	for i := range 500 {
		attributes[strings.Repeat("k", i%7+1)+string(rune('a'+i%26))+time.Duration(i).String()] = i
	}
	raw, err := json.Marshal(attributes)
	require.NoError(t, err)
	body := func(attributes string) string {
		return `{"item_id":"1","operation":"UPSERT","attributes":` + attributes + `}`
	}
	require.Nil(t, Decode(delivery(body(string(raw)))).Problem)
	first := string(raw[1:bytes.IndexByte(raw, ',')])
	require.NotNil(t, Decode(delivery(body(strings.TrimSuffix(string(raw), "}")+","+first+"}"))).Problem)
}

func TestAbsentAndNullAreTheSame(t *testing.T) {
	t.Parallel()
	arrival := Decode(delivery(`{"id":null,"item_id":"1","operation":"DELETE","attributes":null,"version":null,"localization":null,"occurred_at":null}`))
	require.Nil(t, arrival.Problem)
	require.Nil(t, arrival.Mutation.Attributes)
	require.Equal(t, "3-42", arrival.Mutation.ID)
}

func TestBadSubjects(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{
		"", "other", "catalog.mutations.acme.us", "catalog.mutations.acme.us.RETAIL.more", "catalog.p.1.acme.us",
		"catalog.mutations.ac me.us.RETAIL", "catalog.mutations.acmé.us.RETAIL", "catalog.mutations.acme.us.RET\xffAIL",
		"catalog.p.5.acme.us.RET$AIL", "catalog.mutations." + strings.Repeat("a", MaxTokenLength+1) + ".us.RETAIL",
	} {
		d := delivery(testBody)
		d.Subject = subject
		arrival := Decode(d)
		require.NotNil(t, arrival.Problem, subject)
		require.Equal(t, catalog.BadSubject, arrival.Problem.Reason)
		require.Equal(t, "SKU-1", arrival.Mutation.ItemID, "the body is read all the same")
		require.Equal(t, strings.ToValidUTF8(arrival.Mutation.Message.Subject, "?"), arrival.Mutation.Message.Subject)
		require.Truef(t, arrival.Mutation.Lane.Account == "" || validToken(arrival.Mutation.Lane.Account), "%q", subject)
	}
}

func TestCloudEvents(t *testing.T) {
	t.Parallel()
	const data = `{"id":"inner","item_id":"SKU-1","operation":"UPSERT","attributes":{"title":"A"}}`
	structured := `{"specversion":"1.0","id":"ev-1","source":"/shop","type":"changed","time":"2026-11-22T10:00:00Z","datacontenttype":"application/json","data":` + data + `}`
	encoded := `{"specversion":"1.0","id":"ev-1","source":"/shop","type":"changed","time":"2026-11-22T10:00:00Z","data_base64":"` + base64.StdEncoding.EncodeToString([]byte(data)) + `"}`
	for name, d := range map[string]Raw{
		"structured by content type": delivery(structured, "Content-Type", "application/cloudevents+json; charset=utf-8"),
		"structured by member":       delivery(structured),
		"structured, base64":         delivery(encoded),
		"binary": delivery(data, "CE-SpecVersion", "1.0", "ce-id", "ev-1", "Ce-Time", "2026-11-22T10:00:00Z",
			"ce-type", "changed", "ce-source", "/shop", "content-type", "application/json"),
		"binary, encoded": delivery(data, "ce-specversion", "1.0", "ce-id", "%65v-1", "ce-time", "2026-11-22T10%3A00:00Z"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrival := Decode(d)
			require.Nil(t, arrival.Problem)
			require.Equal(t, "ev-1", arrival.Mutation.ID)
			require.Equal(t, "SKU-1", arrival.Mutation.ItemID)
			require.JSONEq(t, `{"title":"A"}`, string(arrival.Mutation.Attributes))
			require.Equal(t, time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), arrival.Mutation.OccurredAt)
		})
	}
}

func TestBadCloudEvents(t *testing.T) {
	t.Parallel()
	const data = `{"item_id":"SKU-1","operation":"DELETE"}`
	for name, c := range map[string]struct {
		delivery Raw
		field    string
	}{
		"other version":       {delivery(`{"specversion":"0.3","id":"1","data":` + data + `}`), "specversion"},
		"version as number":   {delivery(`{"specversion":1.0,"id":"1","data":` + data + `}`), "specversion"},
		"no version":          {delivery(`{"id":"1","data":`+data+`}`, "content-type", "application/cloudevents+json"), "specversion"},
		"no id":               {delivery(`{"specversion":"1.0","data":` + data + `}`), "id"},
		"no data":             {delivery(`{"specversion":"1.0","id":"1"}`), "data"},
		"string as data":      {delivery(`{"specversion":"1.0","id":"1","data":"x"}`), "data"},
		"not base64":          {delivery(`{"specversion":"1.0","id":"1","data_base64":"*"}`), "data_base64"},
		"member twice":        {delivery(`{"specversion":"1.0","id":"1","data":{"item_id":"1","item_id":"1"}}`), "item_id"},
		"not JSON":            {delivery(`{"specversion":"1.0","id":"1","datacontenttype":"text/xml","data":` + data + `}`), "datacontenttype"},
		"binary without id":   {delivery(data, "ce-specversion", "1.0"), "id"},
		"binary, other type":  {delivery(data, "ce-specversion", "1.0", "ce-id", "1", "content-type", "text/xml"), "datacontenttype"},
		"binary, bad time":    {delivery(data, "ce-specversion", "1.0", "ce-id", "1", "ce-time", "now"), "occurred_at"},
		"several in one body": {delivery(`[]`, "content-type", "application/cloudevents-batch+json"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrival := Decode(c.delivery)
			require.NotNil(t, arrival.Problem)
			require.Equal(t, c.field, arrival.Problem.Field, arrival.Problem.Text)
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(testSubject, []byte(testBody), "Nats-Msg-Id", "1")
	f.Add("catalog.p.1.a.b.C", []byte(`{"specversion":"1.0","id":"1","data":{"item_id":"a\u0000","operation":"DELETE"}}`), "ce-id", "%")
	f.Add("catalog.mutations.a.b.C", []byte(`{"item_id":"\ud83d\ude00","operation":"UPDATE","attributes":{"a":null,"b":[{}]},"version":-1}`), "CE-specversion", "1.0")
	f.Add("x", []byte(`{"specversion":"1.0","id":"1","data_base64":"e30="}`), "content-type", "application/cloudevents+json")
	f.Fuzz(func(t *testing.T, subject string, body []byte, name, value string) {
		arrival := Decode(Raw{Subject: subject, Data: body, Headers: map[string][]string{name: {value}}})
		m := arrival.Mutation
		require.NotNil(t, m)
		for _, text := range []string{m.ID, m.ItemID, m.Lane.Account, m.Lane.Catalog, string(m.Lane.Type), m.Localization.Value, m.Message.Subject} {
			require.Equal(t, Printable(text), text, "fit for a text column")
		}
		if arrival.Problem != nil {
			require.NotEqual(t, catalog.InternalError, arrival.Problem.Reason, arrival.Problem.Text)
			return
		}
		require.True(t, json.Valid(body))
		require.NotEmpty(t, m.ItemID)
		require.NotZero(t, m.Operation)
		if m.Attributes != nil {
			require.True(t, json.Valid(m.Attributes))
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	body, err := os.ReadFile("testdata/retail.json") // a retail item of 600 bytes
	require.NoError(b, err)
	d := Raw{Subject: "catalog.p.17.acme.us.RETAIL", Data: body, Headers: map[string][]string{"Nats-Msg-Id": {"0198c2a6-5a3e-7b1c-9d52-3f1f8a6b7c8d"}}}
	var decoder Decoder
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if decoder.Decode(d).Problem != nil {
			b.Fatal("the benchmark's message is refused")
		}
	}
}

// TestFormsOfRFC3339: the letters may be small, and a leap second is a time.
func TestFormsOfRFC3339(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"2026-11-22t10:00:00z":      time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
		"2016-12-31T23:59:60Z":      time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC),
		"2017-01-01T00:59:60+01:00": time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		arrival := Decode(delivery(`{"item_id":"1","operation":"DELETE","occurred_at":"` + text + `"}`))
		require.Nil(t, arrival.Problem, text)
		require.True(t, want.Equal(arrival.Mutation.OccurredAt), text)
	}
}

// TestAMutationWithANullSpecversion is not taken for an event: a member that is null counts as absent.
func TestAMutationWithANullSpecversion(t *testing.T) {
	t.Parallel()
	arrival := Decode(delivery(`{"specversion":null,"id":"m","item_id":"1","operation":"DELETE"}`))
	require.Nil(t, arrival.Problem)
	require.Equal(t, "m", arrival.Mutation.ID)
	require.Equal(t, "1", arrival.Mutation.ItemID)
}
