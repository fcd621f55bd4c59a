package legible

import (
	"regexp"
	"slices"
	"strings"
)

// failedAttempts is how the Postgres driver tells of several attempts to connect, each in
// a line of its own.
var failedAttempts = regexp.MustCompile("(failed to connect to `[^`\n]*`:)((?:\n\t[^\n]*)+)")

// attemptAddress is what the line of an attempt begins with: the address and the host.
var attemptAddress = regexp.MustCompile(`^\S+ \([^)]*\): `)

// refusedTLS is the attempt with TLS where the server has none. Another attempt without
// TLS follows, whose failure is the one that counts.
const refusedTLS = "tls error: server refused TLS connection"

// Connecting shortens what a text tells of attempts to connect to Postgres to what
// counts, in one line: an attempt with TLS that a server without TLS refuses hides why the
// attempt without it failed, and one address is often tried twice.
func Connecting(text string) string {
	if !strings.Contains(text, "failed to connect to `") {
		return text
	}
	return failedAttempts.ReplaceAllStringFunc(text, func(found string) string {
		parts := failedAttempts.FindStringSubmatch(found)
		attempts := strings.Split(strings.TrimPrefix(parts[2], "\n\t"), "\n\t")
		times := map[string]int{} // by address
		for _, attempt := range attempts {
			times[attemptAddress.FindString(attempt)]++
		}
		var kept []string
		for _, attempt := range attempts {
			address := attemptAddress.FindString(attempt)
			hides := attempt == address+refusedTLS && times[address] > 1
			if !hides && !slices.Contains(kept, attempt) {
				kept = append(kept, attempt)
			}
		}
		if len(kept) == 0 { // one address, twice without TLS
			kept = attempts[:1]
		}
		return parts[1] + " " + strings.Join(kept, "; ")
	})
}
