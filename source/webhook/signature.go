package webhook

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kind is who sends: what is signed how, and what the body is.
type Kind string

// The kinds that are known.
const (
	Shopify     Kind = "shopify"
	WooCommerce Kind = "woocommerce"
	// Standard is https://www.standardwebhooks.com, version 1.
	Standard Kind = "standard"
)

// Kinds lists them.
func Kinds() []Kind { return []Kind{Shopify, WooCommerce, Standard} }

// Errors of Verify.
var (
	// ErrSignature says that no secret gives the signature: the body is not from who has
	// them, or was changed on the way.
	ErrSignature = errors.New("the signature does not match the body and any of the secrets")
	// ErrUnsigned says that there is no signature.
	ErrUnsigned = errors.New("there is no signature")
	// ErrTimestamp says that a signed time is more than Tolerance away: somebody may be
	// repeating what was sent before.
	ErrTimestamp = errors.New("the signed time is too far from now")
	// ErrSecret says that a secret does not have the form of its kind.
	ErrSecret = errors.New("the secret does not have the form of its kind")
)

// Tolerance is how far a signed time may be from now (Standard Webhooks 1.0.0 leaves it to
// the receiver and its libraries take 5 minutes).
const Tolerance = 5 * time.Minute

// Secrets are what a sender may sign with: several while one is replaced. Shopify goes on
// with the old one for up to an hour.
type Secrets struct {
	// Tolerance is how far a signed time may be from now; 0 means [Tolerance].
	Tolerance time.Duration

	kind Kind
	keys [][]byte
}

// NewSecrets checks secrets. The error is ErrSecret; it does not show them.
func NewSecrets(kind Kind, secrets ...string) (Secrets, error) {
	s := Secrets{kind: kind}
	if len(secrets) == 0 {
		return s, fmt.Errorf("%w: there is none", ErrSecret)
	}
	for i, secret := range secrets {
		secret = strings.TrimSpace(secret)
		switch {
		case secret == "":
			return s, fmt.Errorf("%w: number %d is empty", ErrSecret, i+1)
		case kind == Standard:
			// Some print it without the signs that fill up the last group.
			key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimPrefix(secret, "whsec_"), "="))
			if err != nil || len(key) == 0 {
				return s, fmt.Errorf("%w: number %d is not whsec_ and base64", ErrSecret, i+1)
			}
			s.keys = append(s.keys, key)
		case kind == WooCommerce:
			s.keys = append(s.keys, []byte(secret))
			// WooCommerce decodes references of HTML in the secret before it signs, so that
			// a secret with & or < is another one than the page shows (class-wc-webhook.php).
			if decoded := html.UnescapeString(secret); decoded != secret {
				s.keys = append(s.keys, []byte(decoded))
			}
		default:
			s.keys = append(s.keys, []byte(secret))
		}
	}
	return s, nil
}

// Verify checks the signature of a body. The error is one of ErrUnsigned, ErrSignature and
// ErrTimestamp.
func (s Secrets) Verify(header http.Header, body []byte, now time.Time) error {
	switch s.kind {
	case Shopify:
		// The names without X- are those of Shopify's newer events.
		return s.match(first(header, "X-Shopify-Hmac-SHA256", "Shopify-Hmac-SHA256"), body)
	case WooCommerce:
		return s.match(header.Get("X-Wc-Webhook-Signature"), body)
	case Standard:
		return s.standard(header, body, now)
	}
	return fmt.Errorf("%w: unknown kind %q", ErrSecret, s.kind)
}

// first is the first of several headers that is there.
func first(header http.Header, names ...string) string {
	for _, name := range names {
		if value := header.Get(name); value != "" {
			return value
		}
	}
	return ""
}

func (s Secrets) match(signature string, signed ...[]byte) error {
	if signature == "" {
		return ErrUnsigned
	}
	given, err := base64.StdEncoding.DecodeString(strings.TrimSpace(signature))
	if err != nil {
		return ErrSignature
	}
	matches := false
	for _, key := range s.keys { // all of them, so that the time says nothing
		mac := hmac.New(sha256.New, key)
		for _, part := range signed {
			mac.Write(part)
		}
		matches = hmac.Equal(mac.Sum(nil), given) || matches
	}
	if !matches {
		return ErrSignature
	}
	return nil
}

// standard checks "v1,<base64>", several of them separated by blanks, over id.timestamp.body.
func (s Secrets) standard(header http.Header, body []byte, now time.Time) error {
	id, stamp := first(header, "Webhook-Id", "Svix-Id"), first(header, "Webhook-Timestamp", "Svix-Timestamp")
	signatures := first(header, "Webhook-Signature", "Svix-Signature")
	if id == "" || stamp == "" || signatures == "" {
		return ErrUnsigned
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return ErrTimestamp
	}
	result := ErrSignature
	const most = 20
	for i, signature := range strings.Fields(signatures) {
		version, value, _ := strings.Cut(signature, ",")
		if i >= most || version != "v1" {
			continue
		}
		if s.match(value, []byte(id), []byte("."), []byte(stamp), []byte("."), body) == nil {
			result = nil
		}
	}
	if away := now.Sub(time.Unix(seconds, 0)).Abs(); result == nil && away > cmp.Or(s.Tolerance, Tolerance) {
		return fmt.Errorf("%w: it is %s, and now it is %s", ErrTimestamp, time.Unix(seconds, 0).UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return result
}
