package console

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// ProxyOptions say which proxy is believed, and what it tells.
type ProxyOptions struct {
	// From are the addresses of the proxy, at least one.
	From []netip.Prefix
	// UserHeader has the name of who logged in. Defaults to X-Forwarded-User.
	UserHeader string
	// GroupsHeader has groups, separated by commas. Defaults to X-Forwarded-Groups.
	GroupsHeader string
	// Operators are names, OperatorGroups groups that may act.
	Operators, OperatorGroups []string
}

// Proxy believes the header that a proxy sets in front of the console. Everybody else who
// sends it is refused: whoever reaches the console past the proxy could name anybody.
type Proxy struct {
	from         []netip.Prefix
	user, groups string
	operators    map[string]bool
	operating    map[string]bool // groups
}

// NewProxy makes the login. The error is ErrLogin where no address is trusted.
func NewProxy(o ProxyOptions) (*Proxy, error) {
	p := &Proxy{from: o.From, user: o.UserHeader, groups: o.GroupsHeader, operators: setOf(o.Operators), operating: setOf(o.OperatorGroups)}
	if p.user == "" {
		p.user = "X-Forwarded-User"
	}
	if p.groups == "" {
		p.groups = "X-Forwarded-Groups"
	}
	if len(p.from) == 0 {
		return nil, fmt.Errorf("%w: no proxy address is trusted", ErrLogin)
	}
	return p, nil
}

// Identify reads the header, of the proxy alone.
func (p *Proxy) Identify(w http.ResponseWriter, r *http.Request) (Identity, bool) {
	if !p.trusts(r.RemoteAddr) {
		http.Error(w, "This console is reached through its proxy only.", http.StatusForbidden)
		return Identity{}, false
	}
	// Two values could be one of the proxy and one of the sender.
	names := r.Header.Values(p.user)
	if len(names) != 1 || strings.TrimSpace(names[0]) == "" {
		http.Error(w, "The proxy did not say who you are.", http.StatusUnauthorized)
		return Identity{}, false
	}
	name := strings.TrimSpace(names[0])
	role := roleOf(p.operators, name)
	if groups := r.Header.Values(p.groups); role == Viewer && len(groups) == 1 {
		for group := range strings.SplitSeq(groups[0], ",") {
			if p.operating[strings.TrimSpace(group)] {
				role = Operator
			}
		}
	}
	return Identity{Name: name, Role: role, How: "header"}, true
}

func (p *Proxy) trusts(remote string) bool {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	for _, prefix := range p.from {
		if prefix.Contains(at.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// Routes adds none.
func (p *Proxy) Routes(*http.ServeMux, string) {}

// CanLogOut is false: the proxy keeps the login.
func (p *Proxy) CanLogOut() bool { return false }
