package rest

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/platform"
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
	return legible.Cut(strings.ToValidUTF8(hideShapes(text, tokenShapes), ""), maxMessage)
}

// hideShapes replaces what looks like a token.
func hideShapes(text string, tokenShapes *regexp.Regexp) string {
	if tokenShapes != nil {
		text = tokenShapes.ReplaceAllString(text, hidden)
	}
	return namedTokens.ReplaceAllString(text, hidden)
}

// hideAbsent is hideShapes for long texts that hardly ever have a token: it looks for the
// words first without which there is none, in a fraction of the time. words are
// those of tokenShapes, nil where there are none.
func hideAbsent(text string, tokenShapes *regexp.Regexp, words []string) string {
	all := upper(text)
	if tokenShapes != nil && (words == nil || containsAny(all, words)) || containsAny(all, wordsOfNamed) {
		return hideShapes(text, tokenShapes)
	}
	return text
}

func containsAny(text string, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}

// upper makes characters equal that (?i) takes for equal, of letters of ASCII.
func upper(text string) string { return strings.ToUpper(strings.ToLower(text)) }

var wordsOfNamed = wordsIn(namedTokens)

// wordsIn are words, as upper writes them, one of which is in each text that the pattern
// matches; nil where there are none.
func wordsIn(pattern *regexp.Regexp) []string {
	if pattern == nil {
		return nil
	}
	parsed, err := syntax.Parse(pattern.String(), syntax.Perl)
	if err != nil {
		return nil
	}
	return wordsOf(parsed)
}

// shortestWord is that which is worth looking for.
const shortestWord = 3

func wordsOf(part *syntax.Regexp) (words []string) {
	switch part.Op { //nolint:exhaustive // of others nothing is known
	case syntax.OpLiteral:
		if len(part.Rune) >= shortestWord {
			return []string{upper(string(part.Rune))}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return wordsOf(part.Sub[0])
	case syntax.OpConcat:
		for _, sub := range part.Sub {
			if words = wordsOf(sub); words != nil {
				return words
			}
		}
	case syntax.OpAlternate:
		for _, sub := range part.Sub {
			some := wordsOf(sub)
			if some == nil {
				return nil
			}
			words = append(words, some...)
		}
	}
	return words
}

// tornAt is how much is read beyond what is kept of an answer, and left off at its end: even
// a secret with each character escaped is shorter, so that none is kept in part.
const tornAt = 8 << 10

// keep is what is kept of an answer: as Redact, up to platform.MaxAnswer bytes.
func keep(body []byte, tokenShapes *regexp.Regexp, words, secrets []string) string {
	// Four times as much, as most of it may be removed.
	text, partly := readable(string(body[:min(len(body), 4*platform.MaxAnswer)]), platform.MaxAnswer+tornAt)
	partly = partly || len(body) > 4*platform.MaxAnswer
	text = hide(text, secrets)
	if partly {
		text = text[:max(len(text)-tornAt, 0)]
	}
	text = strings.ToValidUTF8(hideAbsent(text, tokenShapes, words), "")
	if limit := platform.MaxAnswer - len(more); len(text) > limit {
		return strings.ToValidUTF8(text[:limit], "") + more
	}
	if partly {
		text += more
	}
	return text
}

// more ends a text that goes on.
const more = "…"

// readable is what is printable of text, up to limit bytes, and whether there is more. It
// reads no further than that: a platform may send megabytes.
func readable(text string, limit int) (kept string, partly bool) {
	var made strings.Builder
	made.Grow(min(len(text), limit) + utf8.UTFMax)
	plain := 0 // nearly always all of it
	for plain < min(len(text), limit) && text[plain] >= ' ' && text[plain] < unicode.MaxASCII {
		plain++
	}
	made.WriteString(text[:plain])
	for _, r := range text[plain:] {
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
	case r >= ' ' && r < unicode.MaxASCII: // nearly all
		return r
	case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
		return ' '
	case r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
		return -1
	default:
		return r
	}
}
