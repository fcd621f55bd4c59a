package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

// TestConsoleServesAndEnds starts the console as the commands do, with a password.
func TestConsoleServesAndEnds(t *testing.T) {
	p := newPlant(t, sandbox.Options{})
	users := filepath.Join(t.TempDir(), "users")
	hash, err := bcrypt.GenerateFromPassword([]byte("kot ma ale"), bcrypt.MinCost)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(users, []byte("ala:"+string(hash)+"\n"), 0o600))
	p.variables["COURIER_CONSOLE_LISTEN"], p.variables["COURIER_CONSOLE_ACTIONS"] = "127.0.0.1:0", "true"
	p.variables["COURIER_CONSOLE_LOGIN"], p.variables["COURIER_CONSOLE_USERS_FILE"], p.variables["COURIER_CONSOLE_OPERATORS"] = "basic", users, "ala"
	lookup := func(name string) (string, bool) {
		value, found := p.variables[name]
		return value, found
	}
	a := &app{streams: cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Lookup: lookup}, platforms: builtin.Platforms(), given: arguments{configPath: p.config}}
	settings, err := config.Load(p.config, config.Options{Lookup: lookup, Platforms: platform.Configs(a.platforms)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	running, err := a.startConsole(ctx, settings, a.loadSources, slog.New(slog.DiscardHandler))
	require.NoError(t, err)

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(password string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, running.address+"workers", http.NoBody)
		require.NoError(t, err)
		if password != "" {
			request.SetBasicAuth("ala", password)
		}
		answer, err := client.Do(request)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body)
	}
	code, _ := get("")
	require.Equal(t, http.StatusUnauthorized, code)
	code, body := get("kot ma ale")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "No worker runs.")
	require.Contains(t, body, "operator")
	cancel()
	require.NoError(t, running.wait(ctx))

	// What cannot work says so at once, and leaves nothing running.
	settings.Console.UsersFile = users + "x"
	_, err = a.startConsole(t.Context(), settings, a.loadSources, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "login is not configured right")
	settings.Console.Login, settings.Console.Listen = config.LoginNone, ":0"
	_, err = a.startConsole(t.Context(), settings, a.loadSources, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "on loopback only")
}
