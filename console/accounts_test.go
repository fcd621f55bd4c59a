package console

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/catalog-courier/catalog-courier/status"
)

// oneAccount has one account, whose values all differ.
type oneAccount struct{ fixtures }

func (oneAccount) Accounts(context.Context, string) ([]status.Account, error) {
	before := func(minutes int) *time.Time {
		at := fixtureTime.Add(time.Hour - time.Duration(minutes)*time.Minute)
		return &at
	}
	return []status.Account{{
		Name: "acme", Platform: "meta", State: "failing", Reason: "connection refused", Since: before(11), Configured: true, NextAttemptAt: before(-12),
		LastSucceededAt: before(13), OldestWaitingAt: before(14), InFlightItems: 21, OpenBatches: 22, FailedLastHour: 23, WaitingItems: 24,
	}}, nil
}

// TestAccountsSayWhyAndSinceWhen reads the row of an account in the list, in CSV, and its page.
func TestAccountsSayWhyAndSinceWhen(t *testing.T) {
	t.Parallel()
	c := newFull(t, nil)
	c.Reader = oneAccount{}
	text := func(path string) string {
		answer := ask(c.Handler(), http.MethodGet, path, "127.0.0.1:1", nil)
		require.Equal(t, http.StatusOK, answer.Code)
		return answer.Body.String()
	}
	cells := map[string]string{}
	page, err := html.Parse(strings.NewReader(text("/accounts")))
	require.NoError(t, err)
	for node := range page.Descendants() {
		if label := attribute(node, "data-label"); label != "" {
			cells[label] = strings.Join(strings.Fields(innerText(node)), " ")
		}
	}
	require.Equal(t, map[string]string{
		"Account": "acme Meta", "State": "failing", "Reason": "connection refused since 11 min ago", "Waiting": "24", "In flight": "21", "Rejected last hour": "23",
		"Oldest waiting": "14 min ago", "Last success": "13 min ago", "Next try": "in 12 min",
	}, cells)
	require.Equal(t, "account,platform,state,reason,since,waiting_items,in_flight_items,failed_last_hour,oldest_waiting_at,last_succeeded_at,next_attempt_at,resumes_at\n"+
		"acme,meta,failing,connection refused,2026-11-28T23:19:15Z,24,21,23,2026-11-28T23:16:15Z,2026-11-28T23:17:15Z,2026-11-28T23:42:15Z,\n", text("/accounts?format=csv"))
	one := text("/accounts/acme")
	for _, part := range []string{"connection refused", "2026-11-28 23:19:15", "in 12 min", "13 min ago", "14 min ago", ">21<", ">22<", ">23<", ">24<"} {
		require.Contains(t, one, part)
	}
}

func innerText(node *html.Node) string {
	var text strings.Builder
	for part := range node.Descendants() {
		if part.Type == html.TextNode {
			text.WriteString(part.Data)
		}
	}
	return text.String()
}
