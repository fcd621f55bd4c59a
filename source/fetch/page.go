package fetch

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"html"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"
)

// pieceSize is how much of an answer is looked at to find out what it is.
const pieceSize = 32 << 10

var (
	pageStart = regexp.MustCompile(`(?is)^(?:\s|<!--.*?-->|<\?xml[^>]*\?>)*<(?:!doctype\s+html|html)\b`)
	feedStart = regexp.MustCompile(`(?is)^(?:\s|<!--.*?-->|<\?xml[^>]*\?>|<!doctype\s+[a-z:]+[^>]*>)*<(?:[a-z]+:)?(rss|feed|rdf|listings|products|items|channel|catalog|shop|offers)\b`)
	titleTag  = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	unseen    = regexp.MustCompile(`(?is)<(script|style|head)\b.*?</(script|style|head)>|<!--.*?-->|<[^>]*>`)
	loginForm = regexp.MustCompile(`(?is)<input[^>]+type\s*=\s*["']?password`)
)

// page is an answer for people.
type page struct {
	text string // its beginning
}

// pageIn looks at the beginning of a body and reports the page that it is, or nil. The content decides. A
// server that calls everything text/html is believed only where the content is not
// recognized as a feed.
func pageIn(contentType string, body *bufio.Reader) *page {
	// An error of Peek is the body's, and comes again when the body is read.
	start, _ := body.Peek(512)
	if bytes.HasPrefix(start, []byte{0x1f, 0x8b}) {
		start, _ = body.Peek(pieceSize)
		start = inflated(start)
	}
	text := decoded(start)
	kind, _, _ := mime.ParseMediaType(contentType)
	switch {
	case pageStart.MatchString(text):
	case (kind == "text/html" || kind == "application/xhtml+xml") && len(text) > 0 && !feedStart.MatchString(text) && !packed(start):
	default:
		return nil
	}
	if piece, _ := body.Peek(pieceSize); !bytes.HasPrefix(piece, []byte{0x1f, 0x8b}) {
		text = decoded(unbroken(piece))
	}
	return &page{text: text}
}

// packed reports whether content begins as an archive, as Parquet or as JSON.
func packed(start []byte) bool {
	for _, magic := range []string{"PK\x03\x04", "\x28\xb5\x2f\xfd", "\x1f\x8b", "PAR1", "[{", `{"`} {
		if bytes.HasPrefix(start, []byte(magic)) {
			return true
		}
	}
	return false
}

// unbroken is a piece without its end, if that may be in the middle of a secret, which
// would not be recognized then.
func unbroken(piece []byte) []byte {
	if len(piece) < pieceSize {
		return piece
	}
	return piece[:pieceSize-8<<10]
}

// inflated is what a beginning of gzip holds, or the beginning itself.
func inflated(start []byte) []byte {
	reader, err := gzip.NewReader(bytes.NewReader(start))
	if err != nil {
		return start
	}
	content, _ := io.ReadAll(io.LimitReader(reader, pieceSize)) // it is cut off, which is an error
	if len(content) == 0 {
		return start
	}
	return unbroken(content)
}

// decoded is the beginning as text, without byte order mark; UTF-16 loses its zero bytes, which is good enough
// to recognize markup.
func decoded(start []byte) string {
	start = bytes.TrimPrefix(start, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(start, []byte("\xff\xfe")) || bytes.HasPrefix(start, []byte("\xfe\xff")) {
		start = bytes.ReplaceAll(start[2:], []byte{0}, nil)
	}
	return string(start)
}

// fail says what page came.
func (p *page) fail(secrets *secrets, passed []string) *Error {
	what := "it begins with " + quote(secrets.clean(visible(p.text)))
	if found := titleTag.FindStringSubmatch(p.text); found != nil && strings.TrimSpace(found[1]) != "" {
		what = "its title is " + quote(secrets.clean(html.UnescapeString(found[1])))
	}
	do := "open the address in a browser without being logged in; if the server sends a feed with the content type text/html, correct the type there"
	if loginForm.MatchString(p.text) {
		what += ", and it asks for a password"
		do = "set username and password or the header that the server takes, or ask for an address that needs no login"
	}
	if len(passed) > 0 {
		what += ", after a redirect to " + passed[len(passed)-1]
	}
	return fail(ErrHTMLPage, what, do)
}

func quote(text string) string { return "“" + text + "”" }

// visible is what a person would see of a page.
func visible(text string) string {
	seen := strings.TrimSpace(html.UnescapeString(unseen.ReplaceAllString(text, " ")))
	if seen == "" {
		return "nothing visible"
	}
	return seen
}

// pieceOf is the beginning of an error's body, or its title.
func pieceOf(response *http.Response) string {
	body, _ := io.ReadAll(io.LimitReader(response.Body, pieceSize)) // the status is the error
	body = unbroken(body)
	if bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
		body = inflated(body)
	}
	text := decoded(body)
	if found := titleTag.FindStringSubmatch(text); found != nil && strings.TrimSpace(found[1]) != "" {
		return html.UnescapeString(found[1])
	}
	if strings.TrimSpace(text) == "" {
		return ""
	}
	return visible(text)
}
