package receive_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/source/receive"
	"github.com/catalog-courier/catalog-courier/source/run"
	"github.com/catalog-courier/catalog-courier/source/webhook"
)

// TestTheExampleOfTheDocs sends what docs/webhooks.md begins with, and gets the answer that it
// shows.
func TestTheExampleOfTheDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/webhooks.md")
	require.NoError(t, err)
	part := func(pattern string) string {
		found := regexp.MustCompile(pattern).FindSubmatch(page)
		require.NotNil(t, found, pattern)
		return string(found[1])
	}
	key, body := part(`secret: (whsec_\S+)\}`), part(`body='([^']+)'`)
	require.Contains(t, string(page), "printf %s "+strings.TrimPrefix(key, "whsec_"), "the secret is the same in both")
	b := newBench(t, webhook.Standard, func(o *receive.Options) {
		o.Secrets = []string{key}
		o.Source.Routes = []run.Route{routeOf(t, "google", "{id}", "meta", catalog.Type("PRODUCT_ITEM"), "")}
	})
	stamp := strconv.FormatInt(b.now.Unix(), 10)
	request := httptest.NewRequest(http.MethodPost, "/v1/webhooks/shop", strings.NewReader(body))
	request.Header.Set("Webhook-Id", "msg_1")
	request.Header.Set("Webhook-Timestamp", stamp)
	request.Header.Set("Webhook-Signature", "v1,"+sign("catalog-courier-example", "msg_1.", stamp, ".", body))
	recorder := httptest.NewRecorder()
	b.ServeHTTP(recorder, request)
	require.Equal(t, http.StatusOK, recorder.Code)
	require.JSONEq(t, part("The answer is `([^`]+)`"), recorder.Body.String())
}
