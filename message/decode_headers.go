package message

import (
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Names of the headers that mean something, as they are written. They are read without
// regard to case.
const (
	// HeaderID has the message's id, which the stream drops repeats by.
	HeaderID = "Nats-Msg-Id"
	// HeaderTraceParent and HeaderTraceState are W3C's trace context.
	HeaderTraceParent = "traceparent"
	HeaderTraceState  = "tracestate"
	HeaderContentType = "content-type"
	// HeaderEventSpecVersion, HeaderEventID and HeaderEventTime are attributes of a
	// CloudEvent in binary mode.
	HeaderEventSpecVersion = "ce-specversion"
	HeaderEventID          = "ce-id"
	HeaderEventTime        = "ce-time"
)

// headers are the headers that decoding looks at.
type headers struct {
	messageID   string
	contentType string
	// The attributes of an event in binary mode.
	eventSpecVersion string
	eventID          string
	eventTime        string
}

// readHeaders keeps the producer's headers and reads those that mean something.
// NATS leaves names as the producer wrote them, so they are compared without
// regard to case. Of a header that came twice the first value counts, and of one in several cases
// the first name of inOrder: NATS tells no order of names, and a message that is read again has
// to say the same.
func (r *reading) readHeaders(all map[string][]string) {
	if len(all) == 0 {
		return
	}
	var few [8]string // most messages have no more
	names := inOrder(few[:0], all)
	for i := range names { // the first counts, so it comes last
		if name := names[len(names)-1-i]; len(all[name]) > 0 && !ofTransport(name) {
			r.readHeader(name, all[name][0])
		}
	}
	kept := make([]catalog.Header, 0, len(all))
	for _, name := range names {
		if ofTransport(name) {
			continue
		}
		for _, value := range all[name] {
			kept = append(kept, catalog.Header{Name: Printable(name), Value: Printable(value)})
		}
	}
	r.mutation.Message.Headers = kept
}

// inOrder appends the names in the order of their bytes, behind Nats-Msg-Id as the server reads
// it.
func inOrder(names []string, all map[string][]string) []string {
	if _, usual := all[HeaderID]; usual {
		names = append(names, HeaderID)
	}
	others := len(names)
	for name := range all {
		if name != HeaderID {
			names = append(names, name)
		}
	}
	slices.Sort(names[others:])
	return names
}

func (r *reading) readHeader(name, value string) {
	switch len(name) {
	case len(HeaderID): // as long as traceparent
		if strings.EqualFold(name, HeaderID) {
			r.headers.messageID = value
		} else if strings.EqualFold(name, HeaderTraceParent) && validTraceParent(value) {
			r.mutation.TraceParent = value
		}
	case len(HeaderTraceState):
		if strings.EqualFold(name, HeaderTraceState) && validTraceState(value) {
			r.mutation.TraceState = value
		}
	case len(HeaderContentType):
		if strings.EqualFold(name, HeaderContentType) {
			r.headers.contentType = value
		}
	case len(HeaderEventID):
		if strings.EqualFold(name, HeaderEventID) {
			r.headers.eventID = eventHeader(value)
		}
	case len(HeaderEventTime):
		if strings.EqualFold(name, HeaderEventTime) {
			r.headers.eventTime = eventHeader(value)
		}
	case len(HeaderEventSpecVersion):
		if strings.EqualFold(name, HeaderEventSpecVersion) {
			r.headers.eventSpecVersion = eventHeader(value)
		}
	}
}

// ofTransport names the headers that were for the server, about how to store the
// message: published again, they would make the server refuse it.
func ofTransport(name string) bool {
	return hasPrefixFold(name, "Nats-Batch-") || hasPrefixFold(name, "Nats-Expected-")
}

func hasPrefixFold(name, prefix string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

// validTraceParent checks the W3C form, version 00:
// 00-<32 hex digits>-<16 hex digits>-<2 hex digits>.
func validTraceParent(value string) bool {
	const length = 55
	if len(value) != length {
		return false
	}
	for i := range length {
		c := value[i]
		isDash := i == 2 || i == 35 || i == 52
		isHex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f'
		if isDash != (c == '-') || !isDash && !isHex {
			return false
		}
	}
	return true
}

// validTraceState checks what W3C asks every reader to carry on at least, which
// is also a limit.
func validTraceState(value string) bool {
	const longest = 512
	if len(value) > longest {
		return false
	}
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return true
}
