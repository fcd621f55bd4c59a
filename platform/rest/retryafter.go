package rest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what a platform may ask for: a wish beyond a day is taken
// for a mistake.
const maxRetryAfter = 24 * time.Hour

// RetryAfter reads the Retry-After header in both forms of RFC 9110, section
// 10.2.3: seconds, or a date. 0 when there is none that makes sense.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		return Seconds(seconds)
	}
	when, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	// A date without fraction may be up to a second early.
	return min(max(when.Sub(now), 0), maxRetryAfter)
}

// Seconds makes a wait of a platform's number of seconds; nonsense is 0.
func Seconds(seconds float64) time.Duration {
	if !(seconds > 0) { // also NaN
		return 0
	}
	if seconds >= maxRetryAfter.Seconds() {
		return maxRetryAfter
	}
	return time.Duration(seconds * float64(time.Second))
}
