package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Response is what a simulated platform says.
type Response struct {
	Status int
	Header map[string]string
	Body   []byte
}

// Face is how a platform answers.
type Face interface {
	// Refusal is the answer to a call that a fault refuses; ok is false for others.
	Refusal(call CallKind, fault Fault, credentials string) (Response, bool)
	// Unauthorized is the answer to a token that is not taken.
	Unauthorized() Response
	// Limited is the answer to a call above the rate limit.
	Limited(call CallKind, used Usage) Response
	// Told adds the headers of the rate limit.
	Told(header map[string]string, call CallKind, used Usage)
	// Work does what is asked; fault is one that concerns the work or its answer.
	Work(request *Request, fault Fault) Response
}

// Request is one call.
type Request struct {
	Call CallKind
	// Token is the access token; "" takes it from the Authorization header.
	Token   string
	Catalog string // whose quota is drawn on; "" for the token's
	Handle  string // of a poll, or given to a POST
	Query   map[string]string
	Body    []byte
	// Magic is what the ids in the body do to the answer; Work sets it.
	Magic Fault
}

// Serve runs one call through authentication, limits, faults and the work.
func (c *Core) Serve(w http.ResponseWriter, r *http.Request, face Face, request *Request) {
	token := cmp.Or(request.Token, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if request.Call == Submit {
		body, err := ReadBody(w, r)
		if err != nil {
			Respond(w, Response{Status: http.StatusRequestEntityTooLarge})
			return
		}
		request.Body = body
	}
	limit := c.Options.Reads
	c.Mu.Lock()
	switch request.Call {
	case Submit:
		limit = c.Options.Writes
		c.Seen.Posts++
		c.Seen.MaxBytes = max(c.Seen.MaxBytes, len(request.Body))
	case Look:
		c.Seen.Looks++
	default:
		c.Seen.Polls++
	}
	allowed := c.admits(token)
	fault := c.NextFault(request.Call)
	name := string(request.Call) + "/" + request.Catalog
	if request.Catalog == "" {
		name += token
	}
	used := c.count(name, limit)
	c.Mu.Unlock()

	switch {
	case !allowed:
		Respond(w, face.Unauthorized())
		return
	case used.Exceeded():
		said := face.Limited(request.Call, used)
		Respond(w, said)
		return
	case fault.Kind == Reset:
		BreakConnection(w)
		return
	}
	if fault.Kind == AnswerWith {
		Respond(w, fault.Answer.to(request.Handle))
		return
	}
	said, refused := face.Refusal(request.Call, fault, r.Header.Get("Authorization"))
	if !refused {
		said = face.Work(request, fault)
		if request.Magic.Kind != "" {
			fault = request.Magic
		}
	}
	if said.Header == nil {
		said.Header = make(map[string]string)
	}
	face.Told(said.Header, request.Call, used)
	if fault.Kind == AnswerAfter {
		said = fault.Answer.to(request.Handle)
	}
	c.Deliver(r.Context(), w, said, fault)
}

// to is the answer about a batch.
func (a *Answer) to(handle string) Response {
	return Response{Status: max(a.Status, http.StatusOK), Header: a.Header, Body: []byte(strings.ReplaceAll(a.Body, HandleHere, handle))}
}

// ReadBody reads a request's body at once where its length is told.
func ReadBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var body bytes.Buffer
	if r.ContentLength > 0 && r.ContentLength <= maxBody {
		body.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	return body.Bytes(), err
}

// Deliver sends an answer, spoilt as the fault asks.
func (c *Core) Deliver(ctx context.Context, w http.ResponseWriter, said Response, fault Fault) {
	switch fault.Kind {
	case ServerErrorAfter:
		said = Response{Status: http.StatusInternalServerError, Body: []byte(`{"code":0,"message":"Something went wrong"}`)}
	case ResetAfter:
		BreakConnection(w)
		return
	case Hang:
		c.wait(ctx, math.MaxInt64)
		BreakConnection(w)
		return
	case Slow:
		c.wait(ctx, fault.Duration)
	case HTML:
		said.Body, said.Status = []byte(MaintenancePage), http.StatusOK
		said.Header = map[string]string{"Content-Type": "text/html"}
	case Truncated:
		said.Body = said.Body[:len(said.Body)/2]
	case Huge:
		said.Body = append([]byte(`{"message":"`), append([]byte(strings.Repeat("x", hugeSize)), `"}`...)...)
	default: // the others are about the work itself
	}
	Respond(w, said)
}

const (
	MaintenancePage = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>We will be back soon</h1></body></html>"
	hugeSize        = 17 << 20
)

// wait returns after d, or when the caller or the platform is gone.
func (c *Core) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-c.closed:
	}
}

func Respond(w http.ResponseWriter, said Response) {
	w.Header().Set("Content-Type", "application/json")
	for name, value := range said.Header {
		w.Header().Set(name, value)
	}
	if said.Status != http.StatusNoContent && said.Status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(len(said.Body)))
	}
	w.WriteHeader(said.Status)
	_, _ = w.Write(said.Body) // the caller may be gone
}

// BreakConnection resets the connection where there is one.
func BreakConnection(w http.ResponseWriter) {
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

// Seconds writes a duration as whole seconds, rounded up.
func Seconds(d time.Duration) string {
	return strconv.Itoa(int(math.Ceil(d.Seconds())))
}
