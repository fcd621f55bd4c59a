package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/message"
)

// MaxBatch is the most messages one atomic batch may have; the server's limit.
const MaxBatch = 1000

// maxBatchBytes is from how many bytes on an atomic batch takes no further message: its
// messages are in memory, here and at the server, until the last one has come.
const maxBatchBytes = 8 << 20

// DefaultRetryFor is how long one batch is repeated unless [Options.RetryFor] says otherwise:
// an election or a restart of the servers fits in, and it is below the duplicate window of
// two minutes.
const DefaultRetryFor = 110 * time.Second

// Options say how to publish. The zero value is the default.
type Options struct {
	// Timeout bounds one attempt at a batch. Defaults to 10 s.
	Timeout time.Duration
	// RetryFor is how long one batch is repeated while nobody answers, the stream has
	// no leader or the server is busy. Repeating is safe as each message has its id, for
	// as long as the stream remembers ids: keep it below the duplicate window of two
	// minutes. Defaults to [DefaultRetryFor].
	RetryFor time.Duration
	// Retrying hears of each failure that is followed by another attempt. It is called
	// by Publish, which waits for it.
	Retrying func(error)
	// Denials, when they watch the connection, let Publish know at once what NATS refuses
	// to the user: those messages alone are refused. Without them a refused subject is a
	// call without an answer.
	Denials *Denials
	// PackLines is how many mutations may travel in one message, where several of one
	// subject follow each other: see the package. 1 gives each a message of its own. Defaults
	// to [DefaultPackLines].
	PackLines int
	// Propagator writes the trace context of Publish into the headers. Defaults to
	// the W3C one.
	Propagator propagation.TextMapPropagator
}

// Publisher publishes mutations in the order given. It is safe for concurrent
// use; order is kept within one call of [Publisher.Publish].
type Publisher struct {
	js        jetstream.JetStream
	options   Options
	noBatches atomic.Bool // the server cannot do atomic batches
	// retryFor is options.RetryFor, or less where the stream remembers ids for less.
	retryFor atomic.Int64
	// maxMessage is the stream's max_msg_size, 0 where it is not known or there is none.
	maxMessage atomic.Int64
}

// NewPublisher makes a publisher on a JetStream client.
func NewPublisher(js jetstream.JetStream, options Options) *Publisher {
	const defaultTimeout = 10 * time.Second
	if options.Timeout <= 0 {
		options.Timeout = defaultTimeout
	}
	if options.RetryFor <= 0 {
		options.RetryFor = DefaultRetryFor
	}
	if options.PackLines <= 0 {
		options.PackLines = DefaultPackLines
	}
	options.PackLines = min(options.PackLines, message.MaxPackLines)
	if options.Retrying == nil {
		options.Retrying = func(error) {}
	}
	if options.Propagator == nil {
		options.Propagator = propagation.TraceContext{}
	}
	p := &Publisher{js: js, options: options}
	p.retryFor.Store(int64(options.RetryFor))
	return p
}

// CheckStream looks whether the stream is there, as patiently as Publish. Its errors are
// [jetstream.ErrStreamNotFound], and a [*DeniedError] where the user may not ask. A stream
// whose duplicate_window is shorter than RetryFor shortens it: a message that is repeated
// later would be stored twice.
func (p *Publisher) CheckStream(ctx context.Context, name string) error {
	limited, cancel := p.options.Denials.Within(ctx)
	defer cancel()
	err := p.retry(limited, func(ctx context.Context) error {
		stream, err := p.js.Stream(ctx, name)
		if err == nil {
			p.maxMessage.Store(int64(max(stream.CachedInfo().Config.MaxMsgSize, 0)))
			if window := stream.CachedInfo().Config.Duplicates; window > 0 {
				p.retryFor.Store(int64(min(p.options.RetryFor, window-min(window/10, 10*time.Second))))
			}
		}
		if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
			return final{err}
		}
		return err
	})
	if denial, ok := errors.AsType[*DeniedError](context.Cause(limited)); ok && err != nil {
		return denial
	}
	return err
}

// PublishMutations publishes mutations, in order. It publishes nothing when one
// of them breaks the contract; the error then wraps its [*catalog.Problem].
func (p *Publisher) PublishMutations(ctx context.Context, mutations ...Mutation) ([]Result, error) {
	publications := make([]Publication, len(mutations))
	for i, mutation := range mutations {
		publication, err := mutation.Publication()
		if err != nil {
			return nil, fmt.Errorf("mutation %d, item %s: %w", i, message.Quote(mutation.ItemID), err)
		}
		publications[i] = publication
	}
	return p.Publish(ctx, publications)
}

// Publish publishes in order and waits for the stream's acknowledgements. There
// is one result for each publication, in the same order. What breaks the rules
// for subject and size is refused alone, and so is what NATS does not let the user
// publish, where [Options.Denials] are given. The error is a [*StoppedError]; everything from its place
// on is refused, but for what an answer says is stored.
func (p *Publisher) Publish(ctx context.Context, publications []Publication) ([]Result, error) {
	results := make([]Result, len(publications))
	trace := p.traceHeaders(ctx)
	overhead := overheadOf(trace)
	a := assembly{
		publisher: p, trace: trace, packing: p.packing(overhead),
		batch: make([]outgoing, 0, min(len(publications), MaxBatch)),
	}
	for i, publication := range publications {
		if problem := p.checkPublication(publication, overhead); problem != nil {
			results[i].Err, results[i].NotStored = problem, true
			continue
		}
		id, err := publication.identify()
		if err != nil {
			return refuseRest(results, err)
		}
		publication.ID = id
		a.waiting = append(a.waiting, &results[i])
		a.packing.add(&publication, a.emit)
		if a.full() {
			if err := a.publish(ctx); err != nil {
				return refuseRest(results, err)
			}
		}
	}
	a.packing.flush(a.emit)
	if err := a.publish(ctx); err != nil {
		return refuseRest(results, err)
	}
	return results, nil
}

// assembly is a batch that is being filled.
type assembly struct {
	publisher *Publisher
	trace     []catalog.Header
	packing   packing
	waiting   []*Result // of the publications that are in no message yet, in order
	batch     []outgoing
	bytes     int
}

// emit puts a message into the batch: a publication, or a pack of several.
func (a *assembly) emit(sent Publication, parts []Publication) {
	out := outgoing{Publication: sent, trace: a.trace, result: a.waiting[0], parts: parts}
	count := max(len(parts), 1)
	if count > 1 {
		out.result, out.lines = &Result{}, slices.Clone(a.waiting[:count])
	}
	a.waiting = a.waiting[count:]
	a.batch = append(a.batch, out)
	a.bytes += sent.size()
}

func (a *assembly) full() bool { return len(a.batch) >= MaxBatch || a.bytes >= maxBatchBytes }

// publish publishes the batch, and tells the lines of packs what became of them.
func (a *assembly) publish(ctx context.Context) error {
	var err error
	for chunk := range slices.Chunk(a.batch, MaxBatch) { // what had too few lines for a pack may have made it longer
		if err = a.publisher.publishBatch(ctx, chunk); err != nil {
			break
		}
	}
	for _, out := range a.batch {
		for i, line := range out.lines {
			if out.result.split {
				break // each has a result of its own
			}
			if *line = *out.result; line.Outcome != Refused {
				line.Line = i + 1
			}
		}
	}
	clear(a.batch)
	a.batch, a.bytes = a.batch[:0], 0
	return err
}

// packing begins to fill packs that the server takes.
func (p *Publisher) packing(overhead int) packing {
	bytes := packBytes
	for _, most := range []int64{p.js.Conn().MaxPayload(), p.maxMessage.Load()} {
		if most > 0 {
			bytes = min(bytes, max(int(most)-overhead, 0)/2)
		}
	}
	return packing{lines: p.options.PackLines, bytes: bytes}
}

// Check says what Publish would refuse a publication for before sending it: its subject, its
// id, or a size above the limit of the contract or of the NATS server. Nil means that it
// would be sent; the stream may still refuse it.
func (p *Publisher) Check(ctx context.Context, publication Publication) *catalog.Problem {
	return p.checkPublication(publication, overheadOf(p.traceHeaders(ctx)))
}

// overheadOf is the size of the headers that each message gets besides its own.
func overheadOf(trace []catalog.Header) int {
	overhead := batchHeaders
	for _, header := range trace {
		overhead += headerSize(header)
	}
	return overhead
}

// outgoing is a publication on its way, with the place for its result.
type outgoing struct {
	Publication
	trace  []catalog.Header
	result *Result
	// Of a pack: what it carries, and the places for the results of these.
	parts []Publication
	lines []*Result
}

// split is the pack in messages of their own, for a stream that does not take it whole.
func (o outgoing) split() []outgoing {
	o.result.split = true
	all := make([]outgoing, len(o.parts))
	for i := range all {
		all[i] = outgoing{Publication: o.parts[i], trace: o.trace, result: o.lines[i]}
	}
	return all
}

// message makes a fresh message each time: the batch library writes into headers.
func (o outgoing) message() *nats.Msg {
	header := make(nats.Header, 2+len(o.Headers)+len(o.trace))
	for _, h := range o.Headers {
		header[h.Name] = append(header[h.Name], h.Value)
	}
	for _, h := range o.trace {
		if header[h.Name] == nil {
			header[h.Name] = []string{h.Value}
		}
	}
	header[message.HeaderID] = []string{o.ID}
	return &nats.Msg{Subject: o.Subject, Header: header, Data: o.Data}
}

func (o outgoing) stored(sequence uint64, duplicate bool) {
	*o.result = Result{Outcome: Stored, Sequence: sequence}
	if duplicate {
		o.result.Outcome = Duplicate
	}
}

// sent notes that the stream may have the message from now on, and returns what to call
// when the server answers that it has not.
func (o outgoing) sent() (refused func()) {
	before := o.result.sent
	o.result.sent = true
	return func() { o.result.sent = before }
}

func refuseRest(results []Result, err error) ([]Result, error) {
	at := -1
	for i := range results {
		if results[i].Outcome != Refused || results[i].Err != nil {
			continue
		}
		results[i].Err, results[i].NotStored = err, !results[i].sent
		if at < 0 {
			at = i
		}
	}
	return results, &StoppedError{At: max(at, 0), Err: err}
}

// batchHeaders is the most that the headers of a message take besides its own: the
// status line, the message id, and what an atomic batch adds.
const batchHeaders = 512

func headerSize(h catalog.Header) int { return len(h.Name) + len(h.Value) + len(": \r\n") }

// checkPublication refuses what the stream could never take. overhead is the size of
// the headers that each message gets.
func (p *Publisher) checkPublication(publication Publication, overhead int) *catalog.Problem {
	if _, problem := message.ParseSubject(publication.Subject); problem != nil {
		return problem
	}
	if len(publication.Data) > message.MaxBody {
		return message.TooLarge(len(publication.Data))
	}
	size := len(publication.Data) + overhead
	for _, header := range publication.Headers {
		size += headerSize(header)
	}
	if most := p.js.Conn().MaxPayload(); most > 0 && int64(size) > most {
		return &catalog.Problem{
			Reason: catalog.MessageTooLarge,
			Text:   fmt.Sprintf("the message has about %d bytes with its headers, and the NATS server takes at most %d: raise its max_payload", size, most),
		}
	}
	return checkID(publication.ID)
}

// checkID refuses an id that a header cannot carry as it is: the stream drops repeats by
// what arrives, and spaces around it do not.
func checkID(id string) *catalog.Problem {
	if problem := message.CheckID("id", id); problem != nil {
		return problem
	}
	if strings.Trim(id, " ") != id {
		return &catalog.Problem{
			Reason: catalog.InvalidValue, Field: "id",
			Text: "id " + message.Quote(id) + " has spaces around it, which " + message.HeaderID + " cannot carry: remove it",
		}
	}
	return nil
}

// refuseTooLarge refuses one message that is larger than the stream allows.
func (o outgoing) refuseTooLarge(err error) {
	*o.result = Result{NotStored: true, Err: &catalog.Problem{
		Reason: catalog.MessageTooLarge,
		Text:   fmt.Sprintf("the stream's max_msg_size is less than the %d bytes of the message: %v", o.size(), err),
	}}
}

// size is how many bytes the publication has, apart from what NATS adds.
func (p Publication) size() int {
	size := len(p.Data) + len(p.ID)
	for _, header := range p.Headers {
		size += len(header.Name) + len(header.Value)
	}
	return size
}

// identify finds the id to publish under.
func (p Publication) identify() (string, error) {
	if p.ID != "" {
		return p.ID, nil
	}
	// A body may be anything: what does not have an id in it gets one.
	if id, _ := rawjson.Find(p.Data, "id"); id.Kind == rawjson.String && id.Text != "" && checkID(id.Text) == nil {
		return strings.Clone(id.Text), nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("making a message id: %w", err)
	}
	return id.String(), nil
}

// traceHeaders is the trace context of ctx as headers. Their names are lower
// case as W3C writes them: HeaderCarrier would make "Traceparent" of them, which
// other NATS clients, for whom names are case-sensitive, do not find.
func (p *Publisher) traceHeaders(ctx context.Context) []catalog.Header {
	carrier := propagation.MapCarrier{}
	p.options.Propagator.Inject(ctx, carrier)
	headers := make([]catalog.Header, 0, len(carrier))
	for name, value := range carrier {
		headers = append(headers, catalog.Header{Name: name, Value: value})
	}
	return headers
}
