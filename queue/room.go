package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/precondition"
)

// Codes of the server's answers to the making of a stream, of server/errors.json.
const (
	codeAccountStorage  jetstream.ErrorCode = 10002
	codeNoPeers         jetstream.ErrorCode = 10005
	codeStreams         jetstream.ErrorCode = 10027
	codeServerStorage   jetstream.ErrorCode = 10047
	codeNotClustered    jetstream.ErrorCode = 10074
	codeOverlap         jetstream.ErrorCode = 10065
	codeMaxBytes        jetstream.ErrorCode = 10113
	codeMaxStreamBytes  jetstream.ErrorCode = 10122
	codeNoLimits        jetstream.ErrorCode = 10120
	codeInsufficient    jetstream.ErrorCode = 10023
	codeStorageExceeded jetstream.ErrorCode = 10028
)

// CheckRoom says whether the server and the account allow the stream where there is
// none, and the copies that are wanted where there is one. The warning is of what keeps
// no worker from working. It makes a stream named
// <name>_CHECK with the same settings and another subject, and removes it at once: the
// server tells its own limits in no other way. Where the user may not make that, only the
// account's limits are looked at. The error is precondition.Failures, or that of a
// failed call.
func CheckRoom(ctx context.Context, js jetstream.JetStream, config StreamConfig) (warning string, err error) {
	config = config.withDefaults()
	var warnings []string
	if found := js.Conn().MaxPayload(); found < maxStoredMessage {
		warnings = append(warnings, fmt.Sprintf("the NATS server's max_payload is %d; %d is wanted: longer mutations cannot be published", found, maxStoredMessage))
	}
	found, err := settingsOf(ctx, js, config.Name)
	missing := errors.Is(err, jetstream.ErrStreamNotFound)
	switch {
	case missing:
		err = overlapping(ctx, js, config)
		if err == nil {
			err = tryStream(ctx, js, config)
		}
	case err != nil:
	case found.Replicas < config.Replicas:
		warnings = append(warnings, fmt.Sprintf("nats.stream.replicas: the stream has %d, %d wanted: worker run adds them", found.Replicas, config.Replicas))
		trial := config
		trial.MaxBytes = -1 // its bytes are reserved already
		err = tryStream(ctx, js, trial)
	case found.Replicas > config.Replicas:
		warnings = append(warnings, fmt.Sprintf("nats.stream.replicas: the stream has %d, %d wanted: they are kept; remove copies with the NATS tools", found.Replicas, config.Replicas))
	}
	return strings.Join(warnings, "; "), err
}

// overlapping refuses subjects that another stream takes already.
func overlapping(ctx context.Context, js jetstream.JetStream, config StreamConfig) error {
	names := js.StreamNames(ctx, jetstream.WithStreamListSubject(config.wanted().Subjects[0]))
	for name := range names.Name() {
		if name != config.Name {
			return overlap(config, "of stream "+name)
		}
	}
	return nil // a user without the right to list streams is told when the stream is made
}

func tryStream(ctx context.Context, js jetstream.JetStream, config StreamConfig) error {
	wanted := config.wanted()
	wanted.Name += "_CHECK"
	wanted.Description = "Made and removed by worker check"
	wanted.Subjects = []string{"courier.check." + uuid.NewString()}
	wanted.SubjectTransform = nil
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := js.CreateStream(limited, wanted)
	switch {
	case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse):
		// Of another check that runs, or was killed.
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return nil // the user may not make it
	case err != nil:
		return explain(err, config)
	}
	removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if err := js.DeleteStream(removing, wanted.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("removing the stream %s, which was made only to try: %w", wanted.Name, err)
	}
	return nil
}

// explain says which setting a refused stream is about, what is wanted and what to do.
func explain(err error, config StreamConfig) error {
	refusal, answered := errors.AsType[*jetstream.APIError](err)
	if !answered {
		return err
	}
	failure := precondition.Failure{Found: "refused by the server (" + refusal.Description + ")"}
	switch code := refusal.ErrorCode; {
	case slices.Contains([]jetstream.ErrorCode{codeAccountStorage, codeServerStorage, codeMaxBytes, codeMaxStreamBytes, codeInsufficient, codeStorageExceeded}, code):
		failure.Key, failure.What = "nats.stream.max_bytes", "the room for stream "+config.Name+" (nats.stream.max_bytes)"
		failure.Wanted = strconv.FormatInt(config.MaxBytes, 10) + " bytes"
		failure.Passing = true
		failure.Cure = "lower nats.stream.max_bytes, or raise the server's max_file_store or the account's limits"
	case code == codeNotClustered, code == codeNoPeers:
		failure.Key, failure.What = "nats.stream.replicas", "the number of copies of stream "+config.Name+" (nats.stream.replicas)"
		failure.Wanted = strconv.Itoa(config.Replicas)
		failure.Cure = "lower nats.stream.replicas, or connect to a cluster of as many servers"
	case code == codeOverlap:
		return overlap(config, "of another stream")
	case code == codeStreams, code == codeNoLimits:
		failure.Key, failure.What = "nats.stream.name", "another stream of the account ("+config.Name+")"
		failure.Wanted = "room for 2 streams"
		failure.Cure = "raise the account's limit of streams"
	default:
		return err
	}
	return precondition.Failures{failure}
}

func overlap(config StreamConfig, found string) error {
	return precondition.Failures{{
		Key: "nats.stream.name", What: "the owner of the subjects " + strings.Join(config.wanted().Subjects, ", "),
		Found: found, Wanted: "stream " + config.Name + " (nats.stream.name)",
		Cure: "name that stream, or take the subjects from it",
	}}
}

// adjust applies what may change while the stream is in use: the limit of bytes, and
// more copies. Fewer copies are not applied: somebody chose them with the server's tools.
func (s *Stream) adjust(ctx context.Context, config StreamConfig) error {
	err := changeStream(ctx, s.js, s.name, func(found *jetstream.StreamConfig) bool {
		changed := false
		if config.MaxBytes >= 0 && found.MaxBytes != config.MaxBytes {
			found.MaxBytes, changed = config.MaxBytes, true
		}
		if found.Replicas < config.Replicas {
			found.Replicas, changed = config.Replicas, true
		}
		return changed
	})
	return explain(err, config)
}
