package rest

import (
	"net/http"
	"net/url"
)

// pointsTo says for people where a redirect leads: the host alone, as the rest of the
// address may hold a secret. "" when the answer is no redirect.
func (a *Answer) pointsTo(call Call) string {
	if a.Status < http.StatusMultipleChoices || a.Status >= http.StatusBadRequest {
		return ""
	}
	const cause = ": the base_url is wrong, or a proxy asks for a log-in"
	location := a.Header.Get("Location")
	if location == "" {
		return "it is a redirect to nowhere" + cause
	}
	from, err := url.Parse(call.URL)
	if err != nil {
		from = &url.URL{}
	}
	to, err := from.Parse(location)
	if err != nil || to.Host == "" {
		return "it is a redirect to an address that cannot be read" + cause
	}
	return "it is a redirect to " + a.Redact(to.Host) + cause
}

// locations is a transport that takes from a redirect an address that cannot be read:
// net/http would make an error of the whole answer, with the address in it.
type locations struct{ under http.RoundTripper }

// unreadable stands for such an address. It has no host.
const unreadable = "about:blank"

// RoundTrip implements http.RoundTripper.
func (l locations) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := l.under.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if location := response.Header.Get("Location"); location != "" {
		if _, wrong := request.URL.Parse(location); wrong != nil {
			response.Header.Set("Location", unreadable)
		}
	}
	return response, nil
}
