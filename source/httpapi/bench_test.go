package httpapi

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
)

// thousand are 1,000 lines of a retail item of 600 bytes.
func thousand(b *testing.B) []byte {
	b.Helper()
	line, err := os.ReadFile("../../message/testdata/retail.json")
	require.NoError(b, err)
	body := bytes.Repeat(append(bytes.ReplaceAll(bytes.TrimSpace(line), []byte("\n"), []byte(" ")), '\n'), 1000)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	return body
}

// BenchmarkRead reads a body of 1,000 lines, without a publisher.
func BenchmarkRead(b *testing.B) {
	body := thousand(b)
	to := catalog.Lane{Account: "acme", Catalog: "us", Type: "RETAIL"}
	subject, _ := message.Subject(to)
	for b.Loop() {
		texts, refused := split(body, formLines, DefaultMaxLines)
		require.Nil(b, refused)
		r := request{lane: to, subject: subject, as: formLines, pack: "k", check: nothingWrong}
		good, bad, err := r.items(b.Context(), texts)
		if err != nil || len(bad) > 0 || len(good) != 1000 {
			b.Fatal(err, bad, len(good))
		}
	}
}

// BenchmarkRequest stores 1,000 lines in a real stream and answers.
func BenchmarkRequest(b *testing.B) {
	nats := natstest.Start(b)
	js := nats.JetStream(b)
	_, err := queue.Ensure(b.Context(), js, queue.StreamConfig{})
	require.NoError(b, err)
	server, err := New(Options{
		Publisher: publish.NewPublisher(js, publish.Options{}), Tokens: []Token{{Name: "t", SHA256: HashToken("t"), Accounts: []string{AllAccounts}}},
	})
	require.NoError(b, err)
	handler := server.Handler()
	body := string(thousand(b))
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, lanePath, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer t")
		r.Header.Set("Content-Type", lines)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusAccepted {
			b.Fatal(w.Body)
		}
	}
}
