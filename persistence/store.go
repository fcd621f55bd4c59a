package persistence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// ErrPartitions is returned when the number of partitions is not the recorded one.
var ErrPartitions = errors.New("the number of partitions was fixed at the first start")

// Config is what a Store needs.
type Config struct {
	// Timeout bounds each call, the wait for a connection included. Defaults to
	// 60 s.
	Timeout time.Duration
	// DeadLetterBytes is how many bytes the messages of one account's dead letters may
	// take; past it the oldest are dropped and their rows stay. Defaults to 1 GiB.
	DeadLetterBytes int64
	// Dropped, when not nil, is told of dead letters whose messages were dropped.
	Dropped func(account string, letters int, bytes int64)
	// Logger gets what is odd but no error, and each day that is dropped.
	Logger *slog.Logger
	// Clock, when not nil, is asked before times of this process's clock are written
	// that others go by. While its Check is an error, that is returned, as
	// ErrClock, and nothing is written; clock.Watch is one.
	Clock Clock
}

// Clock knows how the clock of this process and the database's differ.
type Clock interface {
	// Check is an error while they differ by more than is harmless.
	Check() error
	// Theirs is what the database's clock says now, as far as is known.
	Theirs() time.Time
}

// Store is the ledger on Postgres. It is safe for concurrent use; the fenced
// calls of one partition come one at a time.
type Store struct {
	pool    *pgxpool.Pool
	query   *query.Queries
	timeout time.Duration
	logger  *slog.Logger
	clock   Clock // nil: never wrong

	deadLetterBytes int64
	dropped         func(account string, letters int, bytes int64)
	droppedAt       droppedAt

	lanes laneCache
	days  dayCache
	codec codec

	groups groupCommit
	proofs proofs

	mu     sync.Mutex
	chains map[int]*chain // by partition
}

var (
	_ ledger.Store  = (*Store)(nil)
	_ ledger.Prober = (*Store)(nil)
)

// NewStore makes a store on a migrated database. The pool stays the caller's.
func NewStore(pool *pgxpool.Pool, config Config) (*Store, error) {
	codec, err := newCodec()
	if err != nil {
		return nil, err
	}
	logger := config.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	store := &Store{
		pool:    pool,
		query:   query.New(pool),
		timeout: cmp.Or(config.Timeout, time.Minute),
		logger:  logger,
		clock:   config.Clock,
		dropped: config.Dropped,

		deadLetterBytes: cmp.Or(config.DeadLetterBytes, defaultDeadLetterBytes),

		codec:  codec,
		chains: make(map[int]*chain),
		proofs: proofs{turn: make(chan struct{}, 1)},
	}
	store.groups.send, store.groups.wait = store.send, longestWait
	return store, nil
}

// Close frees what the store holds; the pool stays open.
func (s *Store) Close() { s.codec.close() }

func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}

func (s *Store) inTransaction(ctx context.Context, work func(q *query.Queries) error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return work(s.query.WithTx(tx)) })
}

// executor is what sqlc's batches have in common.
type executor interface {
	Exec(each func(int, error))
	Close() error
}

// all runs a batch and returns its first error.
func all(batch executor) error {
	var first error
	batch.Exec(func(_ int, err error) {
		if first == nil {
			first = err
		}
	})
	return errors.Join(first, batch.Close())
}

// EnsurePartitions records the number of partitions at the first start and makes
// their rows. Later another number is ErrPartitions: one account would have two
// owners.
func (s *Store) EnsurePartitions(ctx context.Context, partitions int) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if partitions < 1 || partitions > maxPartitions {
		return fmt.Errorf("%w: %d is not between 1 and %d", ErrPartitions, partitions, maxPartitions)
	}
	recorded, err := s.query.FixPartitions(ctx, int32(partitions))
	if err != nil {
		return fmt.Errorf("recording the number of partitions: %w", err)
	}
	if int(recorded) != partitions {
		return fmt.Errorf("%w: it is %d, %d was asked for", ErrPartitions, recorded, partitions)
	}
	if err := s.query.AddLeases(ctx, recorded); err != nil {
		return fmt.Errorf("making the lease rows: %w", err)
	}
	return nil
}

// maxPartitions bounds the partition count; a stream has 64 by default.
const maxPartitions = 65536

// Positions reads the position of every partition, for the trimmer and for
// metrics. The index is the partition.
func (s *Store) Positions(ctx context.Context) ([]ledger.Anchor, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.query.Positions(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the positions: %w", err)
	}
	anchors := make([]ledger.Anchor, len(rows))
	for i, row := range rows {
		anchors[i] = anchor(row.Generation, row.Sequence, row.MessageNs, row.MessageID)
	}
	return anchors, nil
}
