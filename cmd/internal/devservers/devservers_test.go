package devservers_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/internal/devservers"
	"github.com/catalog-courier/catalog-courier/internal/config"
)

func streams(variables map[string]string) (given cli.Streams, said *bytes.Buffer) {
	said = &bytes.Buffer{}
	return cli.Streams{Err: said, Lookup: func(name string) (string, bool) {
		value, found := variables[name]
		return value, found
	}}, said
}

// TestFlags: the servers of a dev that runs are found until it ends, unless a variable names
// others.
func TestFlags(t *testing.T) {
	t.Parallel()
	variables := map[string]string{"XDG_STATE_HOME": t.TempDir()}
	given, said := streams(variables)
	require.Nil(t, devservers.Flags(given), "none runs")
	require.Empty(t, said.String())

	remove, err := devservers.Write(given, devservers.Servers{
		Process: os.Getpid(), Started: time.Now(), Database: "postgres://dev", NATS: "nats://dev",
	})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"database.url": "postgres://dev", "nats.url": "nats://dev"}, devservers.Flags(given))
	require.Contains(t, said.String(), "using the servers of worker dev (process ")
	for _, name := range devservers.Variables() {
		other, silent := streams(map[string]string{"XDG_STATE_HOME": variables["XDG_STATE_HOME"], name: "nats://production"})
		require.Nil(t, devservers.Flags(other), name)
		require.Empty(t, silent.String())
	}
	remove()
	require.Nil(t, devservers.Flags(given))
	require.NoFileExists(t, filepath.Join(variables["XDG_STATE_HOME"], "catalog-courier", "dev.json"))
}

// TestTheDefaultAddressIsFound: of several devs commands find the one at NATS's default address,
// whoever came first; without one, the first that still runs.
func TestTheDefaultAddressIsFound(t *testing.T) {
	t.Parallel()
	given, _ := streams(map[string]string{"XDG_STATE_HOME": t.TempDir()})
	at := func(nats string) devservers.Servers {
		return devservers.Servers{Process: os.Getpid(), Started: time.Now(), Database: "postgres://dev", NATS: nats}
	}
	_, err := devservers.Write(given, at("nats://127.0.0.1:5555"))
	require.NoError(t, err)
	_, err = devservers.Write(given, at("nats://127.0.0.1:6666"))
	another, is := errors.AsType[*devservers.AnotherError](err)
	require.True(t, is)
	require.Equal(t, os.Getpid(), another.Process)
	require.Equal(t, "nats://127.0.0.1:5555", devservers.Flags(given)["nats.url"])
	require.Nil(t, devservers.FlagsAt(given, config.DefaultNATS))
	_, err = devservers.Write(given, at(config.DefaultNATS))
	require.NoError(t, err)
	require.Equal(t, config.DefaultNATS, devservers.FlagsAt(given, config.DefaultNATS)["nats.url"])
}
