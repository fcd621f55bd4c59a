package meta

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/platform"
)

func TestEachFailureHasItsScope(t *testing.T) {
	t.Parallel()
	const post, get = http.MethodPost, http.MethodGet
	cases := []struct {
		method, body string
		status       int
		scope        platform.FailureScope
		blocks       blocked
		token        bool
		ambiguous    bool
		tooLarge     bool
		lost         bool
	}{
		{post, `{"error":{"code":80014}}`, 400, platform.ScopeQuota, batchQuota, false, false, false, false},
		{get, `{"error":{"code":80009}}`, 400, platform.ScopeQuota, managementQuota, false, false, false, false},
		{post, `{"error":{"code":80004}}`, 400, platform.ScopeQuota, ownQuota, false, false, false, false},
		{post, `{"error":{"code":4}}`, 403, platform.ScopeQuota, appQuota, false, false, false, false},
		{post, `{"error":{"code":17,"is_transient":true}}`, 400, platform.ScopeQuota, appQuota, false, false, false, false},
		{get, `{"error":{"code":32}}`, 400, platform.ScopeQuota, appQuota, false, false, false, false},
		{post, `{"error":{"code":341}}`, 400, platform.ScopeQuota, appQuota, false, false, false, false},
		{post, `{"error":{"code":613}}`, 400, platform.ScopeQuota, appQuota, false, false, false, false},
		{post, `{"error":{"code":190,"error_subcode":463}}`, 400, platform.ScopeAccount, 0, true, false, false, false},
		{get, `{"error":{"code":102}}`, 400, platform.ScopeAccount, 0, true, false, false, false},
		{post, `{"error":{"type":"OAuthException","message":"expired"}}`, 400, platform.ScopeAccount, 0, true, false, false, false},
		{post, ``, 401, platform.ScopeAccount, 0, true, false, false, false},
		{post, `{"error":{"code":10}}`, 403, platform.ScopeAccount, 0, false, false, false, false},
		{post, `{"error":{"code":3}}`, 400, platform.ScopeAccount, 0, false, false, false, false},
		{post, `{"error":{"code":200}}`, 400, platform.ScopeAccount, 0, false, false, false, false},
		{post, `{"error":{"code":294}}`, 400, platform.ScopeAccount, 0, false, false, false, false},
		{post, `{"error":{"code":100,"error_subcode":33}}`, 400, platform.ScopeAccount, 0, false, false, false, false},
		{get, `{"error":{"code":100,"error_subcode":33}}`, 400, platform.ScopeBatch, 0, false, false, false, false},
		{post, `{"error":{"code":100,"type":"GraphMethodException","message":"Invalid appsecret_proof"}}`, 400, platform.ScopeAccount, 0, false, false, false, false},
		{get, `{"error":{"code":100,"type":"GraphMethodException","message":"Invalid appsecret_proof"}}`, 400, platform.ScopeAccount, 0, false, false, false, false},
		{post, `{"error":{"code":2500,"type":"OAuthException"}}`, 400, platform.ScopeAccount, 0, false, false, false, false},
		{post, `{"error":{"code":1}}`, 500, platform.ScopePlatform, 0, false, true, false, false},
		{post, `{"error":{"code":1,"message":"Please reduce the amount of data you're asking for, then retry your request"}}`, 500, platform.ScopeBatch, 0, false, false, true, false},
		{get, `{"error":{"code":1,"message":"Please reduce the amount of data"}}`, 500, platform.ScopePlatform, 0, false, true, false, false},
		{post, `{"error":{"code":2,"is_transient":true}}`, 503, platform.ScopePlatform, 0, false, true, false, false},
		{post, `{"error":{"code":368}}`, 400, platform.ScopePlatform, 0, false, false, false, false},
		{post, `{"error":{"code":-3}}`, 500, platform.ScopePlatform, 0, false, true, false, false},
		{post, `{"error":{"code":100,"is_transient":true}}`, 400, platform.ScopePlatform, 0, false, false, false, false},
		{post, `{"error":{"code":100,"is_transient":false}}`, 400, platform.ScopeBatch, 0, false, false, false, false},
		{get, `{"error":{"code":100}}`, 400, 0, 0, false, false, false, true},
		{post, `{"error":{"code":123456}}`, 400, platform.ScopeBatch, 0, false, false, false, false},
		{get, `{"error":{"code":123456}}`, 400, platform.ScopeBatch, 0, false, false, false, false},
		{post, `{"error":{"code":123456}}`, 500, platform.ScopePlatform, 0, false, true, false, false},
		{post, `not JSON`, 400, platform.ScopeBatch, 0, false, false, false, false},
		{post, ``, 429, platform.ScopeQuota, ownQuota, false, false, false, false},
		{post, ``, 413, platform.ScopeBatch, 0, false, false, true, false},
		{post, ``, 404, platform.ScopeAccount, 0, false, false, false, false},
		{post, ``, 301, platform.ScopeAccount, 0, false, false, false, false},
	}
	for _, c := range cases {
		row := failureOf(c.method, c.status, saidBy([]byte(c.body)))
		name := fmt.Sprintf("%s %d %s", c.method, c.status, c.body)
		require.Equal(t, c.scope, row.Scope, name)
		require.Equal(t, c.blocks, row.blocks, name)
		require.Equal(t, c.token, row.Token, name)
		require.Equal(t, c.ambiguous, row.Ambiguous, name)
		require.Equal(t, c.tooLarge, row.TooLarge, name)
		require.Equal(t, c.lost, row.lost, name)
	}
}

func TestNoFailureIsHiddenByAnother(t *testing.T) {
	t.Parallel()
	rows := failures()
	for i := range rows {
		require.NotEmpty(t, rows[i].Source)
		method := rows[i].method
		if method == "" {
			method = http.MethodPost
		}
		answer := said{kind: rows[i].kind, transient: rows[i].transient}
		answer.Code, answer.Subcode, answer.Message = rows[i].Code, rows[i].Subcode, rows[i].word
		if rows[i].kind != "" && !rows[i].uncoded && answer.Code == 0 {
			answer.Code = 4711
		}
		require.Equal(t, rows[i], failureOf(method, max(rows[i].Status, 0), answer), "row %d is never reached", i)
	}
}

func TestUsedUpQuotaSaysForHowLong(t *testing.T) {
	t.Parallel()
	told, wait := scopes{window: time.Hour}.usedUp([]platform.Quota{{Scope: "b", UsedPercent: 40, Block: 3 * time.Minute}}, "b", time.Minute)
	require.Equal(t, 3*time.Minute, wait)
	require.InDelta(t, 100, told[0].UsedPercent, 0)
	told, wait = scopes{window: time.Hour}.usedUp(nil, "b", time.Minute)
	require.Equal(t, time.Minute, wait)
	require.Equal(t, "b", told[0].Scope)
}
