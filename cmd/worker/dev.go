package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/local"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/simulated"
	"github.com/catalog-courier/catalog-courier/examples"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/service"
)

func (a *app) devCommand() *cobra.Command {
	var dir, listen string
	var port int
	command := &cobra.Command{
		Use:   "dev",
		Short: "run a complete local environment: NATS, Postgres, simulated platforms and one worker",
		Long: `Starts a NATS server inside this process, a private Postgres (or uses the server
that --database names), a simulated ` + titles(a.platforms) + `,
and works until SIGTERM or SIGINT. Without --config it uses two demonstration accounts.
NATS_URL, DATABASE_URL and a courier.yaml in this folder are ignored.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.dev(c.Context(), dir, listen, port)
		},
	}
	flags := command.Flags()
	flags.StringVar(&dir, "dir", "", "where to keep streams and tables (default a temporary folder)")
	flags.StringVar(&listen, "sandbox-listen", "127.0.0.1:0", "where the simulated platforms listen")
	flags.IntVar(&port, "nats-port", 4222, "port of NATS on 127.0.0.1; -1 takes a free one")
	return command
}

func (a *app) dev(ctx context.Context, dir, listen string, port int) (err error) {
	databaseURL, err := a.ownDatabase("dev")
	if err != nil {
		return err
	}
	format, level, err := a.logOptions()
	if err != nil {
		return err
	}
	behaviour := sandbox.Options{Delay: 200 * time.Millisecond, Jitter: 200 * time.Millisecond}
	environment, err := local.Start(ctx, local.Options{
		Dir: dir, DatabaseURL: databaseURL, NATSPort: port,
		Simulated: simulated.Options{Address: listen, Platforms: a.platforms, Behaviour: behaviour},
		Logger:    telemetry.NewLogger(a.streams.Err, format, max(level, slog.LevelWarn)),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, environment.Close()) }()
	settings, err := a.localConfig(environment)
	if err != nil {
		return err
	}
	if err := a.explain(environment, settings); err != nil {
		return err
	}
	return a.work(ctx, settings, service.Options{Name: "dev"})
}

// ownDatabase is the database that --database names; "" when it names none. What the
// environment and a file in this folder say is for real workers: a forgotten variable
// must not lead an experiment into their database.
func (a *app) ownDatabase(command string) (string, error) {
	if a.given.nats != "" {
		return "", cli.UsageErrorf("worker %s starts a NATS server of its own: --nats is not for it", command)
	}
	var ignored []string
	for _, name := range []string{
		"NATS_URL", "COURIER_NATS_URL", "COURIER_NATS_URL_FILE", "DATABASE_URL", "COURIER_DATABASE_URL", "COURIER_DATABASE_URL_FILE",
	} {
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
// it at what runs in this process.
func (a *app) localConfig(environment *local.Environment) (*config.Config, error) {
	options := config.Options{Lookup: a.streams.Lookup, Environ: a.streams.Environ, Flags: environment.Overrides(), FlagsFrom: "started by worker dev", Platforms: platform.Configs(a.platforms)}
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

func (a *app) explain(environment *local.Environment, settings *config.Config) error {
	var platforms strings.Builder
	for _, one := range environment.Platforms.All() {
		fmt.Fprintf(&platforms, "%-10s %s/  (simulated; lists its items)\n", one.Title, one.URL)
	}
	_, err := fmt.Fprintf(a.streams.Out, `NATS       %[1]s
Postgres   %[2]s
%[3]smetrics    http://%[4]s/metrics

Publish:   %[5]s --nats %[1]s examples/mutations.jsonl
Feed:      DATABASE_URL='%[2]s' %[5]s --nats %[1]s --config examples/courier.yaml feed apply mugs
Query:     psql '%[2]s' -c 'SELECT status, count(*) FROM courier.mutation_status GROUP BY status'
`, environment.NATS.URL(), withoutPassword(environment.DatabaseURL), platforms.String(), settings.HTTP.Listen, beside("enqueue"))
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
