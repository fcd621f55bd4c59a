package console

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Role is what somebody may do.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // reads everything
	Operator Role = "operator" // acts as well
)

// Identity is who sends a request.
type Identity struct {
	Name string
	Role Role
	// How says how it is known: none, basic, header or oidc.
	How string
}

// Login tells who sends a request.
type Login interface {
	// Identify returns who it is. Where it cannot, it has answered the request itself:
	// refused it, or sent the browser to where people log in.
	Identify(w http.ResponseWriter, r *http.Request) (Identity, bool)
	// Routes adds the login's own addresses below prefix, which need no identity.
	Routes(mux *http.ServeMux, prefix string)
	// CanLogOut reports that the login can be ended by a button.
	CanLogOut() bool
}

// ErrLogin says that a login cannot work as it is configured.
var ErrLogin = errors.New("the console's login is not configured right")

type identityKey struct{}

func identified(ctx context.Context, who Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, who)
}

// identityOf is who sent the request that ctx is of.
func identityOf(ctx context.Context) Identity {
	who, _ := ctx.Value(identityKey{}).(Identity)
	return who
}

// NoLogin takes everybody for the operator of this machine. New refuses it for a listener
// that others can reach.
type NoLogin struct{}

// Identify refuses what is not sent to this machine by an address of its own: a page
// elsewhere can have a name of its own answered with 127.0.0.1, and would then be of the
// same origin as the console.
func (NoLogin) Identify(w http.ResponseWriter, r *http.Request) (Identity, bool) {
	if !isLoopback(r.Host) {
		http.Error(w, "Without a login this console answers at localhost and 127.0.0.1 only. For another name, set console.login.", http.StatusMisdirectedRequest)
		return Identity{}, false
	}
	return Identity{Name: "local", Role: Operator, How: "none"}, true
}

// isLoopback reports whether a Host header names this machine for itself.
func isLoopback(host string) bool {
	name := host
	if alone, _, err := net.SplitHostPort(host); err == nil {
		name = alone
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	at, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && at.Unmap().IsLoopback()
}

// Routes adds none.
func (NoLogin) Routes(*http.ServeMux, string) {}

// CanLogOut is false: nobody logged in.
func (NoLogin) CanLogOut() bool { return false }

// roleOf is Operator where the name is among the operators.
func roleOf(operators map[string]bool, names ...string) Role {
	for _, name := range names {
		if operators[name] {
			return Operator
		}
	}
	return Viewer
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}
