package rest

import (
	"net/http"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/httpfail"
)

// maxRetryAfter bounds what a platform may ask for: a wish beyond a day is taken
// for a mistake.
const maxRetryAfter = 24 * time.Hour

// RetryAfter is how long a platform asks to wait in the header Retry-After, at most a day; 0
// when there is none that makes sense.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	return httpfail.RetryAfter(header, now, maxRetryAfter)
}

// Seconds makes a wait of a platform's number of seconds; nonsense is 0.
func Seconds(seconds float64) time.Duration { return httpfail.Seconds(seconds, maxRetryAfter) }
