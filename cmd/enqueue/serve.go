package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/source"
	"github.com/catalog-courier/catalog-courier/source/httpapi"
	"github.com/catalog-courier/catalog-courier/source/receive"
	"github.com/catalog-courier/catalog-courier/source/run"
	"github.com/catalog-courier/catalog-courier/source/schedule"
)

const serveHelp = `Takes mutations over HTTP, receives the webhooks of shops, and runs the feeds that have a
time ("every") when they are due. Several processes may serve the same configuration: each
feed runs in one of them at a time.

docs/http.md, docs/webhooks.md and docs/feeds.md say how. Without tokens, no mutations
are taken over HTTP; without sources, no database is needed.`

func (s *sources) serveCommand() *cobra.Command {
	var logFormat, logLevel string
	command := &cobra.Command{
		Use: "serve", Short: "take mutations over HTTP, receive webhooks, run feeds when they are due", Long: serveHelp,
		RunE: func(c *cobra.Command, _ []string) error {
			var level slog.Level
			if err := level.UnmarshalText([]byte(logLevel)); err != nil {
				return cli.UsageErrorf("--log-level %q is not allowed: debug, info, warn or error", logLevel)
			}
			format := cmp.Or(logFormat, "json")
			if logFormat == "" && cli.Terminal(s.streams.Err) {
				format = "text"
			}
			if format != "json" && format != "text" {
				return cli.UsageErrorf("--log-format %q is not allowed: json or text", logFormat)
			}
			loaded, err := s.load()
			if err != nil {
				return err
			}
			return s.serve(c.Context(), loaded, telemetry.Options{
				Service: "catalog-courier-enqueue", Version: version, Lookup: s.streams.Lookup,
				LogOutput: s.streams.Err, LogFormat: format, LogLevel: level,
			})
		},
	}
	command.Flags().StringVar(&s.given.database, "database", "", databaseFlag)
	command.Flags().StringVar(&logFormat, "log-format", "", "json or text (default text on a terminal)")
	command.Flags().StringVar(&logLevel, "log-level", "info", "debug, info, warn or error")
	return command
}

// serving is what serve has open.
type serving struct {
	config    *config.Config
	telemetry *telemetry.Telemetry
	conn      *nats.Conn
	js        jetstream.JetStream // nil where the user may not ask for the stream
	window    time.Duration       // for which the stream remembers ids
	publisher *publish.Publisher
	store     *database
	sources   []*source.Source
	receivers []*receive.Receiver
	closers   []func()
}

// patience is how long one request's mutations are tried: less than its time.
const patience = 20 * time.Second

// serve runs until ctx ends.
func (s *sources) serve(ctx context.Context, loaded *config.Config, options telemetry.Options) (err error) {
	srv := &serving{config: loaded}
	if len(loaded.Serve.Tokens) == 0 && len(loaded.Sources) == 0 {
		return cli.UsageErrorf("there is nothing to serve: the configuration has neither sources nor serve.tokens")
	}
	if srv.telemetry, err = telemetry.Start(ctx, options); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.telemetry.Shutdown(context.WithoutCancel(ctx))) }()
	if err := srv.compile(); err != nil {
		return err
	}
	say := func(text string) {
		srv.telemetry.Logger.WarnContext(ctx, "connecting to NATS", slog.String("detail", text))
	}
	srv.publisher, srv.conn, err = connectPublisher(ctx, loaded.NATS, publish.DefaultRetryFor, publish.Options{RetryFor: patience, PackLines: s.given.packLines()}, say)
	if err != nil {
		return err
	}
	defer srv.conn.Close()
	if srv.js, err = natsconn.JetStream(loaded.NATS, srv.conn); err != nil {
		return fmt.Errorf("opening JetStream: %w", err)
	}
	if stream, err := srv.js.Stream(ctx, loaded.NATS.Stream.Name); err == nil {
		srv.window = stream.CachedInfo().Config.Duplicates
	} else {
		srv.js = nil // the user may not ask for it
	}
	if len(loaded.Sources) > 0 {
		if srv.store, err = openDatabase(ctx, loaded); err != nil {
			return err
		}
		defer srv.store.pool.Close()
	}
	return srv.run(ctx)
}

// compile makes all sources ready: a mistake in one is found before anything starts.
func (s *serving) compile() error {
	var wrong error
	for _, name := range slices.Sorted(maps.Keys(s.config.Sources)) {
		made, err := source.New(s.config.Sources[name], destinations, "")
		if err != nil {
			wrong = errors.Join(wrong, err)
			continue
		}
		s.sources = append(s.sources, made)
	}
	return wrong
}

// run serves and schedules until ctx ends, or one of them cannot go on.
func (s *serving) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	handler, err := s.handler()
	defer func() {
		for _, closer := range s.closers {
			closer()
		}
	}()
	if err != nil {
		return err
	}
	settings := s.config.Serve
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", settings.Listen)
	if err != nil {
		return fmt.Errorf("listening (serve.listen): %w", err)
	}
	limits := httpapi.Serving{DrainTime: settings.DrainTime, Logger: s.telemetry.Logger}
	if settings.CertFile != "" {
		certificate, err := tls.LoadX509KeyPair(settings.CertFile, settings.KeyFile)
		if err != nil {
			return errors.Join(fmt.Errorf("serve.tls_cert_file: %w", err), listener.Close())
		}
		limits.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	}
	if settings.Metrics != "" {
		health := &telemetry.Health{}
		health.AddCheck("NATS", s.ready)
		health.Started()
		metrics, err := telemetry.Serve(ctx, settings.Metrics, s.telemetry.Handler(health), s.telemetry.Logger)
		if err != nil {
			return errors.Join(fmt.Errorf("serve.metrics_listen: %w", err), listener.Close())
		}
		defer metrics.Close(context.WithoutCancel(ctx))
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop() // before waiting for them
	if err := s.startSources(ctx, &beside); err != nil {
		return errors.Join(err, listener.Close())
	}
	s.telemetry.Logger.InfoContext(ctx, "serving", slog.String("address", listener.Addr().String()),
		slog.Int("tokens", len(settings.Tokens)), slog.Int("sources", len(s.sources)), slog.Bool("tls", limits.TLS != nil))
	return httpapi.Serve(ctx, listener, handler, limits)
}

// ready reports whether mutations can be published.
func (s *serving) ready(ctx context.Context) error {
	if !s.conn.IsConnected() {
		return errors.New("NATS is not connected")
	}
	if s.js == nil {
		return nil
	}
	_, err := s.js.Stream(ctx, s.config.NATS.Stream.Name)
	return err
}

// errNothingToServe says that neither feeds, webhooks nor the HTTP API could do anything.
var errNothingToServe = errors.New("there is nothing to serve: the configuration has no sources, and no serve.tokens with which anybody could publish; enqueue token makes one")

func (s *serving) handler() (http.Handler, error) {
	settings := s.config.Serve
	tokens := make([]httpapi.Token, len(settings.Tokens))
	for i, token := range settings.Tokens {
		hash, err := httpapi.ParseHash(token.SHA256)
		if err != nil {
			return nil, fmt.Errorf("serve.tokens[%d].sha256: %w", i, err)
		}
		tokens[i] = httpapi.Token{Name: token.Name, SHA256: hash, Accounts: token.Accounts}
	}
	if len(tokens) == 0 && len(s.sources) == 0 {
		return nil, errNothingToServe
	}
	api, err := httpapi.New(httpapi.Options{
		Publisher: s.publisher, Tokens: tokens, MaxBody: settings.MaxBody, MaxConcurrent: settings.MaxRequests, Window: s.window,
		Ready: s.ready, Logger: s.telemetry.Logger, Meter: s.telemetry.Meters.Meter(meterName),
	})
	if err != nil {
		return nil, err
	}
	served := api.Handler()
	// A ServeMux would answer //, . and .. in a path with a redirect to another one.
	receivers := make(map[string]http.Handler)
	for _, made := range s.sources {
		if made.Config.Webhook == nil {
			continue
		}
		receiver, closing, err := made.Receiver(source.ReceiverOptions{
			Store: s.store, Publish: run.Publishing(s.publisher), Logger: s.telemetry.Logger, Meter: s.telemetry.Meters.Meter(meterName),
		})
		if err != nil {
			return nil, err
		}
		s.closers = append(s.closers, closing)
		s.receivers = append(s.receivers, receiver)
		receivers[webhooksPath+made.Name] = receiver
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if receiver := receivers[r.URL.Path]; receiver != nil {
			receiver.ServeHTTP(w, r)
			return
		}
		served.ServeHTTP(w, r)
	}), nil
}

// webhooksPath is where webhooks come to; the source's name follows.
const webhooksPath = "/v1/webhooks/"

const meterName = "github.com/catalog-courier/catalog-courier"

// startSources starts what runs beside the requests: due feeds, and keeping order.
func (s *serving) startSources(ctx context.Context, beside *sync.WaitGroup) error {
	if s.store == nil {
		return nil
	}
	measured, err := schedule.NewInstruments(s.telemetry.Meters.Meter(meterName), slices.Sorted(maps.Keys(s.config.Sources)), s.store.Silent)
	if err != nil {
		return fmt.Errorf("declaring the metrics of sources: %w", err)
	}
	runner := &run.Runner{Store: s.store, Publish: run.Publishing(s.publisher), Logger: s.telemetry.Logger, Name: runnerName()}
	due := &schedule.Schedule{Run: runner.Run, Store: s.store, Logger: s.telemetry.Logger, Ended: measured.Ended}
	for _, made := range s.sources {
		if feed := made.Config.Feed; feed != nil && feed.Every > 0 {
			due.Jobs = append(due.Jobs, schedule.Job{Source: made.Source, Every: feed.Every})
		}
	}
	beside.Go(func() { due.Keep(ctx) })
	beside.Go(func() { s.forget(ctx) })
	for _, receiver := range s.receivers {
		beside.Go(func() { receiver.Work(ctx) })
	}
	return nil
}

// forget deletes what is over, every now and then. Several processes may do so at once.
func (s *serving) forget(ctx context.Context) {
	const every, pause = time.Hour, time.Second
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		more, err := s.store.Forget(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			s.telemetry.Logger.WarnContext(ctx, "what is over could not be deleted; it is tried again", slog.Any("error", err))
			timer.Reset(every)
		case more:
			timer.Reset(pause)
		default:
			timer.Reset(every)
		}
	}
}

func (s *sources) tokenCommand() *cobra.Command {
	return &cobra.Command{
		Use: "token", Short: "make a token for the HTTP interface",
		Long: `Prints a new token, and the hash of it for serve.tokens in the configuration. The token
itself is kept nowhere: give it to the program that publishes.`,
		RunE: func(*cobra.Command, []string) error {
			output, err := cli.ParseOutput(s.given.output)
			if err != nil {
				return err
			}
			token, hash := httpapi.NewToken()
			return s.showToken(output, token, hash)
		},
	}
}

func (s *sources) showToken(output cli.Output, token string, hash [sha256.Size]byte) error {
	text := strings.TrimPrefix(httpapi.FormatHash(hash), "sha256:")
	if output.Machine() {
		return output.Print(s.streams.Out, map[string]string{"token": token, "sha256": text})
	}
	return s.line("token   %s\nsha256  %s\n\nserve: {tokens: [{name: NAME, sha256: \"%s\", accounts: [ACCOUNT]}]}", token, text, text)
}
