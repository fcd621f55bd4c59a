package queue

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/message"
)

// Reasons to recreate a consumer.
var (
	errGap          = errors.New("a message was lost on the way, or the consumer was reset")
	errSilent       = errors.New("the server stopped its heartbeats")
	errStalled      = errors.New("messages are waiting and none is delivered")
	errConnection   = errors.New("the connection was lost")
	errConsumerGone = errors.New("the consumer is gone")
)

// loop is the reading through one session.
type loop struct {
	reader  *Reader
	session *session
	decoder message.Decoder

	chunk []catalog.Arrival
	bytes int // of the chunk's messages with their headers
	// lines are what is left of the last message, a pack that had no room in the chunk.
	lines    message.Lines
	position catalog.Position // of that message
	overhead int              // bytes of its headers, which all lines share
	fresh    int              // how many of the lines are not recorded already

	lastHeard     time.Time // of anything from the server
	lastDelivered time.Time
	lastProbed    time.Time
	suspected     bool // the last probe found messages waiting
}

// read takes messages from the session, decodes them and offers them to Next,
// until the session is no good any more. What was decoded by then is still
// offered: it was read in order and is not read again.
func (r *Reader) read(ctx context.Context, s *session) error {
	now := time.Now()
	l := &loop{reader: r, session: s, lastHeard: now, lastDelivered: now, lastProbed: now}
	cause := l.run(ctx)
	for len(l.chunk) > 0 {
		select {
		case r.chunks <- l.chunk:
			l.emptied()
		case <-ctx.Done():
			return cause
		}
	}
	return cause
}

func (l *loop) run(ctx context.Context) error {
	ticker := time.NewTicker(l.reader.config.heartbeat)
	defer ticker.Stop()
	for {
		if err := l.session.request(); err != nil {
			return err
		}
		var out chan<- []catalog.Arrival
		if len(l.chunk) > 0 {
			out = l.reader.chunks
		}
		var in <-chan *nats.Msg
		if l.takes() {
			in = l.session.messages
		}
		select {
		case message := <-in:
			if err := l.takeAll(message); err != nil {
				return err
			}
		case out <- l.chunk:
			l.emptied()
			// While the chunk was full nothing was heard, by choice.
			l.lastHeard = time.Now()
		case <-l.session.broken:
			return errConnection
		case <-ticker.C:
			if err := l.check(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *loop) room() bool {
	return len(l.chunk) < l.reader.config.ChunkMessages && l.bytes < l.reader.config.chunkBytes()
}

// takes reports whether the next message may be taken: a pack is unpacked when all before
// it has been handed on, so that one of them is in memory at a time.
func (l *loop) takes() bool { return l.room() && l.lines.Left() == 0 }

// emptied goes on with the lines that had no room in the chunk before.
func (l *loop) emptied() {
	l.chunk, l.bytes = nil, 0
	l.fill()
}

// fill moves lines to the chunk while there is room. What is recorded already is passed over.
func (l *loop) fill() {
	for l.lines.Left() > 0 && l.room() {
		l.position.Line = l.lines.Line()
		if l.reader.skips(l.position) {
			l.lines.Skip()
			continue
		}
		if l.chunk == nil {
			l.chunk = make([]catalog.Arrival, 0, min(l.reader.config.ChunkMessages, l.lines.Left()+len(l.session.messages)))
		}
		arrival := l.lines.Next()
		l.fresh--
		arrival.More = l.fresh > 0
		l.chunk = append(l.chunk, arrival)
		l.bytes += l.overhead + len(arrival.Mutation.Message.Data)
	}
	if l.lines.Left() == 0 {
		l.lines = message.Lines{} // it may be large
	}
}

// takeAll takes a message and what has arrived behind it, so that chunks grow
// under load.
func (l *loop) takeAll(message *nats.Msg) error {
	l.lastHeard = time.Now()
	for {
		if err := l.take(message, l.lastHeard); err != nil {
			return err
		}
		if !l.takes() {
			return nil
		}
		select {
		case message = <-l.session.messages:
		default:
			return nil
		}
	}
}

// take decodes one message, or notes what the server said instead.
func (l *loop) take(received *nats.Msg, now time.Time) error {
	place, ok := parseReply(received.Reply)
	if !ok {
		return l.session.status(received)
	}
	if err := l.session.count(place); err != nil {
		return err
	}
	l.lastDelivered, l.suspected = now, false
	r := l.reader
	anchor := ledger.Anchor{
		Position:  catalog.Position{Generation: r.config.From.Position.Generation, Sequence: place.sequence},
		Time:      place.time,
		MessageID: messageID(received.Header),
	}
	lines := l.decoder.Open(message.Raw{
		Subject: received.Subject, Headers: received.Header, Data: received.Data,
		Time: place.time, Position: anchor.Position, ReceivedAt: now,
	})
	l.fresh = r.fresh(anchor.Position, &lines)
	if !r.receive(anchor, l.fresh) {
		return errGap
	}
	l.lines, l.position, l.overhead = lines, anchor.Position, received.Size()-len(received.Data)
	l.fill()
	return nil
}

// receive moves the last message received on. It refuses to go back. fresh is how many of its
// mutations Next will return.
func (r *Reader) receive(anchor ledger.Anchor, fresh int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if anchor.Position.Sequence <= r.last.Position.Sequence {
		return false
	}
	r.last = anchor
	if fresh > 0 {
		r.told = anchor.Position.Sequence
		r.waiting += fresh
	}
	return true
}

// fresh counts the mutations of a message that are not recorded already.
func (r *Reader) fresh(position catalog.Position, lines *message.Lines) int {
	first := lines.Line()
	position.Line = first
	if r.skips(position); len(r.config.Skip) == 0 || r.config.Skip[0].First > position.Sequence {
		return lines.Len()
	}
	fresh := 0
	for line := range lines.Len() {
		position.Line = first + line
		if !slices.ContainsFunc(r.config.Skip, func(known ledger.Range) bool { return known.Holds(position) }) {
			fresh++
		}
	}
	return fresh
}

// skips reports whether a mutation is recorded already. Places only grow, so
// ranges that lie behind are let go. It is called by the loop alone.
func (r *Reader) skips(position catalog.Position) bool {
	for len(r.config.Skip) > 0 && r.config.Skip[0].Behind(position) {
		r.config.Skip = r.config.Skip[1:]
	}
	return len(r.config.Skip) > 0 && r.config.Skip[0].Holds(position)
}

// check looks, at each heartbeat, for a server that went silent and a consumer
// that stopped delivering.
func (l *loop) check(ctx context.Context) error {
	now := time.Now()
	config := l.reader.config
	if !l.takes() || len(l.session.messages) > 0 {
		l.lastHeard = now // it is we who do not listen
		return nil
	}
	const missed = 3
	if now.Sub(l.lastHeard) > missed*config.heartbeat {
		return errSilent
	}
	if now.Sub(l.lastDelivered) < config.StallTimeout || now.Sub(l.lastProbed) < config.StallTimeout && !l.suspected {
		return nil
	}
	l.lastProbed = now
	info, err := l.session.info(ctx)
	if err != nil {
		return err
	}
	overdue := info.NumPending > 0 || info.Delivered.Consumer > l.session.delivered
	if overdue && l.suspected {
		return errStalled
	}
	// A message may have come in just now: only the second look in a row counts.
	l.suspected = overdue
	return nil
}
