package fetch

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

var (
	headerName  = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	headerValue = regexp.MustCompile(`^[\t\x20-\x7e\x80-\xff]*$`)
)

// ownHeaders are set by this package or by net/http.
var ownHeaders = map[string]bool{
	"Accept-Encoding": true, "Connection": true, "Content-Length": true, "Host": true, "If-Match": true, "If-Modified-Since": true,
	"If-None-Match": true, "If-Range": true, "If-Unmodified-Since": true, "Range": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Upgrade": true,
}

// harmless headers may travel unencrypted.
var harmless = map[string]bool{"Accept": true, "Accept-Language": true, "User-Agent": true}

// checkHeader is the extra header of an http address. Its values are not shown.
func checkHeader(given map[string]string, login bool) (http.Header, *Error) {
	header := http.Header{}
	for name, value := range given {
		key := http.CanonicalHeaderKey(name)
		shown := legible.Clip(name, 60)
		switch {
		case !headerName.MatchString(name):
			return nil, fail(ErrAddress, fmt.Sprintf("%q is not a name of an HTTP header", shown), "correct header")
		case !headerValue.MatchString(value):
			return nil, fail(ErrAddress, fmt.Sprintf("the value of the header %s has a line break or a control character", shown), "correct header")
		case ownHeaders[key]:
			return nil, fail(ErrAddress, fmt.Sprintf("the header %s is not for settings", shown), "remove it from header")
		case key == "Authorization" && login:
			return nil, fail(ErrAddress, "there are a username and the header Authorization", "remove one of them")
		case header[key] != nil:
			return nil, fail(ErrAddress, fmt.Sprintf("the header %s is set twice", shown), "remove one of them")
		}
		header[key] = []string{strings.TrimSpace(value)}
	}
	return header, nil
}
