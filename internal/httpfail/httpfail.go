// Package httpfail reads how a call of a web server failed: why, without what is secret in
// the address, and how long the server asks to wait.
package httpfail

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

var errRedirect = errors.New("the server redirects to a malformed address")

// Cause is an error of net/http without the address of the call, whose path, query or login may
// be secret. The names of hosts stay: a dialer or a resolver says which one it failed for.
// Other errors than those of net/http stay as they are.
func Cause(err error) error {
	for quoting := (*url.Error)(nil); errors.As(err, &quoting); {
		err = quoting.Err
	}
	// net/http has no kind for it, and quotes the address that the server gave, which may
	// repeat that of the call.
	if err != nil && strings.HasPrefix(err.Error(), "failed to parse Location header") {
		return errRedirect
	}
	return err
}

// RetryAfter is how long a server asks to wait in the header Retry-After, at most so long, in
// both forms of RFC 9110, section 10.2.3: seconds, with a fraction or without, or a date. It is
// 0 when there is none that makes sense. A date counts by the server's own clock where the
// answer has it (Date), else from now: the clock here may be another.
func RetryAfter(header http.Header, now time.Time, most time.Duration) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		return Seconds(seconds, most)
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	// A date without fraction may be up to a second early.
	return min(max(until.Sub(now), 0), most)
}

// Seconds is a number of seconds that a server says, at most so long; nonsense is 0.
func Seconds(seconds float64, most time.Duration) time.Duration {
	switch {
	case !(seconds > 0): // also NaN
		return 0
	case seconds >= most.Seconds():
		return most
	}
	return time.Duration(seconds * float64(time.Second))
}
