package embedded

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	// errNotOurs is returned for a server that was not started here.
	errNotOurs  = errors.New("only a server that was started here can have a standby")
	errNoServer = errors.New("no server was named")
)

// StandbyOptions say what a standby is like.
type StandbyOptions struct {
	// Dir keeps it between runs; it must be empty. Defaults to a private temporary
	// folder that Stop removes.
	Dir string
	// Synchronous has the primary wait for the standby with every commit, so that a
	// failover loses nothing. Without it a failover may lose the last commits.
	Synchronous bool
}

// StartStandby makes a standby of the server from a base backup and starts it with the
// same settings. It follows the primary from then on, and can be read from.
func (p *Postgres) StartStandby(ctx context.Context, options StandbyOptions) (*Postgres, error) {
	if p.process == nil {
		return nil, errNotOurs
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	home, err := openFolder(options.Dir, p.cluster.id)
	if err != nil {
		return nil, fmt.Errorf("preparing the folder of the standby: %w", err)
	}
	settings := p.cluster.options
	settings.Parameters = maps.Clone(settings.Parameters)
	c := cluster{binaries: p.cluster.binaries, id: p.cluster.id, folder: home, options: settings}
	standby := &Postgres{folder: home, cluster: c}
	if err := p.startStandby(ctx, standby, options); err != nil {
		return nil, errors.Join(err, standby.Stop()) //nolint:contextcheck // cleaning up must not end with ctx
	}
	return standby, nil
}

func (p *Postgres) startStandby(ctx context.Context, standby *Postgres, options StandbyOptions) error {
	if err := p.backUp(ctx, standby.cluster); err != nil {
		return err
	}
	started, err := standby.cluster.start()
	if err != nil {
		return err
	}
	standby.process = started
	standby.url = standby.cluster.url(databaseName)
	if err := standby.awaitAnswer(ctx); err != nil {
		return err
	}
	names := ""
	if options.Synchronous {
		names = "*"
	}
	if err := p.set(ctx, "synchronous_standby_names", names); err != nil {
		return err
	}
	return p.await(ctx, "the standby follows", "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming' AND (sync_state <> 'async') = "+
		strconv.FormatBool(options.Synchronous)+")")
}

// backUp copies the running server's files into the standby's folder.
func (p *Postgres) backUp(ctx context.Context, c cluster) error {
	//nolint:gosec // the path is one that findBinaries chose
	command := exec.CommandContext(ctx, filepath.Join(c.binaries, "pg_basebackup"), "-D", c.data(), "-U", superuser,
		"-h", p.cluster.folder.sockets, "-X", "stream", "-c", "fast", "-R", "--no-sync")
	if port := c.options.Parameters["port"]; port != "" {
		command.Args = append(command.Args, "-p", port)
	}
	command.Dir = c.folder.path
	c.id.apply(command)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w: %s", err, tail(output))
	}
	return nil
}

// awaitAnswer connects until the server answers, be it a standby or not.
func (p *Postgres) awaitAnswer(ctx context.Context) error {
	for {
		err := p.do(ctx, func(connection *pgx.Conn) error { return connection.Ping(ctx) })
		if err == nil {
			return nil
		}
		select {
		case <-p.process.Done():
			return fmt.Errorf("postgres ended while starting: %s", p.cluster.logTail())
		case <-ctx.Done():
			return fmt.Errorf("postgres did not become ready: %w; its log: %s", errors.Join(ctx.Err(), err), p.cluster.logTail())
		case <-time.After(pollPause):
		}
	}
}

const pollPause = 20 * time.Millisecond

func (p *Postgres) do(ctx context.Context, call func(*pgx.Conn) error) error {
	connection, err := pgx.Connect(ctx, p.url)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	return call(connection)
}

// set changes a setting of the running server.
func (p *Postgres) set(ctx context.Context, name, value string) error {
	err := p.do(ctx, func(connection *pgx.Conn) error {
		if _, err := connection.Exec(ctx, "ALTER SYSTEM SET "+name+" = '"+value+"'"); err != nil {
			return err
		}
		_, err := connection.Exec(ctx, "SELECT pg_reload_conf()")
		return err
	})
	if err != nil {
		return fmt.Errorf("setting %s: %w", name, err)
	}
	return nil
}

// await asks until the answer is true.
func (p *Postgres) await(ctx context.Context, what, question string) error {
	for {
		var yes bool
		err := p.do(ctx, func(connection *pgx.Conn) error { return connection.QueryRow(ctx, question).Scan(&yes) })
		if err == nil && yes {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, errors.Join(ctx.Err(), err))
		case <-time.After(pollPause):
		}
	}
}

// Fall ends the following of a standby: what the primary commits from now on, the
// standby does not have. It is for one that is not synchronous.
func (p *Postgres) Fall(ctx context.Context) error {
	if err := p.set(ctx, "primary_conninfo", ""); err != nil {
		return err
	}
	return p.await(ctx, "the standby follows no more", "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")
}

// Promote makes a standby a primary, and waits until it takes writes.
func (p *Postgres) Promote(ctx context.Context) error {
	err := p.do(ctx, func(connection *pgx.Conn) error {
		_, err := connection.Exec(ctx, "SELECT pg_promote(true)")
		return err
	})
	if err != nil {
		return fmt.Errorf("promoting the standby: %w", err)
	}
	return p.await(ctx, "the standby takes writes", "SELECT NOT pg_is_in_recovery()")
}

// Alone has a primary wait for no standby any more.
func (p *Postgres) Alone(ctx context.Context) error {
	return p.set(ctx, "synchronous_standby_names", "")
}

// Kill ends the server as a loss of its machine does. It is otherwise like Stop.
func (p *Postgres) Kill() error { return p.endBy(stopKill) }

// URLOfAny is a connection URL of whichever of the servers takes writes.
func URLOfAny(servers ...*Postgres) (string, error) {
	if len(servers) == 0 {
		return "", errNoServer
	}
	var address *url.URL
	hosts := make([]string, len(servers))
	for i, server := range servers {
		parsed, err := url.Parse(server.url)
		if err != nil {
			return "", err
		}
		address, hosts[i] = parsed, parsed.Query().Get("host")
	}
	query := address.Query()
	query.Set("host", strings.Join(hosts, ","))
	query.Set("target_session_attrs", "read-write")
	address.RawQuery = query.Encode()
	return address.String(), nil
}
