package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/httpfail"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/internal/sleep"
	"github.com/catalog-courier/catalog-courier/source/webhook"
)

// Errors of Fetch. All but ErrGone may be over the next time.
var (
	// ErrAddress says that an address or a key does not have the form that it must have.
	ErrAddress = errors.New("the shop's address or key cannot be used")
	// ErrGone says that the shop has no such product.
	ErrGone = errors.New("the shop has no such product")
	// ErrKey says that the shop refuses the key.
	ErrKey = errors.New("the shop refuses the key")
	// ErrAway says that the shop does not answer, or not with what it should.
	ErrAway = errors.New("the shop does not answer as it should")
	// ErrPages says that a list of pages has no end within the limits.
	ErrPages = errors.New("the shop's pages have no end")
)

// ThrottledError says that the shop wants fewer requests.
type ThrottledError struct {
	// After is how long the shop wants to be left alone.
	After time.Duration
}

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("the shop wants fewer requests, and none for %s", e.After)
}

// Client reads products from a shop. It is safe for concurrent use.
type Client interface {
	// Fetch completes a delivery: the items of its product, as they are now. It is the
	// delivery's Incomplete, or the product of its InventoryItem.
	Fetch(ctx context.Context, d webhook.Delivery) (webhook.Delivery, error)
}

const (
	// requestTimeout bounds one request, maxAnswer the bytes of one answer.
	requestTimeout = 15 * time.Second
	maxAnswer      = 16 << 20
	// maxPages is how many pages a product may have: 2,048 variants are 21.
	maxPages = 50
	// maxWait is the longest time that a throttled request waits by itself.
	maxWait = 5 * time.Second
	// maxTries is how often one request is tried while the shop wants fewer requests.
	maxTries = 4
)

// caller sends requests to one shop.
type caller struct {
	base   *url.URL
	client *http.Client
	sign   func(*http.Request)
}

// newCaller checks an address. A key travels by https only, but for this machine.
func newCaller(address string, sign func(*http.Request)) (*caller, error) {
	base, err := url.Parse(strings.TrimRight(address, "/"))
	switch {
	case err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("%w: the address must be https://host, without a user, ? and #", ErrAddress)
	case base.Scheme == "http" && loopback(base.Hostname()):
	case base.Scheme != "https":
		return nil, fmt.Errorf("%w: %s is not https, and the key would be readable on the way", ErrAddress, base.Redacted())
	}
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		transport = &http.Transport{}
	}
	transport = transport.Clone()
	transport.MaxIdleConnsPerHost, transport.IdleConnTimeout = 2, 30*time.Second
	return &caller{base: base, sign: sign, client: &http.Client{
		Transport: transport, Timeout: requestTimeout,
		// A redirect would take the key to another address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func loopback(host string) bool {
	address := net.ParseIP(host)
	return host == "localhost" || address != nil && address.IsLoopback()
}

// Close ends idle connections.
func (c *caller) Close() { c.client.CloseIdleConnections() }

// call sends a request and decodes the answer into result, whose numbers stay as written.
// Throttled requests are tried again as long as the context lasts and a few times at most.
func (c *caller) call(ctx context.Context, method, path string, query url.Values, body []byte, result any) error {
	for try := 1; ; try++ {
		err := c.once(ctx, method, path, query, body, result)
		throttled, ok := errors.AsType[*ThrottledError](err)
		if !ok || try == maxTries || throttled.After > maxWait {
			return err
		}
		if err := sleep.For(ctx, throttled.After); err != nil {
			return errors.Join(throttled, err)
		}
	}
}

func (c *caller) once(ctx context.Context, method, path string, query url.Values, body []byte, result any) error {
	target := c.base.JoinPath(path)
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAddress, err)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "catalog-courier")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	c.sign(request)
	answer, err := c.client.Do(request)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAway, httpfail.Cause(err))
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%w: the answer ends early: %w", ErrAway, httpfail.Cause(err))
	case len(data) > maxAnswer:
		return fmt.Errorf("%w: an answer has more than %d bytes", ErrAway, maxAnswer)
	}
	switch status := answer.StatusCode; {
	case status == http.StatusNotFound || status == http.StatusGone:
		return fmt.Errorf("%w: status %d", ErrGone, status)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Errorf("%w: status %d: %s", ErrKey, status, legible.Clip(string(data), 200))
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") != "":
		return &ThrottledError{After: restAfter(answer.Header)}
	case status != http.StatusOK:
		return fmt.Errorf("%w: status %d: %s", ErrAway, status, legible.Clip(string(data), 200))
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(result); err != nil {
		return fmt.Errorf("%w: the answer is not the JSON of the interface: %s", ErrAway, legible.Clip(string(data), 80))
	}
	return nil
}

// restAfter is how long the shop wants to be left alone: as it says, at least a second and at
// most an hour; two seconds where it says nothing.
func restAfter(header http.Header) time.Duration {
	const unsaid, least, most = 2 * time.Second, time.Second, time.Hour
	if header.Get("Retry-After") == "" {
		return unsaid
	}
	return max(httpfail.RetryAfter(header, time.Now(), most), least)
}
