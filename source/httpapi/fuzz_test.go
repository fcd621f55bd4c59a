package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/publish"
)

func nothingWrong(context.Context, publish.Publication) *catalog.Problem { return nil }

// FuzzBody: no body makes the decoder panic. Each of its lines is good or bad and never
// both; a good one is published as it was sent and is read by workers without a problem,
// under the id that the answer names; an answer can be written.
func FuzzBody(f *testing.F) {
	for _, h := range hostile {
		if len(h.line) < 1000 {
			f.Add([]byte(h.line), uint8(formLines), "")
			f.Add([]byte("["+h.line+"]"), uint8(formJSON), "k")
		}
	}
	for _, body := range []string{
		remove + "\r\n\n" + remove, "\xef\xbb\xbf" + remove, "\x1e" + remove, "[" + remove + "]", "[]", "", "\x1f\x8b", `{"id":"m","item_id":"a","operation":"DELETE"}`,
		`{"specversion":"1.0","id":"e","data":` + remove + `}`, `[{"specversion":"1.0","id":"e","data":` + remove + `}]`,
	} {
		for as := formLines; as <= formBinary; as++ {
			f.Add([]byte(body), uint8(as), "k")
		}
	}
	to := catalog.Lane{Account: "acme", Catalog: "us", Type: "RETAIL"}
	subject, _ := message.Subject(to)
	f.Fuzz(func(t *testing.T, body []byte, kind uint8, key string) {
		as := form(kind)%formBinary + 1
		const most = 100
		texts, refused := split(body, as, most)
		if refused != nil {
			require.Empty(t, texts)
			require.NotEmpty(t, refused.detail)
			return
		}
		require.NotEmpty(t, texts)
		require.LessOrEqual(t, len(texts), most)
		r := request{lane: to, subject: subject, as: as, check: nothingWrong}
		if as == formBinary {
			r.event = map[string][]string{message.HeaderEventSpecVersion: {"1.0"}, message.HeaderEventID: {"e"}, message.HeaderContentType: {"application/json"}}
		}
		if _, refused := idempotencyKey(map[string][]string{headerKey: {key}}); refused == nil {
			r.pack = pack(key, digestOf(to, formNames[as], r.event, body))
		}
		good, bad, err := r.items(t.Context(), texts)
		require.NoError(t, err)
		lines := map[int]int{}
		for _, g := range good {
			lines[g.line]++
			raw := message.Raw{Subject: subject, Headers: map[string][]string{message.HeaderID: {g.publication.ID}}, Data: g.publication.Data}
			for _, h := range g.publication.Headers {
				raw.Headers[h.Name] = []string{h.Value}
			}
			arrival := message.Decode(raw)
			require.Nil(t, arrival.Problem)
			require.Equal(t, g.id, arrival.Mutation.ID)
			require.Equal(t, g.key, arrival.Mutation.Key())
			require.True(t, bytes.Contains(body, g.publication.Data))
			require.Nil(t, message.CheckID("id", g.publication.ID))
			require.Equal(t, g.explicit, strings.HasPrefix(g.publication.ID, "acme/") && !strings.HasPrefix(r.pack, "acme/"), g.publication.ID)
		}
		for _, b := range bad {
			require.NotEmpty(t, b.Rule)
			require.NotEmpty(t, b.Detail)
			require.True(t, utf8.ValidString(b.Value+b.ItemID+b.Detail))
			lines[-b.Line]++
		}
		for _, x := range texts {
			require.NotEqual(t, lines[x.line] == 1, lines[-x.line] > 0, "line %d is good or bad", x.line)
		}
		_, err = json.Marshal(problem{Errors: bad})
		require.NoError(t, err)
	})
}
