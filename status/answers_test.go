package status

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPartsOfAnAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{
			"Pinterest's", `{"batch_id": "1", "items": [{"item_id": "a", "status": "FAILURE", "errors": [{"attribute": "PRICE"}]}, {"item_id": "b"}]}`,
			`[{"item_id": "a", "status": "FAILURE", "errors": [{"attribute": "PRICE"}]}]`,
		},
		{
			"Meta's", `{"data": [{"status": "finished", "errors": [{"line": 0, "id": "b"}, {"id": "a", "message": "no price"}, {"id": "a"}], "ids_of_invalid_requests": ["a"]}]}`,
			`[{"id": "a", "message": "no price"},{"id": "a"}]`,
		},
		{"a list of ids", `{"data": [{"ids_of_invalid_requests": ["b", "a"]}]}`, `[{"ids_of_invalid_requests": ["b", "a"]}]`},
		{"one that breaks off", `{"items": [{"item_id": "a"}, {"item_id": "b", "st…`, `[{"item_id": "a"}]`},
		{"nothing of it", `{"items": [{"item_id": "b"}]}`, ""},
		{"no JSON", `<html>a</html>`, ""},
		{"a list alone", `["a"]`, ""},
	} {
		require.Equal(t, c.want, (&Answer{Text: c.text}).Of("a"), c.name)
	}
}
