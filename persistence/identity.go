package persistence

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// Errors of BindStream and AdoptStream.
var (
	// ErrOtherStream says that the database recorded another stream meanwhile.
	ErrOtherStream = errors.New("the database recorded another stream")
	// ErrWorkersRunning says that workers have shown a heartbeat within 30 seconds.
	ErrWorkersRunning = errors.New("workers of this database are running: stop them first")
)

// StreamIdentity reads which stream the positions are of, and this database's own
// id: see ledger.StreamIdentity. Both are "" before the first start.
func (s *Store) StreamIdentity(ctx context.Context) (ledger.StreamIdentity, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	row, err := s.query.StreamIdentity(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return ledger.StreamIdentity{}, nil
	}
	if err != nil {
		return ledger.StreamIdentity{}, fmt.Errorf("reading which stream is recorded: %w", err)
	}
	identity := ledger.StreamIdentity{Installation: row.InstallationID.String()}
	if row.StreamID != nil {
		identity.Stream = row.StreamID.String()
	}
	return identity, nil
}

// BindStream records the stream that the positions are of, at the first start. It is
// harmless to repeat; the error is ErrOtherStream when another one is recorded.
func (s *Store) BindStream(ctx context.Context, stream string) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	id, err := uuid.Parse(stream)
	if err != nil {
		return fmt.Errorf("the stream's id %q is not a UUID: %w", stream, err)
	}
	bound, err := s.query.BindStream(ctx, id)
	if err != nil {
		return fmt.Errorf("recording the stream: %w", err)
	}
	if bound == 0 {
		return ErrOtherStream
	}
	return nil
}

// AdoptStream records another stream in the place of former, which is "" when none
// was recorded. The error is ErrWorkersRunning or ErrOtherStream.
func (s *Store) AdoptStream(ctx context.Context, former, stream string) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	params := query.AdoptStreamParams{}
	var err error
	if params.Stream, err = uuid.Parse(stream); err != nil {
		return fmt.Errorf("the stream's id %q is not a UUID: %w", stream, err)
	}
	if former != "" {
		id, err := uuid.Parse(former)
		if err != nil {
			return fmt.Errorf("the recorded id %q is not a UUID: %w", former, err)
		}
		params.Former = &id
	}
	adopted, err := s.query.AdoptStream(ctx, params)
	if err != nil {
		return fmt.Errorf("recording the adopted stream: %w", err)
	}
	if adopted > 0 {
		return nil
	}
	if err := s.NoWorkers(ctx); err != nil {
		return err
	}
	return ErrOtherStream
}

// NoWorkers is ErrWorkersRunning, with the names of the workers, unless none has
// shown a heartbeat within 30 seconds.
func (s *Store) NoWorkers(ctx context.Context) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	running, err := s.query.RunningWorkers(ctx)
	if err != nil {
		return fmt.Errorf("looking for running workers: %w", err)
	}
	if len(running) == 0 {
		return nil
	}
	return fmt.Errorf("%w (%d, such as %q, last seen %d s ago; one that was killed counts for 30 s)",
		ErrWorkersRunning, len(running), running[0].Name, running[0].SilentSeconds)
}

// Commits is how many transactions were committed for all partitions together.
func (s *Store) Commits(ctx context.Context) (int64, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	commits, err := s.query.CommitCount(ctx)
	if err != nil {
		return 0, fmt.Errorf("counting the commits: %w", err)
	}
	return commits, nil
}

// Unfinished counts open batches and waiting mutations: what is brought to its end
// whatever the stream holds.
func (s *Store) Unfinished(ctx context.Context) (batches, waiting int64, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	row, err := s.query.Unfinished(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("counting what is not finished: %w", err)
	}
	return row.Batches, row.Waiting, nil
}
