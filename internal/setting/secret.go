package setting

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
)

const redacted = "[redacted]"

// Secret is a value that must never be shown. However it is printed, marshalled
// or logged it reads "[redacted]"; only Reveal gives the value.
type Secret struct {
	// A pointer: in a field that is not exported fmt calls no method of the value,
	// but prints no more than the address.
	value *string
}

// NewSecret wraps a value.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Reveal returns the value, for the one call that needs it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is no value.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

func (s Secret) String() string { return redacted }

// GoString is what %#v prints.
func (s Secret) GoString() string { return redacted }

// Format answers every verb of fmt: without it %x would print the bytes.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(redacted)) }

// MarshalJSON hides the value.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText hides the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalYAML hides the value.
func (s Secret) MarshalYAML() (any, error) { return redacted, nil }

// LogValue hides the value.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Address is the part of a secret URL, or of several with commas between them, that
// may be shown: scheme, host and path, without user, password and query. A value
// that is neither shows nothing.
func (s Secret) Address() string {
	var shown []string
	for one := range strings.SplitSeq(s.Reveal(), ",") {
		if address := withoutSecrets(strings.TrimSpace(one)); address != "" {
			shown = append(shown, address)
		}
	}
	if len(shown) == strings.Count(s.Reveal(), ",")+1 {
		return strings.Join(shown, ",")
	}
	if address := withoutSecrets(s.Reveal()); address != "" { // of several hosts, perhaps
		return address
	}
	return redacted
}

// withoutSecrets is what may be shown of a URL; "" when it is not clear where its
// password ends.
func withoutSecrets(address string) string {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || strings.Contains(parsed.Path, "@") {
		return ""
	}
	shown := url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: parsed.Path}
	return shown.String()
}
