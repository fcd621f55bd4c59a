package platformtest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
)

// Indiscreet stands before a platform and answers its first calls with everything
// that it was told, but for the items: each way in which servers and proxies let
// secrets slip.
type Indiscreet struct {
	// Platform answers all later calls, Prefix is taken off their paths. Both are set
	// before the first call.
	Platform http.Handler
	Prefix   string

	calls  atomic.Int64
	logins atomic.Int64
}

// Done reports that there was a call for each of the ways.
func (i *Indiscreet) Done() bool { return int(i.calls.Load()) >= len(slips) }

// ServeHTTP implements http.Handler.
func (i *Indiscreet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	told := r.Header.Get("Authorization") + " " + r.URL.RawQuery
	var number int
	if strings.HasSuffix(r.URL.Path, "/oauth/token") {
		// After a failure logging in is tried again in seconds, then in minutes: one.
		number = int(i.logins.Add(1)-1) * len(slips)
	} else {
		number = int(i.calls.Add(1)) - 1
	}
	if number >= len(slips) {
		r.URL.Path = strings.TrimPrefix(r.URL.Path, i.Prefix)
		i.Platform.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		told += " " + string(body) // the log-in's; what items say may come back in a platform's words
	}
	w.Header().Set("X-Request-Echo", strings.Join(strings.Fields(told), "+"))
	slips[number](w, told)
}

// slips are the answers, one for each call.
var slips = []func(w http.ResponseWriter, told string){
	func(w http.ResponseWriter, told string) { // an error of Meta's and Pinterest's shape at once, with all encodings
		encoded := hex.EncodeToString([]byte(told)) + " " + base64.StdEncoding.EncodeToString([]byte(told)) + " " +
			base64.RawURLEncoding.EncodeToString([]byte("?"+told)) + " " + url.QueryEscape(base64.URLEncoding.EncodeToString([]byte("??"+told))) +
			" " + html.EscapeString(told) + " " + url.QueryEscape(told)
		text, err := json.Marshal(encoded + " " + told)
		if err != nil {
			panic(err)
		}
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, `{"code":0,"message":%s,"error":{"message":%s,"type":%s,"code":2,"error_user_msg":%s}}`, text, text, text, text)
	},
	func(w http.ResponseWriter, told string) { // a proxy's page
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprintf(w, "<html><title>%s</title><pre>%s</pre></html>", told, told)
	},
	func(w http.ResponseWriter, told string) { // not JSON, though it is said to be
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"debug":%q, "batch_id": %s`, base64.StdEncoding.EncodeToString([]byte("x"+told)), told)
	},
	func(w http.ResponseWriter, told string) { // half of an answer
		w.Header().Set("Content-Length", "100000")
		fmt.Fprint(w, told)
		panic(http.ErrAbortHandler)
	},
	func(_ http.ResponseWriter, _ string) { panic(http.ErrAbortHandler) }, // an error of the client with the address in it
	func(w http.ResponseWriter, told string) { // last but one, as it pauses the account: a redirect to where the secrets are in the address
		w.Header().Set("Location", "http://127.0.0.1:1/?access_token="+url.QueryEscape(told))
		w.WriteHeader(http.StatusTemporaryRedirect)
	},
	func(w http.ResponseWriter, told string) {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="`+strings.Join(strings.Fields(told), "+")+`"`)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"code":2,"message":"Authentication failed.","error":{"message":"x","code":190}} %s`, told)
	},
}
