package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// sealer signs what a browser keeps, so that it cannot be changed or used for another
// purpose or later than it was made for.
type sealer struct {
	key []byte
	now func() time.Time
}

type sealed struct {
	Until   int64           `json:"until"` // Unix seconds
	Content json.RawMessage `json:"content"`
}

var errSeal = errors.New("not signed here, or over")

func (s sealer) seal(purpose string, content any, lasts time.Duration) (string, error) {
	inner, err := json.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	outer, err := json.Marshal(sealed{Until: s.now().Add(lasts).Unix(), Content: inner})
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	body := base64.RawURLEncoding.EncodeToString(outer)
	return body + "." + base64.RawURLEncoding.EncodeToString(s.sign(purpose, body)), nil
}

func (s sealer) open(purpose, text string, into any) error {
	const longest = 8 << 10
	body, signature, found := strings.Cut(text, ".")
	given, err := base64.RawURLEncoding.DecodeString(signature)
	if !found || err != nil || len(text) > longest || !hmac.Equal(given, s.sign(purpose, body)) {
		return errSeal
	}
	outer, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return errSeal
	}
	var content sealed
	if err := json.Unmarshal(outer, &content); err != nil || s.now().Unix() >= content.Until {
		return errSeal
	}
	return json.Unmarshal(content.Content, into)
}

func (s sealer) sign(purpose, body string) []byte {
	mac := hmac.New(sha256.New, s.key)
	_, _ = fmt.Fprintf(mac, "%s|%s", purpose, body)
	return mac.Sum(nil)
}
