package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/publish"
)

// Publisher is what the server publishes with: a [publish.Publisher].
type Publisher interface {
	// Check says what is wrong with a publication before anything is sent; nil when
	// nothing is.
	Check(ctx context.Context, publication publish.Publication) *catalog.Problem
	// Publish publishes in order, as [publish.Publisher.Publish] describes.
	Publish(ctx context.Context, publications []publish.Publication) ([]publish.Result, error)
}

// Limits that hold unless [Options] say otherwise.
const (
	DefaultMaxBody       = 16 << 20 // bytes
	DefaultMaxLines      = 10_000
	DefaultMaxConcurrent = 16
	DefaultTimeout       = 30 * time.Second
	// DefaultWindow is the duplicate window of a stream that a worker made.
	DefaultWindow = 2 * time.Minute
)

// Options say what to serve. Publisher is required.
type Options struct {
	// Publisher publishes to the stream. Its RetryFor should be shorter than Timeout.
	Publisher Publisher
	// Tokens are the callers and what they may publish to. Without any, nobody may.
	Tokens []Token

	// MaxBody is the most bytes that a body may have, before and after decompression.
	// Defaults to [DefaultMaxBody].
	MaxBody int64
	// MaxLines is the most mutations of one request. Defaults to [DefaultMaxLines].
	MaxLines int
	// MaxConcurrent is how many requests are read and published at a time; more are
	// answered 503. Each may need three times MaxBody for a moment. Defaults to
	// [DefaultMaxConcurrent].
	MaxConcurrent int
	// Timeout bounds receiving a body, and publishing it: each of the two. Defaults to
	// [DefaultTimeout].
	Timeout time.Duration
	// Window is the stream's duplicate window: for as long a repeat of an
	// Idempotency-Key with another body is noticed. Defaults to [DefaultWindow].
	Window time.Duration

	// Ready says whether mutations can be published now: NATS is connected and the
	// stream exists. Nil is always ready.
	Ready func(context.Context) error
	// Logger gets a line for each request: debug, info for a refusal, warn for a
	// failure. Nil logs nothing.
	Logger *slog.Logger
	// Meter counts requests. Nil counts nothing.
	Meter metric.Meter
}

// Server answers requests. It is safe for concurrent use.
type Server struct {
	options  Options
	tokens   book
	slots    chan struct{}
	keys     *keyMemory
	ready    readiness
	measured instruments
}

// New checks the options and makes a server.
func New(options Options) (*Server, error) {
	if options.Publisher == nil {
		return nil, errors.New("the HTTP API has no publisher")
	}
	tokens, err := newBook(options.Tokens)
	if err != nil {
		return nil, err
	}
	if options.MaxBody <= 0 {
		options.MaxBody = DefaultMaxBody
	}
	if options.MaxLines <= 0 {
		options.MaxLines = DefaultMaxLines
	}
	if options.MaxConcurrent <= 0 {
		options.MaxConcurrent = DefaultMaxConcurrent
	}
	if options.Timeout <= 0 {
		options.Timeout = DefaultTimeout
	}
	if options.Window <= 0 {
		options.Window = DefaultWindow
	}
	if options.Ready == nil {
		options.Ready = func(context.Context) error { return nil }
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Meter == nil {
		options.Meter = noop.Meter{}
	}
	measured, err := newInstruments(options.Meter)
	if err != nil {
		return nil, fmt.Errorf("declaring the metrics of the HTTP API: %w", err)
	}
	return &Server{
		options:  options,
		tokens:   tokens,
		slots:    make(chan struct{}, options.MaxConcurrent),
		keys:     newKeyMemory(options.Window),
		ready:    readiness{check: options.Ready},
		measured: measured,
	}, nil
}
