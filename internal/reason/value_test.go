package reason_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/reason"
)

// TestValue finds what was sent, in a mutation and in the records of both kinds of requests.
func TestValue(t *testing.T) {
	t.Parallel()
	const mutation = `{"id":"m","item_id":"A","attributes":{"price":"ten","image":[{"url":"http://x"}],"a.b":1,"address":{"city":"K\u001bV"},"*":"star","none":null}}`
	const record = `{"method":"UPDATE","data":{"id":"A","price":12.5}}`
	for _, c := range []struct{ record, attribute, value string }{
		{mutation, "price", "ten"},
		{mutation, "image[0].url", "http://x"},
		{mutation, "image", `[{"url":"http://x"}]`},
		{mutation, "a.b", "1"},
		{mutation, "address.city", `K\x1bV`},
		{mutation, "attributes.price", "ten"},
		{mutation, "item_id", "A"},
		{mutation, "none", "null"},
		{mutation, "*", "star"},
		{record, "price", "12.5"},
		{`{"title":"` + strings.Repeat("x", 500) + `"}`, "title", strings.Repeat("x", 79) + "…"},
	} {
		value, found := reason.Value([]byte(c.record), c.attribute)
		require.True(t, found, c.attribute)
		require.Equal(t, c.value, value)
	}
	for _, c := range []struct{ record, attribute string }{
		{mutation, "brand"},
		{mutation, ""},
		{mutation, "image[1].url"},
		{mutation, "image.#.url"},
		{mutation, "pri*"},
		{mutation, "..."},
		{`{"price":`, "price"},
		{`[]`, "price"},
		{`"price"`, "price"},
		{"", "price"},
	} {
		value, found := reason.Value([]byte(c.record), c.attribute)
		require.False(t, found, "%s in %s: %s", c.attribute, c.record, value)
	}
}
