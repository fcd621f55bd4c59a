package rest

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"regexp"
	"sync"

	"github.com/catalog-courier/catalog-courier/internal/lease"
	"github.com/catalog-courier/catalog-courier/platform"
)

// tokenFailure is the error of a call that had no token to go with. Where the
// cause is a platform.Error it says whose failure that is; else it is the account's.
func (c *Client) tokenFailure(ctx context.Context, call Call, err error) *platform.Error {
	failure := &platform.Error{
		Scope: platform.ScopeAccount, Operation: call.Operation,
		Message: "no access token: " + Redact(err.Error(), c.auth.TokenShapes), Err: &redactedError{cause: err, shapes: c.auth.TokenShapes},
	}
	cause := (*platform.Error)(nil)
	switch {
	case ctx.Err() != nil:
		failure.Scope = platform.ScopeCaller
	case errors.As(err, &cause):
		failure.Scope, failure.RetryAfter = cause.Scope, cause.RetryAfter
	case errors.Is(err, context.DeadlineExceeded):
		failure.Scope = platform.ScopePlatform
	}
	return failure
}

// callFailure is the error of a call without a whole answer.
func (c *Client) callFailure(ctx context.Context, call Call, key key, err error, written bool) *platform.Error {
	failure := &platform.Error{
		Scope: platform.ScopePlatform, Ambiguous: written && call.changes(), Operation: call.Operation,
		Message: Redact(err.Error(), c.auth.TokenShapes, key.secrets()...),
		Err:     &redactedError{cause: err, shapes: c.auth.TokenShapes, secrets: key.secrets()},
	}
	switch {
	case errors.Is(err, lease.ErrWriteRefused):
		failure.Scope = platform.ScopeCaller
	case ctx.Err() != nil:
		failure.Scope = platform.ScopeCaller
		failure.Message = "the call was cancelled"
	case errors.Is(err, context.DeadlineExceeded):
		failure.Message = "no whole answer in time"
	}
	return failure
}

// redactedError keeps a cause for errors.Is and errors.As but prints no secret.
type redactedError struct {
	cause   error
	shapes  *regexp.Regexp
	secrets []string
}

func (e *redactedError) Error() string { return Redact(e.cause.Error(), e.shapes, e.secrets...) }
func (e *redactedError) Unwrap() error { return e.cause }

// watch sees whether bytes of one request may have left the machine.
type watch struct {
	mu     sync.Mutex
	traced bool // the transport reports its steps
	uses   []use
}

// use is one connection that the request was given, and what it had written before.
type use struct {
	counter lease.WrittenCounter // nil when the connection does not count
	before  int64
}

func (w *watch) attach(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.traced = true
		},
		GotConn: func(info httptrace.GotConnInfo) {
			next := use{counter: counterOf(info.Conn)}
			if next.counter != nil {
				next.before = next.counter.WrittenBytes()
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.uses = append(w.uses, next)
		},
	})
}

// mayHaveWritten reports whether bytes of the failed request may have gone out.
// Certainly not, when no connection was had for it, or when the write itself was
// refused and each connection counts its bytes and passed on none since. After
// another error a write may still be under way, and its bytes not counted yet.
func (w *watch) mayHaveWritten(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.uses) > 0 && !errors.Is(err, lease.ErrWriteRefused) {
		return true
	}
	for _, use := range w.uses {
		if use.counter == nil || use.counter.WrittenBytes() != use.before {
			return true
		}
	}
	if w.traced || len(w.uses) > 0 {
		return false
	}
	return !neverConnected(err)
}

// neverConnected judges by the error alone, for a transport that does not report
// its steps.
func neverConnected(err error) bool {
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		return true
	}
	if operation := (*net.OpError)(nil); errors.As(err, &operation) {
		return operation.Op == "dial"
	}
	return errors.Is(err, lease.ErrWriteRefused)
}

// counterOf finds the counting connection, also below TLS.
func counterOf(conn net.Conn) lease.WrittenCounter {
	for range 4 { // layers: TLS, a tracing wrapper, the guard
		if counter, ok := conn.(lease.WrittenCounter); ok {
			return counter
		}
		layered, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = layered.NetConn()
	}
	return nil
}
