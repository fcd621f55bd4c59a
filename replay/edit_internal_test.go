package replay

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// TestSetAttribute changes one attribute and no other byte of the attributes; a name is
// never a path.
func TestSetAttribute(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, name, value, want string }{
		{`{"item_id":"A","attributes":{"price":"ten","n":1.50}}`, "price", `"10.00 EUR"`, `{"item_id":"A","attributes":{"price":"10.00 EUR","n":1.50}}`},
		{`{"attributes":{"a":1}}`, "b.c", `[1]`, `{"attributes":{"a":1,"b.c":[1]}}`},
		{`{"attributes":{"a*":1,"a":2}}`, "a*", `null`, `{"attributes":{"a*":null,"a":2}}`},
		{`{"attributes":{"a":1,"\u0061":2}}`, "a", `3`, `{"attributes":{"a":3}}`},
		{`{"item_id":"A"}`, "ą\"", `1`, `{"item_id":"A","attributes":{"ą\"":1}}`},
		{`{"specversion":"1.0","data":{"attributes":{"a":1}}}`, "a", `2`, `{"specversion":"1.0","data":{"attributes":{"a":2}}}`},
	} {
		got, err := SetAttribute([]byte(c.body), c.name, c.value)
		require.NoError(t, err)
		require.Equal(t, c.want, string(got))
	}
	for _, c := range []struct{ body, name, value, want string }{
		{`[1]`, "a", "1", "not a JSON object"},
		{`{"attributes":[]}`, "a", "1", "are not an object"},
		{`{}`, "a", "ten", "is not JSON"},
		{`{}`, "", "1", "has no name"},
	} {
		_, err := SetAttribute([]byte(c.body), c.name, c.value)
		require.ErrorContains(t, err, c.want)
	}
}

func TestSetOperation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, want string }{
		{`{"item_id":"A","operation":"DELET"}`, `{"item_id":"A","operation":"DELETE"}`},
		{`{"item_id":"A"}`, `{"item_id":"A","operation":"DELETE"}`},
		{`{"specversion":"1.0","data":{"operation":3}}`, `{"specversion":"1.0","data":{"operation":"DELETE"}}`},
	} {
		got, err := SetOperation([]byte(c.body), catalog.Delete)
		require.NoError(t, err)
		require.Equal(t, c.want, string(got))
	}
	_, err := SetOperation([]byte(`[1]`), catalog.Delete)
	require.ErrorContains(t, err, "not a JSON object")
}

// TestEditedMessagesHaveNewIDs in the place where the message has its id, the same for the
// same edit, and keep the rules.
func TestEditedMessagesHaveNewIDs(t *testing.T) {
	t.Parallel()
	const subject = "catalog.mutations.a.b.RETAIL"
	letter := func(headers ...catalog.Header) *persistence.DeadLetter {
		return &persistence.DeadLetter{ID: 7, MutationID: "old", Message: catalog.Message{Subject: subject, Headers: headers}}
	}
	r := New(Options{Installation: "x"})
	plain := []byte(`{"id":"old","item_id":"A","operation":"DELETE"}`)
	first, err := r.edited(letter(catalog.Header{Name: "Nats-Msg-Id", Value: "old"}, catalog.Header{Name: "X", Value: "y"}), plain, subject)
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"`+first.ID+`","item_id":"A","operation":"DELETE"}`, string(first.Data))
	require.Equal(t, []catalog.Header{{Name: "X", Value: "y"}}, first.Headers)
	again, err := r.edited(letter(), plain, subject)
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)
	other, err := r.edited(letter(), []byte(`{"item_id":"B","operation":"DELETE"}`), subject)
	require.NoError(t, err)
	require.NotEqual(t, first.ID, other.ID)

	event := []catalog.Header{
		{Name: "ce-id", Value: "old"}, {Name: "ce-specversion", Value: "1.0"}, {Name: "ce-source", Value: "/s"}, {Name: "ce-type", Value: "t"},
	}
	binary, err := r.edited(letter(event...), []byte(`{"item_id":"A","operation":"DELETE"}`), subject)
	require.NoError(t, err)
	require.Equal(t, binary.ID, binary.Headers[0].Value)
	require.JSONEq(t, `{"item_id":"A","operation":"DELETE"}`, string(binary.Data))

	// What is given for a pack that cannot be read is one mutation: with the pack's headers it
	// would be a pack again, and be refused.
	pack := letter(slices.Concat(event, []catalog.Header{
		{Name: "content-type", Value: "application/x-ndjson"}, {Name: "Content-Encoding", Value: "zstd"}, {Name: "X", Value: "y"},
	})...)
	pack.Reason = catalog.BadPack
	single, err := r.edited(pack, plain, subject)
	require.NoError(t, err)
	require.Equal(t, []catalog.Header{{Name: "X", Value: "y"}}, single.Headers)
	require.JSONEq(t, `{"id":"`+single.ID+`","item_id":"A","operation":"DELETE"}`, string(single.Data))

	for body, code := range map[string]catalog.Reason{
		`{`: catalog.InvalidJSON, `{"item_id":"A","operation":"PATCH"}`: catalog.UnknownOperation, `{"operation":"DELETE"}`: catalog.MissingField,
	} {
		_, err := r.edited(letter(), []byte(body), subject)
		require.ErrorContains(t, err, string(code), body)
	}
	_, err = r.edited(letter(), plain, "elsewhere")
	require.ErrorContains(t, err, string(catalog.BadSubject))
}
