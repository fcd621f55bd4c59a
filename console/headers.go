package console

import "net/http"

// maxBody is the most bytes of a request's body: an edited message and some fields.
const maxBody = 4 << 20

// policy lets pages load from this server alone. Pico draws three of its signs from data:
// addresses. There is no inline script or style, and no page may be shown in a frame.
const policy = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// guarded sets the headers of every answer, bounds the body, and refuses what another
// site's page sends.
func guarded(next http.Handler) http.Handler {
	limited := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
	protected := http.NewCrossOriginProtection().Handler(limited)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		// Pages show a company's data: they stay in no cache. Files say otherwise.
		header.Set("Cache-Control", "no-store")
		protected.ServeHTTP(w, r)
	})
}
