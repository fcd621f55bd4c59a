package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
)

func TestEachFormatIsStored(t *testing.T) {
	t.Parallel()
	event := func(id, item string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/shop","type":"item.changed","time":"2026-11-22T10:00:00Z","data":{"item_id":%q,"operation":"DELETE"}}`, id, item)
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(`{"item_id":"a","operation":"DELETE"}`))
	for name, c := range map[string]struct {
		call  call
		items []string
		ids   []string // "" is an id made by the server
	}{
		"lines": {
			call{body: "{\"item_id\":\"a\",\"operation\":\"DELETE\"}\n{\"id\":\"m-2\",\"item_id\":\"b\",\"operation\":\"DELETE\"}"},
			[]string{"a", "b"},
			[]string{"", "m-2"},
		},
		"lines with a byte order mark, CRLF and blank lines": {
			call{body: "\xef\xbb\xbf{\"item_id\":\"a\",\"operation\":\"DELETE\"}\r\n\r\n  \n{\"item_id\":\"b\",\"operation\":\"DELETE\"}\r\n"},
			[]string{"a", "b"},
			[]string{"", ""},
		},
		"lines that name their lane": {
			call{body: `{"account":"acme","catalog":"us","type":"RETAIL","catalog_type":"RETAIL","item_id":"a","operation":"DELETE"}`},
			[]string{"a"},
			[]string{""},
		},
		"events as lines": {call{body: event("e-1", "a") + "\n" + event("e-2", "b")}, []string{"a", "b"}, []string{"e-1", "e-2"}},
		"an object":       {call{contentType: jsonType, body: "{\n \"item_id\": \"a\",\n \"operation\": \"DELETE\"\n}\n"}, []string{"a"}, []string{""}},
		"an array": {
			call{contentType: "application/json; charset=UTF-8", body: `[{"item_id":"a","operation":"DELETE"}, {"item_id":"b","operation":"DELETE","id":null}]`},
			[]string{"a", "b"},
			[]string{"", ""},
		},
		"an event":           {call{contentType: "application/cloudevents+json", body: event("e-1", "a")}, []string{"a"}, []string{"e-1"}},
		"an event as object": {call{contentType: jsonType, body: event("e-1", "a")}, []string{"a"}, []string{"e-1"}},
		"an event in base64": {
			call{contentType: "application/cloudevents+json", body: `{"specversion":"1.0","id":"e-1","data_base64":"` + encoded + `"}`},
			[]string{"a"},
			[]string{"e-1"},
		},
		"events": {
			call{contentType: "application/cloudevents-batch+json", body: "[" + event("e-1", "a") + "," + event("e-2", "b") + "]"},
			[]string{"a", "b"},
			[]string{"e-1", "e-2"},
		},
		"a binary event": {
			call{
				contentType: jsonType, body: `{"item_id":"a","operation":"DELETE","type":"RETAIL"}`,
				header: map[string]string{"ce-specversion": "1.0", "ce-id": "e%201", "ce-source": "/shop", "ce-type": "item.changed"},
			},
			[]string{"a"},
			[]string{"e 1"},
		},
		"names that are percent-encoded": {
			call{path: "/v1/mutations/%61cme/u%73/RETAIL", body: `{"item_id":"a","operation":"DELETE"}`}, []string{"a"}, []string{""},
		},
		"a body of unknown length": {
			call{reader: io.MultiReader(strings.NewReader(`{"item_id":"a","operation":"DELETE"}`))}, []string{"a"}, []string{""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t, setup{})
			got := a.do(c.call)
			require.Equal(t, http.StatusAccepted, got.status, string(got.body))
			body := got.accepted(t)
			require.Equal(t, len(c.items), body.Accepted)
			all := a.mutations()
			require.Equal(t, c.items, itemsOf(all))
			require.Equal(t, idsOf(all), body.IDs)
			for i, id := range c.ids {
				if id != "" {
					require.Equal(t, id, body.IDs[i])
				} else {
					require.Len(t, body.IDs[i], 36)
				}
				require.Equal(t, catalog.Lane{Account: "acme", Catalog: "us", Type: "RETAIL"}, all[i].Lane)
			}
		})
	}
}

func TestABinaryEventKeepsItsHeaders(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	a.do(call{contentType: jsonType, body: `{"item_id":"a","operation":"DELETE"}`, header: map[string]string{
		"ce-specversion": "1.0", "ce-id": "e-1", "ce-source": "/shop", "ce-time": "2026-11-22T10:00:00Z", "X-Secret": "no",
		"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	}}).accepted(t)
	raw := a.stored()[0]
	require.Equal(t, []string{"/shop"}, raw.Header["ce-source"])
	require.Equal(t, []string{"application/json"}, raw.Header["content-type"])
	require.Equal(t, []string{"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, raw.Header["traceparent"])
	require.NotContains(t, raw.Header, "X-Secret")
	require.NotContains(t, raw.Header, "Authorization")
	require.Equal(t, "2026-11-22T10:00:00Z", a.mutations()[0].OccurredAt.UTC().Format("2006-01-02T15:04:05Z07:00"))
}

func TestOrderIsThatOfTheLines(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	const count = 2*publish.MaxBatch + 11
	var body strings.Builder
	for i := range count {
		fmt.Fprintf(&body, `{"item_id":"same","operation":"UPSERT","attributes":{"n":%d}}`+"\n", i)
	}
	require.Equal(t, count, a.do(call{body: body.String()}).accepted(t).Accepted)
	all := a.mutations()
	require.Len(t, all, count)
	for i, m := range all {
		require.JSONEq(t, `{"n":`+strconv.Itoa(i)+`}`, string(m.Attributes))
	}
}

// hostile are lines with what is wrong with them.
var hostile = []struct{ line, field, rule, detail string }{
	{`{"item_id":"x","operation":"upsert"}`, "operation", "unknown_operation", "upsert"},
	{`{"item_id":"x"}`, "operation", "missing_field", "operation"},
	{`{"operation":"DELETE"}`, "item_id", "missing_field", "item_id"},
	{`{"item_id":7,"operation":"DELETE"}`, "item_id", "wrong_type", "item_id"},
	{`{"item_id":"x","operation":"UPSERT"}`, "attributes", "missing_field", "attributes"},
	{`{"item_id":"x","item_id":"y","operation":"DELETE"}`, "item_id", "", "item_id"},
	{`{"item_id":"x","operation":"UPSERT","attributes":{"a":1,"a":2}}`, "", "", "a"},
	{"{\"item_id\":\"x\xff\",\"operation\":\"DELETE\"}", "", "invalid_json", "UTF-8"},
	{`{"item_id":"x","operation":"DELETE"} garbage`, "", "invalid_json", "more after"},
	{`{"item_id":"x","operation":"DELETE"}{"item_id":"y","operation":"DELETE"}`, "", "invalid_json", "more after"},
	{`{"item_id":"x","operation":"DELETE"},`, "", "invalid_json", "comma"},
	{`{"item_id":"x","operation":"DELETE"`, "", "invalid_json", "not valid JSON"},
	{"{\"item_id\":\"x\x00\",\"operation\":\"DELETE\"}", "", "invalid_json", "NUL"},
	{`{`, "", "invalid_json", "one line"},
	{`[{"item_id":"x","operation":"DELETE"}]`, "", "wrong_type", "array"},
	{`"text"`, "", "wrong_type", "not a JSON object"},
	{`{"item_id":"x","operation":"UPSERT","attributes":{"a":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}}`, "", "invalid_json", "deeper"},
	{`{"account":"other","item_id":"x","operation":"DELETE"}`, "account", "invalid_value", "other"},
	{`{"catalog":"de","item_id":"x","operation":"DELETE"}`, "catalog", "invalid_value", "de"},
	{`{"type":"HOTEL","item_id":"x","operation":"DELETE"}`, "type", "invalid_value", "HOTEL"},
	{`{"typ\u0065":"HOTEL","item_id":"x","operation":"DELETE"}`, "type", "invalid_value", "HOTEL"},
	{`{"catalog_type":null,"item_id":"x","operation":"DELETE"}`, "catalog_type", "wrong_type", "text"},
	{`{"id":"a\u0007b","item_id":"x","operation":"DELETE"}`, "id", "invalid_value", "control"},
	{`{"id":"ends with a space ","item_id":"x","operation":"DELETE"}`, "id", "invalid_value", "spaces"},
	{`{"item_id":"x","operation":"DELETE","version":1.5}`, "version", "invalid_value", "version"},
	{`{"item_id":"x","operation":"UPSERT","attributes":{"t":"` + strings.Repeat("x", message.MaxBody) + `"}}`, "", "message_too_large", "1048576"},
	{`{"specversion":"1.0","id":"e","type":"t","data":{"account":"other","item_id":"x","operation":"DELETE"}}`, "account", "invalid_value", "other"},
	{`{"specversion":"0.3","id":"e","data":{"item_id":"x","operation":"DELETE"}}`, "specversion", "invalid_value", "1.0"},
	{`{"specversion":"1.0","data":{"item_id":"x","operation":"DELETE"}}`, "id", "missing_field", "id"},
	{`{"specversion":"1.0","id":"e","data":{"item_id":"x","operation":"no"}}`, "operation", "unknown_operation", "no"},
}

func TestEveryBadLineIsNamedAndNothingIsStored(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	var body strings.Builder
	for _, h := range hostile {
		body.WriteString(`{"item_id":"good","operation":"DELETE"}` + "\n" + h.line + "\n")
	}
	got := a.do(call{body: body.String()}).problem(t, kindInvalidLines)
	require.Len(t, got.Errors, len(hostile))
	for i, h := range hostile {
		e := got.Errors[i]
		require.Equal(t, 2*i+2, e.Line)
		require.Contains(t, e.Detail, h.detail, h.line)
		require.LessOrEqual(t, len(e.Value), 4*maxShown)
		if h.rule != "" {
			require.Equal(t, h.rule, e.Rule, h.line)
			require.Equal(t, h.field, e.Field, h.line)
		}
	}
	require.Contains(t, got.Detail, fmt.Sprintf("%d of %d", len(hostile), 2*len(hostile)))
	require.Empty(t, a.stored())
	require.Equal(t, lineError{
		Line: 2, ItemID: "x", Field: "operation", Rule: "unknown_operation", Value: `"upsert"`, Detail: got.Errors[0].Detail,
	}, got.Errors[0])
	require.Equal(t, `"no"`, got.Errors[len(hostile)-1].Value, "of the event's data")

	partly := a.do(call{path: lanePath + "?partial=true", body: body.String()})
	require.Equal(t, http.StatusMultiStatus, partly.status)
	stored := partly.accepted(t)
	require.Equal(t, len(hostile), stored.Accepted)
	require.Equal(t, len(hostile), stored.Refused)
	require.Equal(t, got.Errors, stored.Errors)
	require.Equal(t, stored.IDs, idsOf(a.mutations()))
	for i, line := range stored.Lines {
		require.Equal(t, 2*i+1, line)
	}
}

func TestPartialWithoutGoodOrBadLines(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	a.do(call{path: lanePath + "?partial=true", body: "{}\n{}"}).problem(t, kindInvalidLines)
	require.Empty(t, a.stored())
	got := a.do(call{path: lanePath + "?partial=true", body: `{"item_id":"a","operation":"DELETE"}`})
	require.Equal(t, http.StatusAccepted, got.status)
	require.Len(t, a.stored(), 1)
	a.do(call{path: lanePath + "?partial=false", body: "{}\n" + `{"item_id":"a","operation":"DELETE"}`}).problem(t, kindInvalidLines)
	require.Len(t, a.stored(), 1)
}

// TestOneIDForTwoChanges: the stream would drop the second one silently.
func TestOneIDForTwoChanges(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	first, second := `{"id":"m","item_id":"a","operation":"DELETE"}`, `{"id":"m","item_id":"b","operation":"DELETE"}`
	got := a.do(call{body: first + "\n" + second}).problem(t, kindInvalidLines)
	require.Equal(t, 2, got.Errors[0].Line)
	require.Equal(t, "id", got.Errors[0].Field)
	require.Contains(t, got.Errors[0].Detail, "line 1")

	body := a.do(call{body: first + "\n" + first}).accepted(t)
	require.Equal(t, []string{"m", "m"}, body.IDs)
	require.Len(t, a.stored(), 1)

	body = a.do(call{body: second + "\n" + `{"id":"n","item_id":"b","operation":"DELETE"}`}).accepted(t)
	require.Equal(t, 2, body.Accepted)
	require.Equal(t, 1, body.Duplicates, "the caller learns that m was not stored again")
	require.Equal(t, []string{"m", "n"}, idsOf(a.mutations()))
}

// TestIDsOfAccountsAreApart: one token must not suppress the changes of another account by
// using their ids first.
func TestIDsOfAccountsAreApart(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	long := strings.Repeat("i", message.MaxID)
	for _, id := range []string{"m-1", long} {
		body := `{"id":"` + id + `","item_id":"a","operation":"DELETE"}`
		for _, account := range []string{"acme", "other"} {
			got := a.do(call{path: "/v1/mutations/" + account + "/us/RETAIL", token: "Bearer " + anyToken, body: body}).accepted(t)
			require.Equal(t, []string{id}, got.IDs)
			require.Zero(t, got.Duplicates)
		}
	}
	body := `{"item_id":"a","operation":"DELETE"}`
	for _, account := range []string{"acme", "other"} {
		a.do(call{
			path: "/v1/mutations/" + account + "/us/RETAIL", token: "Bearer " + anyToken, body: body, header: map[string]string{headerKey: "k"},
		}).accepted(t)
	}
	require.Len(t, a.stored(), 6)
}

// TestTheStreamRefusesALine: only its max_msg_size is not known before, so the others are
// stored even without partial, and the answer says so.
func TestTheStreamRefusesALine(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	shrink(t, a.js, func(c *jetstream.StreamConfig) { c.MaxMsgSize = 2000 })
	large := `{"item_id":"b","operation":"UPSERT","attributes":{"t":"` + strings.Repeat("x", 3000) + `"}}`
	got := a.do(call{body: `{"item_id":"a","operation":"DELETE"}` + "\n" + large + "\n" + `{"item_id":"c","operation":"DELETE"}`})
	require.Equal(t, http.StatusMultiStatus, got.status, string(got.body))
	body := got.accepted(t)
	require.Equal(t, []int{1, 3}, body.Lines)
	require.Equal(t, "message_too_large", body.Errors[0].Rule)
	require.Equal(t, []string{"a", "c"}, itemsOf(a.mutations()))

	a.do(call{body: large}).problem(t, kindInvalidLines)

	// A line that repeats it has its fate.
	own := strings.Replace(large, `{`, `{"id":"m",`, 1)
	body = a.do(call{body: remove + "\n" + own + "\n" + own}).accepted(t)
	require.Equal(t, []int{1}, body.Lines)
	require.Equal(t, []int{2, 3}, linesOf(body.Errors))
	require.Equal(t, 2, body.Refused)
}

// TestALineLargerThanNATSTakes: it is refused before anything is stored.
func TestALineLargerThanNATSTakes(t *testing.T) {
	t.Parallel()
	server, err := embedded.StartNATS(embedded.NATSOptions{StoreDir: t.TempDir(), MaxPayload: 4 << 10})
	require.NoError(t, err)
	t.Cleanup(server.Shutdown)
	conn, err := server.Connect()
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	_, err = queue.Ensure(t.Context(), js, queue.StreamConfig{})
	require.NoError(t, err)
	a := start(t, setup{js: js})
	large := `{"item_id":"b","operation":"UPSERT","attributes":{"t":"` + strings.Repeat("x", 4<<10) + `"}}`
	got := a.do(call{body: remove + "\n" + large}).problem(t, kindInvalidLines)
	require.Equal(t, 2, got.Errors[0].Line)
	require.Equal(t, "message_too_large", got.Errors[0].Rule)
	require.Contains(t, got.Errors[0].Detail, "max_payload")
	require.Empty(t, a.stored())

	// The trace context is a header of the message, and counts.
	fits := `{"item_id":"b","operation":"UPSERT","attributes":{"t":"` + strings.Repeat("x", 3400) + `"}}`
	trace := map[string]string{
		"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=" + strings.Repeat("s", 250) + ",b=" + strings.Repeat("s", 250),
	}
	a.do(call{body: remove + "\n" + fits, header: trace}).problem(t, kindInvalidLines)
	require.Empty(t, a.stored())
	a.do(call{body: remove + "\n" + fits}).accepted(t)
}

func shrink(t *testing.T, js jetstream.JetStream, change func(*jetstream.StreamConfig)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stream, err := js.Stream(ctx, queue.DefaultStreamName)
	require.NoError(t, err)
	config := stream.CachedInfo().Config
	change(&config)
	_, err = js.UpdateStream(ctx, config)
	require.NoError(t, err)
}

// TestAnswersAreTheSameForTheSameRequest: byte for byte, without and with own ids.
func TestAnswersAreTheSameForTheSameRequest(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	for name, body := range map[string]string{
		"no ids":  "{\"item_id\":\"a\",\"operation\":\"DELETE\"}\n\n{\"item_id\":\"b\",\"operation\":\"DELETE\"}",
		"own ids": `{"id":"m-1","item_id":"a","operation":"DELETE"}`,
	} {
		before := len(a.stored())
		header := map[string]string{headerKey: "run-" + name[:2]}
		first := a.do(call{body: body, header: header})
		stored := len(a.stored())
		require.Greater(t, stored, before)
		second := a.do(call{body: body, header: header})
		require.Equal(t, string(first.body), string(second.body))
		require.Equal(t, first.status, second.status)
		require.Len(t, a.stored(), stored)
	}
	ids := idsOf(a.mutations())
	require.True(t, json.Valid([]byte(fmt.Sprintf("%q", ids[0]))))
}
