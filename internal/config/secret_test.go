package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
)

const canary = "canary-7f3a"

// TestProblemsTellNoSecret: where an address or a token is written wrongly, the
// problem says so without showing it.
func TestProblemsTellNoSecret(t *testing.T) {
	t.Parallel()
	for want, yaml := range map[string]string{
		"accounts.a.base_url":  account("    base_url: https://u:" + canary + "@x/v25.0\n"),
		"accounts.p.oauth_url": pinterest("client_id: x, client_secret: y, oauth_url: 'https://x/t?key=" + canary + "'"),
		"is not YAML":          account("    app_secret: *" + canary + "\n"),
	} {
		_, err := config.Load(write(t, yaml), config.Options{Platforms: platforms})
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), canary)
	}
	for name, addresses := range map[string][]string{
		"nats.url": {
			"nats://u:" + canary + "%zz@h:4222", "nats://u:" + canary + "/x@h:4222", "nats://u:" + canary + " 1@h:4222",
			"nats://h:4222,nats://u:" + canary + "@h:port", "nats://u:" + canary + "@", "nats://u:x@h/" + canary + "@h",
		},
		"database.url": {
			"postgres://u:pass@" + canary + "@h/d", "postgres://u:pass@x/" + canary + "@h/d", "postgres://u:pass?@" + canary + "@h/d",
		},
	} {
		for _, address := range addresses {
			_, err := config.Load("", config.Options{Platforms: platforms, Flags: map[string]string{name: address}, WithoutAccounts: true})
			require.ErrorContains(t, err, name, address)
			require.NotContains(t, err.Error(), canary)
		}
	}
}

func TestAddressShowsNoSecret(t *testing.T) {
	t.Parallel()
	for secret, shown := range map[string]string{
		"nats://u:p@h:4222":                             "nats://h:4222",
		"nats://token@h:4222":                           "nats://h:4222",
		"nats://u:p@h1:4222,tls://u:p@h2, nats://h3":    "nats://h1:4222,tls://h2,nats://h3",
		"nats://u:p@h1,u:p@h2":                          "nats://h2",
		"nats://h1/,u:p@h2":                             "[redacted]",
		"postgres://u:p@h1:5432/d?password=p":           "postgres://h1:5432/d",
		"postgres://u:p@h1,h2/d?target_session_attrs=x": "postgres://h1,h2/d",
		"postgres://u:p/q@h/d":                          "[redacted]",
		"token":                                         "[redacted]",
		"":                                              "[redacted]",
	} {
		require.Equal(t, shown, config.NewSecret(secret).Address(), secret)
	}
}
