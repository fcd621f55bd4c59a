package httpapi

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/message"
)

// form is how a body writes its mutations.
type form uint8

const (
	formLines  form = iota + 1 // NDJSON
	formJSON                   // an object or an array
	formEvent                  // one CloudEvent, structured
	formEvents                 // an array of CloudEvents
	formBinary                 // one CloudEvent, its attributes in headers
)

// formNames tell forms apart in a digest.
var formNames = map[form]string{formLines: "lines", formJSON: "json", formEvent: "event", formEvents: "events", formBinary: "binary"}

// mediaTypes are the types that a request may have.
var mediaTypes = map[string]form{
	"application/x-ndjson":               formLines,
	"application/ndjson":                 formLines,
	"application/jsonl":                  formLines,
	"application/x-jsonlines":            formLines,
	"application/json":                   formJSON,
	"application/cloudevents+json":       formEvent,
	"application/cloudevents-batch+json": formEvents,
}

const (
	acceptedTypes     = "application/x-ndjson, application/json, application/cloudevents+json, application/cloudevents-batch+json"
	acceptedEncodings = "gzip, zstd"
	eventPrefix       = "Ce-" // of the headers of a CloudEvent in binary mode, as net/http writes them
)

// formOf reads Content-Type. In binary mode the headers of the event come with it, under
// the names that the message has.
func formOf(header http.Header) (as form, event map[string][]string, refused *refusal) {
	values := header.Values("Content-Type")
	given := strings.Join(values, ", ")
	mediaType, parameters, err := mime.ParseMediaType(given)
	as = mediaTypes[mediaType]
	binary := header.Get(message.HeaderEventSpecVersion) != ""
	if err != nil || len(values) != 1 || as == 0 || binary && as == formLines {
		detail, types := "the request has no Content-Type", "one of "+acceptedTypes
		if given != "" {
			detail = "the Content-Type " + message.Quote(given) + " is not supported"
		}
		if binary && as == formLines {
			detail, types = detail+" for a CloudEvent in binary mode", "application/json, or events without the header ce-specversion"
		}
		r := refuse(kindMediaType, detail+": send "+types)
		r.header = http.Header{"Accept-Post": {acceptedTypes}}
		return 0, nil, r
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
		return 0, nil, refuse(kindMediaType, "the charset "+message.Quote(charset)+" is not supported: send UTF-8")
	}
	if !binary || as != formJSON {
		return as, nil, nil
	}
	event = map[string][]string{message.HeaderContentType: {"application/json"}}
	for name, values := range header {
		if strings.HasPrefix(name, eventPrefix) {
			event[strings.ToLower(name)] = values[:1]
		}
	}
	return formBinary, event, nil
}

// readBody reads and unpacks a body, both within the limit of bytes and the time.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	limit := s.options.MaxBody
	encoding, refused := encodingOf(r.Header)
	if refused != nil {
		return nil, refused
	}
	if r.ContentLength > limit {
		return nil, s.tooLarge()
	}
	// A writer that is not of a connection has no deadlines, and no slow peer either.
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.options.Timeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, brokenBody(err)
	}
	var in io.Reader = http.MaxBytesReader(w, r.Body, limit)
	size := max(r.ContentLength, 0)
	switch encoding {
	case "gzip":
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return nil, s.unreadable(err, encoding)
		}
		in, size = unpacked, 0
	case "zstd":
		unpacked, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(limit)+1), zstd.WithDecoderMaxWindow(maxWindow)) //nolint:gosec // the limit is above 0
		if err != nil {
			return nil, s.unreadable(err, encoding)
		}
		defer unpacked.Close()
		in, size = unpacked, 0
	}
	var body bytes.Buffer
	if size > 0 {
		body.Grow(int(min(size, firstBuffer)) + bytes.MinRead)
	}
	if _, err := body.ReadFrom(io.LimitReader(in, limit+1)); err != nil {
		return nil, s.unreadable(err, encoding)
	}
	if int64(body.Len()) > limit {
		return nil, s.tooLarge()
	}
	return body.Bytes(), nil
}

const (
	// maxWindow is the memory that a zstd body may ask for before it has said anything; the
	// format's own recommendation for decoders (RFC 8878, section 3.1.1.1.2).
	maxWindow = 8 << 20
	// firstBuffer bounds what a Content-Length alone makes the server allocate.
	firstBuffer = 1 << 20
)

func encodingOf(header http.Header) (string, *refusal) {
	values := header.Values("Content-Encoding")
	if len(values) == 0 {
		return "", nil
	}
	switch encoding := strings.ToLower(strings.TrimSpace(values[0])); {
	case len(values) > 1:
	case encoding == "", encoding == "identity":
		return "", nil
	case encoding == "gzip", encoding == "x-gzip":
		return "gzip", nil
	case encoding == "zstd":
		return "zstd", nil
	}
	r := refuse(kindEncoding, "the Content-Encoding "+message.Quote(strings.Join(values, ", "))+" is not supported: send one of "+acceptedEncodings+", once, or none")
	r.header = http.Header{"Accept-Encoding": {acceptedEncodings}}
	return "", r
}

func (s *Server) tooLarge() *refusal {
	r := refuse(kindTooLarge, fmt.Sprintf("the body has more than %d bytes, which is the limit before and after decompression: send it in several requests", s.options.MaxBody))
	r.closes = true
	return r
}

// unreadable says why a body could not be read to its end.
func (s *Server) unreadable(err error, encoding string) *refusal {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return s.tooLarge()
	}
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return refuse(kindTooLarge, fmt.Sprintf("the zstd body asks for a window of more than %d bytes: compress it with a lower level", maxWindow))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		r := refuse(kindSlow, fmt.Sprintf("the body did not arrive within %s", s.options.Timeout))
		r.closes, r.cause = true, err
		return r
	}
	if encoding != "" && errors.Is(err, io.EOF) {
		return refuse(kindEmpty, "the body is empty")
	}
	if encoding != "" && !brokenOff(err) {
		return refuse(kindMalformed, "the body is not valid "+encoding+": "+legible.Text(legible.Cut(err.Error(), maxShown)))
	}
	return brokenBody(err)
}

// brokenOff reports that the body ended before what was announced: the connection is lost.
func brokenOff(err error) bool {
	var network interface{ Timeout() bool }
	return errors.As(err, &network)
}

func brokenBody(err error) *refusal {
	r := refuse(kindMalformed, "the body could not be read to its end")
	r.closes, r.cause = true, err
	return r
}
