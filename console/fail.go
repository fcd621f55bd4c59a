package console

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status"
)

// refusal is what the sender of a request can do something about.
type refusal struct {
	code int
	text string
	// fields are the parameters that are wrong.
	fields []wrongField
}

// Error is a sentence for people.
func (r *refusal) Error() string { return r.text }

func refuse(code int, text string) error { return &refusal{code: code, text: text} }

var (
	errReadOnly = refuse(http.StatusForbidden, "You may look, and not act: this console is read-only, or your role is viewer.")
	errNowhere  = refuse(http.StatusNotFound, "There is no such page.")
)

// said is the answer to an error, with nothing that people cannot use.
func said(err error) (code int, text string) {
	if known, ok := errors.AsType[*refusal](err); ok {
		return known.code, known.text
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge, "What was sent is larger than 4 MiB."
	}
	switch {
	case errors.Is(err, status.ErrNotFound), errors.Is(err, persistence.ErrNoSuchRun):
		return http.StatusNotFound, sentence(err.Error())
	case errors.Is(err, status.ErrPlace), errors.Is(err, status.ErrCursor):
		return http.StatusBadRequest, sentence(err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, "The database took too long. Narrow the question, or try again."
	case errors.Is(err, persistence.ErrNoAccount):
		return http.StatusNotFound, sentence(err.Error())
	case persistence.Unavailable(err):
		return http.StatusServiceUnavailable, "The database does not answer. Try again in a moment."
	default:
		return http.StatusInternalServerError, "The database could not answer. The log of the console says more."
	}
}

func sentence(text string) string {
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// fail answers a request that cannot be answered as it was meant.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		return // nobody waits for the answer
	}
	code, text := said(err)
	if code >= http.StatusInternalServerError {
		c.Logger.WarnContext(r.Context(), "the console could not answer", slog.String("path", r.URL.Path), slog.String("error", err.Error()))
	}
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	if strings.HasPrefix(r.URL.Path, c.Prefix+"/api/") {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(code)
		if err := json.NewEncoder(w).Encode(problemOfRequest(err, code, text)); err != nil {
			return // the program has gone
		}
		return
	}
	p := c.page(r, http.StatusText(code), "")
	p.Data = failure{code, text}
	c.render(w, code, "error", p)
}

// problemAnswer tells a program what is wrong, as RFC 9457 has it.
type problemAnswer struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Fields are the parameters that are wrong, each with what it may be.
	Fields []wrongField `json:"fields,omitempty"`
}

func problemOfRequest(err error, code int, text string) problemAnswer {
	answer := problemAnswer{Title: http.StatusText(code), Status: code, Detail: text}
	if known, ok := errors.AsType[*refusal](err); ok {
		answer.Fields = known.fields
	}
	return answer
}

// retryAfter is in how many seconds a client may ask a database again that did not answer.
const retryAfter = "5"

// failure is what the page of an error shows.
type failure struct {
	Code int
	Text string
}
