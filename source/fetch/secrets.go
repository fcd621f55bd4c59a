package fetch

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// secrets are removed from texts that servers and libraries wrote.
type secrets struct {
	replacer *strings.Replacer
}

// newSecrets knows the values in the spellings that servers repeat them in: as they are, escaped as in addresses, HTML and JSON, in
// base64 and hex. Words of a value count too, as in "Bearer abcdef".
func newSecrets(values ...string) *secrets {
	var forms []string
	for _, value := range values {
		parts := append(strings.Fields(value), value)
		for _, part := range parts {
			if part == "" || part != value && len(part) < 8 {
				continue
			}
			bytes := []byte(part)
			forms = append(
				forms, part, html.EscapeString(part), hex.EncodeToString(bytes),
				base64.StdEncoding.EncodeToString(bytes), base64.RawStdEncoding.EncodeToString(bytes),
				base64.URLEncoding.EncodeToString(bytes), base64.RawURLEncoding.EncodeToString(bytes),
			)
			forms = append(forms, quoted(part)...)
			for _, escaped := range []string{url.QueryEscape(part), url.PathEscape(part)} {
				forms = append(forms, escaped, lowerEscapes(escaped))
			}
		}
	}
	// Of two forms that begin at one place the longer one is replaced.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, "[redacted]")
	}
	return &secrets{replacer: strings.NewReplacer(pairs...)}
}

var (
	escape = regexp.MustCompile(`%[0-9A-F]{2}`)
	// userInfo and parameters of addresses that a text quotes, whoever's they are.
	userInfo   = regexp.MustCompile(`//[^/\s"'<>]*@`)
	parameters = regexp.MustCompile(`(://[^\s"'<>?]*)\?[^\s"'<>]*`)
)

// quoted are the ways to write a text in a JSON document: markup and what is not ASCII are
// escaped or not, and PHP escapes slashes.
func quoted(text string) []string {
	ascii := strconv.QuoteToASCII(text)
	ascii = ascii[1 : len(ascii)-1]
	plain := strconv.Quote(text)
	plain = plain[1 : len(plain)-1]
	markup := strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`)
	slashes := strings.NewReplacer("/", `\/`)
	return []string{ascii, plain, markup.Replace(ascii), markup.Replace(plain), slashes.Replace(ascii), slashes.Replace(plain)}
}

func lowerEscapes(text string) string { return escape.ReplaceAllStringFunc(text, strings.ToLower) }

// clean is a text from outside as an error may show it: short, one line, without secrets.
func (s *secrets) clean(text string) string {
	text = userInfo.ReplaceAllString(s.replacer.Replace(text), "//")
	text = parameters.ReplaceAllString(text, "$1?…")
	return legible.Clip(strings.Join(strings.Fields(text), " "), 200)
}
