package platform

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// ErrWriteRefused is wrapped by the error of a connection that refuses a write
// because the worker's lease is over. A request that fails with it was certainly
// not sent only if none of its bytes went out before.
var ErrWriteRefused = errors.New("the lease no longer allows a write")

// WrittenCounter is offered by connections that count what they wrote. It tells
// a request refused before its first byte from one cut in the middle; without
// it the latter is assumed.
type WrittenCounter interface {
	// WrittenBytes is how many bytes the connection has passed on so far. It is safe
	// to call while a write is under way.
	WrittenBytes() int64
}

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
