package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// Keys of a stream's metadata. The mirror's bucket has the second one too.
const (
	streamKey       = "catalog-courier.stream"
	installationKey = "catalog-courier.installation"
)

// Errors of a stream that is not the recorded one.
var (
	// ErrForeignStream says that the stream, or its mirror, is another one than the
	// database knows, or that another database's workers work it.
	ErrForeignStream = errors.New("another stream than the recorded one")
	// ErrStreamGone says that there is no stream of this name on the server.
	ErrStreamGone = errors.New("the stream does not exist")
)

// adoptHint says what to do about another stream.
const adoptHint = "correct nats.url or database.url if one of them is wrong; if the stream was replaced on purpose, run worker migrate --adopt-stream"

// CompareIdentity compares what a stream says of itself with what the database
// recorded: ErrForeignStream, with both ids, when they differ.
func CompareIdentity(recorded, found ledger.StreamIdentity) error {
	switch {
	case found.Stream != recorded.Stream:
		return fmt.Errorf("%w: its id is %s, the database recorded %s; %s",
			ErrForeignStream, named(found.Stream), named(recorded.Stream), adoptHint)
	case found.Installation != recorded.Installation:
		return fmt.Errorf("%w: stream %s belongs to installation %s, this database is installation %s; %s",
			ErrForeignStream, found.Stream, named(found.Installation), named(recorded.Installation), adoptHint)
	default:
		return nil
	}
}

func named(id string) string {
	if id == "" {
		return "(none)"
	}
	return id
}

// CheckIdentity asks the log who it is and compares: see CompareIdentity. Nothing
// recorded is nothing to compare with.
func CheckIdentity(ctx context.Context, log Log, recorded ledger.StreamIdentity) error {
	if recorded.IsZero() {
		return nil
	}
	found, err := log.Identity(ctx)
	if err != nil {
		return err
	}
	return CompareIdentity(recorded, found)
}

// Identity asks the server for the ids in the stream's metadata, each "" where there
// is none. The error is ErrStreamGone when the server has no such stream.
func (s *Stream) Identity(ctx context.Context) (ledger.StreamIdentity, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// A handle of its own: the shared one caches what it was told, without a lock.
	handle, err := s.js.Stream(ctx, s.name)
	if err != nil {
		return ledger.StreamIdentity{}, s.asking(err)
	}
	return identityOf(handle.CachedInfo().Config.Metadata), nil
}

func (s *Stream) asking(err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("stream %s at %s: %w", s.name, s.js.Conn().ConnectedUrlRedacted(), ErrStreamGone)
	}
	return fmt.Errorf("asking for the state of stream %s: %w", s.name, err)
}

func identityOf(metadata map[string]string) ledger.StreamIdentity {
	return ledger.StreamIdentity{Stream: metadata[streamKey], Installation: metadata[installationKey]}
}

// newStreamMetadata is what a stream is made with: an id of its own. Whoever makes
// it, a producer's program perhaps, does not know the installation.
func newStreamMetadata() map[string]string {
	return map[string]string{streamKey: uuid.NewString()}
}

// Bind writes the identity into the stream's metadata and leaves everything else of
// the stream as it is. It is harmless to repeat. Whatever the metadata said before
// is replaced: the caller has judged it.
func (s *Stream) Bind(ctx context.Context, identity ledger.StreamIdentity) error {
	wanted := map[string]string{streamKey: identity.Stream, installationKey: identity.Installation}
	return writeMetadata(ctx, s.js, s.name, wanted)
}

func writeMetadata(ctx context.Context, js jetstream.JetStream, name string, wanted map[string]string) error {
	return changeStream(ctx, js, name, func(config *jetstream.StreamConfig) bool {
		merged := maps.Clone(config.Metadata)
		if merged == nil {
			merged = map[string]string{}
		}
		maps.Copy(merged, wanted)
		changed := !maps.Equal(merged, config.Metadata)
		config.Metadata = merged
		return changed
	})
}

// changeStream changes settings of a stream and leaves the others as they are. The
// server has no compare-and-set for settings, and an update carries all of them: so
// they are read right before, and read back until the change is there.
func changeStream(ctx context.Context, js jetstream.JetStream, name string, change func(*jetstream.StreamConfig) (changed bool)) error {
	const tries = 5
	for range tries {
		config, err := settingsOf(ctx, js, name)
		if err != nil {
			return err
		}
		if !change(&config) {
			return nil
		}
		if err := updateStream(ctx, js, config); err != nil {
			return err
		}
	}
	return fmt.Errorf("changing the settings of stream %s: somebody else changes them at the same time", name)
}

func settingsOf(ctx context.Context, js jetstream.JetStream, name string) (jetstream.StreamConfig, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	handle, err := js.Stream(ctx, name)
	if err != nil {
		return jetstream.StreamConfig{}, fmt.Errorf("reading the settings of stream %s: %w", name, err)
	}
	return handle.CachedInfo().Config, nil
}

func updateStream(ctx context.Context, js jetstream.JetStream, config jetstream.StreamConfig) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := js.UpdateStream(ctx, config); err != nil {
		return fmt.Errorf("changing the settings of stream %s: %w", config.Name, err)
	}
	return nil
}
