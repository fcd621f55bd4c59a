package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// MaxPayload is what a NATS server must allow: a body of 1 MiB and its headers.
// The server's own default is 1 MiB for both together.
const MaxPayload = 1<<20 + 64<<10

// NATSOptions say how to run a NATS server. Only StoreDir is required.
type NATSOptions struct {
	// StoreDir keeps the streams between runs.
	StoreDir string
	// SyncAlways flushes to disk before each acknowledgement, as the shipped
	// configuration does. Without it the last two minutes may be lost with the
	// machine.
	SyncAlways bool
	// Port on 127.0.0.1: 0 listens nowhere (use NATS.Connect), -1 takes a free one.
	Port int
	// MaxPayload bounds a message with its headers, in bytes. Defaults to MaxPayload.
	MaxPayload int32
	// MaxStore bounds JetStream's files, in bytes. Defaults to the server's choice,
	// a share of the free disk space.
	MaxStore int64
	// Logger receives the server's warnings and errors. Defaults to silence.
	Logger *slog.Logger
}

// NATS is a server in this process, ready for connections.
type NATS struct {
	server *server.Server
}

// StartNATS runs a server with JetStream on disk and waits until it is ready,
// which takes longer the more messages are stored.
func StartNATS(options NATSOptions) (*NATS, error) {
	const startTimeout = time.Minute
	if options.StoreDir == "" {
		return nil, errors.New("a NATS server needs a folder for its streams")
	}
	instance, err := server.NewServer(&server.Options{
		ServerName:             "courier-embedded",
		Host:                   "127.0.0.1",
		Port:                   options.Port,
		DontListen:             options.Port == 0,
		JetStream:              true,
		JetStreamMaxStore:      options.MaxStore,
		StoreDir:               options.StoreDir,
		SyncAlways:             options.SyncAlways,
		MaxPayload:             cmp.Or(options.MaxPayload, MaxPayload),
		DisableJetStreamBanner: true,
		NoSigs:                 true,
		NoLog:                  options.Logger == nil,
	})
	if err != nil {
		return nil, fmt.Errorf("configuring the NATS server: %w", err)
	}
	if options.Logger != nil {
		instance.SetLogger(serverLog{options.Logger}, false, false)
	}
	instance.Start()
	if !instance.ReadyForConnections(startTimeout) || !instance.JetStreamEnabled() {
		instance.Shutdown()
		instance.WaitForShutdown()
		return nil, fmt.Errorf("the NATS server did not become ready with its folder %s", options.StoreDir)
	}
	return &NATS{server: instance}, nil
}

// URL is where other processes connect, "" when the server listens nowhere.
func (n *NATS) URL() string {
	if n.server.Addr() == nil {
		return ""
	}
	return n.server.ClientURL()
}

// InProcessConn makes a connection without a socket; it lets a NATS be given to
// nats.InProcessServer.
func (n *NATS) InProcessConn() (net.Conn, error) { return n.server.InProcessConn() }

// Connect makes a client within the process, which reconnects for ever.
func (n *NATS) Connect(options ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("", append([]nats.Option{nats.InProcessServer(n), nats.MaxReconnects(-1)}, options...)...)
}

// Shutdown ends the server and waits until its files are closed.
func (n *NATS) Shutdown() {
	n.server.Shutdown()
	n.server.WaitForShutdown()
}

// serverLog hands the server's log lines to slog. Routine notices are debugging
// for us.
type serverLog struct{ logger *slog.Logger }

func (l serverLog) line(level slog.Level, format string, arguments []any) {
	ctx := context.Background()
	if l.logger.Enabled(ctx, level) {
		l.logger.Log(ctx, level, "nats-server", slog.String("message", fmt.Sprintf(format, arguments...)))
	}
}

// Noticef is the server's notice.
func (l serverLog) Noticef(format string, v ...any) { l.line(slog.LevelDebug, format, v) }

// Debugf is the server's debugging.
func (l serverLog) Debugf(format string, v ...any) { l.line(slog.LevelDebug, format, v) }

// Tracef is the server's tracing.
func (l serverLog) Tracef(format string, v ...any) { l.line(slog.LevelDebug, format, v) }

// Warnf is the server's warning.
func (l serverLog) Warnf(format string, v ...any) { l.line(slog.LevelWarn, format, v) }

// Errorf is the server's error.
func (l serverLog) Errorf(format string, v ...any) { l.line(slog.LevelError, format, v) }

// Fatalf is the server's last word; it goes on to shut down by itself.
func (l serverLog) Fatalf(format string, v ...any) { l.line(slog.LevelError, format, v) }
