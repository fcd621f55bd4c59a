package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/lease"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/sleep"
	"github.com/catalog-courier/catalog-courier/notice"
	"github.com/catalog-courier/catalog-courier/queue"
)

// Dependencies are what a worker needs. Run makes them from the settings, on Postgres
// and NATS; callers of RunWith bring others that keep the same promises.
type Dependencies struct {
	Store  Store
	Leases ledger.LeaseTable
	Queue  Queue
	// Register, when not nil, writes what a worker wrote of itself at its start; it is
	// called again from time to time, as the database may have lost it.
	Register func(ctx context.Context) error
	// Retain, when not nil, retires old rows from time to time.
	Retain func(ctx context.Context) error
	// Resolve, when not nil, notes of some open dead letters below an id, 0 for the newest,
	// which are resolved, and returns where to go on; 0 at the end.
	Resolve func(ctx context.Context, before int64) (next int64, err error)
	// Clock, when not nil, asks the database for the time. The worker stands aside while
	// its own clock differs.
	Clock func(ctx context.Context) (time.Time, error)
	// MarkStream, when not nil, notes how far the stream reaches and returns the sequence
	// up to which all messages are older than the replay window.
	MarkStream func(ctx context.Context, last uint64, window time.Duration) (uint64, error)
	// Notices, when not nil, keeps what was told to the targets of Config.Notices; without
	// it nobody is told.
	Notices notice.Store
	// Ready are what readiness looks at, by name.
	Ready map[string]func(ctx context.Context) error
	// Transport makes what a partition's calls go through; it writes nothing once the
	// deadline has passed. Defaults to lease.GuardedTransport.
	Transport func(deadline func() time.Time) Transport
	// Random draws from [0, 1) to spread what would happen at the same time. It is
	// called from many goroutines. Defaults to math/rand/v2's Float64.
	Random func() float64
	// Worker is the worker's id. Defaults to a fresh one.
	Worker uuid.UUID
}

// Store is the ledger with what a worker needs besides.
type Store interface {
	ledger.Store
	// StreamIdentity reads which stream the positions are of; the zero value when none
	// is recorded.
	StreamIdentity(ctx context.Context) (ledger.StreamIdentity, error)
	// Positions reads the position of every partition.
	Positions(ctx context.Context) ([]ledger.Anchor, error)
	// RecordedAtOrBefore finds the newest recorded message at or before a sequence.
	RecordedAtOrBefore(ctx context.Context, partition int, generation int64, sequence uint64) (ledger.Anchor, bool, error)
	// Rewind puts a partition back to an anchor in a new generation.
	Rewind(ctx context.Context, lease ledger.Lease, to ledger.Anchor, recorded []ledger.Range) (generation int64, err error)
}

// Queue is the stream that a worker reads.
type Queue interface {
	queue.Log
	// Open reads a partition from a position on: see queue.OpenReader.
	Open(ctx context.Context, config queue.ReaderConfig) (Reader, error)
	// Mirror finds what is noted of a partition: see queue.Mirror.
	Mirror(ctx context.Context, partition int, knows func(transaction uuid.UUID) bool) (delivery.Mirror, queue.Noted, error)
}

// Reader is one partition's reader: see queue.Reader.
type Reader interface {
	delivery.Source
	Restarts() uint64
	Close()
}

// Transport makes HTTP calls.
type Transport interface {
	http.RoundTripper
	CloseIdleConnections()
}

func (d Dependencies) withDefaults() Dependencies {
	if d.Transport == nil {
		d.Transport = func(deadline func() time.Time) Transport { return lease.GuardedTransport(deadline) }
	}
	if d.Random == nil {
		d.Random = rand.Float64
	}
	return d
}

// RunWith works as Run does, with the given dependencies. Nothing of them is closed. Accounts
// with tokens that change need a database and are refused. A stream that is not the
// one recorded in the store is refused too; where none is recorded any is taken.
func RunWith(ctx context.Context, options Options, deps Dependencies) error {
	return run(ctx, options, func(ctx context.Context, w *worker) (func(), error) {
		credentials, err := newCredentials(options.Config, w.platforms, nil, w.log)
		if err != nil {
			return nil, fmt.Errorf("accounts: %w", err)
		}
		if len(credentials.renewed) > 0 {
			return nil, errRenewed
		}
		w.serving.Store(newServing(options.Config, credentials, nil))
		w.deps = deps.withDefaults()
		return func() {}, w.openIdentity(ctx)
	})
}

// openIdentity reads which stream is recorded and compares it, until it is known.
func (w *worker) openIdentity(ctx context.Context) error {
	const longest = time.Second
	for {
		err := w.readIdentity(ctx)
		if err == nil || errors.Is(err, queue.ErrForeignStream) || errors.Is(err, queue.ErrStreamGone) {
			return err
		}
		w.log.WarnContext(ctx, "the stream cannot be compared yet, trying again", slog.Any("error", err))
		if err := sleep.For(ctx, time.Duration(float64(longest)*(1+w.deps.Random())/2)); err != nil {
			return err
		}
	}
}

func (w *worker) readIdentity(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if w.identity, err = w.deps.Store.StreamIdentity(ctx); err != nil {
		return err
	}
	return w.compareStream(ctx)
}

// errRenewed says that an account's tokens need a database.
var errRenewed = errors.New("accounts with a client_id need the database")

// stream is the Queue on NATS.
type stream struct {
	*queue.Stream
	mirror *queue.Mirror
}

var _ Queue = stream{}

// Open reads a partition.
func (s stream) Open(ctx context.Context, config queue.ReaderConfig) (Reader, error) {
	return queue.OpenReader(ctx, s.Stream, config)
}

// Mirror finds what is noted of a partition.
func (s stream) Mirror(ctx context.Context, partition int, knows func(uuid.UUID) bool) (delivery.Mirror, queue.Noted, error) {
	return s.mirror.Partition(ctx, partition, knows)
}
