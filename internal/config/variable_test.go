package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
)

// loadWith reads a file with variables of the environment.
func loadWith(file string, options config.Options, variables ...string) (*config.Config, error) {
	options.Environ = func() []string { return variables }
	options.Lookup = func(name string) (string, bool) {
		for _, variable := range variables {
			if found, value, _ := strings.Cut(variable, "="); found == name {
				return value, true
			}
		}
		return "", false
	}
	return config.Parse("courier.yaml", []byte(file), options)
}

// TestMisspeltVariables are problems, with what was meant.
func TestMisspeltVariables(t *testing.T) {
	t.Parallel()
	options := config.Options{WithoutAccounts: true}
	for variable, want := range map[string]string{
		"COURIER_WORKER_MEMRY_LIMIT=1GiB":          "environment: COURIER_WORKER_MEMRY_LIMIT: is not a variable of Catalog Courier; did you mean COURIER_WORKER_MEMORY_LIMIT?",
		"COURIER_WORKR_MEMORY_LIMIT=1GiB":          "did you mean COURIER_WORKER_MEMORY_LIMIT?",
		"COURIER_DATABASEURL=x":                    "did you mean COURIER_DATABASE_URL?",
		"COURIER_NATS_SERVERS=x":                   "COURIER_NATS_SERVERS: is not a variable of Catalog Courier",
		"COURIER_SERVE_LISTN=:1":                   "did you mean COURIER_SERVE_LISTEN?",
		"COURIER_WORKER_LEASE_TTL=10s":             "",
		"COURIER_DATABASE_URL_FILE=/dev/null":      "COURIER_DATABASE_URL_FILE",
		"COURIER_META_TOKEN=secret":                "", // another file's
		"COURIER_WORKER_TOKENS=secret":             "", // the file takes it
		"COURIER_WORKER_SERVICE_HOST=10.0.0.1":     "",
		"COURIER_WORKER_SERVICE_PORT_HTTP=8080":    "",
		"COURIER_WORKER_PORT=tcp://10.0.0.1:80":    "",
		"COURIER_WORKER_PORT_80_TCP_ADDR=10.0.0.1": "",
		"COURIERS=7":  "",
		"WORKER_X=12": "",
	} {
		_, err := loadWith("worker: {lease_ttl: 9s}\naccounts: {acme: {access_token: '${COURIER_WORKER_TOKENS}'}}\n", options, variable)
		if want == "" {
			require.NoError(t, err, variable)
			continue
		}
		require.ErrorContains(t, err, want, variable)
	}
}

// TestVariablesOfServe win over the file, and say so.
func TestVariablesOfServe(t *testing.T) {
	t.Parallel()
	options := config.Options{WithoutAccounts: true, WithSources: true}
	loaded, err := loadWith("serve: {listen: ':1', max_requests: 3}\n", options, "COURIER_SERVE_LISTEN=:2", "COURIER_SERVE_DRAIN_TIMEOUT=7s")
	require.NoError(t, err)
	require.Equal(t, ":2", loaded.Serve.Listen)
	require.Equal(t, 3, loaded.Serve.MaxRequests)
	require.Equal(t, "7s", loaded.Serve.DrainTime.String())
	require.Equal(t, "environment COURIER_SERVE_LISTEN, which overrides courier.yaml:1", loaded.Origin("serve.listen"))
	_, err = loadWith("", options, "COURIER_SERVE_MAX_REQUESTS=many")
	require.ErrorContains(t, err, "environment: COURIER_SERVE_MAX_REQUESTS")
}
