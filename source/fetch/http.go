package fetch

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/httpfail"
	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// web is a web server.
type web struct {
	address *url.URL    // without login
	header  http.Header // whose values are secrets
	options *Options
	secrets *secrets
}

// attempt makes one request with its redirects.
func (w *web) attempt(ctx context.Context, d *download) error {
	route := &route{web: w}
	client := route.client()
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.address.String(), http.NoBody)
	if err != nil {
		return malformed()
	}
	w.ask(request.Header, d)
	asked := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return w.unanswered(err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	d.alive()
	switch {
	case response.StatusCode == http.StatusNotModified && request.Header.Get("If-Range") == "" && d.former.conditional():
		return fail(ErrUnchanged, "", "")
	case response.StatusCode == http.StatusOK:
		if err := d.begin(); err != nil {
			return err
		}
	case response.StatusCode == http.StatusPartialContent && d.rest() > 0:
		if err := w.continues(response, d); err != nil {
			return err
		}
	case response.StatusCode == http.StatusRequestedRangeNotSatisfiable && d.rest() > 0:
		_ = d.begin() // an error comes again with the next attempt
		return failLater(ErrChangedWhileRead, "the server has no more than what came", "")
	default:
		return w.refused(response)
	}
	return w.receive(ctx, d, response, route, asked)
}

// conditional reports whether the fingerprint can be sent to a web server.
func (p fingerprint) conditional() bool { return p.etag != "" || p.modified != "" }

// ask writes the header of a request.
func (w *web) ask(header http.Header, d *download) {
	header.Set("User-Agent", "catalog-courier")
	header.Set("Accept", "*/*")
	maps.Copy(header, w.header)
	// The body is kept as it comes, so that its length can be compared. Readers of feeds decompress it.
	header.Set("Accept-Encoding", "gzip")
	if from := d.rest(); from > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		header.Set("If-Range", d.etag)
		return
	}
	if d.former.etag != "" {
		header.Set("If-None-Match", d.former.etag)
	}
	if d.former.modified != "" {
		header.Set("If-Modified-Since", d.former.modified)
	}
}

// continues checks that a part begins where the last attempt ended, and is of the same content.
func (w *web) continues(response *http.Response, d *download) error {
	tag := response.Header.Get("ETag")
	if d.continues(response.Header.Get("Content-Range")) && (tag == "" || tag == d.etag) {
		return nil
	}
	if err := d.begin(); err != nil {
		return err
	}
	return failLater(ErrShort, "the server sent another part of the feed than was asked for", "tell who runs the server: its answers to Range are wrong")
}

// receive reads the body of an answer with content.
func (w *web) receive(ctx context.Context, d *download, response *http.Response, route *route, asked time.Time) error {
	body := bufio.NewReaderSize(reading{ctx: ctx, from: response.Body, alive: d.alive}, pieceSize)
	if response.StatusCode == http.StatusOK {
		if err := w.describe(d, response, asked); err != nil {
			return err
		}
		if d.total > w.options.MaxBytes {
			return tooLarge(d.total, w.options.MaxBytes)
		}
		if page := pageIn(response.Header.Get("Content-Type"), body); page != nil {
			return page.fail(w.secrets, route.passed)
		}
	}
	err := d.spool.take(body)
	if own := (*Error)(nil); errors.As(err, &own) {
		return own
	}
	if err != nil || d.total >= 0 && d.spool.size != d.total {
		return w.broken(err, d)
	}
	return nil
}

// describe keeps what the header says of the content.
func (w *web) describe(d *download, response *http.Response, asked time.Time) error {
	header := response.Header
	switch encoding := strings.ToLower(strings.TrimSpace(header.Get("Content-Encoding"))); encoding {
	case "", "identity", "gzip", "x-gzip", "zstd":
	default:
		return fail(ErrStatus, fmt.Sprintf("the server compressed the feed as %q, which was not asked for", w.secrets.clean(encoding)),
			"let the server send it with gzip or uncompressed")
	}
	now := time.Now()
	d.total = response.ContentLength
	d.kind = legible.Clip(header.Get("Content-Type"), 100)
	if d.total < 0 && response.ProtoMajor == 1 && len(response.TransferEncoding) == 0 {
		d.notes = append(d.notes, "the server does not announce the feed's length: a text that is cut off cannot be noticed by its size")
	}
	d.at = asked
	modified, err := http.ParseTime(header.Get("Last-Modified"))
	if err != nil {
		modified = time.Time{}
	}
	at, notes := modification(modified, asked, now, header)
	d.at, d.notes = at, append(d.notes, notes...)
	if tag := header.Get("ETag"); tag != "" && len(tag) <= longestTag {
		d.found.etag = tag
		if strings.HasPrefix(tag, `"`) && !strings.EqualFold(header.Get("Accept-Ranges"), "none") {
			d.etag = tag
		}
	}
	// Last-Modified has whole seconds: only of content that is a minute old it tells one
	// version from the next, by the server's clock (RFC 9110, 8.8.2.2).
	if date, err := http.ParseTime(header.Get("Date")); err == nil && !modified.IsZero() && date.Sub(modified) >= time.Minute {
		d.found.modified = header.Get("Last-Modified")
	}
	return nil
}

// broken is the error of a body that ended too early.
func (w *web) broken(cause error, d *download) *Error {
	came := fmt.Sprintf("%d bytes came", d.spool.size)
	if d.total >= 0 {
		came = fmt.Sprintf("%d of %d bytes came", d.spool.size, d.total)
	}
	if cause != nil && !errors.Is(cause, io.ErrUnexpectedEOF) {
		came += " (" + w.secrets.clean(httpfail.Cause(cause).Error()) + ")"
	}
	return failLater(ErrShort, came, "the server or a proxy cut the connection; look at its limits of time and size")
}

// refused is the error of an answer without content.
func (w *web) refused(response *http.Response) *Error {
	d := "the server answered " + w.secrets.clean(response.Status)
	if piece := pieceOf(response); piece != "" {
		d += ": " + w.secrets.clean(piece)
	}
	status := response.StatusCode
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fail(ErrDenied, d, "check username, password and header, and whether the server admits this machine's address")
	case status == http.StatusProxyAuthRequired:
		return fail(ErrDenied, d, "check the login in the environment variables HTTP_PROXY and HTTPS_PROXY")
	case status == http.StatusNotFound, status == http.StatusGone:
		return fail(ErrNotFound, d, "check the address")
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
		err := failLater(ErrStatus, d, "try later; if it stays, tell who runs the server")
		err.wait = httpfail.RetryAfter(response.Header, time.Now(), longestWait)
		if err.wait > w.options.RetryFor {
			err.Do = fmt.Sprintf("the server asks to wait for %s", err.wait.Round(time.Second))
		}
		return err
	case status == http.StatusNotModified:
		return fail(ErrStatus, d+" though the feed was asked for without a condition", "tell who runs the server or its cache")
	case status >= 300 && status < 400:
		return fail(ErrRedirect, d+" without saying where to", "write the final address")
	}
	return fail(ErrStatus, d, "check the address and what it needs")
}

// longestWait is more than any budget; it keeps an absurd Retry-After from overflowing.
const longestWait = 30 * 24 * time.Hour

// unanswered is the error of a request that has no answer.
func (w *web) unanswered(err error) *Error {
	if own := (*Error)(nil); errors.As(err, &own) { // of a redirect or of the route
		return own
	}
	return unreachable(err, w.secrets)
}

// unreachable says why there is no connection.
func unreachable(err error, secrets *secrets) *Error {
	what := secrets.clean(httpfail.Cause(err).Error())
	switch {
	case errors.As(err, new(*tls.CertificateVerificationError)), errors.As(err, new(x509.UnknownAuthorityError)),
		errors.As(err, new(x509.HostnameError)), errors.As(err, new(x509.CertificateInvalidError)):
		return fail(ErrUnreachable, what, "the server's certificate is not valid: correct it there, or add its authority to this machine's certificates")
	case errors.As(err, new(tls.RecordHeaderError)), strings.Contains(what, "server gave HTTP response to HTTPS client"):
		return fail(ErrUnreachable, what, "the server does not speak TLS there: check the scheme and the port")
	}
	if lookup := (*net.DNSError)(nil); errors.As(err, &lookup) && lookup.IsNotFound {
		return fail(ErrNotFound, what, "check the host's name")
	}
	return failLater(ErrUnreachable, what, "check host and port, and whether a firewall is in between")
}
