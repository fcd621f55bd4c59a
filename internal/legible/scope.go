package legible

import "strings"

// Scope is the name of a quota scope for people: without the hash that tells credentials
// apart, as the views have it (courier.scope_words).
func Scope(name string) string {
	parts := strings.Split(name, "/")
	kept := parts[:0]
	for i, part := range parts {
		if i > 0 && isHash(part) {
			continue
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, "/")
}

// isHash reports a hash of credentials. A catalog's id has digits only.
func isHash(part string) bool {
	const digits, letters = "0123456789", "abcdef"
	return len(part) == 16 && strings.Trim(part, digits+letters) == "" && strings.ContainsAny(part, letters)
}
