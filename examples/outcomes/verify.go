// Package outcomes shows how a receiver checks what Courier posts to a webhook. Copy it.
package outcomes

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// tolerance is how far the signed time may be from now.
const tolerance = 5 * time.Minute

// Verify reports whether one of the secrets, each whsec_ and then base64, signed the body
// of a request a short time ago. body is what was received, byte for byte.
func Verify(header http.Header, body []byte, now time.Time, secrets ...string) bool {
	id, timestamp := header.Get("Webhook-Id"), header.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			continue
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		wanted := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		for given := range strings.FieldsSeq(header.Get("Webhook-Signature")) {
			if hmac.Equal([]byte(wanted), []byte(given)) {
				return true
			}
		}
	}
	return false
}
