package sandbox

import (
	"bytes"
	"context"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is what a simulated platform says.
type answer struct {
	status int
	header map[string]string
	body   []byte
}

// platformFace is the part in which the two platforms differ.
type platformFace interface {
	// refusal is the answer to a call that a fault refuses; ok is false for others.
	refusal(call CallKind, fault Fault, credentials string) (answer, bool)
	// unauthorized is the answer to a token that is not taken.
	unauthorized() answer
	// limited is the answer to a call above the rate limit.
	limited(call CallKind, used usage) answer
	// told adds the headers of the rate limit.
	told(header map[string]string, call CallKind, used usage)
	// work does what is asked; fault is one that concerns the work or its answer.
	work(request *exchange, fault Fault) answer
}

// exchange is one call.
type exchange struct {
	call    CallKind
	catalog string // Meta's catalog id, else ""
	handle  string // of a poll, or given to a POST
	query   map[string]string
	body    []byte
}

// serve runs one call through authentication, limits, faults and the work.
func (c *core) serve(w http.ResponseWriter, r *http.Request, face platformFace, request *exchange) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if request.call == Submit {
		body, err := readBody(w, r)
		if err != nil {
			send(w, answer{status: http.StatusRequestEntityTooLarge})
			return
		}
		request.body = body
	}
	limit := c.options.Reads
	c.mu.Lock()
	if request.call == Submit {
		limit = c.options.Writes
		c.counters.Posts++
		c.counters.MaxBytes = max(c.counters.MaxBytes, len(request.body))
	} else {
		c.counters.Polls++
	}
	allowed := c.admits(token)
	fault := c.nextFault(request.call)
	name := string(request.call) + "/" + request.catalog
	if request.catalog == "" {
		name += token
	}
	used := c.count(name, limit)
	c.mu.Unlock()

	switch {
	case !allowed:
		send(w, face.unauthorized())
		return
	case used.exceeded():
		said := face.limited(request.call, used)
		send(w, said)
		return
	case fault.Kind == Reset:
		breakConnection(w)
		return
	}
	if fault.Kind == AnswerWith {
		send(w, fault.Answer.to(request.handle))
		return
	}
	said, refused := face.refusal(request.call, fault, r.Header.Get("Authorization"))
	if !refused {
		said = face.work(request, fault)
	}
	if said.header == nil {
		said.header = make(map[string]string)
	}
	face.told(said.header, request.call, used)
	if fault.Kind == AnswerAfter {
		said = fault.Answer.to(request.handle)
	}
	c.deliver(r.Context(), w, said, fault)
}

// to is the answer about a batch.
func (a *Answer) to(handle string) answer {
	return answer{status: max(a.Status, http.StatusOK), header: a.Header, body: []byte(strings.ReplaceAll(a.Body, HandleHere, handle))}
}

// readBody reads a request's body at once where its length is told.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var body bytes.Buffer
	if r.ContentLength > 0 && r.ContentLength <= maxBody {
		body.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	return body.Bytes(), err
}

// deliver sends an answer, spoilt as the fault asks.
func (c *core) deliver(ctx context.Context, w http.ResponseWriter, said answer, fault Fault) {
	switch fault.Kind {
	case ServerErrorAfter:
		said = answer{status: http.StatusInternalServerError, body: []byte(`{"code":0,"message":"Something went wrong"}`)}
	case ResetAfter:
		breakConnection(w)
		return
	case Hang:
		c.wait(ctx, math.MaxInt64)
		breakConnection(w)
		return
	case Slow:
		c.wait(ctx, fault.Duration)
	case HTML:
		said.body, said.status = []byte(page), http.StatusOK
		said.header = map[string]string{"Content-Type": "text/html"}
	case Truncated:
		said.body = said.body[:len(said.body)/2]
	case Huge:
		said.body = append([]byte(`{"message":"`), append([]byte(strings.Repeat("x", hugeSize)), `"}`...)...)
	default: // the others are about the work itself
	}
	send(w, said)
}

const (
	page     = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>We will be back soon</h1></body></html>"
	hugeSize = 17 << 20
)

// wait returns after d, or when the caller or the platform is gone.
func (c *core) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-c.closed:
	}
}

func send(w http.ResponseWriter, said answer) {
	w.Header().Set("Content-Type", "application/json")
	for name, value := range said.header {
		w.Header().Set(name, value)
	}
	if said.status != http.StatusNoContent && said.status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(len(said.body)))
	}
	w.WriteHeader(said.status)
	_, _ = w.Write(said.body) // the caller may be gone
}

// breakConnection resets the connection where there is one.
func breakConnection(w http.ResponseWriter) {
	if hijacker, ok := w.(http.Hijacker); ok {
		if conn, _, err := hijacker.Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // close with RST
			}
			_ = conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}

// seconds writes a duration as whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.Itoa(int(math.Ceil(d.Seconds())))
}
