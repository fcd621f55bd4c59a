package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// Health is what the probes answer.
//
//   - /livez: the process works; it never looks at other systems.
//   - /startupz: the start is over.
//   - /readyz: the start is over, nothing is draining, and every check passes.
type Health struct {
	started  atomic.Bool
	draining atomic.Bool
	mu       sync.Mutex
	checks   map[string]func(context.Context) error
	beats    map[string]*heartbeat
}

type heartbeat struct {
	last  atomic.Pointer[time.Time] // with its monotonic reading: a wall clock that is set is no silence
	limit time.Duration
}

func (h *heartbeat) beat() {
	now := time.Now()
	h.last.Store(&now)
}

// AddCheck adds a condition of readiness, such as a ping of the database. Its
// error is shown: it must hold no secret.
func (h *Health) AddCheck(name string, check func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.checks == nil {
		h.checks = map[string]func(context.Context) error{}
	}
	h.checks[name] = check
}

// AddHeartbeat adds a condition of liveness: the returned function must be
// called at least once in each limit.
func (h *Health) AddHeartbeat(name string, limit time.Duration) (beat func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.beats == nil {
		h.beats = map[string]*heartbeat{}
	}
	state := &heartbeat{limit: limit}
	state.beat()
	h.beats[name] = state
	return state.beat
}

// Started says that the start is over.
func (h *Health) Started() { h.started.Store(true) }

// Draining says that the process is about to end.
func (h *Health) Draining() { h.draining.Store(true) }

// checkTimeout bounds one look at all checks.
const checkTimeout = 2 * time.Second

func (h *Health) live() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	failures := map[string]string{}
	for name, beat := range h.beats {
		if silent := time.Since(*beat.last.Load()); silent > beat.limit {
			failures[name] = "silent for " + silent.Round(time.Second).String()
		}
	}
	return failures
}

func (h *Health) startup() map[string]string {
	if !h.started.Load() {
		return map[string]string{"start": "not over"}
	}
	return nil
}

func (h *Health) ready(ctx context.Context) map[string]string {
	failures := h.startup()
	if failures == nil {
		failures = map[string]string{}
	}
	if h.draining.Load() {
		failures["drain"] = "the worker is stopping"
	}
	h.mu.Lock()
	checks := maps.Clone(h.checks)
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	for name, check := range checks {
		if err := check(ctx); err != nil {
			failures[name] = legible.Connecting(err.Error())
		}
	}
	return failures
}

// links are what / answers, for who looks at the listener with a browser.
const links = `{"livez":"/livez","readyz":"/readyz","startupz":"/startupz","metrics":"/metrics"}` + "\n"

// Handler answers /livez, /readyz, /startupz and /metrics, and names them at /.
func (t *Telemetry) Handler(health *Health) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, links) // the caller may be gone
	})
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, health.live()) })
	mux.HandleFunc("GET /startupz", func(w http.ResponseWriter, _ *http.Request) { answer(w, health.startup()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, health.ready(r.Context())) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(t.Registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true, MaxRequestsInFlight: 4, Timeout: 10 * time.Second,
	}))
	return mux
}

// probe is the body of an answer to a probe.
type probe struct {
	Status   string            `json:"status"`
	Failures map[string]string `json:"failures,omitempty"`
}

// answer writes {"status":"ok"} or 503 and what is wrong.
func answer(w http.ResponseWriter, failures map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	body := probe{Status: "ok"}
	if len(failures) > 0 {
		body = probe{Status: "failing", Failures: failures}
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if err := json.NewEncoder(legible.NewJSONWriter(w)).Encode(body); err != nil {
		return // the prober has gone: nobody to tell
	}
}

// Server is the worker's own HTTP listener.
type Server struct {
	server   *http.Server
	listener net.Listener
	done     chan error
}

// Serve listens at once and answers until Close.
func Serve(ctx context.Context, address string, handler http.Handler, logger *slog.Logger) (*Server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for probes and metrics (http.listen): %w", err)
	}
	s := &Server{
		listener: listener,
		done:     make(chan error, 1),
		server: &http.Server{
			Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
			WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
			ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		},
	}
	go func() { s.done <- s.server.Serve(listener) }()
	return s, nil
}

// ErrOurs says that a worker listens at the address already.
var ErrOurs = errors.New("a worker listens there already; another one on this machine needs its own http.listen")

// CheckListen tries whether Serve could listen at the address, and listens no longer.
// The error is ErrOurs where a worker answers there.
func CheckListen(ctx context.Context, address string) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err == nil {
		return listener.Close()
	}
	if oursAt(ctx, address) {
		return ErrOurs
	}
	return fmt.Errorf("listening for probes and metrics (http.listen): %w", err)
}

// oursAt reports a worker's answer of /livez.
func oursAt(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/livez", http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	var body probe
	const most = 64 << 10
	err = json.NewDecoder(io.LimitReader(response.Body, most)).Decode(&body)
	return err == nil && (body.Status == "ok" || body.Status == "failing")
}

// Address is where the server listens, with the port that was chosen.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Close ends the server and waits for it; requests under way have until the
// context ends.
func (s *Server) Close(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	if serveErr := <-s.done; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}
