package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/examples"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/platform"
)

// devContext is what a running worker dev writes down for the other commands, so that they
// find its servers without DATABASE_URL.
type devContext struct {
	Process  int       `json:"process"`
	Started  time.Time `json:"started"`
	Database string    `json:"database"` // may hold a password: the file is its owner's alone
	NATS     string    `json:"nats"`
	Config   string    `json:"config,omitempty"` // its file; "" for the demonstration accounts
}

// contextPath is in the state folder of the user: $XDG_STATE_HOME, or ~/.local/state. ""
// where there is none.
func contextPath(streams cli.Streams) string {
	if folder, found := streams.Lookup("XDG_STATE_HOME"); found && filepath.IsAbs(folder) {
		return filepath.Join(folder, "catalog-courier", "dev.json")
	}
	if home, found := streams.Lookup("HOME"); found && filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "catalog-courier", "dev.json")
	}
	return ""
}

// writeContext writes the file and returns what removes it, unless another worker dev has
// written it since. A dev works without one.
func writeContext(streams cli.Streams, written devContext) (remove func(), err error) {
	path := contextPath(streams)
	if path == "" {
		return func() {}, nil
	}
	text, err := json.MarshalIndent(written, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		return func() {}, fmt.Errorf("writing down where this dev is: %w", err)
	}
	// A name of its own, then a rename: nobody reads half a file.
	temporary, err := os.CreateTemp(filepath.Dir(path), "dev-*") // mode 0600
	if err != nil {
		return func() {}, fmt.Errorf("writing down where this dev is: %w", err)
	}
	_, err = temporary.Write(append(text, '\n'))
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return func() {}, errors.Join(fmt.Errorf("writing down where this dev is: %w", err), os.Remove(temporary.Name()))
	}
	return func() {
		if present, found := readContext(streams); found && present.Process == written.Process {
			_ = os.Remove(path) // a file of a process that is gone is ignored
		}
	}, nil
}

// readContext reads what a worker dev that still runs has written.
func readContext(streams cli.Streams) (found devContext, ok bool) {
	path := contextPath(streams)
	if path == "" {
		return found, false
	}
	text, err := os.ReadFile(path) //nolint:gosec // in the user's own state folder
	if err != nil || json.Unmarshal(text, &found) != nil || found.Process <= 0 {
		return devContext{}, false
	}
	return found, alive(found.Process)
}

// alive reports whether there is a process with the number. Signal 0 only asks; a process of
// another user, which cannot be asked, is there.
func alive(number int) bool {
	process, err := os.FindProcess(number)
	if err != nil {
		return false
	}
	err = process.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}

// devAccounts is the configuration of a running worker dev whose database a command uses:
// only to put together what it has sent. nil where the command is told of another place.
func (a *app) devAccounts() (*config.Config, error) {
	path, err := cli.ConfigPath(a.given.configPath)
	if err != nil || !a.untold(path) {
		return nil, err
	}
	found, ok := readContext(a.streams)
	if !ok {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	options := config.Options{Lookup: a.streams.Lookup, Environ: a.streams.Environ, Platforms: platform.Configs(a.platforms)}
	if found.Config != "" {
		settings, err := config.Load(found.Config, options)
		return settings, cli.ConfigError(err)
	}
	settings, err := config.Parse("examples/courier.yaml", examples.Config, options)
	return settings, cli.ConfigError(err)
}

// untold reports that a command is told of no database: no flag, no variable and no
// configuration.
func (a *app) untold(configPath string) bool {
	if configPath != "" || a.given.database != "" || a.given.nats != "" {
		return false
	}
	for _, name := range serverVariables {
		if value, found := a.streams.Lookup(name); found && value != "" {
			return false
		}
	}
	return true
}

// devServers are the servers of a running worker dev, as flags, for a command that is told of
// no database: no flag, no variable and no configuration. It says so.
func (a *app) devServers(configPath string) map[string]string {
	if !a.untold(configPath) {
		return nil
	}
	found, ok := readContext(a.streams)
	if !ok {
		return nil
	}
	_, _ = fmt.Fprintf(a.streams.Err, "using the database of worker dev (process %d, started %s)\n", found.Process, found.Started.Local().Format("15:04:05"))
	return map[string]string{"database.url": found.Database, "nats.url": found.NATS}
}
