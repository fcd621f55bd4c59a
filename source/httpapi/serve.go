package httpapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

// Serving says how a server deals with connections. The zero value is the default.
type Serving struct {
	// TLS, if not nil, has the certificates of the server.
	TLS *tls.Config
	// HeaderTimeout bounds the time for the headers of a request. Defaults to 10 s.
	HeaderTimeout time.Duration
	// ReadTimeout bounds the time for a whole request. Defaults to 1 min.
	ReadTimeout time.Duration
	// WriteTimeout bounds the time from the headers of a request to the end of its answer.
	// Defaults to 2 min.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection may wait for its next request. Defaults to
	// 90 s.
	IdleTimeout time.Duration
	// MaxHeader is the most bytes of a request's headers. Defaults to 16 KiB.
	MaxHeader int
	// MaxConnections is how many connections are open at a time; more wait to be accepted.
	// Defaults to 256.
	MaxConnections int
	// DrainTime is how long requests under way may take when the server stops. Defaults to
	// 25 s, below the 30 s after which Kubernetes kills.
	DrainTime time.Duration
	// Logger gets what net/http says of connections, at debug. Nil logs nothing.
	Logger *slog.Logger
}

func (s Serving) withDefaults() Serving {
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{
		{&s.HeaderTimeout, 10 * time.Second},
		{&s.ReadTimeout, time.Minute},
		{&s.WriteTimeout, 2 * time.Minute},
		{&s.IdleTimeout, 90 * time.Second},
		{&s.DrainTime, 25 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
	if s.MaxHeader <= 0 {
		s.MaxHeader = 16 << 10
	}
	if s.MaxConnections <= 0 {
		s.MaxConnections = 256
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	return s
}

// ErrCutOff says that requests were still under way when the time for stopping was over.
// Their callers have no answer, and repeat them with the same Idempotency-Key.
var ErrCutOff = errors.New("requests under way were cut off")

// unwind is how long requests may take to notice that they are cut off.
const unwind = 5 * time.Second

// Serve serves a handler on a listener until ctx ends, and closes the listener. Then
// requests under way go on for up to DrainTime, while new ones are answered 503 and their
// connections closed; /livez stays 200. The error is nil after an orderly stop, ErrCutOff
// after another, or what ended the listener.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, settings Serving) error {
	settings = settings.withDefaults()
	hard, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	draining := &drain{next: handler, idle: make(chan struct{})}
	server := &http.Server{
		Handler:           draining,
		TLSConfig:         settings.TLS,
		ReadHeaderTimeout: settings.HeaderTimeout,
		ReadTimeout:       settings.ReadTimeout,
		WriteTimeout:      settings.WriteTimeout,
		IdleTimeout:       settings.IdleTimeout,
		MaxHeaderBytes:    settings.MaxHeader,
		ErrorLog:          slog.NewLogLogger(settings.Logger.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.WithoutCancel(ctx), cutOffKey{}, hard)
		},
	}
	ended := make(chan error, 1)
	go func() {
		limited := netutil.LimitListener(listener, settings.MaxConnections)
		if settings.TLS != nil {
			ended <- server.ServeTLS(limited, "", "")
			return
		}
		ended <- server.Serve(limited)
	}()
	var failed error
	select {
	case failed = <-ended:
		failed = fmt.Errorf("serving HTTP: %w", failed)
		ended <- nil
	case <-ctx.Done():
	}
	draining.begin()
	over := time.NewTimer(settings.DrainTime)
	defer over.Stop()
	var cutOff error
	select {
	case <-draining.idle:
	case <-over.C:
		cutOff = fmt.Errorf("%w: %d after %s", ErrCutOff, draining.running(), settings.DrainTime)
		cut()
	}
	// What still runs now is cut off, or only writes the last bytes of a refusal.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), unwind)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		cutOff = errors.Join(cutOff, server.Close())
		draining.wait(unwind)
	}
	<-ended //nolint:errcheck // http.ErrServerClosed, or nil after what failed says
	return errors.Join(failed, cutOff)
}

// cutOffKey is where a request's context has the context that ends when it must stop.
type cutOffKey struct{}

// cutOff ends when requests under way must stop; never without Serve.
func cutOff(ctx context.Context) context.Context {
	if hard, ok := ctx.Value(cutOffKey{}).(context.Context); ok {
		return hard
	}
	return context.WithoutCancel(ctx)
}

// drain counts requests under way, and refuses new ones while the server stops.
type drain struct {
	next http.Handler

	mu       sync.Mutex
	stopping bool
	under    int
	idle     chan struct{} // closed once stopping and nothing is under way
}

func (d *drain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.serve(w, r)
	skipRest(w, r)
}

const (
	// restBytes and restTime bound what is read of a body that is refused. net/http itself
	// reads restOfServer.
	restBytes, restOfServer = 64 << 20, 256 << 10
	restTime                = 3 * time.Second
)

// skipRest reads what a caller still sends of a body that is not wanted. Most programs send a
// request whole before they look at the answer: a connection that is closed before gives them
// a reset instead of what is wrong.
func skipRest(w http.ResponseWriter, r *http.Request) {
	small := r.ContentLength >= 0 && r.ContentLength <= restOfServer
	if small || r.ProtoMajor != 1 || r.Header.Get("Expect") != "" { // who expects a 100 waits for the answer
		return
	}
	if http.NewResponseController(w).SetReadDeadline(time.Now().Add(restTime)) == nil {
		_, _ = io.CopyN(io.Discard, r.Body, restBytes) // the answer is the same
	}
}

func (d *drain) serve(w http.ResponseWriter, r *http.Request) {
	if !d.enter() {
		if r.URL.Path == "/livez" {
			w.Header().Set("Connection", "close")
			writeOK(w)
			return
		}
		refused := refuse(kindStopping, "the server is stopping; nothing of the request is stored")
		refused.closes = true
		refused.write(w, "")
		return
	}
	defer d.leave()
	d.next.ServeHTTP(w, r)
}

func (d *drain) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.stopping {
		d.under++
	}
	return !d.stopping
}

func (d *drain) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.under--
	d.whenIdle()
}

func (d *drain) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopping = true
	d.whenIdle()
}

func (d *drain) whenIdle() {
	if d.stopping && d.under == 0 {
		close(d.idle)
	}
}

// wait waits for handlers whose connections are closed.
func (d *drain) wait(most time.Duration) {
	over := time.NewTimer(most)
	defer over.Stop()
	select {
	case <-d.idle:
	case <-over.C:
	}
}

func (d *drain) running() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.under
}
