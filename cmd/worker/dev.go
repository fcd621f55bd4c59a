package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/internal/devservers"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/local"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/simulated"
	"github.com/catalog-courier/catalog-courier/examples"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/service"
)

// devOptions are the flags of worker dev.
type devOptions struct {
	dir     string
	sandbox string // address
	http    string // address; "" for that of the configuration
	console string // address; "" for that of the configuration
	port    int    // of NATS; -1 takes a free one
	faults  []string
	// postgres is the port of a private Postgres; 0 for none.
	postgres int
}

func (a *app) devCommand() *cobra.Command {
	var given devOptions
	command := &cobra.Command{
		Use:   "dev",
		Short: "run a complete local environment: NATS, Postgres, simulated platforms and one worker",
		Long: `Starts a NATS server inside this process, a private Postgres (or uses the server
that --database names), a simulated ` + titles(a.platforms) + `,
and works until SIGTERM or SIGINT. Without --config it uses two demonstration accounts.
NATS_URL, DATABASE_URL and a courier.yaml in this folder are ignored. Other commands
find its database while it runs, where no other is named. Item ids with some endings,
such as -REJECTED or -429, make the platforms misbehave: see docs/sandbox.md.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.dev(c.Context(), given)
		},
	}
	flags := command.Flags()
	flags.StringVar(&given.dir, "dir", "", "where to keep streams and tables (default a temporary folder)")
	flags.StringVar(&given.sandbox, "sandbox-listen", sandboxAddress, "where the simulated platforms listen; port 0 takes a free one")
	flags.StringVar(&given.http, "http-listen", "", "where probes and metrics are served; port 0 takes a free one (default http.listen of the configuration, 127.0.0.1:8080)")
	flags.StringVar(&given.console, "console-listen", "", "where the web console is served; port 0 takes a free one (default console.listen of the configuration, 127.0.0.1:8081)")
	flags.IntVar(&given.port, "nats-port", 4222, "port of NATS on 127.0.0.1; -1 takes a free one")
	_ = flags.SetAnnotation("nats-port", cli.TakesNegatives, nil) // the flag is there
	flags.IntVar(&given.postgres, "postgres-port", 5433, "port of a private Postgres on 127.0.0.1; 0 leaves it to a socket")
	faultFlag(command, &given.faults)
	return command
}

func (a *app) dev(ctx context.Context, given devOptions) (err error) {
	const highest = 1<<16 - 1
	if given.port < -1 || given.port > highest {
		return cli.UsageErrorf("--nats-port %d is not allowed: a port, or -1 for a free one", given.port)
	}
	if given.postgres > highest {
		return cli.UsageErrorf("--postgres-port %d is not allowed: a port, or 0 for none", given.postgres)
	}
	databaseURL, err := a.ownDatabase("dev")
	if err != nil {
		return err
	}
	format, level, err := a.logOptions()
	if err != nil {
		return err
	}
	if databaseURL != "" {
		given.postgres = 0 // none is started
	}
	if err := a.devPorts(ctx, given); err != nil {
		return err
	}
	behaviour := sandbox.Options{Delay: 200 * time.Millisecond, Jitter: 200 * time.Millisecond, Magic: true}
	environment, err := local.Start(ctx, local.Options{
		Dir: given.dir, DatabaseURL: databaseURL, NATSPort: given.port, PostgresPort: given.postgres,
		Simulated: simulated.Options{Address: given.sandbox, Platforms: a.platforms, Behaviour: behaviour, Faults: given.faults},
		Logger:    telemetry.NewLogger(a.streams.Err, format, max(level, slog.LevelWarn)),
	})
	if err != nil {
		return faultUsage(err)
	}
	defer func() { err = errors.Join(err, environment.Close()) }()
	settings, err := a.localConfig(environment, given.http)
	if err != nil {
		return err
	}
	file := a.given.configPath
	if file != "" {
		if file, err = filepath.Abs(file); err != nil {
			return err
		}
	}
	forget, err := devservers.Write(a.streams, devservers.Servers{
		Process: os.Getpid(), Started: time.Now(), Database: environment.DatabaseURL, NATS: environment.NATS.URL(), Config: file,
		Platforms: environment.Addresses(),
	})
	if err != nil { // only the other commands miss it
		_, _ = fmt.Fprintf(a.streams.Err, "worker dev: %s\n", err)
	}
	defer forget()
	settings.Console.Listen = cmp.Or(given.console, settings.Console.Listen)
	pages, err := a.devConsole(ctx, environment, settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pages.stop()) }()
	// The banner is last, so that it is still on the screen when the worker works.
	return a.work(ctx, settings, service.Options{Name: "dev", Working: func() {
		_ = a.explain(environment, pages.address)
	}})
}

// devPorts says at once which of the addresses are in use, and what to do.
func (a *app) devPorts(ctx context.Context, given devOptions) error {
	http := given.http
	if http == "" && a.given.configPath == "" {
		http, _ = a.streams.Lookup("COURIER_HTTP_LISTEN")
		http = cmp.Or(http, "127.0.0.1:8080")
	}
	postgres := ""
	if given.postgres != 0 {
		postgres = "127.0.0.1:" + strconv.Itoa(given.postgres)
	}
	console := given.console
	if console == "" && a.given.configPath == "" {
		console, _ = a.streams.Lookup("COURIER_CONSOLE_LISTEN")
		console = cmp.Or(console, "127.0.0.1:8081")
	}
	var problems error
	for _, one := range []struct{ what, address, cure string }{
		{"NATS", "127.0.0.1:" + strconv.Itoa(max(given.port, 0)), "--nats-port -1 takes a free port"},
		{"Postgres", postgres, "--postgres-port names another, 0 leaves it to a socket"},
		{"the simulated platforms", given.sandbox, "--sandbox-listen 127.0.0.1:0 takes a free port"},
		{"probes and metrics", http, "--http-listen 127.0.0.1:0 takes a free port"},
		{"the console", console, "--console-listen 127.0.0.1:0 takes a free port"},
	} {
		if one.address == "" {
			continue // nothing, or the configuration has it and work looks
		}
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", one.address)
		if err == nil {
			err = listener.Close()
		}
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			problems = errors.Join(problems, fmt.Errorf("%s, for %s, is in use, probably by another worker dev: %s", one.address, one.what, one.cure))
		case err != nil:
			problems = errors.Join(problems, fmt.Errorf("%s cannot be used for %s: %w", one.address, one.what, err))
		}
	}
	return problems
}

// ownDatabase is the database that --database names; "" when it names none. What the
// environment and a file in this folder say is for real workers: a forgotten variable
// must not lead an experiment into their database.
func (a *app) ownDatabase(command string) (string, error) {
	if a.given.nats != "" {
		return "", cli.UsageErrorf("worker %s starts a NATS server of its own: --nats is not for it", command)
	}
	var ignored []string
	for _, name := range devservers.Variables() {
		if value, found := a.streams.Lookup(name); found && value != "" {
			ignored = append(ignored, name)
		}
	}
	if _, err := os.Stat(cli.DefaultConfig); err == nil && a.given.configPath == "" {
		ignored = append(ignored, cli.DefaultConfig)
	}
	if len(ignored) > 0 {
		if _, err := fmt.Fprintf(a.streams.Err, "worker %s uses servers of its own; ignored: %s\n", command, strings.Join(ignored, ", ")); err != nil {
			return "", err
		}
	}
	flags := map[string]string{}
	if a.given.database != "" {
		flags["database.url"] = a.given.database
	}
	settings, err := config.Parse("", nil, config.Options{Flags: flags, WithoutAccounts: true})
	if err != nil {
		return "", err
	}
	return settings.Database.URL.Reveal(), nil
}

// localConfig reads the given configuration, or the demonstration's, and points
// it at what runs in this process. http, when not "", is where the worker listens.
func (a *app) localConfig(environment *local.Environment, http string) (*config.Config, error) {
	overrides := environment.Overrides()
	if http != "" {
		overrides["http.listen"] = http
	}
	options := config.Options{Lookup: a.streams.Lookup, Environ: a.streams.Environ, Flags: overrides, FlagsFrom: "started by worker dev", Platforms: platform.Configs(a.platforms)}
	var settings *config.Config
	var err error
	if a.given.configPath != "" {
		settings, err = config.Load(a.given.configPath, options)
	} else {
		settings, err = config.Parse("examples/courier.yaml", examples.Config, options)
	}
	if err != nil {
		return nil, err
	}
	environment.Use(settings)
	return settings, nil
}

// explain is the banner: where everything is and what to type next.
func (a *app) explain(environment *local.Environment, console string) error {
	var platforms strings.Builder
	for _, one := range environment.Platforms.All() {
		fmt.Fprintf(&platforms, "%-10s %s/  (simulated; lists its items)\n", one.Title, one.URL)
	}
	database := withoutPassword(environment.DatabaseURL)
	if tcp := environment.Postgres.TCP(); tcp != "" {
		database = tcp // the password is this server's own
	}
	_, err := fmt.Fprintf(a.streams.Out, `
NATS       %[1]s
Postgres   %[2]s
%[3]smetrics    http://%[4]s/metrics

Publish:   %[5]s --nats %[1]s examples/mutations.jsonl
Feed:      DATABASE_URL='%[2]s' %[5]s --nats %[1]s --config examples/courier.yaml feed apply mugs
Status:    %[6]s status
Failures:  %[5]s --nats %[1]s examples/magic.jsonl    (docs/sandbox.md)
Query:     psql '%[2]s' -c 'SELECT status, count(*) FROM courier.mutation_status GROUP BY status'
Console:   %[7]s
`, environment.NATS.URL(), database, platforms.String(), a.listening, beside("enqueue"), os.Args[0], console)
	return err
}

// beside is how the other program is called by who called this one.
func beside(program string) string {
	folder, _ := filepath.Split(os.Args[0])
	return folder + program
}

// withoutPassword is a database's address for people; whoever named it knows the
// password.
func withoutPassword(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return config.NewSecret(address).Address()
	}
	if _, guarded := parsed.User.Password(); guarded {
		parsed.User = url.User(parsed.User.Username())
	}
	query := parsed.Query()
	query.Del("password")
	query.Del("sslpassword")
	parsed.RawQuery = query.Encode()
	return parsed.String()
}
