package sandbox

import (
	"slices"
	"time"
)

// Authorize is a call of the token endpoint, for InjectNext and Plan.
const Authorize CallKind = "authorize"

// OAuth makes a simulated platform give out access tokens, and take no others than
// those and Options.Tokens. The zero value has no token endpoint.
type OAuth struct {
	ClientID     string
	ClientSecret string
	// RefreshToken is the first one that is taken; "" knows client credentials only.
	RefreshToken string
	// Life of an access token. Defaults to 30 days.
	Life time.Duration
	// Rotate gives a new refresh token with each renewal and takes the old ones no
	// more.
	Rotate bool
	// KeepAccess leaves earlier access tokens good when a new one is given.
	KeepAccess bool
}

// oauth is the state of the token endpoint. core.mu guards it.
type oauth struct {
	Refresh string               // the one that is taken
	Issued  map[string]time.Time // access tokens, with their end
	Given   int
}

// admits reports whether an access token is good. c.mu must be held.
func (c *Core) admits(token string) bool {
	if token == "" || c.revoked {
		return false
	}
	if slices.Contains(c.Options.Tokens, token) {
		return true
	}
	if c.Options.OAuth.ClientID == "" {
		return len(c.Options.Tokens) == 0
	}
	return time.Now().Before(c.Grants.Issued[token])
}
