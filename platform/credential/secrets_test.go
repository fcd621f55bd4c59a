package credential_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/credential"
)

// TestSecretsAreNeverTold: in no way of printing, in no error, log line or row.
func TestSecretsAreNeverTold(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulated())
	var told strings.Builder
	settings := credential.OAuthConfig{ClientSecret: config.NewSecret(clientSecret), RefreshToken: config.NewSecret(firstRefresh), Keys: keys(t, firstKey, secondKey)}
	for _, kind := range []sandbox.FaultKind{sandbox.EchoToken, sandbox.Truncated, sandbox.HTMLError} {
		b.pinterest.InjectNext(sandbox.Authorize, sandbox.Fault{Kind: kind})
		source := b.worker()
		_, err := source.Token(t.Context())
		require.Error(t, err)
		fmt.Fprintf(&told, "%v %+v %#v %s\n", err, err, err, source.Name())
		b.change("retry_at = now()")
	}
	b.pinterest.RevokeRefresh("pinr_simulated-refresh-1") // what the truncated answer held
	b.change("sealed = sealed")
	oauth := b.worker(func(c *credential.OAuthConfig) { c.RefreshToken = config.NewSecret("pinr_simulated-refresh-1") })
	token := b.token(oauth)
	oauth.Refused(token)
	file, fixed := credential.NewFile("/run/secrets/token", config.NewSecret(token), discard), credential.Fixed(config.NewSecret(token))
	for _, printed := range []any{
		oauth, file, fixed, settings, &settings, keys(t, firstKey, secondKey),
		struct{ s credential.Source }{oauth},
		struct{ s credential.Source }{file},
		struct{ s credential.Source }{fixed},
		&struct{ s *credential.OAuth }{oauth},
		struct{ c credential.OAuthConfig }{settings},
	} {
		fmt.Fprintf(&told, "%v %+v %#v %s %x %d\n", printed, printed, printed, printed, printed, printed)
		text, err := json.Marshal(printed)
		if err == nil {
			told.Write(text)
		}
		slog.New(slog.NewJSONHandler(&told, nil)).Info("it", "value", printed)
		slog.New(slog.NewTextHandler(&told, nil)).Info("it", "value", printed)
	}
	told.WriteString(b.log.String())
	var rows string
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT string_agg(c::text, ' ') FROM courier.credential c").Scan(&rows))
	told.WriteString(rows)
	raw, err := hex.DecodeString(firstKey)
	require.NoError(t, err)
	for _, secret := range []string{
		clientSecret, firstRefresh, firstKey, secondKey, token, "pinr_simulated-refresh", base64.StdEncoding.EncodeToString(raw),
		base64.StdEncoding.EncodeToString([]byte("app:" + clientSecret)),
	} {
		for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret)))} {
			at := strings.Index(told.String(), form)
			require.Negative(t, at, "told: …%s…", told.String()[max(at-200, 0):max(at, 0)])
		}
	}
}

func TestKeysInEveryForm(t *testing.T) {
	t.Parallel()
	raw := make([]byte, 32)
	for i := range raw {
		raw[i] = byte(255 - i)
	}
	for _, text := range []string{
		hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), base64.StdEncoding.EncodeToString(raw),
		base64.RawStdEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(raw), " " + base64.RawURLEncoding.EncodeToString(raw) + "\n",
	} {
		ring, err := credential.ParseKeys(text, " "+firstKey+", "+secondKey+",")
		require.NoError(t, err, text)
		require.Equal(t, fmt.Sprint(keys(t, hex.EncodeToString(raw), "")), fmt.Sprint(ring))
	}
	_, err := credential.ParseKeys(" ", firstKey)
	require.ErrorIs(t, err, credential.ErrNoKey)
	for _, bad := range []string{"secret", firstKey[2:], firstKey + "00", "!" + secondKey} {
		_, err := credential.ParseKeys(bad, "")
		require.ErrorIs(t, err, credential.ErrBadKey)
		require.NotContains(t, err.Error(), bad)
		_, err = credential.ParseKeys(firstKey, bad)
		require.ErrorIs(t, err, credential.ErrBadKey)
	}
}
