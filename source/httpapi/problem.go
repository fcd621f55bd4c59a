package httpapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// problemBase begins the type of each problem (RFC 9457, section 3.1.1). docs/http.md lists
// them.
const problemBase = "https://catalog-courier.dev/problems/"

// kind is one type of problem.
type kind struct {
	name   string
	title  string
	status int
	// retryAfter is when a repeat may succeed; 0 where the server cannot tell.
	retryAfter time.Duration
}

// The kinds of problems. OpenAPI and docs/http.md name each of them; tests hold them to it.
var (
	kindInvalidLines = kind{"invalid-lines", "Lines break the contract of a mutation", http.StatusBadRequest, 0}
	kindMalformed    = kind{"malformed-body", "The body cannot be read", http.StatusBadRequest, 0}
	kindEmpty        = kind{"empty-body", "The request has no mutation", http.StatusBadRequest, 0}
	kindName         = kind{"invalid-name", "A name in the path breaks its rule", http.StatusBadRequest, 0}
	kindParameter    = kind{"invalid-parameter", "A parameter cannot be used", http.StatusBadRequest, 0}
	kindUnauthorized = kind{"unauthorized", "The request has no valid token", http.StatusUnauthorized, 0}
	kindForbidden    = kind{"forbidden", "The token is not for this account", http.StatusForbidden, 0}
	kindNotFound     = kind{"not-found", "There is no such path", http.StatusNotFound, 0}
	kindMethod       = kind{"method-not-allowed", "The path does not take this method", http.StatusMethodNotAllowed, 0}
	kindSlow         = kind{"request-timeout", "The body did not arrive in time", http.StatusRequestTimeout, 0}
	kindTooLarge     = kind{"too-large", "The request is too large", http.StatusRequestEntityTooLarge, 0}
	kindMediaType    = kind{"unsupported-media-type", "The Content-Type is not supported", http.StatusUnsupportedMediaType, 0}
	kindEncoding     = kind{"unsupported-encoding", "The Content-Encoding is not supported", http.StatusUnsupportedMediaType, 0}
	kindKeyReused    = kind{"idempotency-key-reused", "The Idempotency-Key was sent with another body", http.StatusUnprocessableEntity, 0}
	kindInternal     = kind{"internal-error", "The server failed", http.StatusInternalServerError, 0}
	kindOverloaded   = kind{"overloaded", "Too many requests are under way", http.StatusServiceUnavailable, time.Second}
	kindStreamFull   = kind{"stream-full", "The stream is full", http.StatusServiceUnavailable, 15 * time.Second}
	kindUnavailable  = kind{"unavailable", "NATS does not take the mutations", http.StatusServiceUnavailable, 5 * time.Second}
	kindDenied       = kind{"denied", "NATS does not let this server publish there", http.StatusServiceUnavailable, time.Minute}
	kindStopping     = kind{"stopping", "The server is stopping", http.StatusServiceUnavailable, 5 * time.Second}
	kindNotReady     = kind{"not-ready", "The server cannot publish now", http.StatusServiceUnavailable, 5 * time.Second}
	allKinds         = []kind{
		kindInvalidLines, kindMalformed, kindEmpty, kindName, kindParameter, kindUnauthorized, kindForbidden, kindNotFound, kindMethod,
		kindSlow, kindTooLarge, kindMediaType, kindEncoding, kindKeyReused, kindInternal, kindOverloaded, kindStreamFull,
		kindUnavailable, kindDenied, kindStopping, kindNotReady,
	}
)

// problem is the body of a refusal, application/problem+json.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance,omitempty"`

	// Errors are all bad lines.
	Errors []lineError `json:"errors,omitempty"`
	// publication is what is known after publishing failed.
	*publication
}

// publication counts what became of the mutations of a request that was not stored
// completely.
type publication struct {
	Stored    int `json:"stored"`
	NotStored int `json:"not_stored"`
	// Unknown were sent and not acknowledged: the stream may have them.
	Unknown int `json:"unknown"`
	// RepeatSafe says that the same request may be repeated: nothing is stored twice and
	// the order of an item's changes stays right.
	RepeatSafe bool     `json:"repeat_safe"`
	IDs        []string `json:"ids"`
}

// lineError is one rule that one line breaks.
type lineError struct {
	// Line counts from 1: lines of NDJSON with blank ones, elements of an array.
	Line   int    `json:"line"`
	ItemID string `json:"item_id,omitempty"`
	Field  string `json:"field,omitempty"`
	// Rule is a [catalog.Reason].
	Rule   string `json:"rule"`
	Detail string `json:"detail"`
	// Value is the beginning of what the line has there, as JSON.
	Value string `json:"value,omitempty"`
}

// refusal is a problem on its way to the answer.
type refusal struct {
	kind   kind
	detail string
	header http.Header // more headers
	errors []lineError
	known  *publication
	closes bool  // the connection cannot be used any more
	cause  error // for the log
}

func refuse(k kind, detail string) *refusal { return &refusal{kind: k, detail: detail} }

// write answers a request with the problem.
func (r *refusal) write(w http.ResponseWriter, instance string) {
	header := w.Header()
	maps.Copy(header, r.header)
	if r.kind.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(r.kind.retryAfter/time.Second)))
	}
	if r.closes {
		header.Set("Connection", "close")
	}
	writeJSON(w, r.kind.status, "application/problem+json", problem{
		Type: problemBase + r.kind.name, Title: r.kind.title, Status: r.kind.status, Detail: r.detail, Instance: instance,
		Errors: r.errors, publication: r.known,
	})
}

// writeJSON writes an answer. What cannot be written any more has nobody to read it.
func writeJSON(w http.ResponseWriter, status int, contentType string, body any) {
	text, err := json.Marshal(body)
	if err != nil { // the bodies are structs of texts and numbers
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(text)+1))
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}
