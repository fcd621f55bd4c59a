package service_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/service"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// What must never be seen anywhere.
const (
	clientSecret  = "canary-client-secret-90d1"
	refreshToken  = "canary-refresh-token-3c77"
	encryptionKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
)

const pinterestKey = "accounts." + rig.PinterestAccount + "."

// renewed are the settings of a Pinterest account whose tokens are renewed.
func renewed() rig.Settings {
	return rig.Settings{
		pinterestKey + "access_token":  nil,
		pinterestKey + "client_id":     "app",
		pinterestKey + "client_secret": clientSecret,
		pinterestKey + "refresh_token": refreshToken,
		"worker.encryption_key":        encryptionKey,
	}
}

func renewing() sandbox.Options {
	return sandbox.Options{OAuth: sandbox.OAuth{ClientID: "app", ClientSecret: clientSecret, RefreshToken: refreshToken, Rotate: true}}
}

// loginAt are the settings of a worker in that environment: all workers share one address
// of the token endpoint, which is part of what tells credentials apart.
func loginAt(env *rig.Env) rig.WorkerOptions {
	address := env.PinterestInterceptor.URL("all") + "/v5/oauth/token"
	return rig.WorkerOptions{Settings: rig.Settings{pinterestKey + "oauth_url": address}}
}

// letPass makes renewals older by some minutes, and failures forgotten.
func letPass(env *rig.Env) {
	_, err := env.DB.Exec(env.Context(), `UPDATE courier.credential SET refreshed_at = refreshed_at - interval '5 minutes', retry_at = NULL`)
	if err != nil {
		panic(err)
	}
}

// TestWorkersShareOneRenewal: two workers, one token; revoked under way it is
// renewed once, and no mutation pays for it.
func TestWorkersShareOneRenewal(t *testing.T) {
	t.Parallel()
	settings := renewed()
	for key, value := range map[string]any{
		"platform": "pinterest", "client_id": "app", "client_secret": clientSecret, "refresh_token": refreshToken,
		"catalogs.gb": map[string]any{"country": "GB", "language": "en-GB", "catalog_id": "77"},
	} {
		settings["accounts.second."+key] = value
	}
	env := rig.Start(t, rig.Options{Pinterest: renewing(), Settings: settings})
	second := catalog.Lane{Account: "second", Catalog: "gb", Type: "RETAIL"}
	login := loginAt(env)
	login.Settings["accounts.second.oauth_url"] = login.Settings[pinterestKey+"oauth_url"]
	env.StartWorker("a", login)
	env.StartWorker("b", login)
	env.Publish(append(upserts(rig.Retail, "first", 5), upserts(second, "first", 5)...)...)
	env.AwaitFinal(10, patience)
	require.Equal(t, 1, env.Pinterest.Counters().Grants)

	letPass(env)
	env.Pinterest.RevokeIssued()
	env.Publish(append(upserts(rig.Retail, "later", 5), upserts(second, "later", 5)...)...)
	env.AwaitFinal(20, patience)
	require.Equal(t, map[string]int{"succeeded": 20}, env.CheckInvariants())
	for _, s := range env.Statuses() {
		require.Equal(t, 1, s.Attempts, "%+v", s)
	}
	require.Equal(t, 2, env.Pinterest.Counters().Grants)
	require.Zero(t, env.Pinterest.Counters().GrantsRefused)
}

// TestRefusedRefreshTokenPausesTheAccount: one alert, a reason that says what to do,
// nothing lost; it goes on by itself, and no mutation pays for it.
func TestRefusedRefreshTokenPausesTheAccount(t *testing.T) {
	t.Parallel()
	settings := renewed()
	settings["defaults.retry.max_attempts"] = 1
	env := rig.Start(t, rig.Options{Pinterest: renewing(), Settings: settings})
	env.Pinterest.RevokeRefresh("")
	w := env.StartWorker("a", loginAt(env))
	stuck := env.Publish(upserts(rig.Retail, "stuck", 5)...)
	for _, id := range env.Publish(upserts(rig.Products, "free", 5)...) {
		env.AwaitStatus(id, "succeeded", patience)
	}
	env.Await("the account is paused", patience, func() bool {
		return env.Count(`SELECT count(*) FROM courier.account_status WHERE account = $1 AND state = 'paused'
			AND reason LIKE '%refresh token refused%'`, rig.PinterestAccount) == 1
	})
	env.Pinterest.RevokeRefresh(refreshToken)
	letPass(env)
	for _, id := range stuck {
		env.AwaitStatus(id, "succeeded", 2*patience)
	}
	require.Equal(t, 1, w.Log.Count("the platform refuses the account"), "one alert")
	require.Equal(t, map[string]int{"succeeded": 10}, env.CheckInvariants())
}

// TestReplacingTheTokensFileResumesTheAccount without a restart.
func TestReplacingTheTokensFileResumesTheAccount(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("old-token\n"), 0o600))
	env := rig.Start(t, rig.Options{
		Pinterest: sandbox.Options{Tokens: []string{"new-token"}},
		Settings:  rig.Settings{pinterestKey + "access_token": nil, pinterestKey + "access_token_file": file},
	})
	w := env.StartWorker("a", rig.WorkerOptions{})
	ids := env.Publish(upserts(rig.Retail, "waits", 5)...)
	w.AwaitLog("the platform refuses the account", patience)
	require.NoError(t, os.WriteFile(file, []byte("new-token\n"), 0o600))
	for _, id := range ids {
		env.AwaitStatus(id, "succeeded", 2*patience)
	}
	require.Equal(t, map[string]int{"succeeded": 5}, env.CheckInvariants())
	require.NotContains(t, w.Log.String(), "old-token")
}

// TestCode190PausesAMetaAccount until its token works; each call proves with the
// app's secret that the token is the app's.
func TestCode190PausesAMetaAccount(t *testing.T) {
	t.Parallel()
	const good = "new-meta-token"
	// printf new-meta-token | openssl dgst -sha256 -hmac app-secret-canary
	const proof = "ffef9d02c41e4f64e632c2e94cc35a012dba4ddda0f03844cf9a5ceab2f5f4fd"
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("old-meta-token"), 0o600))
	var behind http.Handler // set before the first call
	var unproven atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+good {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":{"message":"Session has expired","type":"OAuthException","code":190,"error_subcode":463}}`))
			return
		}
		if r.URL.Query().Get("appsecret_proof") != proof {
			unproven.Add(1)
		}
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	const key = "accounts." + rig.MetaAccount + "."
	env := rig.Start(t, rig.Options{Settings: rig.Settings{
		key + "access_token": nil, key + "access_token_file": file, key + "app_secret": "app-secret-canary",
		key + "base_url": server.URL + "/v25.0", "defaults.retry.max_attempts": 1,
	}})
	behind = env.Meta
	w := env.StartWorker("a", rig.WorkerOptions{})
	env.Publish(upserts(rig.Products, "waits", 5)...)
	w.AwaitLog("the platform refuses the account", patience)
	require.NoError(t, os.WriteFile(file, []byte(good), 0o600))
	env.AwaitFinal(5, 2*patience)
	require.Equal(t, map[string]int{"succeeded": 5}, env.CheckInvariants())
	require.Zero(t, unproven.Load())
	require.Equal(t, 1, w.Log.Count("the platform refuses the account"), "one alert")
	for _, secret := range []string{proof, good, "old-meta-token", "app-secret-canary"} {
		require.NotContains(t, w.Log.String(), secret)
	}
}

// TestRenewedTokensAreNeverTold (I7), whatever the token endpoint throws back.
func TestRenewedTokensAreNeverTold(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Pinterest: renewing(), Settings: renewed()})
	env.Pinterest.InjectNext(sandbox.Authorize, sandbox.Fault{Kind: sandbox.EchoToken})
	w := env.StartWorker("a", loginAt(env))
	id := env.Publish(upserts(rig.Retail, "S", 1)...)[0]
	w.AwaitLog("the platform refuses the account", patience)
	letPass(env)
	env.AwaitStatus(id, "succeeded", 2*patience)
	var seen strings.Builder
	seen.WriteString(w.Log.String())
	for _, relation := range []string{"account_status", "batch_status", "mutation_status", "credential", "account", "quota_scope", "attempt"} {
		seen.WriteString(env.Everything(relation))
	}
	told := seen.String()
	for _, secret := range []string{clientSecret, refreshToken, encryptionKey, "pina_simulated", "YXBwOmNhbmFyeS1jbGllbn"} {
		at := strings.Index(told, secret)
		require.Negative(t, at, "I7: %s", told[max(at-300, 0):max(at, 0)])
	}
}

func TestRenewedTokensNeedAnEncryptionKey(t *testing.T) {
	t.Parallel()
	for key, words := range map[string]string{
		"":      "account a: its tokens change and are kept in the database: set COURIER_ENCRYPTION_KEY",
		"short": "worker.encryption_key: an encryption key must be 32 bytes",
	} {
		loaded, err := config.Parse("courier.yaml", []byte(
			"accounts:\n  a: {platform: pinterest, client_id: i, client_secret: s, catalogs: {us: {country: US, language: en-US}}}\n"),
			config.Options{Platforms: platform.Configs(builtin.Platforms()), Lookup: func(name string) (string, bool) { return key, name == "COURIER_ENCRYPTION_KEY" }})
		require.NoError(t, err)
		require.ErrorContains(t, service.CheckAccounts(loaded, builtin.Platforms()), words)
		require.ErrorContains(t, service.Run(t.Context(), service.Options{Config: loaded}), words)
	}
}
