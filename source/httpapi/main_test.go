package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(complete{m}, natstest.ServersOwn()...) }

// complete fails a run of all tests that has not seen each answer of the description.
type complete struct{ *testing.M }

func (c complete) Run() int {
	code := c.M.Run()
	for _, name := range []string{"test.run", "test.skip", "test.fuzz", "test.bench", "test.list"} {
		if flag.Lookup(name).Value.String() != "" {
			return code
		}
	}
	if missing := notAnswered(); code == 0 && len(missing) > 0 {
		_, _ = fmt.Fprintln(os.Stderr, "no test was answered so, though schema/openapi.yaml says it:", missing)
		return 1
	}
	return code
}

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

const (
	lanePath = "/v1/mutations/acme/us/RETAIL"
	jsonType = "application/json"
	lines    = "application/x-ndjson"
	tokenOf  = "ccat_acme"  // may publish to acme
	anyToken = "ccat_admin" // may publish to all
)

// api is a server with a real stream behind it.
type api struct {
	*testing.T

	nats   *natstest.Server
	js     jetstream.JetStream
	server *Server
	url    string
	stop   func() error
	log    *bytes.Buffer // read it after stop
	client *http.Client
}

// setup says what a test has otherwise.
type setup struct {
	options Options
	serving Serving
	stream  queue.StreamConfig
	without bool // there is no stream
	publish publish.Options
	wrap    func(Publisher) Publisher
	js      jetstream.JetStream // of another server than one with the stream
}

func start(t *testing.T, with setup) *api {
	t.Helper()
	a := &api{T: t, js: with.js, log: &bytes.Buffer{}, client: &http.Client{Transport: &http.Transport{}}}
	var err error
	if a.js == nil {
		a.nats = natstest.Start(t)
		a.js, err = jetstream.New(a.nats.Connect(t, nats.ReconnectBufSize(-1)))
		require.NoError(t, err)
		if !with.without {
			_, err = queue.Ensure(context.Background(), a.js, with.stream)
			require.NoError(t, err)
		}
	}
	options := with.options
	options.Publisher = publish.NewPublisher(a.js, with.publish)
	if with.wrap != nil {
		options.Publisher = with.wrap(options.Publisher)
	}
	options.Tokens = []Token{
		{Name: "shop", SHA256: HashToken(tokenOf), Accounts: []string{"acme"}},
		{Name: "admin", SHA256: HashToken(anyToken), Accounts: []string{AllAccounts}},
	}
	options.Logger = slog.New(slog.NewTextHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a.server, err = New(options)
	require.NoError(t, err)
	a.serve(with.serving, a.server.Handler())
	return a
}

func (a *api) serve(serving Serving, handler http.Handler) {
	a.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(a, err)
	a.url = "http://" + listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, listener, handler, serving) }()
	done := false
	a.stop = func() error {
		if done {
			return nil
		}
		done = true
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return io.ErrNoProgress
		}
	}
	a.Cleanup(func() {
		a.client.CloseIdleConnections()
		require.NoError(a, a.stop())
	})
}

// answer is what a request was answered, checked against OpenAPI.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// request is what to send; the zero value is a POST of a token that may.
type call struct {
	method, path, token, contentType string
	header                           map[string]string
	body                             string
	reader                           io.Reader
}

func (a *api) do(c call) answer {
	a.Helper()
	got, err := a.try(c)
	require.NoError(a, err)
	return got
}

func (a *api) try(c call) (answer, error) {
	a.Helper()
	if c.method == "" {
		c.method = http.MethodPost
	}
	if c.path == "" {
		c.path = lanePath
	}
	var body io.Reader
	switch {
	case c.reader != nil:
		body = c.reader
	case c.body != "":
		body = strings.NewReader(c.body)
	}
	r, err := http.NewRequestWithContext(a.Context(), c.method, a.url+c.path, body)
	require.NoError(a, err)
	switch c.token {
	case "":
		r.Header.Set("Authorization", "Bearer "+tokenOf)
	case "-":
	default:
		r.Header.Set("Authorization", c.token)
	}
	switch c.contentType {
	case "":
		r.Header.Set("Content-Type", lines)
	case "-":
	default:
		r.Header.Set("Content-Type", c.contentType)
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	response, err := a.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(a, err)
	got := answer{status: response.StatusCode, header: response.Header, body: text}
	validate(a.T, c.method, r.URL.EscapedPath(), got)
	return got, nil
}

// accepted reads a 202 or 207.
func (g answer) accepted(t require.TestingT) (body accepted) {
	require.Contains(t, []int{http.StatusAccepted, http.StatusMultiStatus}, g.status, string(g.body))
	require.NoError(t, json.Unmarshal(g.body, &body))
	return body
}

// refusal is a problem as a caller reads it.
type received struct {
	Type       string      `json:"type"`
	Status     int         `json:"status"`
	Detail     string      `json:"detail"`
	Instance   string      `json:"instance"`
	Errors     []lineError `json:"errors"`
	Stored     *int        `json:"stored"`
	NotStored  int         `json:"not_stored"`
	Unknown    int         `json:"unknown"`
	RepeatSafe bool        `json:"repeat_safe"`
	IDs        []string    `json:"ids"`
}

func (g answer) problem(t require.TestingT, want kind) (body received) {
	require.NoError(t, json.Unmarshal(g.body, &body), string(g.body))
	require.Equal(t, problemBase+want.name, body.Type, string(g.body))
	require.Equal(t, want.status, g.status)
	require.Equal(t, g.status, body.Status)
	return body
}

// stored are the messages of the stream, in order.
func (a *api) stored() (all []*jetstream.RawStreamMsg) {
	a.Helper()
	return storedIn(a.T, a.js)
}

func storedIn(t require.TestingT, js jetstream.JetStream) (all []*jetstream.RawStreamMsg) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stream, err := js.Stream(ctx, queue.DefaultStreamName)
	require.NoError(t, err)
	info, err := stream.Info(ctx)
	require.NoError(t, err)
	for sequence := info.State.FirstSeq; sequence <= info.State.LastSeq && sequence > 0; sequence++ {
		raw, err := stream.GetMsg(ctx, sequence)
		require.NoError(t, err)
		all = append(all, raw)
	}
	return all
}

// mutations are those messages as a worker reads them.
func (a *api) mutations() (all []*catalog.Mutation) {
	a.Helper()
	for _, raw := range a.stored() {
		var decoder message.Decoder
		for _, arrival := range decoder.DecodeAll(nil, message.Raw{Subject: raw.Subject, Headers: raw.Header, Data: raw.Data}) {
			require.Nil(a, arrival.Problem)
			all = append(all, arrival.Mutation)
		}
	}
	return all
}

func itemsOf(all []*catalog.Mutation) (items []string) {
	for _, m := range all {
		items = append(items, m.ItemID)
	}
	return items
}

func idsOf(all []*catalog.Mutation) (ids []string) {
	for _, m := range all {
		ids = append(ids, m.ID)
	}
	return ids
}
