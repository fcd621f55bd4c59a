package simulation

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/internal/lease"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/rest"
	"github.com/catalog-courier/catalog-courier/service"
)

// wire is a process's way to the platforms: requests are written to a connection
// that the production code guards, and read again on the other side.
type wire struct {
	p        *process
	deadline func() time.Time
}

func (p *process) transport(deadline func() time.Time) service.Transport {
	if p.w.broken.unguarded {
		deadline = func() time.Time { return time.Now().Add(time.Hour) }
	}
	return &wire{p: p, deadline: deadline}
}

// CloseIdleConnections has nothing to close.
func (*wire) CloseIdleConnections() {}

// pipe is a connection that keeps what is written to it.
type pipe struct {
	net.Conn // nil: nothing else is called
	written  bytes.Buffer
}

func (p *pipe) Write(b []byte) (int, error)      { return p.written.Write(b) }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// RoundTrip makes a call. The process may freeze before the write, which looks at
// the lease after that; from then on the request is on its way, whatever becomes of
// the process.
func (t *wire) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, detail := request.Context(), ""
	var body []byte
	if request.Body != nil {
		var err error
		if body, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
		_ = request.Body.Close() // a buffer
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	detail = request.URL.Host + " " + digest(request.Header.Get("Authorization"), request.URL.RequestURI(), body)
	t.p.w.begins(t.p, request)
	if err := t.p.pass(ctx, request.Method, detail, before); err != nil {
		return nil, err
	}
	under := &pipe{}
	guarded := lease.Guard(under, t.deadline)
	if trace := httptrace.ContextClientTrace(ctx); trace != nil {
		trace.GetConn(request.URL.Host)
		trace.GotConn(httptrace.GotConnInfo{Conn: guarded})
	}
	if err := request.Write(guarded); err != nil {
		t.p.w.log.outcome(t.p.name, request.Method, detail, err)
		return nil, err
	}
	// What was written arrives, whoever waits for the answer.
	answered := make(chan answer, 1)
	t.p.w.network.Go(func() { answered <- t.deliver(context.WithoutCancel(ctx), request, detail, under) })
	var said answer
	select {
	case said = <-answered:
	case <-ctx.Done():
		// What was given up together is noticed one after the other.
		<-time.After(t.p.w.moment(t.p.name, request.Method, detail, "given up"))
		said.err = ctx.Err()
	}
	if cut := t.p.pass(ctx, request.Method, detail, after); cut != nil {
		return nil, cut
	}
	if said.err == nil {
		t.p.w.told(t.p, request, said.response)
	}
	return said.response, said.err
}

type answer struct {
	response *http.Response
	err      error
}

// deliver lets the platform answer what was written, after a while.
func (t *wire) deliver(ctx context.Context, request *http.Request, detail string, written *pipe) answer {
	arrived, err := http.ReadRequest(bufio.NewReader(&written.written))
	if err != nil {
		return answer{err: err}
	}
	arrived.URL.Scheme, arrived.URL.Host = "http", request.Host
	w := t.p.w
	<-time.After(w.latency(t.p.name, "network", detail, request.Method))
	w.log.add(t.p.name, request.Method+" arrives", detail)
	if refusal := w.refusal(arrived); refusal != nil { //nolint:bodyclose // whoever asked closes it
		w.log.add(t.p.name, request.Method+" is refused", detail)
		return answer{response: refusal}
	}
	response, err := sandbox.Transport(w.platformOf(arrived)).RoundTrip(arrived.WithContext(ctx)) //nolint:bodyclose // whoever asked closes it
	if err == nil {
		w.heard(request, response)
		w.log.add(t.p.name, request.Method+" is answered", detail+" "+http.StatusText(response.StatusCode))
	}
	return answer{response, err}
}

// digest names a request without the handles in it, which are long. The platforms of
// two accounts may give the same handle: the token tells their calls apart.
func digest(token, address string, body []byte) string {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(token))
	_, _ = sum.Write([]byte(address))
	_, _ = sum.Write(body)
	return fmt.Sprintf("%08x", sum.Sum32())
}

// heard keeps what the platform said of a handle in the end, for I5.
func (w *world) heard(request *http.Request, response *http.Response) {
	if request.Method != http.MethodGet || response.StatusCode != http.StatusOK {
		return
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	handle := request.URL.Query().Get("handle")
	if handle == "" {
		handle = request.URL.Path[strings.LastIndexByte(request.URL.Path, '/')+1:]
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[handle] = append(w.answers[handle], string(body))
}

// accepted keeps under which handles a batch was ever known: a ledger that is put
// back forgets some, and its owner does not.
func (w *world) accepted(attempts []ledger.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, attempt := range attempts {
		w.handles[attempt.BatchID] = append(w.handles[attempt.BatchID], attempt.Handles...)
	}
}

// confirmed reports whether the platform ever said under the handle that the item
// succeeded.
func (w *world) confirmed(handle, itemID string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, body := range w.answers[handle] {
		if answer, ok := rest.Parse([]byte(body)); ok && saysSuccess(answer, itemID) {
			return true
		}
	}
	return false
}

func saysSuccess(answer gjson.Result, itemID string) bool {
	data := answer.Get("data")
	if data.IsArray() {
		data = data.Get("0")
	}
	if data.Exists() { // Meta names no successes
		listed := data.Get("ids_of_invalid_requests.#").Int()
		return data.Get("status").Str == "finished" && !names(data.Get("errors"), "id", itemID) && !names(data.Get("errors"), "retailer_id", itemID) &&
			!strings.Contains(data.Get("ids_of_invalid_requests").Raw, `"`+itemID+`"`) &&
			max(listed, data.Get("errors.#").Int()) >= data.Get("errors_total_count").Int()
	}
	if answer.Get("status").Str != "COMPLETED" || answer.Get("created_time").Type == gjson.Null {
		return false
	}
	said := false
	answer.Get("items").ForEach(func(_, item gjson.Result) bool {
		said = item.Get("item_id").Str == itemID && item.Get("status").Str == "SUCCESS"
		return !said
	})
	return said
}

func names(list gjson.Result, field, itemID string) (found bool) {
	list.ForEach(func(_, row gjson.Result) bool {
		found = row.Get(field).Str == itemID
		return !found
	})
	return found
}
