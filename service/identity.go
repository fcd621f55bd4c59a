package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/queue"
)

// judge says which identity the stream and the database have together, or why they
// are not each other's: queue.ErrForeignStream or queue.ErrStreamGone. It changes
// nothing. Without a stream and with nothing recorded the identity is the zero value:
// the stream is to be made.
func (s *surroundings) judge(ctx context.Context) (ledger.StreamIdentity, error) {
	recorded, err := s.store.StreamIdentity(ctx)
	if err != nil {
		return ledger.StreamIdentity{}, err
	}
	identity, err := s.judgeStream(ctx, recorded)
	if err == nil && s.mirror != nil {
		err = s.judgeMirror(ctx, recorded)
	}
	return identity, err
}

func (s *surroundings) judgeStream(ctx context.Context, recorded ledger.StreamIdentity) (ledger.StreamIdentity, error) {
	positions, err := s.recordedPositions(ctx)
	if err != nil {
		return ledger.StreamIdentity{}, err
	}
	if s.stream == nil {
		if recorded.Stream != "" || len(positions) > 0 {
			return ledger.StreamIdentity{}, s.gone(recorded)
		}
		return ledger.StreamIdentity{}, nil
	}
	found, err := s.stream.Identity(ctx)
	if err != nil {
		return ledger.StreamIdentity{}, err
	}
	switch {
	case recorded.Stream != "" && found.Stream == recorded.Stream && found.Installation == "":
		return recorded, nil // its metadata is to be completed
	case recorded.Stream != "":
		return recorded, s.placed(queue.CompareIdentity(recorded, found))
	case found.Installation != "" && found.Installation == recorded.Installation && found.Stream != "":
		return found, nil // bound before, by a start that the database forgot or that ended in between
	case found.Installation != "":
		return ledger.StreamIdentity{}, s.foreignf("stream %s belongs to installation %s; %s",
			found.Stream, found.Installation, s.unbound(recorded))
	}
	if err := s.evidence(ctx, recorded, positions); err != nil {
		return ledger.StreamIdentity{}, err
	}
	return ledger.StreamIdentity{Stream: s.streamID(found, recorded), Installation: recorded.Installation}, nil
}

// judgeMirror refuses the mirror of another installation.
func (s *surroundings) judgeMirror(ctx context.Context, recorded ledger.StreamIdentity) error {
	installation, err := s.mirror.Installation(ctx)
	if err != nil || installation == "" || installation == recorded.Installation {
		return err
	}
	return s.foreignf("the mirror of the commits belongs to installation %s; %s", installation, s.unbound(recorded))
}

func (s *surroundings) unbound(recorded ledger.StreamIdentity) string {
	if recorded.Installation == "" {
		return "no worker was started on this database yet"
	}
	return "this database is installation " + recorded.Installation
}

// recordedPositions are those that stand on a message.
func (s *surroundings) recordedPositions(ctx context.Context) (standing map[int]ledger.Anchor, err error) {
	anchors, err := s.store.Positions(ctx)
	if err != nil {
		return nil, err
	}
	standing = map[int]ledger.Anchor{}
	for partition, anchor := range anchors {
		if anchor.Position.Sequence > 0 {
			standing[partition] = anchor
		}
	}
	return standing, nil
}

// evidence looks at what a stream without an identity holds, to tell a stream of
// before identities were kept from another one.
func (s *surroundings) evidence(ctx context.Context, recorded ledger.StreamIdentity, positions map[int]ledger.Anchor) error {
	if len(positions) > 0 {
		matches, err := s.anyMatches(ctx, positions)
		if err != nil || matches {
			return err
		}
		return s.foreignf("it has no id yet, and none of the %d positions that the database recorded stands on a message of it", len(positions))
	}
	state, err := s.stream.State(ctx)
	if err != nil {
		return err
	}
	if state.First > 1 {
		return s.foreignf("it has no id yet and was trimmed up to message %d, and this database has recorded nothing of it; %s",
			state.First-1, s.unbound(recorded))
	}
	return s.mirrorIsEmpty(ctx, recorded)
}

// anyMatches reports whether the stream has a message that the database recorded.
func (s *surroundings) anyMatches(ctx context.Context, positions map[int]ledger.Anchor) (bool, error) {
	for _, position := range positions {
		err := s.stream.Verify(ctx, position)
		if !errors.Is(err, queue.ErrStreamRestored) {
			return err == nil, err
		}
	}
	// An older copy may have none of the positions, and still what was recorded before.
	for partition, position := range positions {
		_, ok, err := queue.FindAnchor(ctx, s.stream, func(ctx context.Context, sequence uint64) (ledger.Anchor, bool, error) {
			return s.store.RecordedAtOrBefore(ctx, partition, position.Position.Generation, sequence)
		})
		if ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// mirrorIsEmpty refuses a stream whose mirror notes commits while the database has
// none: another database's workers made them.
func (s *surroundings) mirrorIsEmpty(ctx context.Context, recorded ledger.StreamIdentity) error {
	if s.mirror == nil {
		return nil
	}
	own, err := s.store.Commits(ctx)
	if err != nil || own > 0 {
		return err
	}
	installation, err := s.mirror.Installation(ctx)
	if err != nil || installation != "" {
		return err // it is this one's, as judgeMirror found
	}
	for partition := range s.config.NATS.Partitions {
		_, noted, err := s.mirror.Partition(ctx, partition, func(uuid.UUID) bool { return false })
		if err != nil {
			return err
		}
		if commits := max(noted.Commits, noted.Former); noted.Found || commits > 0 {
			return s.foreignf("it has no id yet, its mirror notes %d commits of partition %d, and this database has none; %s",
				commits, partition, s.unbound(recorded))
		}
	}
	return nil
}

// streamID is the id of a stream to be bound: its own, or one that follows from the
// installation, so that workers that start at once give the same.
func (s *surroundings) streamID(found, recorded ledger.StreamIdentity) string {
	if found.Stream != "" {
		return found.Stream
	}
	installation, err := uuid.Parse(recorded.Installation)
	if err != nil {
		installation = uuid.Nil // no worker was started on this database yet: nothing is bound
	}
	return uuid.NewSHA1(installation, []byte(s.stream.Name())).String()
}

const adoptHint = "correct nats.url or database.url if one of them is wrong; if this is meant, run worker migrate --adopt-stream"

func (s *surroundings) foreignf(format string, args ...any) error {
	return s.placed(fmt.Errorf("%w: %s; %s", queue.ErrForeignStream, fmt.Sprintf(format, args...), adoptHint))
}

func (s *surroundings) gone(recorded ledger.StreamIdentity) error {
	what := "positions of a stream"
	if recorded.Stream != "" {
		what = "stream " + recorded.Stream
	}
	return s.placed(fmt.Errorf("%w, but the database recorded %s; %s", queue.ErrStreamGone, what, adoptHint))
}

// placed says of which stream an error speaks.
func (s *surroundings) placed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("stream %s at %s: %w", s.config.NATS.Stream.Name, s.config.NATS.URL.Address(), err)
}

// bind makes the stream if it is to be made, and has the stream, its mirror and the
// database name each other. It may be done by several workers at once.
func (s *surroundings) bind(ctx context.Context) (ledger.StreamIdentity, error) {
	identity, err := s.judge(ctx)
	if err != nil {
		return ledger.StreamIdentity{}, err
	}
	settings := StreamConfig(s.config.NATS)
	if s.stream, err = queue.Ensure(ctx, s.js, settings); err != nil {
		return ledger.StreamIdentity{}, err
	}
	if s.mirror, err = queue.OpenMirror(ctx, s.js, settings); err != nil {
		return ledger.StreamIdentity{}, err
	}
	if identity.IsZero() { // it was made just now, by this worker or another
		if identity, err = s.judge(ctx); err != nil {
			return ledger.StreamIdentity{}, err
		}
	}
	return identity, s.write(ctx, identity)
}

// write has the stream, the database and the mirror name each other.
func (s *surroundings) write(ctx context.Context, identity ledger.StreamIdentity) error {
	if err := s.stream.Bind(ctx, identity); err != nil {
		return err
	}
	// Another installation may have bound it at the same moment.
	if err := queue.CheckIdentity(ctx, s.stream, identity); err != nil {
		return s.placed(err)
	}
	if err := s.store.BindStream(ctx, identity.Stream); err != nil {
		return err
	}
	return s.mirror.Bind(ctx, identity.Installation)
}

const (
	// identityInterval is how often the stream is asked who it is. Readers ask on each
	// connection besides.
	identityInterval = 2 * time.Second
	// goneGrace is how long the stream may be missing before the worker ends: a server
	// that comes back may not have all of its streams at once.
	goneGrace = 10 * time.Second
)

// watchStream ends the worker when its stream is another one, or gone.
func (w *worker) watchStream(ctx context.Context) {
	if w.identity.IsZero() {
		return
	}
	ticker := time.NewTicker(identityInterval)
	defer ticker.Stop()
	var missing time.Time
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		switch err := w.compareStream(ctx); {
		case errors.Is(err, queue.ErrForeignStream):
			w.abandon(ctx, err)
			return
		case !errors.Is(err, queue.ErrStreamGone):
			missing = time.Time{}
		case missing.IsZero():
			missing = time.Now()
			w.log.ErrorContext(ctx, "the stream is gone: nothing is read; the worker ends unless it comes back",
				slog.Duration("within", goneGrace), slog.Any("error", err))
		case time.Since(missing) >= goneGrace:
			w.abandon(ctx, fmt.Errorf("%w; %s", err, adoptHint))
			return
		}
	}
}

func (w *worker) compareStream(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return queue.CheckIdentity(ctx, w.deps.Queue, w.identity)
}

// abandon ends the worker: its stream and its database are not each other's. What
// was read before is settled, as in every stop.
func (w *worker) abandon(ctx context.Context, err error) {
	w.log.ErrorContext(ctx, "the worker ends: this is not the stream that the database knows; nothing of it is delivered",
		slog.Any("error", err))
	w.end(err)
}

// sameStream refuses a partition of a ledger that has adopted another stream since
// the worker started.
func (w *worker) sameStream(ctx context.Context) error {
	if w.identity.IsZero() {
		return nil
	}
	recorded, err := w.deps.Store.StreamIdentity(ctx)
	if err != nil || recorded == w.identity {
		return err
	}
	return queue.CompareIdentity(recorded, w.identity)
}
