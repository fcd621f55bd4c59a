package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/message"
)

// Defaults of StreamConfig.
const (
	DefaultStreamName = "CATALOG_MUTATIONS"
	DefaultPartitions = 64
	DefaultDuplicates = 2 * time.Minute
)

// maxStoredMessage leaves room for headers beside the longest body. What is
// larger is refused when it is published, so that no reader meets a message it
// has no room for.
const maxStoredMessage = message.MaxBody + 64<<10

// The oldest server that flushes atomic batches safely with sync_interval:
// always, which the shipped configuration relies on.
const minServerMajor, minServerMinor = 2, 15

// Errors of Ensure.
var (
	// ErrServerTooOld says that the server is older than 2.15. It is refused, not
	// warned about: an older one would take the same configuration and flush less.
	ErrServerTooOld = errors.New("the NATS server is too old")
	// ErrStreamMismatch says that the stream exists with settings under which
	// messages could be lost, removed or owned twice.
	ErrStreamMismatch = errors.New("the stream's settings cannot be worked with")
)

// StreamConfig says what stream to make. The zero value is the default one.
type StreamConfig struct {
	// Name defaults to DefaultStreamName.
	Name string
	// Partitions defaults to DefaultPartitions. It never changes afterwards: an
	// account's messages would be in two partitions, and have two owners.
	Partitions int
	// MaxBytes bounds the stream; when it is reached, producers are refused.
	// Defaults to no limit. An existing stream is given the new limit.
	MaxBytes int64
	// Replicas defaults to 1. An existing stream with fewer is given more; one with more
	// keeps them.
	Replicas int
	// Duplicates, only for a stream to be made, is how long a Nats-Msg-Id is
	// remembered. Defaults to DefaultDuplicates.
	Duplicates time.Duration
}

func (c StreamConfig) withDefaults() StreamConfig {
	if c.Name == "" {
		c.Name = DefaultStreamName
	}
	if c.Partitions == 0 {
		c.Partitions = DefaultPartitions
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = -1
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.Duplicates == 0 {
		c.Duplicates = DefaultDuplicates
	}
	return c
}

// wanted is the stream that Ensure makes, and checks an existing one against.
func (c StreamConfig) wanted() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        c.Name,
		Description: "Catalog mutations, one message each",
		Subjects:    []string{message.SubjectPrefix + "*.*.*"},
		SubjectTransform: &jetstream.SubjectTransformConfig{
			Source:      message.SubjectPrefix + "*.*.*",
			Destination: storedTransform(c.Partitions),
		},
		Storage:            jetstream.FileStorage,
		Retention:          jetstream.LimitsPolicy,
		Discard:            jetstream.DiscardNew,
		MaxBytes:           c.MaxBytes,
		MaxMsgs:            -1,
		MaxMsgsPerSubject:  -1,
		MaxMsgSize:         maxStoredMessage,
		MaxConsumers:       -1,
		Duplicates:         c.Duplicates,
		Replicas:           c.Replicas,
		AllowAtomicPublish: true,
		// A direct get may be answered by a replica that lags behind, and a position
		// would seem to stand on a message that is not there.
		AllowDirect: false,
	}
}

// Stream is the stream after its checks.
type Stream struct {
	js         jetstream.JetStream
	handle     jetstream.Stream
	name       string
	partitions int
	warning    string
}

// Warning names the settings that differed from those wanted when the stream was found,
// and that keep nothing from working; "" when there are none.
func (s *Stream) Warning() string { return s.warning }

// Partitions is how many partitions the stream has.
func (s *Stream) Partitions() int { return s.partitions }

// Name is the stream's name.
func (s *Stream) Name() string { return s.name }

// Info asks the server for the stream's present state: its first and last
// sequence, messages and bytes.
func (s *Stream) Info(ctx context.Context) (jetstream.StreamState, error) {
	info, err := s.handle.Info(ctx)
	if err != nil {
		return jetstream.StreamState{}, fmt.Errorf("asking for the state of stream %s: %w", s.name, err)
	}
	return info.State, nil
}

// Ensure makes the stream, with an id of its own in the metadata, or checks the one
// that is there. Its errors are ErrServerTooOld, ErrStreamMismatch, or that of a
// failed call; ErrStreamMismatch names each setting with what was found and what is
// wanted. An existing stream keeps its metadata.
func Ensure(ctx context.Context, js jetstream.JetStream, config StreamConfig) (*Stream, error) {
	config = config.withDefaults()
	stream, err := Find(ctx, js, config)
	if errors.Is(err, ErrStreamGone) {
		stream, err = create(ctx, js, config)
	}
	if err != nil {
		return nil, err
	}
	if err := stream.adjust(ctx, config); err != nil {
		return nil, err
	}
	return stream, nil
}

// Find checks the stream that is there and changes nothing. Its errors are those of
// Ensure, and ErrStreamGone when there is none.
func Find(ctx context.Context, js jetstream.JetStream, config StreamConfig) (*Stream, error) {
	config = config.withDefaults()
	if config.Partitions < 1 {
		return nil, fmt.Errorf("%w: %d partitions", ErrStreamMismatch, config.Partitions)
	}
	if err := checkServer(js.Conn()); err != nil {
		return nil, err
	}
	stream := &Stream{js: js, name: config.Name, partitions: config.Partitions}
	handle, err := js.Stream(ctx, config.Name)
	if err != nil {
		return nil, fmt.Errorf("opening the stream: %w", stream.asking(err))
	}
	found := handle.CachedInfo().Config
	if err := checkStream(found, config.wanted(), config.Partitions); err != nil {
		return nil, err
	}
	stream.handle, stream.warning = handle, streamWarnings(found, config.wanted())
	return stream, nil
}

func create(ctx context.Context, js jetstream.JetStream, config StreamConfig) (*Stream, error) {
	wanted := config.wanted()
	wanted.Metadata = newStreamMetadata()
	_, err := js.CreateStream(ctx, wanted)
	// Somebody else may make it at the same moment: then theirs is checked.
	if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return nil, fmt.Errorf("making stream %s: %w", config.Name, explain(err, config))
	}
	return Find(ctx, js, config)
}

// checkServer looks at the server this client is connected to; others of a
// cluster are not seen.
func checkServer(connection *nats.Conn) error {
	version := connection.ConnectedServerVersion()
	if version == "" {
		return fmt.Errorf("asking for the server's version: %w", nats.ErrDisconnected)
	}
	if !recentEnough(version) {
		return fmt.Errorf("%w: found %s, wanted %d.%d or newer", ErrServerTooOld, version, minServerMajor, minServerMinor)
	}
	return nil
}

func recentEnough(version string) bool {
	majorText, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minorText, _, _ := strings.Cut(rest, ".")
	major, err := strconv.Atoi(majorText)
	if err != nil {
		return false
	}
	minor, err := strconv.Atoi(minorText)
	if err != nil {
		return false
	}
	return major > minServerMajor || major == minServerMajor && minor >= minServerMinor
}
