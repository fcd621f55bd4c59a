package publish

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// Denials hear what the server refuses. NATS tells it apart from the call, which gets no
// answer and runs out of time. The zero value is ready; it is safe for concurrent use.
type Denials struct {
	mu      sync.Mutex
	watches map[*denialWatch]bool
	inbox   *refusedInbox
}

// refusedInbox is a subscription for answers that was refused: every call fails, until the
// client has connected again, which is when it subscribes again.
type refusedInbox struct {
	denial     *DeniedError
	conn       *nats.Conn
	reconnects uint64 // of conn, when it was refused
}

func (r *refusedInbox) lasts() bool { return r.conn.Stats().Reconnects == r.reconnects }

// Handler is the connection's nats.ErrorHandler; next, if not nil, hears every error too.
func (d *Denials) Handler(next nats.ErrHandler) nats.ErrHandler {
	return func(conn *nats.Conn, subscription *nats.Subscription, err error) {
		denial := denialOf(err)
		if denial != nil && (!denial.Subscription || strings.HasPrefix(denial.Subject, inboxOf(conn))) {
			d.report(conn, denial)
		}
		if next != nil {
			next(conn, subscription, err)
		}
	}
}

// inboxOf is what the subjects of answers begin with.
func inboxOf(conn *nats.Conn) string {
	return strings.TrimSuffix(cmp.Or(conn.Opts.InboxPrefix, "_INBOX"), ".") + "."
}

var (
	deniedPublish   = regexp.MustCompile(`(?i)permissions violation for publish to "([^"]+)"`)
	deniedReply     = regexp.MustCompile(`(?i)permissions violation for publish with reply of "([^"]+)"`)
	deniedSubscribe = regexp.MustCompile(`(?i)permissions violation for subscription to "([^"]+)"`)
)

func denialOf(err error) *DeniedError {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return nil
	}
	text := err.Error()
	if found := deniedPublish.FindStringSubmatch(text); found != nil {
		return &DeniedError{Subject: found[1]}
	}
	for _, pattern := range []*regexp.Regexp{deniedSubscribe, deniedReply} {
		if found := pattern.FindStringSubmatch(text); found != nil {
			return &DeniedError{Subject: found[1], Subscription: true}
		}
	}
	return nil
}

func (d *Denials) report(conn *nats.Conn, denial *DeniedError) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if denial.Subscription {
		d.inbox = &refusedInbox{denial, conn, conn.Stats().Reconnects}
	}
	for watch := range d.watches {
		watch.hear(denial)
	}
}

// Within returns a context that ends when NATS refuses to publish to any subject, or to
// receive answers at all. [context.Cause] is then the [*DeniedError].
func (d *Denials) Within(ctx context.Context) (context.Context, context.CancelFunc) {
	return (&denialWatch{of: d, any: true}).within(ctx)
}

// watch hears of the subjects of a batch. Without Denials it hears nothing.
func (d *Denials) watch(batch []outgoing) *denialWatch {
	watch := &denialWatch{of: d}
	if d != nil {
		watch.refused = make(map[string]*DeniedError, 1)
		for _, out := range batch {
			watch.refused[out.Subject] = nil
		}
	}
	return watch
}

// denialWatch is what is refused while one batch is under way.
type denialWatch struct {
	of      *Denials
	any     bool                    // whatever the subject
	refused map[string]*DeniedError // by subject; nil while it is not refused
	fatal   *DeniedError
	stop    context.CancelCauseFunc
}

// hear is called with the lock of Denials.
func (w *denialWatch) hear(denial *DeniedError) {
	if denial.Subscription || w.any {
		w.fatal = denial
		w.stop(denial)
		return
	}
	if _, ours := w.refused[denial.Subject]; ours {
		w.refused[denial.Subject] = denial
		w.stop(denial)
	}
}

// within returns a context that ends when something is refused.
func (w *denialWatch) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if w.of == nil {
		return context.WithCancel(ctx)
	}
	limited, stop := context.WithCancelCause(ctx)
	w.stop = stop
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	if w.of.watches == nil {
		w.of.watches = map[*denialWatch]bool{}
	}
	w.of.watches[w] = true
	if w.of.inbox != nil && !w.of.inbox.lasts() {
		w.of.inbox = nil // a new refusal is told again
	}
	if w.of.inbox != nil {
		w.hear(w.of.inbox.denial)
	}
	return limited, func() {
		w.of.mu.Lock()
		defer w.of.mu.Unlock()
		delete(w.of.watches, w)
		stop(nil)
	}
}

// leaveOut marks what is refused, and returns what is still to be published; fatal is
// what lets nothing be published.
func (w *denialWatch) leaveOut(batch []outgoing) (rest []outgoing, denied int, fatal error) {
	if w.of == nil {
		return batch, 0, nil
	}
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	if w.fatal != nil {
		return batch, 0, w.fatal
	}
	for _, out := range batch {
		if out.result.Outcome != Refused {
			continue
		}
		if denial := w.refused[out.Subject]; denial != nil {
			*out.result = Result{Err: denial, NotStored: true}
			denied++
			continue
		}
		rest = append(rest, out)
	}
	return rest, denied, nil
}
