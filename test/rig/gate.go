package rig

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Gate stands before a simulated platform. It knows which worker calls, and a
// test may step in between the platform's answer and its way back.
type Gate struct {
	tb       testing.TB
	platform http.Handler
	server   *httptest.Server

	mu       sync.Mutex
	answered func(Answered) (deliver bool)
	hold     func(bytes int64)
	patience time.Duration
	calls    map[string]int // by worker
}

// Answered is a POST that the platform has answered; the worker has not heard yet.
type Answered struct {
	Worker  string
	Path    string
	Request []byte
	Status  int
	Body    []byte
}

func newGate(tb testing.TB, platform http.Handler) *Gate {
	tb.Helper()
	g := &Gate{tb: tb, platform: platform, calls: map[string]int{}}
	g.server = httptest.NewServer(g)
	tb.Cleanup(func() {
		g.server.CloseClientConnections()
		g.server.Close()
	})
	return g
}

// URL is where the worker of that name finds the platform.
func (g *Gate) URL(worker string) string { return g.server.URL + "/from-" + worker }

// OnAnswer has every POST's answer shown to look before it is delivered. When
// look returns false the connection breaks instead.
func (g *Gate) OnAnswer(look func(Answered) (deliver bool)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answered = look
}

// LosePatience breaks the connection of a call that has had no answer for that
// long, as proxies do; what was accepted is applied all the same. 0 waits for ever.
func (g *Gate) LosePatience(after time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.patience = after
}

// HoldNextPost has the next POST wait before the platform reads its body. arrived
// gives the body's bytes when it is there; goOn lets it go on.
func (g *Gate) HoldNextPost() (arrived <-chan int64, goOn func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	here, further := make(chan int64, 1), make(chan struct{})
	g.hold = func(bytes int64) {
		here <- bytes
		<-further
	}
	var once sync.Once
	goOn = func() { once.Do(func() { close(further) }) }
	g.tb.Cleanup(goOn)
	return here, goOn
}

// takeHold gives the hold to one POST.
func (g *Gate) takeHold(r *http.Request) func(bytes int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.Method != http.MethodPost || g.hold == nil {
		return func(int64) {}
	}
	hold := g.hold
	g.hold = nil
	return hold
}

// Calls counts the requests of a worker.
func (g *Gate) Calls(worker string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls[worker]
}

// ServeHTTP implements http.Handler.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	worker, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/from-"), "/")
	r.URL.Path, r.URL.RawPath = "/"+path, ""
	g.mu.Lock()
	g.calls[worker]++
	look, patience := g.answered, g.patience
	g.mu.Unlock()
	g.takeHold(r)(r.ContentLength)
	if patience > 0 {
		var cancel func()
		r, cancel = impatient(r, patience)
		defer cancel()
	}
	if look == nil || r.Method != http.MethodPost {
		g.platform.ServeHTTP(w, r)
		return
	}
	request, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the worker broke it off
	}
	r.Body = io.NopCloser(bytes.NewReader(request))
	kept := httptest.NewRecorder()
	g.platform.ServeHTTP(kept, r)
	if !look(Answered{Worker: worker, Path: r.URL.Path, Request: request, Status: kept.Code, Body: kept.Body.Bytes()}) {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), kept.Header())
	w.WriteHeader(kept.Code)
	_, _ = w.Write(kept.Body.Bytes()) // the caller may be gone
}
