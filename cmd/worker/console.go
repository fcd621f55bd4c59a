package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/local"
	"github.com/catalog-courier/catalog-courier/console"
	"github.com/catalog-courier/catalog-courier/examples"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/service"
	"github.com/catalog-courier/catalog-courier/status"
)

func (a *app) consoleCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "console",
		Short: "serve the web console: what became of items, and what to do",
		Long: `Serves pages and a JSON API over what Postgres keeps, without working itself, until
SIGTERM or SIGINT. It listens where console.listen says, and people log in as
console.login says. Everybody only reads, unless console.actions is true.
docs/console.md explains it.`,
		RunE: func(c *cobra.Command, _ []string) error {
			settings, err := a.loadWithoutTokens()
			if err != nil {
				return err
			}
			if settings.Database.URL.IsZero() {
				return service.ErrNoDatabase
			}
			if _, err := persistence.CheckSchema(c.Context(), settings.Database.URL.Reveal()); err != nil {
				return fmt.Errorf("the database at %s: %w", settings.Database.URL.Address(), err)
			}
			format, level, err := a.logOptions()
			if err != nil {
				return err
			}
			logger := telemetry.NewLogger(a.streams.Err, format, level)
			running, err := a.startConsole(c.Context(), settings, a.loadSources, logger)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(a.streams.Out, "console    %s\n", running.address); err != nil {
				return errors.Join(err, running.stop())
			}
			return running.wait(c.Context())
		},
	}
	command.AddCommand(a.hashCommand())
	return command
}

// loadSources reads what the console needs to run a source: the same file as enqueue does.
func (a *app) loadSources() (*config.Config, error) {
	path, err := cli.ConfigPath(a.given.configPath)
	if err != nil {
		return nil, err
	}
	flags := map[string]string{}
	if a.given.database != "" {
		flags["database.url"] = a.given.database
	}
	if a.given.nats != "" {
		flags["nats.url"] = a.given.nats
	}
	return config.Load(path, config.Options{
		Lookup: a.streams.Lookup, Flags: flags, WithoutAccounts: true, WithSources: true, Platforms: platform.Configs(a.platforms),
	})
}

// runningConsole is a console that serves.
type runningConsole struct {
	address string
	cancel  context.CancelFunc
	ended   chan struct{}
	failed  error // when ended is closed
	close   sync.Once
	closers []func()
}

// wait returns when ctx ends or the console does.
func (r *runningConsole) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-r.ended:
	}
	return r.stop()
}

// stop ends the console, and waits for it.
func (r *runningConsole) stop() error {
	r.close.Do(func() {
		r.cancel()
		<-r.ended
		for _, closer := range slices.Backward(r.closers) {
			closer()
		}
	})
	return r.failed
}

// startConsole serves the console until the context ends or stop is called. The database's
// schema must be up to date by the first request.
func (a *app) startConsole(
	ctx context.Context, settings *config.Config, sources func() (*config.Config, error), logger *slog.Logger,
) (_ *runningConsole, err error) {
	running := &runningConsole{ended: make(chan struct{})}
	defer func() {
		if err != nil && running.cancel == nil {
			for _, closer := range slices.Backward(running.closers) {
				closer()
			}
		}
	}()
	const connections, within = 8, 15 * time.Second
	pool, err := persistence.Open(ctx, persistence.PoolConfig{
		URL: settings.Database.URL.Reveal(), MaxConns: connections, ApplicationName: "catalog-courier console", StatementTimeout: within,
	})
	if err != nil {
		return nil, err
	}
	running.closers = append(running.closers, func() { persistence.ClosePool(pool) })
	encode := service.Encoder(settings, a.platforms)
	store, err := persistence.NewStore(pool, persistence.Config{})
	if err != nil {
		return nil, err
	}
	running.closers = append(running.closers, store.Close)
	reasons := platform.Reasons(a.platforms)
	advice := func(platformName string, issue status.Issue) string {
		return adviceOn(reasons, platformName, issue).Action
	}
	options := console.Options{
		Reader:  status.NewReader(pool, status.Config{Encode: encode, Advice: advice, Timeout: within}),
		Letters: store, Audit: persistence.NewAudit(pool), Reasons: reasons,
		Prefix: settings.Console.Prefix, Version: version, Logger: logger,
	}
	if options.Login, err = consoleLogin(ctx, settings.Console, logger); err != nil {
		return nil, err
	}
	if settings.Console.Actions {
		approvals := newApprovals(ctx, sources, persistence.NewSources(pool, 0), a.platforms, logger)
		running.closers = append(running.closers, approvals.close)
		options.Validate = service.Validator(settings, a.platforms)
		options.Do = &console.Actions{Accounts: store, Letters: consoleLetters{store, settings.NATS}, Approve: approvals.approve}
	}
	pages, err := console.New(options)
	if err != nil {
		return nil, err
	}
	listener, err := pages.Listen(ctx, settings.Console.Listen)
	if err != nil {
		return nil, err
	}
	running.address = pages.Address(listener, settings.Console.CertFile != "")
	ctx, running.cancel = context.WithCancel(ctx)
	go func() {
		defer close(running.ended)
		running.failed = pages.Serve(ctx, listener, console.Serving{CertFile: settings.Console.CertFile, KeyFile: settings.Console.KeyFile})
		if running.failed != nil {
			logger.ErrorContext(ctx, "the console has ended", slog.String("error", running.failed.Error()))
		}
	}()
	return running, nil
}

// devConsole serves the console of worker dev: on this machine alone, and whoever uses it
// may act.
func (a *app) devConsole(ctx context.Context, environment *local.Environment, settings *config.Config) (*runningConsole, error) {
	settings.Console.Actions, settings.Console.Login = true, config.LoginNone
	format, level, err := a.logOptions()
	if err != nil {
		return nil, err
	}
	sources := func() (*config.Config, error) {
		options := config.Options{
			Lookup: a.streams.Lookup, Flags: environment.Overrides(), FlagsFrom: "started by worker dev",
			WithoutAccounts: true, WithSources: true, Platforms: platform.Configs(a.platforms),
		}
		if a.given.configPath != "" {
			return config.Load(a.given.configPath, options)
		}
		return config.Parse("examples/courier.yaml", examples.Config, options)
	}
	return a.startConsole(ctx, settings, sources, telemetry.NewLogger(a.streams.Err, format, max(level, slog.LevelWarn)))
}

// consoleLogin is the login that the settings say.
func consoleLogin(ctx context.Context, c config.Console, logger *slog.Logger) (console.Login, error) {
	switch c.Login {
	case config.LoginBasic:
		return console.NewBasic(c.UsersFile, c.Operators)
	case config.LoginHeader:
		from := make([]netip.Prefix, len(c.TrustedProxies))
		for i, text := range c.TrustedProxies {
			var err error
			if from[i], err = config.AddressRange(text); err != nil {
				return nil, err
			}
		}
		return console.NewProxy(console.ProxyOptions{
			From: from, UserHeader: c.UserHeader, GroupsHeader: c.GroupsHeader, Operators: c.Operators, OperatorGroups: c.OperatorGroups,
		})
	case config.LoginOIDC:
		options := console.OIDCOptions{
			Issuer: c.OIDC.Issuer, ClientID: c.OIDC.ClientID, ClientSecret: c.OIDC.ClientSecret.Reveal(), URL: c.OIDC.URL,
			NameClaim: c.OIDC.NameClaim, GroupsClaim: c.OIDC.GroupsClaim, ViewerGroups: c.OIDC.ViewerGroups,
			Operators: c.Operators, OperatorGroups: c.OperatorGroups, SessionFor: c.OIDC.SessionFor, Logger: logger,
		}
		if !c.OIDC.CookieKey.IsZero() {
			options.Key = []byte(c.OIDC.CookieKey.Reveal())
		}
		return console.NewOIDC(ctx, options)
	default:
		return console.NoLogin{}, nil
	}
}

// hashCommand makes a line of the users file.
func (a *app) hashCommand() *cobra.Command {
	return &cobra.Command{
		Use: "hash NAME", Short: "make a line of the users file: reads a password from standard input", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			password, err := cli.ReadLine(a.streams.In)
			if err != nil {
				return err
			}
			line, err := console.HashPassword(args[0], password)
			if err != nil {
				return cli.UsageErrorf("%s", err)
			}
			_, err = fmt.Fprintln(a.streams.Out, line)
			return err
		},
	}
}
