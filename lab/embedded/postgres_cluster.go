package embedded

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/catalog-courier/catalog-courier/lab/process"
)

// cluster is one data directory with the binaries that serve it.
type cluster struct {
	binaries string // the folder of initdb and postgres
	id       identity
	folder   *folder
	options  PostgresOptions
}

func (c cluster) data() string { return filepath.Join(c.folder.path, "data") }
func (c cluster) log() string  { return filepath.Join(c.folder.path, "postgres.log") }

func (c cluster) url(database string) string {
	port := c.options.Parameters["port"]
	if c.options.Port != 0 {
		port = strconv.Itoa(c.options.Port)
	}
	return socketURL(c.folder.sockets, port, database)
}

// initialise makes the data directory, unless there is one.
func (c cluster) initialise(ctx context.Context) error {
	if existingFile(c.data(), "PG_VERSION") {
		return nil
	}
	arguments := []string{
		"-D", c.data(), "-U", superuser, "-E", "UTF8", "--locale=C",
		// Whoever reaches the socket folder is its owner.
		"--auth-local=trust", "--auth-host=reject",
	}
	if !c.options.Durable {
		arguments = append(arguments, "--no-sync")
	}
	//nolint:gosec // the path is one that findBinaries chose
	command := exec.CommandContext(ctx, filepath.Join(c.binaries, "initdb"), arguments...)
	command.Dir = c.folder.path
	c.id.apply(command)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, tail(output))
	}
	return nil
}

// start runs the server in the foreground, as a child of this process.
func (c cluster) start() (*process.Child, error) {
	log, err := os.OpenFile(c.log(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor
	//nolint:gosec,noctx // the path is one that findBinaries chose; the child outlives the start
	command := exec.Command(filepath.Join(c.binaries, "postgres"), c.arguments()...)
	command.Dir = c.folder.path
	command.Stdout, command.Stderr = log, log
	c.id.apply(command)
	// SIGQUIT is Postgres's immediate shutdown, which ends its own children too.
	started, err := process.Start(command, process.Options{Orphaned: syscall.SIGQUIT, Watched: c.options.watched})
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", command.Path, err)
	}
	return started, nil
}

func (c cluster) arguments() []string {
	settings := map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": c.folder.sockets,
		"max_connections":         "200",
		"shared_buffers":          "128MB",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
	}
	if !c.options.Durable {
		settings["fsync"] = "off"
		settings["synchronous_commit"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, c.listen())
	maps.Copy(settings, c.options.Parameters)
	arguments := make([]string, 0, 2+2*len(settings))
	arguments = append(arguments, "-D", c.data())
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		arguments = append(arguments, "-c", name+"="+settings[name])
	}
	return arguments
}

func (c cluster) logTail() string {
	content, err := os.ReadFile(c.log())
	if err != nil {
		return err.Error()
	}
	return tail(content)
}

// tail keeps the end of an output, where the reason stands.
func tail(output []byte) string {
	const limit = 1500
	output = bytes.TrimSpace(output)
	if len(output) > limit {
		output = output[len(output)-limit:]
	}
	return string(output)
}
