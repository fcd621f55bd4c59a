package queue

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/internal/precondition"
)

// kvPrefix begins the subjects of key-value buckets.
const kvPrefix = "$KV."

// CheckPermissions says which subjects the connection's user lacks to read the stream,
// to trim it and to note in its mirror; with create also those to make both. It publishes
// to each of them something that the server refuses to act on, and changes nothing. The
// error is precondition.Failures, which pass when somebody grants them.
func CheckPermissions(ctx context.Context, js jetstream.JetStream, config StreamConfig, create bool) error {
	config = config.withDefaults()
	connection := js.Conn()
	var failures precondition.Failures
	inbox := connection.NewInbox()
	denied, err := refusedSubscription(ctx, connection, inbox)
	if err != nil {
		return err
	}
	if denied {
		failures = append(failures, lacking("subscribe to", inbox[:strings.LastIndexByte(inbox, '.')]+".>", "grant it, or set nats.inbox_prefix to what is granted"))
	}
	for _, needed := range neededSubjects(js, config, create) {
		subject := needed.subject
		denied, err := refusedPublication(ctx, connection, subject, needed.body)
		if err != nil {
			return err
		}
		if denied {
			failures = append(failures, lacking("publish to", subject, "grant it in the server's configuration or in the user's credentials"))
		}
	}
	return failures.Err()
}

func lacking(what, subject, cure string) precondition.Failure {
	return precondition.Failure{
		Key: "permissions", What: "this NATS user's right to " + what + " " + subject, Found: "denied", Wanted: "allowed", Cure: cure, Passing: true,
	}
}

// neededSubject is a subject that a worker publishes to, and a body for it that asks for
// nothing: JSON of the right form that the server must refuse.
type neededSubject struct{ subject, body string }

func neededSubjects(js jetstream.JetStream, config StreamConfig, create bool) []neededSubject {
	const (
		consumer  = "courier_check" // no consumer has that name
		empty     = "{}"            // for a stream or a consumer: without a name
		twoPurges = `{"seq":1,"keep":1}`
		notEmpty  = `{"check":true}`
		tooQuick  = `{"expires":1,"idle_heartbeat":1}`
	)
	api, name := apiPrefix(js), config.Name
	bucket := name + "_COMMITS"
	needed := []neededSubject{
		{api + "STREAM.INFO." + name, empty},
		{api + "STREAM.INFO.KV_" + bucket, empty},
		{api + "STREAM.PURGE." + name, twoPurges},
		{api + "STREAM.MSG.GET." + name, empty},
		{api + "CONSUMER.CREATE." + name + "." + consumer + "." + partitionFilter(0), empty},
		{api + "CONSUMER.INFO." + name + "." + consumer, notEmpty},
		{api + "CONSUMER.DELETE." + name + "." + consumer, notEmpty},
		{api + "CONSUMER.MSG.NEXT." + name + "." + consumer, tooQuick},
		{api + "DIRECT.GET.KV_" + bucket + "." + kvPrefix + bucket + ".check", ""},
	}
	if js.Options().Domain == "" {
		needed = append(needed, neededSubject{kvPrefix + bucket + ".check", ""})
	}
	if create {
		for _, stream := range []string{name, "KV_" + bucket} {
			needed = append(needed, neededSubject{api + "STREAM.CREATE." + stream, empty}, neededSubject{api + "STREAM.UPDATE." + stream, empty})
		}
	}
	return needed
}

// refusedPublication publishes what no server acts on. A request asks for a level of the
// API that no server has, and is refused by its content too. A publication to a bucket
// expects another stream. Each is well-formed: the server logs others.
func refusedPublication(ctx context.Context, connection *nats.Conn, subject, body string) (bool, error) {
	message := nats.NewMsg(subject)
	message.Data = []byte(body)
	message.Header.Set(requiredLevelHeader, "1000000")
	message.Header.Set(nats.ExpectedStreamHdr, "none")
	if err := connection.PublishMsg(message); err != nil {
		return false, fmt.Errorf("trying to publish to %s: %w", subject, err)
	}
	return refusedNow(ctx, connection, "Publish to", subject)
}

// requiredLevelHeader has the server refuse a request that needs a newer one.
const requiredLevelHeader = "Nats-Required-Api-Level"

func refusedSubscription(ctx context.Context, connection *nats.Conn, subject string) (bool, error) {
	subscription, err := connection.SubscribeSync(subject)
	if err != nil {
		return false, fmt.Errorf("trying to subscribe to %s: %w", subject, err)
	}
	denied, err := refusedNow(ctx, connection, "Subscription to", subject)
	_ = subscription.Unsubscribe() // the connection is closed with it, or it was denied
	return denied, err
}

// refusedNow waits for the answer to all that was sent: a refusal comes before it.
func refusedNow(ctx context.Context, connection *nats.Conn, what, subject string) (bool, error) {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := connection.FlushWithContext(limited); err != nil {
		return false, fmt.Errorf("asking whether %s is allowed: %w", subject, err)
	}
	last := connection.LastError()
	return last != nil && strings.Contains(strings.ToLower(last.Error()), strings.ToLower(what+` "`+subject+`"`)), nil
}
