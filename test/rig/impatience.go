package rig

import (
	"context"
	"net/http"
	"time"
)

// impatient bounds a request's context: the simulated platforms give up a call
// that hangs when it ends.
func impatient(r *http.Request, after time.Duration) (*http.Request, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(r.Context(), after)
	return r.WithContext(ctx), cancel
}
