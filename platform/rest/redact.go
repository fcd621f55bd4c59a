package rest

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// maxMessage bounds what is kept of a platform's words.
const maxMessage = 597 // and …

// hidden replaces a secret.
const hidden = "[redacted]"

// namedTokens are tokens that are named as such; a platform's own shapes come with its
// Auth.
var namedTokens = regexp.MustCompile(
	`(?i)bearer\s+[^\s"',;]+|(access_token|client_secret|refresh_token)(["']?\s*[=:]\s*["']?)[^\s"'&,;]+`)

// Redact makes text from outside fit to be logged and stored: bad UTF-8, control
// and invisible characters removed, secrets replaced, length bounded. What tokenShapes
// matches is a secret, nil for nothing. The given
// secrets are replaced wherever they are, also within longer text that is encoded in
// base64 or hex, and with characters escaped as in addresses, JSON or HTML.
func Redact(text string, tokenShapes *regexp.Regexp, secrets ...string) string {
	// First of all, as what is removed later would put a torn secret together again.
	text, partly := readable(text, maxRead)
	text = hide(text, secrets)
	if partly && len(text) <= 4*maxMessage {
		// Nearly all of it was secret, so that one may be torn at the cut.
		text = text[:strings.LastIndex(text, hidden)+len(hidden)]
	}
	// Bounded before the slow search as well, so that megabytes cost little; the
	// margin keeps a token across the final cut recognisable.
	if len(text) > 4*maxMessage {
		text = text[:4*maxMessage]
	}
	if tokenShapes != nil {
		text = tokenShapes.ReplaceAllString(text, hidden)
	}
	text = namedTokens.ReplaceAllString(text, hidden)
	return legible.Cut(strings.ToValidUTF8(text, ""), maxMessage)
}

// readable is what is printable of text, up to limit bytes, and whether there is more. It
// reads no further than that: a platform may send megabytes.
func readable(text string, limit int) (kept string, more bool) {
	var made strings.Builder
	made.Grow(min(len(text), limit) + utf8.UTFMax)
	for _, r := range text {
		if r = printable(r); r < 0 {
			continue
		}
		if made.WriteRune(r); made.Len() > limit {
			return made.String()[:limit], true
		}
	}
	return made.String(), false
}

// printable maps a character to what is kept of it, -1 for nothing. Each bad byte
// comes as utf8.RuneError.
func printable(r rune) rune {
	switch {
	case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
		return ' '
	case r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
		return -1
	default:
		return r
	}
}
