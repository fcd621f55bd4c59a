// Package standardwebhooks signs what is posted to others, as Standard Webhooks says
// (https://www.standardwebhooks.com, version 1).
package standardwebhooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed POST.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp" // Unix seconds
	HeaderSignature = "Webhook-Signature"
)

// ErrSecret says that a text is not a secret of Standard Webhooks.
var ErrSecret = errors.New("must be whsec_ and then 24 to 64 bytes in base64, such as the output of: echo whsec_$(openssl rand -base64 32)")

// ParseSecret reads the key of a secret: whsec_, then 24 to 64 bytes in base64. The error is
// ErrSecret, which does not show the text.
func ParseSecret(text string) (key []byte, err error) {
	encoded, ok := strings.CutPrefix(text, "whsec_")
	key, err = base64.StdEncoding.DecodeString(encoded)
	const least, most = 24, 64
	if !ok || err != nil || len(key) < least || len(key) > most {
		return nil, ErrSecret
	}
	return key, nil
}

// Sign sets the headers of a POST. id is the same each time that a message is sent, at is the
// time of this attempt. There is one signature for each key, so that a receiver may change
// its secret while both are in use, and none without a key.
func Sign(header http.Header, id string, at time.Time, body []byte, keys ...[]byte) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	header.Set(HeaderID, id)
	header.Set(HeaderTimestamp, stamp)
	signatures := make([]string, len(keys))
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		_, _ = io.WriteString(mac, id+"."+stamp+".") // it never fails
		_, _ = mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	if len(keys) > 0 {
		header.Set(HeaderSignature, strings.Join(signatures, " "))
	}
}
