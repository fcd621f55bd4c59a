package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
)

func TestOriginOfAddresses(t *testing.T) {
	t.Parallel()
	held := filepath.Join(t.TempDir(), "address")
	require.NoError(t, os.WriteFile(held, []byte("postgres://u:p@file:5432/x\n"), 0o600))
	const file = "nats:\n  url: nats://file:1\ndatabase:\n  url: ${ELSEWHERE}\n"
	for _, test := range []struct {
		name           string
		content        string
		variables      []string
		flags          map[string]string
		nats, database string
	}{
		{name: "nothing is said", nats: "default", database: "default"},
		{
			name: "the file", content: file, variables: []string{"ELSEWHERE", "postgres://db/x"},
			nats: "courier.yaml:2", database: "courier.yaml:4",
		},
		{
			name: "the environment overrides the file", content: file,
			variables: []string{"ELSEWHERE", "postgres://db/x", "NATS_URL", "nats://env:2", "DATABASE_URL", "postgres://env/x"},
			nats:      "environment NATS_URL, which overrides courier.yaml:2", database: "environment DATABASE_URL, which overrides courier.yaml:4",
		},
		{
			name: "the variable of its own overrides the common one", variables: []string{"NATS_URL", "nats://env:2", "COURIER_NATS_URL", "nats://own:3"},
			nats: "environment COURIER_NATS_URL, which overrides environment NATS_URL", database: "default",
		},
		{
			name: "an empty variable says nothing", content: file, variables: []string{"ELSEWHERE", "postgres://db/x", "NATS_URL", ""},
			nats: "courier.yaml:2", database: "courier.yaml:4",
		},
		{
			name: "a flag overrides all", content: file, variables: []string{"ELSEWHERE", "postgres://db/x"},
			flags: map[string]string{"nats.url": "nats://flag:4", "database.url": "postgres://flag/x"},
			nats:  "flag --nats, which overrides courier.yaml:2", database: "flag --database, which overrides courier.yaml:4",
		},
		{
			name: "a file of its own", content: "database:\n  url_file: " + held + "\n",
			nats: "default", database: "courier.yaml:2 (url_file)",
		},
		{
			name: "a file of its own by the environment", variables: []string{"COURIER_DATABASE_URL_FILE", held},
			nats: "default", database: "environment COURIER_DATABASE_URL_FILE (url_file)",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			loaded, err := config.Parse("courier.yaml", []byte(test.content), config.Options{
				Platforms: platforms,
				Lookup:    environment(test.variables...), Flags: test.flags, WithoutAccounts: true,
			})
			require.NoError(t, err)
			require.Equal(t, test.nats, loaded.Origin("nats.url"))
			require.Equal(t, test.database, loaded.Origin("database.url"))
		})
	}
}
