package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/queue"
)

// Adoption is what it means to accept the stream that is there in the place of the
// recorded one: for a database whose stream was replaced, and for a stream whose
// database was.
type Adoption struct {
	// Stream names the stream and its server; Database the database.
	Stream, Database string
	// Recorded is what the database knows, Found what the stream says of itself. Found
	// is the zero value where there is no stream: one is made.
	Recorded, Found ledger.StreamIdentity
	Missing         bool
	// Needless reports that they are each other's already.
	Needless bool
	// Messages are in the stream, and Unrecorded of them will be sent to the platforms:
	// the database has no record of them.
	Messages, Unrecorded uint64
	// OpenBatches and Waiting mutations of the former stream are brought to their end.
	OpenBatches, Waiting int64

	s *surroundings
}

// PlanAdoption looks at both sides and changes nothing that matters: the rows of a
// first start may be made in the database. Close ends its connections.
func PlanAdoption(ctx context.Context, c *config.Config, options ...nats.Option) (*Adoption, error) {
	s := &surroundings{config: c, log: slog.New(slog.DiscardHandler), nats: options}
	a, err := planAdoption(ctx, s)
	if err != nil {
		s.close()
		return nil, err
	}
	return a, nil
}

func planAdoption(ctx context.Context, s *surroundings) (*Adoption, error) {
	if err := errors.Join(failed(s.lookAtNATS(ctx)), failed(s.lookAtDatabase(ctx))); err != nil {
		return nil, err
	}
	if err := s.store.EnsurePartitions(ctx, s.config.NATS.Partitions); err != nil {
		return nil, err
	}
	if err := s.store.NoWorkers(ctx); err != nil {
		return nil, err
	}
	a := &Adoption{
		s: s, Missing: s.stream == nil, Database: DatabaseAddress(s.config),
		Stream: s.config.NATS.Stream.Name + " at " + natsconn.Address(s.config, s.conn),
	}
	var err error
	if a.Recorded, err = s.store.StreamIdentity(ctx); err != nil {
		return nil, err
	}
	if !a.Missing {
		if a.Found, err = s.stream.Identity(ctx); err != nil {
			return nil, err
		}
	}
	_, refused := s.judge(ctx)
	switch {
	case refused == nil:
		a.Needless = true
		return a, nil
	case !errors.Is(refused, queue.ErrForeignStream) && !errors.Is(refused, queue.ErrStreamGone):
		return nil, refused
	}
	return a, a.count(ctx)
}

// count finds out what will be sent: what the workers will read after the newest
// recorded message that the stream has.
func (a *Adoption) count(ctx context.Context) (err error) {
	if a.OpenBatches, a.Waiting, err = a.s.store.Unfinished(ctx); err != nil || a.Missing {
		return err
	}
	state, err := a.s.stream.State(ctx)
	if err != nil {
		return err
	}
	a.Messages = state.Messages
	anchors, err := a.s.store.Positions(ctx)
	if err != nil {
		return err
	}
	for partition, anchor := range anchors {
		from := anchor.Position.Sequence
		err := a.s.stream.Verify(ctx, anchor)
		if errors.Is(err, queue.ErrStreamRestored) {
			var newest ledger.Anchor
			newest, _, err = queue.FindAnchor(ctx, a.s.stream, func(ctx context.Context, sequence uint64) (ledger.Anchor, bool, error) {
				return a.s.store.RecordedAtOrBefore(ctx, partition, anchor.Position.Generation, min(sequence, anchor.Position.Sequence))
			})
			from = newest.Position.Sequence
		}
		if err != nil {
			return err
		}
		more, err := a.s.stream.CountAfter(ctx, partition, from)
		if err != nil {
			return err
		}
		a.Unrecorded += more
	}
	return nil
}

// Apply has the stream, its mirror and the database name each other; without a stream
// one is made. The former stream, and the workers of another installation that worked
// this one, are refused from then on. No worker of this database may run.
func (a *Adoption) Apply(ctx context.Context) (ledger.StreamIdentity, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	settings := StreamConfig(a.s.config.NATS)
	stream, err := queue.Ensure(ctx, a.s.js, settings)
	if err != nil {
		return ledger.StreamIdentity{}, err
	}
	found, err := stream.Identity(ctx)
	if err != nil {
		return ledger.StreamIdentity{}, err
	}
	if !a.Missing && found != a.Found {
		return ledger.StreamIdentity{}, fmt.Errorf("%w since it was looked at: its id is %s now", queue.ErrForeignStream, found.Stream)
	}
	identity := ledger.StreamIdentity{Stream: found.Stream, Installation: a.Recorded.Installation}
	if identity.Stream == "" {
		identity.Stream = uuid.NewString()
	}
	mirror, err := queue.OpenMirror(ctx, a.s.js, settings)
	if err != nil {
		return ledger.StreamIdentity{}, err
	}
	// The database comes first: it alone knows whether workers run, and a stop after it
	// leaves both sides refusing each other until the adoption is repeated.
	if err := a.s.store.AdoptStream(ctx, a.Recorded.Stream, identity.Stream); err != nil {
		return ledger.StreamIdentity{}, err
	}
	if err := mirror.Adopt(ctx, identity.Installation, a.s.config.NATS.Partitions); err != nil {
		return ledger.StreamIdentity{}, err
	}
	return identity, stream.Bind(ctx, identity)
}

// Close ends the connections.
func (a *Adoption) Close() { a.s.close() }
