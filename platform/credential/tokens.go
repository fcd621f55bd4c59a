package credential

import (
	"encoding/json"
	"fmt"
	"slices"
)

// tokens are what is sealed.
type tokens struct {
	Access string `json:"access_token,omitempty"`
	// Refresh are the refresh tokens, newest first. The older ones are kept because
	// a worker may end between the platform's answer and writing it down: then the
	// newest one known is not the newest there is.
	Refresh []string `json:"refresh_tokens,omitempty"`
}

// keepRefresh is how many refresh tokens are kept.
const keepRefresh = 3

// with are the tokens after a renewal that a refresh token was used for.
func (t tokens) with(given grant, used string) tokens {
	next := tokens{Access: given.access}
	for _, token := range append([]string{given.refresh, used}, t.Refresh...) {
		next = next.remember(token)
	}
	return next
}

// remember adds a refresh token behind those that are known.
func (t tokens) remember(token string) tokens {
	if token != "" && len(t.Refresh) < keepRefresh && !slices.Contains(t.Refresh, token) {
		t.Refresh = append(slices.Clone(t.Refresh), token)
	}
	return t
}

// beside are the tokens of another renewal, with this one's newest refresh token
// as the second choice.
func (t tokens) beside(other tokens) tokens {
	if len(t.Refresh) == 0 || len(other.Refresh) == 0 {
		return other
	}
	merged := tokens{Access: other.Access, Refresh: other.Refresh[:1:1]}
	for _, token := range append([]string{t.Refresh[0]}, other.Refresh[1:]...) {
		merged = merged.remember(token)
	}
	return merged
}

// Format keeps the tokens out of whatever is printed.
func (t tokens) Format(state fmt.State, _ rune) { printName(state, "tokens", "[redacted]") }

func (t tokens) seal(keys *Keyring, name string) (keyID string, sealed []byte, err error) {
	text, err := json.Marshal(t) //nolint:gosec // it is sealed below
	if err != nil {
		return "", nil, err
	}
	keyID, sealed = keys.seal(name, text)
	return keyID, sealed, nil
}

func openTokens(keys *Keyring, name, keyID string, sealed []byte) (tokens, error) {
	text, err := keys.open(name, keyID, sealed)
	if err != nil {
		return tokens{}, err
	}
	var opened tokens
	if err := json.Unmarshal(text, &opened); err != nil {
		return tokens{}, fmt.Errorf("sealed tokens cannot be read: %w", err)
	}
	return opened, nil
}
