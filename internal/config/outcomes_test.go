package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
)

const webhookSecret = "whsec_Y2F0YWxvZy1jb3VyaWVyLWV4YW1wbGUtc2VjcmV0"

func loadOutcomes(t *testing.T, text string) (config.Outcomes, error) {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "secrets"), []byte(webhookSecret+"\n\n"+webhookSecret+"\n"), 0o600))
	path := filepath.Join(folder, "courier.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	c, err := config.Load(path, config.Options{WithoutAccounts: true, Lookup: func(string) (string, bool) { return "", false }})
	if err != nil {
		return config.Outcomes{}, err
	}
	return c.Outcomes, nil
}

func TestOutcomesSection(t *testing.T) {
	t.Parallel()
	plain, err := loadOutcomes(t, "{}")
	require.NoError(t, err)
	require.False(t, plain.Enabled)
	require.Empty(t, plain.Webhooks)
	o, err := loadOutcomes(t, `
outcomes:
  enabled: true
  max_age: 24h
  max_bytes: 64MiB
  webhooks:
    shop: {url: "https://shop.example/hook", secret: `+webhookSecret+`, statuses: [failed, invalid], accounts: acme}
    lab: {url: "http://127.0.0.1:9", allow_http: true, secret: `+webhookSecret+`, events: 1, timeout: 3s}
`)
	require.NoError(t, err)
	require.True(t, o.Enabled)
	require.Equal(t, 24*time.Hour, o.MaxAge)
	require.EqualValues(t, 64<<20, o.MaxBytes)
	shop := o.Webhooks["shop"]
	require.Equal(t, []string{"failed", "invalid"}, shop.Statuses)
	require.Equal(t, []string{"acme"}, shop.Accounts)
	require.Equal(t, 100, shop.Events)
	require.Equal(t, webhookSecret, shop.Secrets[0].Reveal())
	require.Equal(t, 3*time.Second, o.Webhooks["lab"].Timeout)
}

func TestOutcomesProblems(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`outcomes: {webhooks: {shop: {url: "http://shop.example/", secret: ` + webhookSecret + `}}}`:                    "outcomes.webhooks.shop.url: must begin with https://",
		`outcomes: {webhooks: {shop: {url: "https://shop.example/"}}}`:                                                  "outcomes.webhooks.shop: needs secret or secret_file",
		`outcomes: {webhooks: {shop: {secret: ` + webhookSecret + `}}}`:                                                 "outcomes.webhooks.shop: needs url",
		`outcomes: {webhooks: {shop: {url: "https://shop.example/", secret: canary-secret}}}`:                           "outcomes.webhooks.shop.secret: must be whsec_",
		`outcomes: {webhooks: {shop: {url: "https://shop.example/", statuses: [gone], secret: ` + webhookSecret + `}}}`: "outcomes.webhooks.shop.statuses",
		`outcomes: {max_age: 1s}`: "outcomes.max_age",
	} {
		_, err := loadOutcomes(t, text)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "canary-secret")
	}
}
