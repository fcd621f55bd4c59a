// Package rest makes one bounded HTTP call to a platform: one timeout, one answer
// of limited size, and an error that says whether the request may have been taken.
package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/httpfail"
	"github.com/catalog-courier/catalog-courier/platform"
)

const (
	defaultTimeout = time.Minute
	// maxAnswer is far above the largest honest answer: 5000 items with an error
	// of a few hundred bytes each.
	maxAnswer = 16 << 20
	// maxDrain is how much of an answer beyond its limit is read to keep the
	// connection usable; more is cheaper to cut off.
	maxDrain = 64 << 10
)

// Client makes calls with one account's credentials. Safe for concurrent use.
type Client struct {
	http    *http.Client
	token   func(ctx context.Context) (string, error)
	refused func(token string) // may be nil
	auth    Auth
	words   []string // of its TokenShapes
	timeout time.Duration
}

// key is what opens the platform for one call.
type key struct {
	token string
	// parameter, when not empty, is a query parameter that goes with the token.
	parameter, proof string
}

func (k key) secrets() []string { return []string{k.token, k.proof} }

// New makes a client from an account's settings, whose token travels as auth says. It follows no redirects: a POST
// that moves to another address may carry the token to a stranger.
func New(settings platform.Settings, auth Auth) *Client {
	own := http.Client{}
	if settings.HTTP != nil {
		own = *settings.HTTP
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if own.Transport == nil {
		own.Transport = http.DefaultTransport
	}
	own.Transport = locations{own.Transport}
	timeout := settings.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	return &Client{http: &own, token: settings.Token, refused: settings.TokenRefused, auth: auth, words: wordsIn(auth.TokenShapes), timeout: timeout}
}

// Call is one request.
type Call struct {
	Operation string // for people, such as "POST items_batch"
	Method    string
	URL       string // never with a secret
	Body      []byte // JSON; nil for none
}

// changes reports whether the call may change something on the platform.
func (c Call) changes() bool { return c.Method != http.MethodGet }

// Answer is a whole answer of any HTTP status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte

	key     key
	refused func(token string)
	shapes  *regexp.Regexp
}

// Redact makes words of the answer fit to be logged and stored.
func (a *Answer) Redact(text string) string { return Redact(text, a.shapes, a.key.secrets()...) }

// Do makes the call. The error, when not nil, means that there is no whole answer;
// that of a POST is then ambiguous, unless none of the request's bytes went out. Whether the
// answer is a good one is the caller's to judge. A call that was not authorized is
// made once more if there is another token by then: that answer says that nothing
// was done.
func (c *Client) Do(ctx context.Context, call Call) (*Answer, *platform.Error) {
	if err := ctx.Err(); err != nil {
		return nil, c.callFailure(ctx, call, key{}, err, false)
	}
	kept := platform.AnswerKept(ctx)
	if kept != nil {
		kept.Set("") // that of the call before
	}
	answer, failure := c.do(ctx, call)
	if kept != nil && answer != nil {
		kept.Set(keep(answer.Body, answer.shapes, c.words, answer.key.secrets()))
	}
	return answer, failure
}

func (c *Client) do(ctx context.Context, call Call) (*Answer, *platform.Error) {
	first, err := c.key(ctx)
	if err != nil {
		return nil, c.tokenFailure(ctx, call, err)
	}
	answer, failure := c.try(ctx, call, first)
	if failure != nil || answer.Status != http.StatusUnauthorized || c.refused == nil {
		return answer, failure
	}
	c.refused(first.token)
	switch second, err := c.key(ctx); {
	case err != nil:
		return nil, c.tokenFailure(ctx, call, err)
	case second.token == first.token:
		return answer, nil
	default:
		return c.try(ctx, call, second)
	}
}

// try makes the call with one token.
func (c *Client) try(ctx context.Context, call Call, key key) (*Answer, *platform.Error) {
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	watch := &watch{}
	request, err := c.newRequest(watch.attach(bounded), call, key)
	if err != nil {
		return nil, &platform.Error{
			Scope: platform.ScopeCaller, Operation: call.Operation,
			Message: "the request cannot be built", Err: httpfail.Cause(err),
		}
	}
	response, err := c.http.Do(request) //nolint:bodyclose // closeBody closes it
	if err != nil {
		return nil, c.callFailure(ctx, call, key, httpfail.Cause(err), watch.mayHaveWritten(err))
	}
	defer closeBody(response.Body)
	body, err := readAll(response)
	if err != nil {
		failure := c.callFailure(ctx, call, key, err, true)
		failure.HTTPStatus = response.StatusCode
		failure.Unclear = isGood(response.StatusCode) && (errors.Is(err, errTooLong) || errors.Is(err, io.ErrUnexpectedEOF))
		return nil, failure
	}
	return &Answer{Status: response.StatusCode, Header: response.Header, Body: body, key: key, refused: c.refused, shapes: c.auth.TokenShapes}, nil
}

func isGood(status int) bool { return status >= 200 && status < 300 }

// key gets the current token, for no longer than a call may take: it may be on its
// way from the platform.
func (c *Client) key(ctx context.Context) (key, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	token, err := c.token(ctx)
	if err != nil || c.auth.Proof == nil {
		return key{token: token}, err
	}
	return key{token: token, parameter: c.auth.ProofParameter, proof: c.auth.Proof(token)}, nil
}

func (c *Client) newRequest(ctx context.Context, call Call, key key) (*http.Request, error) {
	var body io.Reader
	if call.Body != nil {
		body = bytes.NewReader(call.Body)
	}
	request, err := http.NewRequestWithContext(ctx, call.Method, call.URL, body)
	if err != nil {
		return nil, err
	}
	if key.proof != "" {
		query := request.URL.Query()
		query.Set(key.parameter, key.proof)
		request.URL.RawQuery = query.Encode()
	}
	request.Header.Set(c.auth.Header, c.auth.Prefix+key.token)
	request.Header.Set("Accept", "application/json")
	if call.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// errTooLong is the error of an answer above maxAnswer.
var errTooLong = errors.New("the answer is longer than 16 MiB")

func readAll(response *http.Response) ([]byte, error) {
	if response.ContentLength > maxAnswer {
		return nil, errTooLong
	}
	var buffer bytes.Buffer
	if response.ContentLength > 0 {
		buffer.Grow(int(response.ContentLength) + bytes.MinRead)
	}
	_, err := buffer.ReadFrom(http.MaxBytesReader(nil, response.Body, maxAnswer))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, errTooLong
	}
	if err != nil {
		return nil, fmt.Errorf("the answer breaks off: %w", err)
	}
	return buffer.Bytes(), nil
}

// closeBody reads a little more so that the connection can be used again. Nothing
// depends on its errors: the answer is complete or refused by now.
func closeBody(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxDrain)
	_ = body.Close()
}
