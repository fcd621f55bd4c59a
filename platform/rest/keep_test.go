package rest_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// bodied answers each call with the same text.
type bodied string

func (b bodied) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, ContentLength: int64(len(b)), Body: io.NopCloser(strings.NewReader(string(b)))}, nil
}

// kept makes a call that is answered so, and returns what is kept of the answer.
func kept(tb testing.TB, body string) string {
	tb.Helper()
	client := clientOf(bodied(body), time.Second)
	ctx, kept := platform.KeepAnswer(tb.Context())
	_, failure := client.Do(ctx, rest.Call{Operation: "GET it", Method: http.MethodGet, URL: "http://127.0.0.1/x"})
	require.Nil(tb, failure)
	return kept.Text()
}

// TestAnAnswerIsKeptWithoutSecrets, in whatever form they are in it and wherever it is cut.
func TestAnAnswerIsKeptWithoutSecrets(t *testing.T) {
	t.Parallel()
	require.Equal(t, "the handle is h-1", kept(t, "the handle is h-1"))
	require.Empty(t, kept(t, ""))
	require.Equal(t, "ab c", kept(t, "a\x00b\x1b\nc\xff"))
	require.NotContains(t, kept(t, `{"paging": "https://x/?access_token=abcdefgh1234&x"}`), "abcdefgh1234")
	require.NotContains(t, kept(t, `{"said": "EAAabcdefghijklmnop"}`), "EAAabc")
	forms := []string{secret, base64.StdEncoding.EncodeToString([]byte("xy" + secret)), fmt.Sprintf("%x", secret), escaped(secret)}
	for i, form := range forms {
		got := kept(t, `{"before": "`+form+`", "id": "a"}`)
		require.Equal(t, `", "id": "a"}`, got[len(got)-len(`", "id": "a"}`):])
		require.NotContains(t, got, form[len(form)/2:], "form %d", i)
	}
	const piece = 8
	for _, form := range forms {
		for offset := -len(form); offset <= len(form); offset += 3 {
			for _, limit := range []int{platform.MaxAnswer, platform.MaxAnswer + 8<<10, 4 * platform.MaxAnswer} {
				got := kept(t, strings.Repeat("x", limit+offset)+form+strings.Repeat("y", 1<<10))
				require.LessOrEqual(t, len(got), platform.MaxAnswer)
				require.True(t, utf8.ValidString(got))
				for at := 0; at+piece <= len(form); at++ {
					if strings.Contains(got, form[at:at+piece]) { // which is too long to be shown
						t.Fatalf("%d at %d: a piece of %q is kept", offset, limit, form)
					}
				}
			}
		}
	}
	long := kept(t, strings.Repeat("ż", platform.MaxAnswer))
	require.LessOrEqual(t, len(long), platform.MaxAnswer)
	require.Greater(t, len(long), platform.MaxAnswer-8)
	require.True(t, strings.HasSuffix(long, "ż…"))
	require.Empty(t, strings.Trim(kept(t, strings.Repeat(escaped(secret), 5000)), "[redact]…"))
}

// escaped is a text with each character as in JSON.
func escaped(text string) string {
	var made strings.Builder
	for _, r := range text {
		_, _ = fmt.Fprintf(&made, `\\u%04x`, r)
	}
	return made.String()
}

// BenchmarkKeep is what a batch of 1000 items costs whose answer is kept.
func BenchmarkKeep(b *testing.B) {
	for _, items := range []int{1, 100, 1000} {
		body := `{"items": [` + strings.Repeat(`{"item_id": "SKU-1234567", "status": "SUCCESS", "errors": [], "warnings": []},`, items) + `{}]}`
		for _, keeps := range []bool{true, false} {
			b.Run(fmt.Sprintf("%d items, kept %v", items, keeps), func(b *testing.B) {
				client := clientOf(bodied(body), time.Second)
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					ctx := b.Context()
					if keeps {
						ctx, _ = platform.KeepAnswer(ctx)
					}
					_, failure := client.Do(ctx, rest.Call{Operation: "GET it", Method: http.MethodGet, URL: "http://127.0.0.1/x"})
					require.Nil(b, failure)
				}
			})
		}
	}
}
