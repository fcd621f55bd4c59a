package rig

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// Interceptor is before a simulated platform. It knows which worker calls, and a
// test may step in between the platform's answer and its way back.
type Interceptor struct {
	platform http.Handler
	base     string // where it is served

	mu       sync.Mutex
	answered func(Answered) (deliver bool)
	hold     func(bytes int64)
	timeout  time.Duration
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

// NewInterceptor makes one that is served at base, such as http://127.0.0.1:4080/meta.
func NewInterceptor(platform http.Handler, base string) *Interceptor {
	return &Interceptor{platform: platform, base: base, calls: map[string]int{}}
}

// URL is where the worker of that name finds the platform.
func (i *Interceptor) URL(worker string) string { return i.base + "/from-" + worker }

// OnAnswer has every POST's answer shown to look before it is delivered. When
// look returns false the connection breaks instead.
func (i *Interceptor) OnAnswer(look func(Answered) (deliver bool)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answered = look
}

// SetTimeout breaks the connection of a call that has had no answer for that
// long, as proxies do; what was accepted is applied all the same. 0 waits for ever.
func (i *Interceptor) SetTimeout(after time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.timeout = after
}

// HoldNextPost has the next POST wait before the platform reads its body. arrived
// gives the body's bytes when it is there; goOn, which must be called, lets it go on.
func (i *Interceptor) HoldNextPost() (arrived <-chan int64, goOn func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	here, further := make(chan int64, 1), make(chan struct{})
	i.hold = func(bytes int64) {
		here <- bytes
		<-further
	}
	var once sync.Once
	goOn = func() { once.Do(func() { close(further) }) }
	return here, goOn
}

// takeHold gives the hold to one POST.
func (i *Interceptor) takeHold(r *http.Request) func(bytes int64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if r.Method != http.MethodPost || i.hold == nil {
		return func(int64) {}
	}
	hold := i.hold
	i.hold = nil
	return hold
}

// Calls counts the requests of a worker.
func (i *Interceptor) Calls(worker string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.calls[worker]
}

// ServeHTTP implements http.Handler.
func (i *Interceptor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	worker, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/from-"), "/")
	r.URL.Path, r.URL.RawPath = "/"+path, ""
	i.mu.Lock()
	i.calls[worker]++
	look, timeout := i.answered, i.timeout
	i.mu.Unlock()
	i.takeHold(r)(r.ContentLength)
	if timeout > 0 {
		// The simulated platforms end a call that hangs with its context.
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		r = r.WithContext(ctx)
	}
	if look == nil || r.Method != http.MethodPost {
		i.platform.ServeHTTP(w, r)
		return
	}
	request, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the worker broke it off
	}
	r.Body = io.NopCloser(bytes.NewReader(request))
	kept := httptest.NewRecorder()
	i.platform.ServeHTTP(kept, r)
	if !look(Answered{Worker: worker, Path: r.URL.Path, Request: request, Status: kept.Code, Body: kept.Body.Bytes()}) {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), kept.Header())
	w.WriteHeader(kept.Code)
	_, _ = w.Write(kept.Body.Bytes()) // the caller may be gone
}
