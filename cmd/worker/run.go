package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/service"
)

func (a *app) runCommand() *cobra.Command {
	var name string
	var withConsole bool
	command := &cobra.Command{
		Use:   "run",
		Short: "run the delivery service",
		Long: `Works until SIGINT or SIGTERM, then stops reading, settles what is under way,
hands its partitions over and exits with 0. Until NATS and Postgres can be
reached it waits, and says so. Run as many as you like: they share the work.

Accounts, catalogs and defaults are read again when the configuration file changes,
and on SIGHUP. A file with an error changes nothing. What is outside of them needs
a restart.`,
		RunE: func(c *cobra.Command, _ []string) error {
			settings, err := a.load()
			if err != nil {
				return err
			}
			if settings.Database.URL.IsZero() {
				return service.ErrNoDatabase
			}
			path, err := cli.ConfigPath(a.given.configPath)
			if err != nil {
				return err
			}
			options := service.Options{
				Name: cmp.Or(name, hostName()), OwnProcess: true,
				Reload: &service.Reload{Load: a.load, Path: path, Taken: settings.Fingerprint},
			}
			if withConsole {
				return a.workWithConsole(c.Context(), settings, options)
			}
			return a.work(c.Context(), settings, options)
		},
	}
	command.Flags().StringVar(&name, "name", "", "name shown in logs and status (default this host's name)")
	command.Flags().BoolVar(&withConsole, "console", false, "serve the web console as well, as worker console does")
	return command
}

// workWithConsole works, and serves the console meanwhile. A console that ends leaves the
// worker alone: the log says so.
func (a *app) workWithConsole(ctx context.Context, settings *config.Config, options service.Options) error {
	format, level, err := a.logOptions()
	if err != nil {
		return err
	}
	logger := telemetry.NewLogger(a.streams.Err, format, level)
	pages, err := a.startConsole(ctx, settings, a.loadSources, logger)
	if err != nil {
		return err
	}
	logger.InfoContext(ctx, "the console listens", slog.String("address", pages.address))
	return errors.Join(a.work(ctx, settings, options), pages.stop())
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "worker"
	}
	return name
}

// work runs a worker, of which the options say the rest, with its telemetry and its
// listener until ctx ends.
func (a *app) work(ctx context.Context, settings *config.Config, options service.Options) (err error) {
	format, level, err := a.logOptions()
	if err != nil {
		return err
	}
	// Before the telemetry: what it still has to send could take a minute to give up.
	if err := telemetry.CheckListen(ctx, settings.HTTP.Listen); err != nil {
		return err
	}
	listenToExporters(ctx, telemetry.NewLogger(a.streams.Err, format, level), a.streams.Lookup) // for what the start has to say
	tel, err := telemetry.Start(ctx, telemetry.Options{
		Service: "catalog-courier-worker", Version: version, Lookup: a.streams.Lookup,
		LogOutput: a.streams.Err, LogFormat: format, LogLevel: level,
	})
	if err != nil {
		return err
	}
	onHangup(ctx, tel.Logger, options.Reload)
	exporters := listenToExporters(ctx, tel.Logger, a.streams.Lookup)
	defer func() {
		if closeErr := tel.Shutdown(ctx); closeErr != nil {
			exporters.warn(ctx, "the last traces or metrics could not be sent", closeErr)
		}
	}()
	health := &telemetry.Health{}
	server, err := telemetry.Serve(ctx, settings.HTTP.Listen, tel.Handler(health), tel.Logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeServer(ctx, server)) }()
	a.listening = server.Address()
	tel.Logger.InfoContext(ctx, "listening for probes and metrics", slog.String("address", server.Address()))
	if !options.OwnProcess {
		const brokerAndPlatforms = 512 << 20
		service.TuneCollector(settings.Worker, brokerAndPlatforms)
	}
	options.Config, options.Platforms, options.Telemetry, options.Health = settings, a.platforms, tel, health
	return service.Run(ctx, options)
}

// onHangup has SIGHUP read the configuration again, where the worker does that.
func onHangup(ctx context.Context, log *slog.Logger, reload *service.Reload) {
	if reload == nil {
		cli.OnHangup(ctx, func() {
			log.WarnContext(ctx, "SIGHUP is ignored: nothing is reloaded and nothing ends; SIGTERM stops")
		})
		return
	}
	asked := make(chan struct{}, 1)
	reload.Asked = asked
	cli.OnHangup(ctx, func() {
		log.InfoContext(ctx, "SIGHUP: the configuration will be read again")
		select {
		case asked <- struct{}{}:
		default: // it will be read anyway
		}
	})
}

func closeServer(ctx context.Context, server *telemetry.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return server.Close(ctx)
}
