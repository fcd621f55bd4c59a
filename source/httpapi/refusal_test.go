package httpapi

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/publish"
)

// TestRefusals: what is asked wrongly is refused with its kind, and nothing is stored.
//
//nolint:tparallel // the stream is looked at in the end
func TestRefusals(t *testing.T) {
	t.Parallel()
	a := start(t, setup{options: Options{MaxLines: 3, MaxBody: 4000}})
	for name, c := range map[string]struct {
		call call
		want kind
	}{
		"no token":              {call{token: "-", body: remove}, kindUnauthorized},
		"another token":         {call{token: "Bearer ccat_wrong", body: remove}, kindUnauthorized},
		"the hash as token":     {call{token: "Bearer " + FormatHash(HashToken(tokenOf)), body: remove}, kindUnauthorized},
		"no scheme":             {call{token: tokenOf, body: remove}, kindUnauthorized},
		"another scheme":        {call{token: "Basic " + tokenOf, body: remove}, kindUnauthorized},
		"an empty token":        {call{token: "Bearer ", body: remove}, kindUnauthorized},
		"another account":       {call{path: "/v1/mutations/other/us/RETAIL", body: remove}, kindForbidden},
		"an account of letters": {call{path: "/v1/mutations/ACME/us/RETAIL", body: remove}, kindForbidden},

		"a name with a space": {call{path: "/v1/mutations/acme/u%20s/RETAIL", body: remove}, kindName},
		"a name with a dot":   {call{path: "/v1/mutations/acme/us/RE.TAIL", body: remove}, kindName},
		"a wildcard":          {call{path: "/v1/mutations/acme/us/%3E", body: remove}, kindName},
		"a slash in a name":   {call{path: "/v1/mutations/acme/u%2Fs/RETAIL", body: remove}, kindName},
		"decoded once":        {call{path: "/v1/mutations/acme/u%2573/RETAIL", body: remove}, kindName},
		"an empty name":       {call{path: "/v1/mutations/acme//RETAIL", body: remove}, kindName},
		"a long name":         {call{path: "/v1/mutations/acme/" + strings.Repeat("x", 129) + "/RETAIL", body: remove}, kindName},
		"not UTF-8 in a name": {call{path: "/v1/mutations/acme/%ff/RETAIL", body: remove}, kindName},
		"a parameter":         {call{path: lanePath + "?partail=true", body: remove}, kindParameter},
		"partial=1":           {call{path: lanePath + "?partial=1", body: remove}, kindParameter},
		"partial twice":       {call{path: lanePath + "?partial=true&partial=true", body: remove}, kindParameter},
		"a broken query":      {call{path: lanePath + "?partial=%zz", body: remove}, kindParameter},
		"a key with a space":  {call{header: map[string]string{headerKey: "a b"}, body: remove}, kindParameter},
		"an unknown path":     {call{path: "/v1/mutations/acme/us", body: remove}, kindNotFound},
		"a slash at the end":  {call{path: lanePath + "/", body: remove}, kindNotFound},
		"the root":            {call{path: "/", body: remove}, kindNotFound},
		"GET":                 {call{method: http.MethodGet}, kindMethod},
		"PUT":                 {call{method: http.MethodPut, body: remove}, kindMethod},
		"POST to a probe":     {call{path: "/readyz", body: remove}, kindMethod},
		"another method":      {call{method: "BREW", body: remove}, kindMethod},

		"no type":                     {call{contentType: "-", body: remove}, kindMediaType},
		"a form":                      {call{contentType: "application/x-www-form-urlencoded", body: remove}, kindMediaType},
		"text":                        {call{contentType: "text/plain", body: remove}, kindMediaType},
		"a broken type":               {call{contentType: "application/json; charset", body: remove}, kindMediaType},
		"UTF-16":                      {call{contentType: "application/json; charset=utf-16", body: remove}, kindMediaType},
		"lines as a binary event":     {call{header: map[string]string{"ce-specversion": "1.0"}, body: remove}, kindMediaType},
		"brotli":                      {call{header: map[string]string{"Content-Encoding": "br"}, body: remove}, kindEncoding},
		"two encodings":               {call{header: map[string]string{"Content-Encoding": "gzip, zstd"}, body: remove}, kindEncoding},
		"no body":                     {call{}, kindEmpty},
		"blank lines":                 {call{body: "\r\n \n\t\n"}, kindEmpty},
		"a byte order mark":           {call{body: "\xef\xbb\xbf"}, kindEmpty},
		"an empty array":              {call{contentType: jsonType, body: " [ ] "}, kindEmpty},
		"white space as JSON":         {call{contentType: jsonType, body: " \n"}, kindEmpty},
		"nothing in gzip":             {call{header: map[string]string{"Content-Encoding": "gzip"}}, kindEmpty},
		"lines as JSON":               {call{contentType: jsonType, body: remove + "\n" + remove}, kindMalformed},
		"a number":                    {call{contentType: jsonType, body: "7"}, kindMalformed},
		"half an array":               {call{contentType: jsonType, body: "[" + remove}, kindMalformed},
		"an array and garbage":        {call{contentType: jsonType, body: "[" + remove + "] x"}, kindMalformed},
		"a comma in an array":         {call{contentType: jsonType, body: "[" + remove + ",]"}, kindMalformed},
		"a deep array":                {call{contentType: jsonType, body: "[" + strings.Repeat("[", 300) + strings.Repeat("]", 300) + "]"}, kindMalformed},
		"one event as a batch":        {call{contentType: "application/cloudevents-batch+json", body: "{}"}, kindMalformed},
		"a batch as one event":        {call{contentType: "application/cloudevents+json", body: "[]"}, kindMalformed},
		"gzip without its header":     {call{body: "\x1f\x8b\x08\x00"}, kindMalformed},
		"zstd without its header":     {call{body: "\x28\xb5\x2f\xfd"}, kindMalformed},
		"UTF-16 with mark":            {call{contentType: jsonType, body: "\xff\xfe{\x00}\x00"}, kindMalformed},
		"no gzip":                     {call{header: map[string]string{"Content-Encoding": "gzip"}, body: remove}, kindMalformed},
		"no zstd":                     {call{header: map[string]string{"Content-Encoding": "zstd"}, body: remove}, kindMalformed},
		"an element that is no event": {call{contentType: "application/cloudevents-batch+json", body: "[" + remove + "]"}, kindInvalidLines},
		"a binary event without id":   {call{contentType: jsonType, header: map[string]string{"ce-specversion": "1.0"}, body: remove}, kindInvalidLines},
		"a binary event of 0.3":       {call{contentType: jsonType, header: map[string]string{"ce-specversion": "0.3", "ce-id": "1"}, body: remove}, kindInvalidLines},
		"elements that are no object": {call{contentType: jsonType, body: "[1,null]"}, kindInvalidLines},
		"too many lines":              {call{body: strings.Repeat(remove+"\n", 4)}, kindTooLarge},
		"too many elements":           {call{contentType: jsonType, body: "[" + strings.Repeat("1,", 4) + "1]"}, kindTooLarge},
		"too many bytes":              {call{body: strings.Repeat(" ", 4001)}, kindTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			got := a.do(c.call)
			body := got.problem(t, c.want)
			require.NotContains(t, body.Detail, tokenOf)
			require.Empty(t, got.header.Values("Access-Control-Allow-Origin"))
			require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
			if c.want == kindMethod {
				require.NotEmpty(t, got.header.Get("Allow"))
			}
		})
	}
	require.Empty(t, a.stored())
}

func TestWhatIsAllowedToBeAtTheLimit(t *testing.T) {
	t.Parallel()
	a := start(t, setup{options: Options{MaxLines: 3, MaxBody: 4000}})
	require.Equal(t, 3, a.do(call{body: strings.Repeat(remove+"\n", 3)}).accepted(t).Accepted)
	require.Equal(t, 1, a.do(call{body: remove + strings.Repeat(" ", 4000-len(remove))}).accepted(t).Accepted)
}

// TestOtherAccountsLookAlike: an answer never says whether an account exists.
func TestOtherAccountsLookAlike(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	a.do(call{path: "/v1/mutations/exists/us/RETAIL", token: "Bearer " + anyToken, body: remove}).accepted(t)
	known := a.do(call{path: "/v1/mutations/exists/us/RETAIL", body: remove}).problem(t, kindForbidden)
	unknown := a.do(call{path: "/v1/mutations/unknown/us/RETAIL", body: "not even read"}).problem(t, kindForbidden)
	require.NotEqual(t, known.Instance, unknown.Instance)
	known.Instance, unknown.Instance = "", ""
	require.Equal(t, known, unknown)
}

func TestOptionsAndHead(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	got := a.do(call{method: http.MethodOptions, token: "-"})
	require.Equal(t, http.StatusNoContent, got.status)
	require.Equal(t, "POST, OPTIONS", got.header.Get("Allow"))
	require.Equal(t, acceptedTypes, got.header.Get("Accept-Post"))
	for _, path := range []string{"/livez", "/readyz"} {
		require.Equal(t, "ok\n", string(a.do(call{method: http.MethodGet, path: path, token: "-"}).body))
		head := a.do(call{method: http.MethodHead, path: path, token: "-"})
		require.Equal(t, http.StatusOK, head.status)
		require.Empty(t, head.body)
		require.Equal(t, http.StatusNoContent, a.do(call{method: http.MethodOptions, path: path, token: "-"}).status)
	}
	head := a.do(call{method: http.MethodHead})
	require.Equal(t, http.StatusMethodNotAllowed, head.status)
	require.Empty(t, head.body)
}

// TestTokensAreNotLogged, and refusals name their token.
func TestTokensAreNotLogged(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	a.do(call{body: remove}).accepted(t)
	a.do(call{body: "{}"}).problem(t, kindInvalidLines)
	a.do(call{body: remove, token: "Bearer ccat_guess"}).problem(t, kindUnauthorized)
	a.do(call{path: "/v1/mutations/other/us/RETAIL\u202e", body: remove}).problem(t, kindName)
	require.NoError(t, a.stop())
	log := a.log.String()
	require.NotContains(t, log, "ccat_")
	require.NotContains(t, log, "\u202e")
	require.Regexp(t, `level=DEBUG msg="the HTTP API answered" .*status=202 token=shop lines=1 accepted=1`, log)
	require.Regexp(t, `level=INFO msg="the HTTP API refused a request" .*status=400 token=shop .*problem=invalid-lines`, log)
	require.Regexp(t, `level=INFO .*status=401 token="" .*problem=unauthorized`, log)
}

// panics is a publisher with a fault.
type panics struct{ Publisher }

func (panics) Publish(context.Context, []publish.Publication) ([]publish.Result, error) {
	panic("a fault")
}

func TestAPanicIsAnAnswer(t *testing.T) {
	t.Parallel()
	a := start(t, setup{wrap: func(p Publisher) Publisher { return panics{p} }, options: Options{MaxConcurrent: 1}})
	got := a.do(call{body: remove}).problem(t, kindInternal)
	require.NotContains(t, got.Detail, "fault")
	a.do(call{body: remove}).problem(t, kindInternal) // its slot is free again
	require.NoError(t, a.stop())
	require.Contains(t, a.log.String(), "a fault")
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	token := func(name string, hash byte, accounts ...string) Token {
		return Token{Name: name, SHA256: [32]byte{hash}, Accounts: accounts}
	}
	for text, tokens := range map[string][]Token{
		"has no name":      {token("", 1, "a")},
		"has no hash":      {token("t", 0, "a")},
		"has no accounts":  {token("t", 1)},
		"an empty text":    {{Name: "t", SHA256: HashToken(""), Accounts: []string{"a"}}},
		"have the name":    {token("t", 1, "a"), token("t", 2, "a")},
		"have the same ha": {token("t", 1, "a"), token("u", 1, "a")},
	} {
		_, err := New(Options{Publisher: panics{}, Tokens: tokens})
		require.ErrorContains(t, err, text)
	}
	_, err := New(Options{Tokens: []Token{token("t", 1, "a")}})
	require.ErrorContains(t, err, "publisher")
}

func TestNewToken(t *testing.T) {
	t.Parallel()
	token, hash := NewToken()
	other, _ := NewToken()
	require.NotEqual(t, token, other)
	require.Regexp(t, `^ccat_[A-Za-z0-9_-]{43}$`, token)
	require.Equal(t, HashToken(token), hash)
	for _, text := range []string{FormatHash(hash), " " + strings.TrimPrefix(FormatHash(hash), "sha256:") + "\n", strings.ToUpper(strings.TrimPrefix(FormatHash(hash), "sha256:"))} {
		read, err := ParseHash(text)
		require.NoError(t, err)
		require.Equal(t, hash, read)
	}
	for _, text := range []string{"", "sha256:", "sha256:abcd", "sha512:" + strings.Repeat("a", 64), strings.Repeat("g", 64), token} {
		_, err := ParseHash(text)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "abcd")
		require.NotContains(t, err.Error(), token)
	}
}

// TestEachRuleOfDecodingIsDescribed: what message.Decode can find is what OpenAPI lists.
func TestEachRuleOfDecodingIsDescribed(t *testing.T) {
	t.Parallel()
	found := map[any]bool{}
	for _, h := range hostile {
		found[h.rule] = true
	}
	delete(found, "")
	for _, rule := range described(t).Components.Schemas["LineError"].Value.Properties["rule"].Value.Enum {
		require.True(t, found[rule], rule)
		delete(found, rule)
	}
	require.Empty(t, found)
}
