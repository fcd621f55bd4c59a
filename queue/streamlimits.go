package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/internal/precondition"
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
// server tells its own limits (max_file_store, the peers for the replicas) in no other
// way. Where the user may not both make and remove it, it is not made, and the warning
// says so. One that a killed check left is removed by the next. The error is
// precondition.Failures, or that of a failed call.
func CheckRoom(ctx context.Context, js jetstream.JetStream, config StreamConfig) (warning string, err error) {
	config = config.withDefaults()
	var warnings []string
	if found := js.Conn().MaxPayload(); found < maxStoredMessage {
		warnings = append(warnings, fmt.Sprintf("the NATS server's max_payload is %d; %d is wanted: longer mutations cannot be published", found, maxStoredMessage))
	}
	found, err := settingsOf(ctx, js, config.Name)
	trial, needed := config, false
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		if err = overlapping(ctx, js, config); err == nil {
			needed = true
		}
	case err != nil:
	case found.Replicas < config.Replicas:
		warnings = append(warnings, fmt.Sprintf("nats.stream.replicas: the stream has %d, %d wanted: worker run adds them", found.Replicas, config.Replicas))
		trial.MaxBytes = -1 // its bytes are reserved already
		needed = true
	case found.Replicas > config.Replicas:
		warnings = append(warnings, fmt.Sprintf("nats.stream.replicas: the stream has %d, %d wanted: they are kept; remove copies with the NATS tools", found.Replicas, config.Replicas))
	}
	if err == nil {
		var untried string
		if untried, err = tryRoom(ctx, js, trial, needed); untried != "" {
			warnings = append(warnings, untried)
		}
	}
	return strings.Join(warnings, "; "), err
}

// checkStreamName is the stream that is made and removed to try the limits.
func checkStreamName(config StreamConfig) string { return config.Name + "_CHECK" }

// tryRoom makes and removes a stream where that is needed, and removes one that a killed
// check has left in any case: it reserves as many bytes as the real one.
func tryRoom(ctx context.Context, js jetstream.JetStream, config StreamConfig, needed bool) (warning string, err error) {
	api, name := apiPrefix(js), checkStreamName(config)
	for _, subject := range []string{api + "STREAM.DELETE." + name, api + "STREAM.CREATE." + name} {
		denied, err := refusedPublication(ctx, js.Conn(), subject, `{"check":true}`)
		if err != nil {
			return "", err
		}
		if denied && needed {
			return "it was not tried whether the server has room: this user may not publish to " + subject, nil
		}
		if denied {
			return "", nil
		}
	}
	if needed {
		return "", tryStream(ctx, js, config)
	}
	return "", removeTrial(ctx, js, name)
}

func removeTrial(ctx context.Context, js jetstream.JetStream, name string) error {
	removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if err := js.DeleteStream(removing, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("removing the stream %s, which was made only to try: %w", name, err)
	}
	return nil
}

// overlapping refuses subjects that another stream takes already.
func overlapping(ctx context.Context, js jetstream.JetStream, config StreamConfig) error {
	denied, err := refusedPublication(ctx, js.Conn(), apiPrefix(js)+"STREAM.NAMES", "{}")
	if err != nil || denied {
		return err // it is told when the stream is made
	}
	names := js.StreamNames(ctx, jetstream.WithStreamListSubject(config.wanted().Subjects[0]))
	for name := range names.Name() {
		if name != config.Name {
			return overlap(config, "of stream "+name)
		}
	}
	return nil
}

func tryStream(ctx context.Context, js jetstream.JetStream, config StreamConfig) error {
	wanted := config.wanted()
	wanted.Name = checkStreamName(config)
	wanted.Description = "Made and removed by worker check"
	wanted.Subjects = []string{"courier.check." + uuid.NewString()}
	wanted.SubjectTransform = nil
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := js.CreateStream(limited, wanted)
	refusal, answered := errors.AsType[*jetstream.APIError](err)
	if answered && refusal.ErrorCode != jetstream.JSErrCodeStreamNameInUse {
		return explain(err, config)
	}
	// Also without an answer, after which it may be there, and if another check that was
	// killed left it.
	return errors.Join(unlessInUse(err), removeTrial(ctx, js, wanted.Name))
}

// unlessInUse leaves out that there is such a stream.
func unlessInUse(err error) error {
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return nil
	}
	return err
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
