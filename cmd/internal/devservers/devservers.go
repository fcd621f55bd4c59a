// Package devservers lets the commands of both programs find the servers of a worker dev that
// runs on this machine.
package devservers

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/config"
)

// Servers is what a running worker dev writes down for the other commands, so that they find
// its servers without DATABASE_URL.
type Servers struct {
	Process  int       `json:"process"`
	Started  time.Time `json:"started"`
	Database string    `json:"database"` // may hold a password: the file is its owner's alone
	NATS     string    `json:"nats"`
	Config   string    `json:"config,omitempty"` // its file; "" for the demonstration accounts
	// Platforms are the addresses of its simulated platforms, by name.
	Platforms map[string]string `json:"platforms,omitempty"`
}

// fileOf is in the state folder of the user: $XDG_STATE_HOME, or ~/.local/state. ""
// where there is none.
func fileOf(streams cli.Streams) string {
	if folder, found := streams.Lookup("XDG_STATE_HOME"); found && filepath.IsAbs(folder) {
		return filepath.Join(folder, "catalog-courier", "dev.json")
	}
	if home, found := streams.Lookup("HOME"); found && filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "catalog-courier", "dev.json")
	}
	return ""
}

// AnotherError says that commands find another worker dev, which still runs.
type AnotherError struct{ Process int }

func (e *AnotherError) Error() string {
	return fmt.Sprintf("another one runs (process %d), and commands find that one: name the servers of this one with --nats and --database", e.Process)
}

// Write writes the file and returns what removes it, unless another worker dev has
// written it since. A dev works without one. The one at the default address of NATS, of which
// there can be no other, is the one to be found: where another runs that was there before, the
// error is an *AnotherError.
func Write(streams cli.Streams, written Servers) (remove func(), err error) {
	path := fileOf(streams)
	if path == "" {
		return func() {}, nil
	}
	if present, runs := Running(streams); runs && written.NATS != config.DefaultNATS {
		return func() {}, &AnotherError{Process: present.Process}
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
		if present, found := Running(streams); found && present.Process == written.Process {
			_ = os.Remove(path) // a file of a process that is gone is ignored
		}
	}, nil
}

// Running reads what a worker dev that still runs has written.
func Running(streams cli.Streams) (found Servers, ok bool) {
	path := fileOf(streams)
	if path == "" {
		return found, false
	}
	text, err := os.ReadFile(path) //nolint:gosec // in the user's own state folder
	if err != nil || json.Unmarshal(text, &found) != nil || found.Process <= 0 {
		return Servers{}, false
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

// Variables are those that name the servers of real workers.
func Variables() []string {
	return []string{
		"NATS_URL", "COURIER_NATS_URL", "COURIER_NATS_URL_FILE", "DATABASE_URL", "COURIER_DATABASE_URL", "COURIER_DATABASE_URL_FILE",
	}
}

// Flags are the servers of a running worker dev as values of settings. It says on
// streams.Err that they are used. nil where none runs, or where a variable names servers.
func Flags(streams cli.Streams) map[string]string {
	if named(streams) {
		return nil
	}
	found, ok := Running(streams)
	if !ok {
		return nil
	}
	_, _ = fmt.Fprintf(streams.Err, "using the servers of worker dev (process %d, started %s)\n", found.Process, found.Started.Local().Format("15:04:05"))
	return map[string]string{"database.url": found.Database, "nats.url": found.NATS}
}

// FlagsAt is Flags for who publishes to a NATS address already: the worker dev has to be the
// one whose NATS that is.
func FlagsAt(streams cli.Streams, nats string) map[string]string {
	if found, ok := Running(streams); !ok || found.NATS != nats {
		return nil
	}
	return Flags(streams)
}

// Used are the servers whose database Flags names; ok is false where it names none.
func Used(streams cli.Streams) (found Servers, ok bool) {
	if named(streams) {
		return Servers{}, false
	}
	return Running(streams)
}

// named reports that a variable names servers.
func named(streams cli.Streams) bool {
	for _, name := range Variables() {
		if value, found := streams.Lookup(name); found && value != "" {
			return true
		}
	}
	return false
}

// From says in error texts where the values of Flags are from.
const From = "of a running worker dev"
