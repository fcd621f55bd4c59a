package httpapi

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// readyFor is how long an answer of the check is used: probes need no token, and must
	// not cause a call to NATS each.
	readyFor = time.Second
	// readyWithin bounds one check.
	readyWithin = 2 * time.Second
)

// readiness asks whether mutations can be published, at most once in readyFor.
type readiness struct {
	check func(context.Context) error

	mu    sync.Mutex // held while asking: others wait for the same answer
	asked time.Time
	err   error
}

func (r *readiness) now(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.asked.IsZero() && time.Since(r.asked) < readyFor {
		return r.err
	}
	// The answer is for all who wait, so the end of one request must not spoil it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyWithin)
	defer cancel()
	r.err = r.check(ctx)
	r.asked = time.Now()
	return r.err
}

// livez answers as long as the process works.
func (s *Server) livez(w http.ResponseWriter, _ *http.Request) { writeOK(w) }

// readyz answers whether mutations can be published. The reason is for the log: the probe
// has no token, and the reason names addresses.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if err := s.ready.now(r.Context()); err != nil {
		s.options.Logger.LogAttrs(r.Context(), levelOfProbe, "the HTTP API is not ready", errorAttr(err))
		refuse(kindNotReady, "NATS is not connected, or the stream does not exist; the log of the server says which").write(w, "")
		return
	}
	writeOK(w)
}

func writeOK(w http.ResponseWriter) {
	const text = "ok\n"
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, text)
}
