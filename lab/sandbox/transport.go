package sandbox

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// Transport carries requests to a handler without a network, so that tests may
// run in a synctest bubble. A broken connection is an error.
func Transport(handler http.Handler) http.RoundTripper { return transport{handler} }

type transport struct{ handler http.Handler }

var errBroken = errors.New("connection reset by peer")

// RoundTrip implements http.RoundTripper. The handler runs in the caller's own
// goroutine: it gives up when the request's context ends.
func (t transport) RoundTrip(request *http.Request) (response *http.Response, err error) {
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	served := request.Clone(request.Context())
	if served.Body == nil {
		served.Body = http.NoBody
	}
	defer func() { _ = served.Body.Close() }()
	recorder := &recorder{header: make(http.Header)}
	defer func() {
		switch thrown := recover(); thrown {
		case nil:
		case http.ErrAbortHandler:
			response, err = nil, errBroken
			if cause := request.Context().Err(); cause != nil {
				err = cause
			}
		default:
			panic(thrown)
		}
	}()
	t.handler.ServeHTTP(recorder, served)
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	return recorder.response(request), nil
}

// recorder is a ResponseWriter that keeps the answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(text []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(text)
}

func (r *recorder) response(request *http.Request) *http.Response {
	r.WriteHeader(http.StatusOK)
	return &http.Response{
		StatusCode: r.status, Status: http.StatusText(r.status),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.header, ContentLength: int64(r.body.Len()), Request: request,
		Body: io.NopCloser(&r.body),
	}
}
