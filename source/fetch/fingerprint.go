package fetch

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"
	"time"
)

// fingerprint is what tells content of one address from other content. Empty fields are
// not known.
type fingerprint struct {
	etag     string // http and s3, as the server wrote it
	modified string // http: Last-Modified, where it tells two versions apart
	stat     string // sftp: size and time of modification, where they tell two versions apart
	sha256   string // of the bytes on disk
}

// longestTag is the longest etag that is kept.
const longestTag = 1024

// encode writes the fingerprint for the caller, bound to the address that has the id.
func (p fingerprint) encode(id string) string {
	values := url.Values{"address": {id}}
	for name, value := range map[string]string{"etag": p.etag, "modified": p.modified, "stat": p.stat, "sha256": p.sha256} {
		if value != "" {
			values.Set(name, value)
		}
	}
	return values.Encode()
}

// parseFingerprint is the opposite of encode. What is of another address, or not readable,
// is nothing: then the content is fetched.
func parseFingerprint(text, id string) fingerprint {
	values, err := url.ParseQuery(text)
	if err != nil || values.Get("address") != id {
		return fingerprint{}
	}
	return fingerprint{etag: values.Get("etag"), modified: values.Get("modified"), stat: values.Get("stat"), sha256: values.Get("sha256")}
}

// idOf is a short hash of an address.
func idOf(address string) string {
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:8])
}

// statOf is size and time of modification as a fingerprint has them.
func statOf(size int64, modified time.Time) string {
	return strconv.FormatInt(size, 10) + "@" + strconv.FormatInt(modified.Unix(), 10)
}
