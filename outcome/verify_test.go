package outcome_test

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/examples/outcomes"
	"github.com/catalog-courier/catalog-courier/source/webhook"
)

// verifyInGo has the receiving side of Standard Webhooks look at a POST.
func verifyInGo(t *testing.T, p received, secret string) {
	t.Helper()
	secrets, err := webhook.NewSecrets(webhook.Standard, secret)
	require.NoError(t, err)
	require.NoError(t, secrets.Verify(p.header, p.body, time.Now()))
	require.True(t, outcomes.Verify(p.header, p.body, time.Now(), secret), "the sample of the documentation")
	require.False(t, outcomes.Verify(p.header, append(p.body[:len(p.body):len(p.body)], ' '), time.Now(), secret))
	require.False(t, outcomes.Verify(p.header, p.body, time.Now().Add(time.Hour), secret))
	require.Error(t, secrets.Verify(p.header, append(p.body[:len(p.body):len(p.body)], ' '), time.Now()))
}

// TestTheSampleReceiver: the receiver of the documentation takes what Courier posts, and
// refuses what somebody else does.
func TestTheSampleReceiver(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	endMany(t, store, lease, 1, 12)
	program := exec.CommandContext(t.Context(), "python3", "-u", "../examples/outcomes/receive.py", "0")
	program.Env = append(os.Environ(), "OUTCOMES_SECRET="+oldSecret)
	program.Stderr = os.Stderr
	output, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	t.Cleanup(func() {
		_ = program.Process.Kill()
		_ = program.Wait()
	})
	lines := bufio.NewScanner(output)
	require.True(t, lines.Scan())
	port := strings.TrimPrefix(lines.Text(), "listening on port ")

	w := newWebhook(t, "http://127.0.0.1:"+port)
	record(t, store, lease, w)
	running(t, store, w)
	seen := map[string]bool{}
	for len(seen) < 12 {
		require.True(t, lines.Scan())
		seen[strings.Join(strings.Fields(lines.Text())[:2], " ")] = true
	}
	require.True(t, seen["item 1"] && seen["item 12"])

	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL, strings.NewReader(`{"data":[]}`))
	require.NoError(t, err)
	request.Header.Set("Webhook-Id", "msg_1")
	request.Header.Set("Webhook-Timestamp", "1")
	request.Header.Set("Webhook-Signature", "v1,AAAA")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	http.DefaultClient.CloseIdleConnections()
}
