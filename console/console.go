package console

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"golang.org/x/net/netutil"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/reason"
)

// Options are what a console shows and may do.
type Options struct {
	Reader  Reader
	Letters Letters
	Audit   AuditLog
	// Reasons says what to do about what failed.
	Reasons *reason.Registry
	// Validate judges a change as workers do before they send it: what makes it invalid, and
	// warnings. The error says why it cannot be judged. Nil judges nothing.
	Validate func(m *catalog.Mutation) (problem *catalog.Problem, warnings []catalog.Problem, err error)
	// Prefix begins the path of every page, such as /courier; "" for none.
	Prefix string
	// Login says who somebody is. Nil is NoLogin.
	Login Login
	// Do are the actions. Nil lets nobody act.
	Do *Actions
	// Version is shown at the foot of each page.
	Version string
	// Logger gets what fails.
	Logger *slog.Logger
}

// Console answers the requests of people and programs.
type Console struct {
	Options
	assets *assets
	pages  map[string]*template.Template
	now    func() time.Time
}

var prefixForm = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*$`)

// New reads the pages. The error says what is wrong with the options or a page.
func New(o Options) (*Console, error) {
	if o.Reader == nil || o.Audit == nil || o.Logger == nil {
		return nil, errors.New("a console needs a reader, an audit log and a logger")
	}
	if o.Reasons == nil {
		o.Reasons = &reason.Registry{}
	}
	if !prefixForm.MatchString(o.Prefix) {
		return nil, fmt.Errorf("%q cannot begin the paths of pages: it must be such as /courier", o.Prefix)
	}
	if o.Login == nil {
		o.Login = NoLogin{}
	}
	c := &Console{Options: o, now: time.Now}
	var err error
	if c.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if c.pages, err = c.parsePages(); err != nil {
		return nil, err
	}
	return c, nil
}

// Handler answers everything below the prefix.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	open := func(pattern string, handler http.Handler) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+c.Prefix+path, handler)
	}
	open("GET /static/{name}", c.assets)
	open("GET /livez", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"status":"ok"}` + "\n"))
	}))
	c.Login.Routes(mux, c.Prefix)
	for pattern, serve := range c.routes() {
		open(pattern, c.known(c.answering(serve)))
	}
	if c.Prefix != "" {
		mux.Handle("GET /{$}", http.RedirectHandler(c.Prefix+"/", http.StatusSeeOther))
		mux.Handle("GET "+c.Prefix, http.RedirectHandler(c.Prefix+"/", http.StatusSeeOther))
	}
	return guarded(mux)
}

// known lets only requests through whose sender the login knows.
func (c *Console) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, ok := c.Login.Identify(w, r)
		if !ok {
			return // it has answered
		}
		if c.Do == nil {
			who.Role = Viewer
		}
		next.ServeHTTP(w, r.WithContext(identified(r.Context(), who)))
	})
}

// serve answers a request, or says what is wrong.
type serve func(w http.ResponseWriter, r *http.Request) error

// answering bounds a request's time, and answers what went wrong.
func (c *Console) answering(next serve) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
		defer cancel()
		var err error
		if r.Method != http.MethodGet && identityOf(ctx).Role != Operator {
			err = errReadOnly
		} else if r.Method != http.MethodGet {
			err = parsed(r)
		}
		if err == nil {
			err = readable(r)
		}
		if err == nil {
			err = next(w, r.WithContext(ctx))
		}
		if err != nil {
			c.fail(w, r, err)
		}
	})
}

// The bounds of a server.
const (
	answerWithin   = 50 * time.Second
	headersWithin  = 10 * time.Second
	requestWithin  = time.Minute
	responseWithin = 90 * time.Second
	idleFor        = 90 * time.Second
	maxHeaders     = 32 << 10
	maxConnections = 256
	drainWithin    = 10 * time.Second
)

// Serving says how a console is served.
type Serving struct {
	// CertFile and KeyFile make it HTTPS; both or none.
	CertFile, KeyFile string
}

// ErrOpen says that a console without a login would listen where others can reach it.
var ErrOpen = errors.New("without a login the console listens on loopback only")

// Listen opens the listener of a console. The error is ErrOpen where it would leave the
// console open.
func (c *Console) Listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for the console (console.listen): %w", err)
	}
	at, err := netip.ParseAddrPort(listener.Addr().String())
	if _, free := c.Login.(NoLogin); free && (err != nil || !at.Addr().IsLoopback()) {
		return nil, errors.Join(fmt.Errorf("%w: %s is not; set console.login", ErrOpen, address), listener.Close())
	}
	return listener, nil
}

// Serve answers on a listener until ctx ends, then lets requests under way end for up to
// ten seconds, and closes the listener.
func (c *Console) Serve(ctx context.Context, listener net.Listener, s Serving) error {
	server := &http.Server{
		Handler: c.Handler(), ReadHeaderTimeout: headersWithin, ReadTimeout: requestWithin, WriteTimeout: responseWithin,
		IdleTimeout: idleFor, MaxHeaderBytes: maxHeaders, ErrorLog: slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
		TLSConfig:   &tls.Config{MinVersion: tls.VersionTLS12},
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	ended := make(chan error, 1)
	go func() {
		limited := netutil.LimitListener(listener, maxConnections)
		if s.CertFile != "" {
			ended <- server.ServeTLS(limited, s.CertFile, s.KeyFile)
			return
		}
		ended <- server.Serve(limited)
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("serving the console: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	err := server.Shutdown(last)
	if err != nil {
		err = server.Close() // the rest is cut off: it only reads, or its action is in the audit log
	}
	if end := <-ended; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// Address is where people find a console that listens at an address.
func (c *Console) Address(listener net.Listener, secure bool) string {
	return map[bool]string{false: "http://", true: "https://"}[secure] + cmp.Or(listener.Addr().String(), "?") + c.Prefix + "/"
}
