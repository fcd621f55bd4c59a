package fetch

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"syscall"
)

// mostRedirects are followed.
const mostRedirects = 5

// maxHeader is the most bytes of an answer's header.
const maxHeader = 256 << 10

// route is the way of one request through redirects.
type route struct {
	web    *web
	passed []string    // addresses after the first, as errors show them
	left   atomic.Bool // another host than that of the settings is asked
	inside atomic.Bool // the host of the settings is in a private network
}

// client makes connections that end with the attempt.
func (r *route) client() *http.Client {
	dialer := &net.Dialer{Timeout: r.web.options.ConnectTimeout, ControlContext: r.admit}
	return &http.Client{
		CheckRedirect: r.follow,
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    r.web.options.ConnectTimeout,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeader,
		},
	}
}

// follow decides about a redirect. Credentials go to the host of the settings only, and not
// after another host was asked.
func (r *route) follow(next *http.Request, asked []*http.Request) error {
	next.URL.User, next.URL.Fragment = nil, ""
	next.Header.Del("Referer") // it would be the address with its parameters
	shown := r.web.secrets.clean(show(next.URL))
	r.passed = append(r.passed, shown)
	for _, earlier := range asked {
		if earlier.URL.String() == next.URL.String() {
			return fail(ErrRedirect, "it leads in a circle, back to "+shown, "the server may want a login or cookies; write the address of the feed itself")
		}
	}
	last := asked[len(asked)-1].URL
	switch {
	case next.URL.Scheme != "http" && next.URL.Scheme != "https":
		return fail(ErrRedirect, "it leads to "+shown, "write the address of the feed itself")
	case len(asked) > mostRedirects:
		return fail(ErrRedirect, fmt.Sprintf("there are more than %d redirects, the last one to %s", mostRedirects, shown), "write the address of the feed itself")
	case last.Scheme == "https" && next.URL.Scheme == "http":
		return fail(ErrRedirect, fmt.Sprintf("it leads from https to %s, where anybody in between could change the feed", shown),
			"correct the server, or write the address of the feed itself")
	}
	if !sameOrigin(asked[0].URL, next.URL) {
		r.left.Store(true)
	}
	if r.left.Load() {
		for name := range r.web.header {
			next.Header.Del(name)
		}
	}
	return nil
}

// sameOrigin reports whether credentials for the first address may go to the second one:
// the same host and port, or from http to https of one host, both with their usual ports.
func sameOrigin(from, to *url.URL) bool {
	if from.Hostname() != to.Hostname() {
		return false
	}
	return from.Scheme == to.Scheme && portOf(from) == portOf(to) ||
		from.Scheme == "http" && to.Scheme == "https" && portOf(from) == "80" && portOf(to) == "443"
}

func portOf(address *url.URL) string {
	switch port := address.Port(); {
	case port != "":
		return port
	case address.Scheme == "https":
		return "443"
	}
	return "80"
}

// carrier are addresses of providers' inner networks, with services of some clouds (RFC 6598).
var carrier = netip.MustParsePrefix("100.64.0.0/10")

// admit refuses connections into private networks that a server outside asks for by a
// redirect. What the settings name is the operator's decision.
func (r *route) admit(_ context.Context, _, address string, _ syscall.RawConn) error {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil //nolint:nilerr // not an address of the internet
	}
	ip := parsed.Addr().Unmap()
	private := ip.IsLoopback() || ip.IsPrivate() || carrier.Contains(ip) || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast()
	switch {
	case !r.left.Load():
		r.inside.Store(private)
	case private && !r.inside.Load():
		return fail(ErrRedirect, "it leads from a public host into a private network", "write the address of the feed itself")
	}
	return nil
}
