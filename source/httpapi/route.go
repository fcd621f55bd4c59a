package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// mutationsPath is where mutations are sent; account, catalog and type follow.
const mutationsPath = "/v1/mutations/"

// levelOfProbe is how loudly a failed probe is logged: they come every few seconds.
const levelOfProbe = slog.LevelDebug

// visit is one request, for the log and the metrics.
type visit struct {
	id                string
	begun             time.Time
	token             string // its name
	bytes, lines      int
	accepted, refused int
	status            int
}

// Handler serves the API and its probes. It may be mounted beside other handlers; it
// answers 404 to paths that are not its own.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/livez":
			probe(w, r, s.livez)
		case "/readyz":
			probe(w, r, s.readyz)
		default:
			s.api(w, r)
		}
	})
}

func probe(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		answer(w, r)
	default:
		if refused := methods(w, r, "GET, HEAD, OPTIONS"); refused != nil {
			refused.write(w, "")
		}
	}
}

// methods answers OPTIONS, and refuses what a path does not take.
func methods(w http.ResponseWriter, r *http.Request, allowed string) *refusal {
	if r.Method == http.MethodOptions {
		w.Header().Set("Allow", allowed)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	refused := refuse(kindMethod, "this path takes "+allowed)
	refused.header = http.Header{"Allow": {allowed}}
	return refused
}

// api answers one request that is not a probe, and accounts for it.
func (s *Server) api(w http.ResponseWriter, r *http.Request) {
	seen := visit{id: uuid.NewString(), begun: time.Now()}
	recorder := &statusWriter{ResponseWriter: w}
	refused := s.route(recorder, r, &seen)
	if refused != nil && recorder.status == 0 {
		refused.write(recorder, "urn:uuid:"+seen.id)
	}
	seen.status = recorder.status
	took := time.Since(seen.begun)
	s.measured.request(r.Context(), seen.status, took)
	s.measured.outcome(r.Context(), seen.accepted, seen.refused)
	s.log(r, &seen, refused, took)
}

// route finds what a request is for. A panic is an answer 500, as far as none was begun.
func (s *Server) route(w *statusWriter, r *http.Request, seen *visit) (refused *refusal) {
	defer func() {
		if cause := recover(); cause != nil {
			refused = failed(fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
		}
	}()
	to, found, refused := laneOf(r.URL)
	switch {
	case refused != nil:
		return refused
	case !found && strings.HasPrefix(r.URL.Path, "/v1/webhooks/"):
		return refuse(kindNotFound, "no source of this name has a webhook: webhooks are sent to /v1/webhooks/ and the name that the source has in the configuration")
	case !found:
		return refuse(kindNotFound, "mutations are sent to "+mutationsPath+"{account}/{catalog}/{type}")
	case r.Method != http.MethodPost:
		w.Header().Set("Accept-Post", acceptedTypes)
		return methods(w, r, "POST, OPTIONS")
	}
	return s.mutations(w, r, to, seen)
}

func failed(err error) *refusal {
	refused := refuse(kindInternal, "the server failed; its log has the reason under the instance of this answer")
	refused.cause = err
	return refused
}

// laneOf reads the names of the path, each decoded once: a slash that is written %2F belongs
// to a name, which then breaks its rule.
func laneOf(address *url.URL) (to catalog.Lane, found bool, refused *refusal) {
	rest, ok := strings.CutPrefix(address.EscapedPath(), mutationsPath)
	names := strings.Split(rest, "/")
	if !ok || len(names) != 3 {
		return to, false, nil
	}
	for i, name := range names {
		plain, err := url.PathUnescape(name)
		if err != nil { // net/http has refused it before
			return to, false, refuse(kindName, "the path is not percent-encoded correctly")
		}
		names[i] = plain
	}
	return catalog.Lane{Account: names[0], Catalog: names[1], Type: catalog.Type(names[2])}, true, nil
}

func queryOf(r *http.Request) (url.Values, error) { return url.ParseQuery(r.URL.RawQuery) }

// log writes the line of one request. It holds the name of the token, and nothing of the
// headers and the body.
func (s *Server) log(r *http.Request, seen *visit, refused *refusal, took time.Duration) {
	attributes := []slog.Attr{
		slog.String("request", seen.id), slog.String("method", legible.Text(legible.Cut(r.Method, maxShown))),
		slog.String("path", legible.Text(legible.Cut(r.URL.Path, 4*maxShown))), slog.Int("status", seen.status),
		slog.String("token", seen.token), slog.Int("lines", seen.lines), slog.Int("accepted", seen.accepted),
		slog.Int("bytes", seen.bytes), slog.Duration("took", took),
	}
	ctx := context.WithoutCancel(r.Context())
	if refused == nil {
		s.options.Logger.LogAttrs(ctx, slog.LevelDebug, "the HTTP API answered", attributes...)
		return
	}
	attributes = append(attributes, slog.String("problem", refused.kind.name), slog.Int("refused", seen.refused))
	if refused.cause != nil {
		attributes = append(attributes, errorAttr(refused.cause))
	}
	level := slog.LevelInfo
	if seen.status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	s.options.Logger.LogAttrs(ctx, level, "the HTTP API refused a request", attributes...)
}

func errorAttr(err error) slog.Attr { return slog.String("error", err.Error()) }

// statusWriter remembers what was answered.
type statusWriter struct {
	http.ResponseWriter

	status int
}

// WriteHeader notes the first final status.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap gives http.ResponseController the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
