package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/precondition"
	"github.com/catalog-courier/catalog-courier/message"
)

// OutcomesName is the stream that outcome events are published to.
const OutcomesName = "CATALOG_OUTCOMES"

// OutcomesConfig says what stream of outcome events to make. An existing one is given
// these settings.
type OutcomesConfig struct {
	// MaxAge is how long an event is kept, and MaxBytes how many bytes all may take: past
	// either the oldest are removed, as nobody may hold up delivery by not reading.
	MaxAge   time.Duration
	MaxBytes int64
	Replicas int // an existing stream with more keeps them
}

func (c OutcomesConfig) wanted() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:               OutcomesName,
		Description:        "What became of catalog mutations, one event each",
		Subjects:           []string{message.OutcomePrefix + "*.*.*.*"},
		Storage:            jetstream.FileStorage,
		Retention:          jetstream.LimitsPolicy,
		Discard:            jetstream.DiscardOld,
		MaxAge:             c.MaxAge,
		MaxBytes:           c.MaxBytes,
		MaxMsgs:            -1,
		MaxMsgsPerSubject:  -1,
		MaxConsumers:       -1,
		Duplicates:         min(DefaultDuplicates, c.MaxAge),
		Replicas:           c.Replicas,
		AllowAtomicPublish: true,
		AllowDirect:        true,
	}
}

// EnsureOutcomes makes the stream of outcome events, or gives the one that is there its
// limits. ErrStreamMismatch says that the one that is there cannot take the events.
func EnsureOutcomes(ctx context.Context, js jetstream.JetStream, config OutcomesConfig) error {
	wanted := config.wanted()
	found, err := settingsOf(ctx, js, wanted.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		limited, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		_, err = js.CreateStream(limited, wanted)
		if err == nil || !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return explainOutcomes(err)
		}
		found, err = settingsOf(ctx, js, wanted.Name)
	}
	if err != nil {
		return err
	}
	if err := checkOutcomes(found, wanted); err != nil {
		return err
	}
	return explainOutcomes(changeStream(ctx, js, wanted.Name, func(found *jetstream.StreamConfig) bool {
		if found.MaxAge == wanted.MaxAge && found.MaxBytes == wanted.MaxBytes && found.Replicas >= wanted.Replicas && found.AllowAtomicPublish {
			return false
		}
		found.MaxAge, found.MaxBytes, found.Replicas = wanted.MaxAge, wanted.MaxBytes, max(found.Replicas, wanted.Replicas)
		found.AllowAtomicPublish, found.Duplicates = true, min(found.Duplicates, wanted.MaxAge)
		return true
	}))
}

// checkOutcomes compares what could refuse or misplace events.
func checkOutcomes(found, wanted jetstream.StreamConfig) error {
	var d differences
	d.add("subjects", strings.Join(found.Subjects, ","), strings.Join(wanted.Subjects, ","))
	d.add("mirror", found.Mirror != nil, false)
	d.add("discard", found.Discard, wanted.Discard)
	d.add("no_ack", found.NoAck, false)
	d.add("sealed", found.Sealed, false)
	if len(d) == 0 {
		return nil
	}
	return fmt.Errorf("%w: stream %s: %s", ErrStreamMismatch, wanted.Name, strings.Join(d, "; "))
}

// explainOutcomes says which setting a refused stream is about.
func explainOutcomes(err error) error {
	refusal, answered := errors.AsType[*jetstream.APIError](err)
	if !answered {
		return err
	}
	hint := ""
	switch refusal.ErrorCode {
	case codeAccountStorage, codeServerStorage, codeMaxBytes, codeMaxStreamBytes, codeInsufficient, codeStorageExceeded:
		hint = ": lower outcomes.max_bytes, or raise the server's max_file_store or the account's limits"
	case codeNotClustered, codeNoPeers:
		hint = ": it has as many copies as nats.stream.replicas says; lower that, or connect to a cluster of as many servers"
	case codeOverlap:
		hint = ": another stream has the subjects " + message.OutcomePrefix + ">; take them from it"
	default:
	}
	return fmt.Errorf("making the stream %s%s: %w", OutcomesName, hint, err)
}

// CheckOutcomes says which subjects the connection's user lacks to publish outcome events,
// as CheckPermissions does for mutations, and what is wrong with a stream that is there.
func CheckOutcomes(ctx context.Context, js jetstream.JetStream) error {
	api := apiPrefix(js)
	var failures precondition.Failures
	for _, needed := range []neededSubject{
		{api + "STREAM.INFO." + OutcomesName, "{}"},
		{api + "STREAM.CREATE." + OutcomesName, "{}"},
		{api + "STREAM.UPDATE." + OutcomesName, "{}"},
		{message.OutcomeSubject(catalog.Lane{}, "check"), ""},
	} {
		denied, err := refusedPublication(ctx, js.Conn(), needed.subject, needed.body)
		if err != nil {
			return err
		}
		if denied {
			failures = append(failures, lacking("publish to", needed.subject, "grant it, as deploy/nats/nats-server.conf does, or set outcomes.enabled to false"))
		}
	}
	if err := failures.Err(); err != nil {
		return err
	}
	found, err := settingsOf(ctx, js, OutcomesName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return checkOutcomes(found, OutcomesConfig{}.wanted())
}
