package main

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/internal/devservers"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/service"
)

// app is what the commands share.
type app struct {
	streams   cli.Streams
	platforms []platform.Descriptor
	given     arguments
	// listening is where work serves probes and metrics.
	listening string
}

// arguments are the flags that every command has.
type arguments struct {
	configPath string
	database   string
	nats       string
	logFormat  string
	logLevel   string
}

func newCommand(streams cli.Streams, platforms []platform.Descriptor) *cobra.Command {
	a := &app{streams: streams.Legible(), platforms: platforms}
	root := &cobra.Command{
		Use:   "worker",
		Short: "deliver catalog mutations to ad platforms and keep what became of each",
		Long: `Reads catalog mutations from NATS JetStream, delivers them in batches to the
catalog APIs of ` + titles(platforms) + `, follows every batch to its end, and keeps in
Postgres what became of every single mutation.

Start with "worker dev": it needs nothing else.`,
		Version: version,
	}
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		_, _, err := a.logOptions() // also of commands that log nothing
		return err
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.given.configPath, "config", "", "configuration file (default courier.yaml, where there is one)")
	flags.StringVar(&a.given.database, "database", "", "address of Postgres (default $DATABASE_URL); better kept out of the command line")
	flags.StringVar(&a.given.nats, "nats", "", "address of NATS (default $NATS_URL, or nats://127.0.0.1:4222)")
	flags.StringVar(&a.given.logFormat, "log-format", "", "json or text (default text on a terminal)")
	flags.StringVar(&a.given.logLevel, "log-level", "info", "debug, info, warn or error")
	root.AddCommand(
		a.runCommand(), a.devCommand(), a.demoCommand(), a.migrateCommand(), a.checkCommand(), a.statusCommand(),
		a.itemCommand(), a.mutationCommand(), a.batchCommand(), a.tailCommand(),
		a.deadLettersCommand(), a.webhooksCommand(), a.accountsCommand(), a.eraseCommand(), a.auditCommand(), a.consoleCommand(), a.healthcheckCommand(),
		a.sandboxCommand(), a.noticesCommand(),
		cli.VersionCommand(a.streams, version),
	)
	return root
}

// titles are the platforms' names for people, such as "Pinterest and Meta".
func titles(platforms []platform.Descriptor) string {
	var list strings.Builder
	for i := range platforms {
		switch {
		case i > 0 && i == len(platforms)-1:
			list.WriteString(" and ")
		case i > 0:
			list.WriteString(", ")
		}
		list.WriteString(platforms[i].Title)
	}
	return list.String()
}

// load reads the whole configuration, accounts included.
func (a *app) load() (*config.Config, error) { return a.loadWith(a.options()) }

// loadWithoutTokens is load for who only looks.
func (a *app) loadWithoutTokens() (*config.Config, error) {
	options := a.options()
	options.WithoutTokens = true
	return a.loadWith(options)
}

func (a *app) loadWith(options config.Options) (*config.Config, error) {
	path, err := cli.ConfigPath(a.given.configPath)
	if err != nil {
		return nil, err
	}
	if path == "" {
		return nil, cli.UsageErrorf("there is no %s here: name the configuration with --config", cli.DefaultConfig)
	}
	loaded, err := config.Load(path, options)
	return loaded, cli.ConfigError(err)
}

// options are those of every configuration that this command reads.
func (a *app) options() config.Options {
	flags := map[string]string{}
	if a.given.database != "" {
		flags["database.url"] = a.given.database
	}
	if a.given.nats != "" {
		flags["nats.url"] = a.given.nats
	}
	return config.Options{Lookup: a.streams.Lookup, Environ: a.streams.Environ, Flags: flags, Platforms: platform.Configs(a.platforms)}
}

// loadNamed reads what is needed to talk to NATS and Postgres. It works without a file and
// without the platforms' tokens. dev reports that nothing names servers: a file may be one
// for worker dev.
func (a *app) loadNamed() (settings *config.Config, dev bool, err error) {
	path, err := cli.ConfigPath(a.given.configPath)
	if err != nil {
		return nil, false, err
	}
	options := a.options()
	options.WithoutAccounts = true
	settings, err = config.Load(path, options)
	if err != nil {
		return nil, false, cli.ConfigError(err)
	}
	return settings, len(options.Flags) == 0 && settings.Database.URL.IsZero() && settings.NATS.URL.Reveal() == config.DefaultNATS, nil
}

// loadInfrastructure is loadNamed with the servers of a running worker dev where nothing
// names others.
func (a *app) loadInfrastructure() (*config.Config, error) {
	settings, dev, err := a.loadNamed()
	if err != nil || !dev {
		return settings, err
	}
	options := a.options()
	if options.Flags, options.FlagsFrom = devservers.Flags(a.streams), devservers.From; options.Flags == nil {
		return settings, nil
	}
	path, err := cli.ConfigPath(a.given.configPath)
	if err != nil {
		return nil, err
	}
	options.WithoutAccounts = true
	settings, err = config.Load(path, options)
	return settings, cli.ConfigError(err)
}

// openStore opens the ledger of a database whose schema is up to date.
func (a *app) openStore(c *cobra.Command) (*database, error) {
	settings, err := a.loadInfrastructure()
	if err != nil {
		return nil, err
	}
	if settings.Database.URL.IsZero() {
		return nil, service.ErrNoDatabase
	}
	if _, err := persistence.CheckSchema(c.Context(), settings.Database.URL.Reveal()); err != nil {
		return nil, fmt.Errorf("the database at %s: %w", settings.Database.URL.Address(), err)
	}
	return openDatabase(c.Context(), settings)
}

func (a *app) logOptions() (format string, level slog.Level, err error) {
	if err := level.UnmarshalText([]byte(a.given.logLevel)); err != nil {
		return "", 0, cli.UsageErrorf("--log-level %q is not allowed: debug, info, warn or error", a.given.logLevel)
	}
	switch a.given.logFormat {
	case "json", "text":
		return a.given.logFormat, level, nil
	case "":
		if cli.Terminal(a.streams.Err) {
			return "text", level, nil
		}
		return "json", level, nil
	default:
		return "", 0, cli.UsageErrorf("--log-format %q is not allowed: json or text", a.given.logFormat)
	}
}
