package platform

import (
	"crypto/sha256"
	"encoding/hex"
)

// CredentialsHash names credentials without revealing them. Give it what stays
// the same over token refreshes: the client id, or the fixed access token.
func CredentialsHash(parts ...string) string {
	digest := sha256.New()
	for _, part := range parts {
		digest.Write([]byte(part))
		digest.Write([]byte{0})
	}
	return hex.EncodeToString(digest.Sum(nil))[:16]
}
