package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// session is the life of one consumer on one connection.
//
// It speaks the pull protocol itself instead of using the client's Consume:
// while a reader's owner is busy nothing more is asked for, which Consume would
// take for missing heartbeats and answer by asking again.
type session struct {
	stream     *Stream
	connection *nats.Conn
	consumer   jetstream.Consumer
	name       string

	subscription *nats.Subscription
	messages     chan *nats.Msg
	statuses     chan nats.Status
	broken       chan struct{} // closed when the connection is lost
	watched      chan struct{} // closed when the watch over the connection ended

	target   string // where to send requests
	inbox    string // prefix of the requests' reply subjects
	body     []byte // of every request
	batch    int    // messages per request
	requests []request
	made     int // requests made so far

	delivered uint64 // the consumer's sequence of the last message
	idleEnds  int    // requests in a row that ended without a message
}

// request is a pull request that has not ended.
type request struct {
	reply     string
	remaining int
}

const (
	// parallelRequests are outstanding at a time, so that the next is at the server
	// before the last one is used up.
	parallelRequests = 2
	// statusRoom is for the server's heartbeats and ends of requests.
	statusRoom = 256
	// inactiveThreshold is after how long without requests the server removes the
	// consumer by itself.
	inactiveThreshold = time.Minute
)

// openSession makes a consumer that starts after the anchor, and verifies the stream
// and the anchor.
func openSession(ctx context.Context, stream *Stream, config ReaderConfig, last ledger.Anchor, number uint64) (*session, error) {
	connection := stream.js.Conn()
	s := &session{
		stream: stream, connection: connection,
		name:     fmt.Sprintf("courier-p%d-%s-%d", config.Partition, config.LeaseToken, number),
		messages: make(chan *nats.Msg, config.PrefetchMessages+statusRoom),
		// The watch starts before the check: what is checked is checked on the
		// connection that is then read from.
		statuses: connection.StatusChanged(nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED),
		broken:   make(chan struct{}),
		watched:  make(chan struct{}),
		batch:    config.PrefetchMessages / parallelRequests,
	}
	// Calls to a server that is gone end with its connection, not after a time-out.
	starting, cancel := context.WithCancel(ctx)
	defer cancel()
	go s.watch(cancel)
	if err := s.start(starting, config, last); err != nil {
		s.close(ctx)
		return nil, err
	}
	return s, nil
}

func (s *session) start(ctx context.Context, config ReaderConfig, last ledger.Anchor) error {
	switch {
	case s.connection.IsClosed():
		return nats.ErrConnectionClosed
	case !s.connection.IsConnected():
		return errConnection
	}
	if err := s.prepareRequests(config); err != nil {
		return err
	}
	if err := s.makeConsumer(ctx, config, last); err != nil {
		return err
	}
	// Last, as a consumer is gone with its stream: checked before, the stream could be
	// replaced before the consumer was made. Nothing was asked for by now.
	return config.Verify(ctx, s.stream, last)
}

func (s *session) makeConsumer(ctx context.Context, config ReaderConfig, last ledger.Anchor) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	consumer, err := s.stream.js.CreateConsumer(ctx, s.stream.name, jetstream.ConsumerConfig{
		Name:              s.name,
		Description:       "Reads partition " + strconv.Itoa(config.Partition),
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       last.Position.Sequence + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		FilterSubject:     partitionFilter(config.Partition),
		InactiveThreshold: inactiveThreshold,
		MemoryStorage:     true,
		Replicas:          1,
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return s.stream.asking(err)
	}
	if err != nil {
		return fmt.Errorf("making consumer %s: %w", s.name, err)
	}
	s.consumer = consumer
	return nil
}

// watch notices the loss of the connection, also when nobody reads.
func (s *session) watch(lost func()) {
	defer close(s.watched)
	if _, ok := <-s.statuses; ok {
		close(s.broken)
		lost()
	}
}

func (s *session) prepareRequests(config ReaderConfig) error {
	const heartbeatsPerRequest = 6
	body, err := json.Marshal(struct {
		Batch     int           `json:"batch"`
		MaxBytes  int           `json:"max_bytes"`
		Expires   time.Duration `json:"expires"`
		Heartbeat time.Duration `json:"idle_heartbeat"`
	}{
		s.batch, config.PrefetchBytes / parallelRequests,
		heartbeatsPerRequest * config.heartbeat, config.heartbeat,
	})
	if err != nil {
		return err
	}
	s.body = body
	s.target = apiPrefix(s.stream.js) + "CONSUMER.MSG.NEXT." + s.stream.name + "." + s.name
	s.inbox = s.connection.NewInbox() + "."
	s.subscription, err = s.connection.ChanSubscribe(s.inbox+"*", s.messages)
	return err
}

func apiPrefix(js jetstream.JetStream) string {
	options := js.Options()
	switch {
	case options.APIPrefix != "":
		return strings.TrimSuffix(options.APIPrefix, ".") + "."
	case options.Domain != "":
		return "$JS." + options.Domain + ".API."
	default:
		return "$JS.API."
	}
}

// request keeps the agreed number of requests at the server. It asks for no more
// than was agreed as prefetch: a request is replaced only when it has ended.
func (s *session) request() error {
	for len(s.requests) < parallelRequests {
		reply := s.inbox + strconv.Itoa(s.made)
		if err := s.connection.PublishRequest(s.target, reply, s.body); err != nil {
			return fmt.Errorf("asking for messages: %w", err)
		}
		s.made++
		s.requests = append(s.requests, request{reply: reply, remaining: s.batch})
	}
	return nil
}

// count checks that nothing is missing before a message and takes it off the
// oldest request, which is the one the server answers first.
func (s *session) count(place place) error {
	if place.consumerSequence != s.delivered+1 {
		return fmt.Errorf("%w: expected number %d of the consumer, got %d", errGap, s.delivered+1, place.consumerSequence)
	}
	s.delivered = place.consumerSequence
	s.idleEnds = 0
	if len(s.requests) > 0 {
		if s.requests[0].remaining--; s.requests[0].remaining <= 0 {
			s.requests = s.requests[1:]
		}
	}
	return nil
}

// status handles what the server says without a message: a heartbeat, or the end
// of a request.
func (s *session) status(message *nats.Msg) error {
	const heartbeat, badRequest, noResponders = "100", "400", "503"
	code, description := message.Header.Get("Status"), message.Header.Get("Description")
	switch {
	case code == heartbeat:
		return nil
	case code == badRequest, code == noResponders, endsConsumer(description):
		return fmt.Errorf("%w: the server says %s %s", errConsumerGone, code, description)
	}
	for i := range s.requests {
		if s.requests[i].reply == message.Subject {
			s.requests = append(s.requests[:i:i], s.requests[i+1:]...)
			break
		}
	}
	// Requests that end at once, again and again, would be asked for as fast as the
	// server can refuse them.
	const tolerated = 16
	if s.idleEnds++; s.idleEnds > tolerated && code != requestTimeout {
		return fmt.Errorf("%w: the server ends every request with %s %s", errConsumerGone, code, description)
	}
	return nil
}

// requestTimeout is the ordinary end of a request that found nothing.
const requestTimeout = "408"

func endsConsumer(description string) bool {
	description = strings.ToLower(description)
	for _, end := range [...]string{"consumer deleted", "leadership change", "server shutdown", "consumer is push based"} {
		if strings.Contains(description, end) {
			return true
		}
	}
	return false
}

func (s *session) info(ctx context.Context) (*jetstream.ConsumerInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	info, err := s.consumer.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking for the state of consumer %s: %w", s.name, err)
	}
	return info, nil
}

// close gives everything back, also when ctx has ended.
func (s *session) close(ctx context.Context) {
	if s.subscription != nil {
		_ = s.subscription.Unsubscribe() // on a closed connection there is nothing to end
	}
	s.connection.RemoveStatusListener(s.statuses)
	<-s.watched
	if s.consumer == nil || !s.connection.IsConnected() {
		return // the server removes an inactive consumer by itself
	}
	const patience = time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_ = s.stream.js.DeleteConsumer(ctx, s.stream.name, s.name)
}

// place is where a delivered message stands, as its reply subject says.
type place struct {
	sequence         uint64 // of the stream
	consumerSequence uint64
	time             time.Time
}

// parseReply reads the reply subject of a delivered message:
//
//	$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>
//	$JS.ACK.<domain>.<account>.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>[.<random>]
//
// The client's Metadata does the same and is several times slower.
func parseReply(reply string) (place, bool) {
	const prefix = "$JS.ACK."
	rest, ok := strings.CutPrefix(reply, prefix)
	if !ok {
		return place{}, false
	}
	const shortTokens = 7 // after the prefix
	before := 3           // stream, consumer, deliveries
	if tokens := strings.Count(rest, ".") + 1; tokens > shortTokens {
		before += 2
	} else if tokens < shortTokens {
		return place{}, false
	}
	for range before {
		_, rest, _ = strings.Cut(rest, ".")
	}
	var numbers [3]uint64
	for i := range numbers {
		var token string
		token, rest, _ = strings.Cut(rest, ".")
		number, err := strconv.ParseUint(token, 10, 63)
		if err != nil {
			return place{}, false
		}
		numbers[i] = number
	}
	return place{
		sequence: numbers[0], consumerSequence: numbers[1],
		time: time.Unix(0, int64(numbers[2])), //nolint:gosec // parsed as 63 bits
	}, true
}
