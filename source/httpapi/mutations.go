package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/propagation"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/publish"
)

// accepted is the body of 202 and 207.
type accepted struct {
	Accepted int `json:"accepted"`
	// IDs are those of the mutations accepted, in the order of their lines.
	IDs []string `json:"ids"`
	// Duplicates counts those whose id, chosen by the caller, the stream had already: they
	// are not stored again, even if their content is another.
	Duplicates int `json:"duplicates,omitempty"`

	// Of 207: the lines of the ids, and all that is wrong with the others.
	Lines   []int       `json:"lines,omitempty"`
	Refused int         `json:"refused,omitempty"`
	Errors  []lineError `json:"errors,omitempty"`
}

// mutations takes the mutations of one request.
func (s *Server) mutations(w http.ResponseWriter, r *http.Request, to catalog.Lane, seen *visit) *refusal {
	caller, refused := s.tokens.caller(r.Header)
	if refused != nil {
		return refused
	}
	seen.token = caller.Name
	subject, problem := message.Subject(to)
	if problem != nil {
		return refuse(kindName, problem.Text)
	}
	if !caller.allows(to.Account) {
		refused := refuse(kindForbidden, "the token is not for this account")
		refused.header = http.Header{"Www-Authenticate": {`Bearer realm="catalog-courier", error="insufficient_scope"`}}
		return refused
	}
	partial, refused := parameters(r)
	if refused != nil {
		return refused
	}
	key, refused := idempotencyKey(r.Header)
	if refused != nil {
		return refused
	}
	as, event, refused := formOf(r.Header)
	if refused != nil {
		return refused
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return refuse(kindOverloaded, fmt.Sprintf("%d requests are under way, which is the limit", cap(s.slots)))
	}
	body, refused := s.readBody(w, r)
	if refused != nil {
		return refused
	}
	seen.bytes = len(body)
	texts, refused := split(body, as, s.options.MaxLines)
	if refused != nil {
		return refused
	}
	seen.lines = len(texts)
	// The end of the caller's connection does not end what follows: a request that was
	// read is stored completely, whoever still waits for the answer.
	ctx := propagation.TraceContext{}.Extract(context.WithoutCancel(r.Context()), propagation.HeaderCarrier(r.Header))
	sum := digestOf(to, formNames[as], event, body)
	reading := request{lane: to, subject: subject, as: as, event: event, pack: pack(key, sum), check: s.options.Publisher.Check}
	items, bad, err := reading.items(ctx, texts)
	if err != nil {
		return failed(err)
	}
	if len(items) == 0 || len(bad) > 0 && !partial {
		seen.refused = len(texts)
		refused := refuse(kindInvalidLines, invalidDetail(len(texts)-len(items), len(texts)))
		refused.errors = bad
		return refused
	}
	again := false
	if key != "" {
		var conflict bool
		if again, conflict = s.keys.use(caller.Name, key, to, sum); conflict {
			return refuse(kindKeyReused, fmt.Sprintf("this %s was sent to this path with another body less than %s ago: nothing of this request is stored; use a new key for each request and the same one for its repeats",
				headerKey, s.options.Window))
		}
	}
	return s.publish(ctx, w, seen, items, bad, answering{lines: len(texts), keyed: key != "", again: again})
}

// answering is what the answer depends on besides the results.
type answering struct {
	lines int
	keyed bool // the request has an Idempotency-Key
	again bool // and the server saw it before with this body
}

// publish stores the items and answers.
func (s *Server) publish(ctx context.Context, w http.ResponseWriter, seen *visit, items []item, bad []lineError, how answering) *refusal {
	hard := cutOff(ctx)
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	defer context.AfterFunc(hard, cancel)()
	publications := make([]publish.Publication, 0, len(items))
	for _, item := range items {
		if item.repeats == 0 {
			publications = append(publications, item.publication)
		}
	}
	results, err := s.options.Publisher.Publish(ctx, publications)
	if err == nil {
		err = deniedIn(results)
	}
	if err != nil {
		seen.refused = how.lines
		return incomplete(items, results, err, how.keyed)
	}
	answer := accepted{IDs: make([]string, 0, len(items))}
	var lines []int
	for i, result := range outcomes(items, results) {
		item := items[i]
		if result.Outcome == publish.Refused {
			bad = append(bad, refusedByStream(item, result.Err))
			continue
		}
		if result.Outcome == publish.Duplicate && item.explicit && !how.again {
			answer.Duplicates++
		}
		answer.IDs, lines = append(answer.IDs, item.id), append(lines, item.line)
	}
	answer.Accepted = len(answer.IDs)
	answer.Refused = how.lines - answer.Accepted
	seen.accepted, seen.refused = answer.Accepted, answer.Refused
	status := http.StatusAccepted
	switch {
	case answer.Accepted == 0:
		refused := refuse(kindInvalidLines, invalidDetail(how.lines, how.lines))
		refused.errors = bad
		return refused
	case len(bad) > 0:
		status, answer.Lines, answer.Errors = http.StatusMultiStatus, lines, sortedByLine(bad)
	}
	writeJSON(w, status, "application/json", answer)
	return nil
}

// deniedIn is what NATS denies to the user of the server. It is so for all publications, as
// all have one subject.
func deniedIn(results []publish.Result) error {
	for _, result := range results {
		if denied, ok := errors.AsType[*publish.DeniedError](result.Err); ok {
			return denied
		}
	}
	return nil
}

// refusedByStream is a line that only the stream could refuse: its max_msg_size is smaller
// than the server's max_payload.
func refusedByStream(item item, err error) lineError {
	problem := &catalog.Problem{Reason: catalog.MessageTooLarge, Text: "the stream refuses the message"}
	_ = errors.As(err, &problem)
	return lineErrorOf(text{line: item.line, data: item.publication.Data}, item.key.ItemID, problem)
}

func invalidDetail(refused, lines int) string {
	return strconv.Itoa(refused) + " of " + strconv.Itoa(lines) + " lines are refused: errors has each of them; nothing of the request is stored"
}

// parameters reads the query. A name that is not known is refused: a misspelt partial must
// not be taken for strict, nor the other way round.
func parameters(r *http.Request) (partial bool, refused *refusal) {
	values, err := queryOf(r)
	if err != nil {
		return false, refuse(kindParameter, "the query of the address cannot be read")
	}
	for name, all := range values {
		if name != "partial" {
			return false, refuse(kindParameter, "the parameter "+message.Quote(name)+" is not known: partial is the only one")
		}
		switch {
		case len(all) == 1 && all[0] == "true":
			partial = true
		case len(all) == 1 && all[0] == "false":
		default:
			return false, refuse(kindParameter, "partial must be sent once, as true or false")
		}
	}
	return partial, nil
}
