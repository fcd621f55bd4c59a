package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConsole(t *testing.T) {
	t.Parallel()
	parse := func(text string) (*Config, error) {
		return Parse("courier.yaml", []byte(text), Options{WithoutAccounts: true})
	}
	loaded, err := parse("")
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:8081", loaded.Console.Listen)
	require.Equal(t, LoginNone, loaded.Console.Login)
	require.False(t, loaded.Console.Actions)
	loaded, err = parse(`
console:
  listen: 0.0.0.0:8443
  prefix: /courier
  actions: true
  login: oidc
  operators: ala, ewa@shop.example
  operator_groups: ops
  oidc: {issuer: "https://login.example", client_id: c, client_secret: s, url: "https://shop.example/courier", session: 1h, cookie_key: "0123456789abcdef0123456789abcdef"}
`)
	require.NoError(t, err)
	require.Equal(t, []string{"ala", "ewa@shop.example"}, loaded.Console.Operators)
	require.Equal(t, time.Hour, loaded.Console.OIDC.SessionFor)
	require.Equal(t, "groups", loaded.Console.OIDC.GroupsClaim)
	loaded, err = parse("console: {login: header, listen: \":80\", trusted_proxies: \"10.0.0.7, 10.1.0.0/16\"}")
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.7", "10.1.0.0/16"}, loaded.Console.TrustedProxies)
	for text, want := range map[string]string{"10.0.0.7": "10.0.0.7/32", "::ffff:10.0.0.7": "10.0.0.7/32", "10.1.2.3/16": "10.1.0.0/16", "::1": "::1/128"} {
		got, err := AddressRange(text)
		require.NoError(t, err)
		require.Equal(t, want, got.String())
	}
	for text, problem := range map[string]string{
		"{listen: \"0.0.0.0:80\"}":                     "without a login the console listens on loopback only",
		"{listen: \":80\"}":                            "without a login the console listens on loopback only",
		"{login: basic}":                               "console.users_file: is missing",
		"{login: header}":                              "console.trusted_proxies: is missing",
		"{login: header, trusted_proxies: everywhere}": "is not allowed: addresses such as",
		"{login: oidc}":                                "console.oidc.issuer: is missing",
		"{prefix: courier}":                            "is not allowed: a path such as",
		"{tls_cert_file: x}":                           "only of use together",
		"{login: oidc, prefix: /a, oidc: {url: \"https://x/b\"}}": "must end with console.prefix",
		"{login: oidc, oidc: {cookie_key: short}}":                "is shorter than 32 characters",
		"{login: open}": "is not allowed: one of",
	} {
		_, err := parse("console: " + text)
		require.ErrorContains(t, err, problem, text)
	}
	for _, listen := range []string{"localhost:1", "[::1]:1", "127.1.2.3:0"} {
		_, err := parse("console: {listen: \"" + listen + "\"}")
		require.NoError(t, err, listen)
	}
}
