package fetch_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/source/fetch"
)

// planted are the secrets of the addresses below.
var planted = []string{"pässword<1>&x", "header/ke y+value", "signature-0123456789", "akia-0123456789", "secretkey/+0123456789"}

// spellings are what a server may repeat a secret as.
func spellings(secret string) []string {
	return []string{
		secret, url.QueryEscape(secret), strings.ToLower(url.QueryEscape(secret)), url.PathEscape(secret), html.EscapeString(secret),
		document(secret, false), document(secret, true), strings.Trim(strings.ReplaceAll(strconv.QuoteToASCII(secret), "/", `\/`), `"`), base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		hex.EncodeToString([]byte(secret)),
	}
}

// document is a text in JSON.
func document(text string, markup bool) string {
	var written strings.Builder
	encoder := json.NewEncoder(&written)
	encoder.SetEscapeHTML(markup)
	if err := encoder.Encode(text); err != nil {
		return text
	}
	return strings.Trim(written.String(), "\"\n")
}

// TestNoSecretInErrors: servers repeat in every answer what they know, and no text of any
// error in the chain has it.
func TestNoSecretInErrors(t *testing.T) {
	t.Parallel()
	var echo strings.Builder
	for _, secret := range planted {
		fmt.Fprintf(&echo, "%s\n", strings.Join(spellings(secret), " "))
	}
	// The whole is longer than what an error shows: each part of it is sent at its beginning.
	parts := strings.Fields(echo.String())
	parts = append(parts, planted...)
	login := base64.StdEncoding.EncodeToString([]byte("shop:" + planted[0]))
	parts = append(parts, login)
	for _, status := range []int{200, 302, 401, 404, 503} {
		shown := parts
		if status != 200 && status != 404 { // the same code shows their bodies
			shown = planted
		}
		for _, part := range shown {
			address := wire(t, func(_ *http.Request, to io.Writer, _ func()) {
				_, _ = fmt.Fprintf(to, "HTTP/1.1 %d %s\r\nContent-Type: text/html\r\nLocation: /%s?signature=%s&a=b\r\nConnection: close\r\n\r\n<title></title>%s",
					status, strings.ReplaceAll(part, "\n", ""), url.PathEscape(part), url.QueryEscape(part), part)
			})
			options := quick(t)
			options.Username, options.Password = "shop", planted[0]
			options.Header = map[string]string{"X-Key": planted[1]}
			noSecret(t, address+"/feed.csv?signature="+planted[2], options)
			noSecret(t, strings.Replace(address, "//", "//shop:"+url.PathEscape(planted[0])+"@", 1)+"?signature="+planted[2], options)
			options.Username, options.Password, options.Header = "", "", nil
			options.AccessKey, options.SecretKey, options.Endpoint, options.Region = planted[3], planted[4], address, "eu-west-1"
			noSecret(t, "s3://feeds/feed.csv", options)
		}
	}
}

// noSecret fetches in vain, and looks into the error and those that it wraps.
func noSecret(t *testing.T, location string, options fetch.Options) {
	t.Helper()
	fetcher, err := fetch.Parse(location, options)
	if err == nil {
		var file *fetch.File
		file, err = fetcher.Fetch(t.Context(), "")
		require.Nil(t, file)
	}
	require.Error(t, err)
	text := ""
	var walk func(error)
	walk = func(err error) {
		text += fmt.Sprintf("%v %+v %#v\n", err, err, err)
		switch wrapping := err.(type) { //nolint:errorlint // each of the chain is looked at
		case interface{ Unwrap() error }:
			walk(wrapping.Unwrap())
		case interface{ Unwrap() []error }:
			for _, inner := range wrapping.Unwrap() {
				walk(inner)
			}
		}
	}
	walk(err)
	signature := ""
	if strings.Contains(location, planted[2]) {
		signature = planted[2]
	}
	login := ""
	if options.Password != "" || strings.Contains(location, "@") {
		login = base64.StdEncoding.EncodeToString([]byte("shop:" + planted[0]))
	}
	mine := []string{login, options.Password, options.Header["X-Key"], signature, options.AccessKey, options.SecretKey}
	for _, secret := range mine {
		if secret == "" {
			continue
		}
		for _, spelling := range spellings(secret) {
			require.NotContains(t, text, spelling, location)
		}
	}
}

// TestNoSecretInConnectionErrors: what libraries say quotes addresses.
func TestNoSecretInConnectionErrors(t *testing.T) {
	t.Parallel()
	options := quick(t)
	options.ConnectTimeout = time.Second
	options.Username, options.Password = "shop", planted[0]
	for _, location := range []string{
		"https://127.0.0.1:1/feed.csv?signature=" + planted[2],
		"https://does-not-exist.invalid/feed.csv?signature=" + planted[2],
		"https://shop:" + url.PathEscape(planted[0]) + "@127.0.0.1:1/?signature=" + planted[2],
		"https://shop:" + planted[0] + "@127.0.0.1:1/%zz?signature=" + planted[2],
		"ftp://shop:" + planted[0] + "@127.0.0.1:1/?signature=" + planted[2],
	} {
		noSecret(t, location, options)
	}
	garbage := wire(t, func(_ *http.Request, to io.Writer, _ func()) {
		_, _ = io.WriteString(to, planted[0]+" "+planted[2]+"\r\n\r\n")
	})
	noSecret(t, garbage+"?signature="+planted[2], options)
}

// TestSecretAcrossTheEndOfAPiece: a page is cut off within a secret, which is not shown either.
func TestSecretAcrossTheEndOfAPiece(t *testing.T) {
	t.Parallel()
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/error" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, "<html>"+strings.Repeat(" ", 32<<10-6-len(planted[2])/2)+planted[2])
	})
	for _, path := range []string{"/error", "/page"} {
		options := quick(t)
		_, err := parse(t, address+path+"?signature="+planted[2], options).Fetch(t.Context(), "")
		require.Error(t, err)
		require.NotContains(t, err.Error(), planted[2][:6])
	}
}

func TestSecretsInSentences(t *testing.T) {
	t.Parallel()
	options := fetch.Options{Username: "shop", Password: "hunter2", Header: map[string]string{"Authorization-2": "Bearer abcdefghij"}}
	fetcher := parse(t, "https://shop.example/?token=x1&id=777777&page=2", options)
	require.Equal(t, "login shop with [redacted] failed: [redacted] and [redacted] on page 2, see https://other.example/a?…",
		fetch.Seal(fetcher, "login shop with hunter2\nfailed: x1 and Bearer abcdefghij on page 2, see https://me:pw@other.example/a?sig=1"))
}
