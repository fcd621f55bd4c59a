package rest

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxMessage bounds what is kept of a platform's words.
const maxMessage = 600

// tokenShapes are the forms in which platforms write tokens: Pinterest's pina_,
// pinc_ and pinr_, Meta's EAA…, and any token named as such.
var tokenShapes = regexp.MustCompile(
	`(?i)pin[a-z]_[A-Za-z0-9_\-.]{8,}|\bEAA[A-Za-z0-9]{12,}|bearer\s+[^\s"',;]+|(access_token|client_secret|refresh_token|appsecret_proof)(["']?\s*[=:]\s*["']?)[^\s"'&,;]+`)

// Redact makes text from outside fit to be logged and stored: secrets replaced,
// bad UTF-8 and control characters removed, length bounded. The given secrets are
// replaced wherever they stand, whatever their form.
func Redact(text string, secrets ...string) string {
	for _, secret := range secrets {
		if len(secret) >= 4 { // shorter ones would tear words apart and protect nothing
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	// Bounded before the slow search as well, so that megabytes cost little; the
	// margin keeps a secret across the final cut recognisable.
	if len(text) > 4*maxMessage {
		text = text[:4*maxMessage]
	}
	text = tokenShapes.ReplaceAllString(text, "[redacted]")
	text = strings.Map(printable, strings.ToValidUTF8(text, "\uFFFD"))
	return shorten(text, maxMessage)
}

func printable(r rune) rune {
	switch {
	case r == '\n' || r == '\r' || r == '\t':
		return ' '
	case r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0):
		return -1
	default:
		return r
	}
}

// shorten cuts text to at most limit bytes, between two characters.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	cut := limit - len("…")
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
