package config

import (
	"net/netip"
	"net/url"
	"strings"
)

// checkAddresses refuses addresses to which secrets would travel in the open.
func (l *loader) checkAddresses(at string, a Account) {
	base, oauth := at+".base_url", at+".oauth_url"
	if l.lines[base] == 0 && l.lines["defaults.base_url"] != 0 {
		base = "defaults.base_url"
	}
	if !isPrivate(a.BaseURL) {
		l.reportAtf(base, inTheOpen)
	}
	if l.lines[oauth] != 0 && !isPrivate(a.OAuthURL) { // else it follows from base_url
		l.reportAtf(oauth, inTheOpen)
	}
}

const inTheOpen = "must begin with https://, as tokens and secrets are sent there; " +
	"http:// is for this machine and for hosts whose name has no dot, such as those of a container network"

// isPrivate reports an address that nobody on the way can read along: by https, or
// without leaving a private network.
func isPrivate(address string) bool {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "http" {
		return true // empty, https, or reported already
	}
	host := parsed.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost")
}
