package rest_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// encodings are ways in which a server may repeat what it was told.
func encodings() map[string]func(string) string {
	all := map[string]func(string) string{
		"as it is":      func(s string) string { return s },
		"hex":           func(s string) string { return hex.EncodeToString([]byte(s)) },
		"HEX":           func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
		"hex with dots": func(s string) string { return spaced(hex.EncodeToString([]byte(s)), 2, ":") },
		"hex dump":      func(s string) string { return spaced(hex.EncodeToString([]byte(s)), 2, " ") },
		"percent":       func(s string) string { return eachByte(s, "%%%02x") },
		"PERCENT":       func(s string) string { return eachByte(s, "%%%02X") },
		"percent twice": func(s string) string { return eachByte(s, "%%25%02X") },
		"query":         url.QueryEscape,
		"path":          url.PathEscape,
		"json":          quoted,
		"json twice":    func(s string) string { return quoted(quoted(s)) },
		"u":             func(s string) string { return eachByte(s, `\u%04x`) },
		"x":             func(s string) string { return eachByte(s, `\x%02X`) },
		"html":          html.EscapeString,
		"html decimal":  func(s string) string { return eachByte(s, "&#%d;") },
		"html hex":      func(s string) string { return eachByte(s, "&#x%X;") },
		"html zeros":    func(s string) string { return eachByte(s, "&#x000%x;") },
	}
	for name, encoding := range map[string]*base64.Encoding{
		"std": base64.StdEncoding, "raw std": base64.RawStdEncoding, "url": base64.URLEncoding, "raw url": base64.RawURLEncoding,
	} {
		for before := range 4 {
			all[fmt.Sprint("base64 ", name, " after ", before)] = func(s string) string {
				return encoding.EncodeToString([]byte(strings.Repeat("?", before) + s + strings.Repeat("~", before%3)))
			}
		}
		all["base64 in lines "+name] = func(s string) string { return spaced(encoding.EncodeToString([]byte("Bearer "+s)), 7, "\r\n") }
		all["base64 in a query "+name] = func(s string) string { return url.QueryEscape(encoding.EncodeToString([]byte("Bearer " + s))) }
		all["base64 in json "+name] = func(s string) string {
			return strings.ReplaceAll(encoding.EncodeToString([]byte("Bearer "+s)), "/", `\/`)
		}
	}
	return all
}

func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text[1 : len(text)-1])
}

func eachByte(s, format string) string {
	var made strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&made, format, s[i])
	}
	return made.String()
}

func spaced(s string, every int, between string) string {
	var made strings.Builder
	for ; len(s) > every; s = s[every:] {
		made.WriteString(s[:every] + between)
	}
	return made.String() + s
}

// secretsOfAllKinds are tokens with and without signs that encodings change.
var secretsOfAllKinds = []string{
	secret, "EAAGm0PX4ZCpsBAO7w9qz1", "pina_AMA3XYZ-_0123456789==", `a/b+c=d&e"f<g>h\i%j'k`, "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "ab?>~d",
}

// TestNoEncodingOfASecretIsShown by a server that repeats it in a refusal, in an
// answer without sense, and in a redirect.
func TestNoEncodingOfASecretIsShown(t *testing.T) {
	t.Parallel()
	for name, encode := range encodings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, token := range secretsOfAllKinds {
				shown := encode(token)
				client, address := credentialed(t, platform.Settings{
					Token: fixed(token),
				}, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Location", "http://"+strings.Trim(hex.EncodeToString([]byte(token)), "%")+".example/?t="+url.QueryEscape(token))
					w.WriteHeader(http.StatusFound)
					_, _ = fmt.Fprint(w, "before ", shown, " after, proof ", encode(r.URL.Query().Get("appsecret_proof")))
				})
				call := post(address, "{}")
				answer, failure := client.Do(t.Context(), call)
				require.Nil(t, failure)
				body := string(answer.Body)
				for _, said := range []string{
					answer.Redact(body),
					answer.Refusal(call, []rest.Rule{{Scope: platform.ScopeAccount}}, rest.Said{Message: body}).Error(),
					answer.Unreadable(call, "the answer is not JSON").Error(),
				} {
					requireHidden(t, said, token, shown)
					require.Contains(t, said, "before")
				}
			}
		})
	}
}

func requireHidden(t *testing.T, said, token, shown string) {
	t.Helper()
	require.NotContains(t, said, token)
	require.Contains(t, said, "[redacted]", "%s of %s", said, shown)
	// Not even a good part of it: at most the characters that it shares with what is
	// around it in its group of base64.
	for at := 0; at+9 <= len(shown); at++ {
		const harmless = "QmVhcmVyIHQmVhcmVyIG" // of what is before it
		if part := shown[at : at+9]; at > 1 && !strings.Contains(harmless, part) {
			require.NotContains(t, said, part, "of %s", shown)
		}
	}
}

func TestAnEscapeThatIsNoneHidesNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"100% of it", `C:\users\x`, "a & b; c", "%zz %", `\`, "&", "&#; &#x; &#999999999; &amp", `\u12`, "%E2%82", "tok", "746f6b",
	} {
		require.Equal(t, text, rest.Redact(text, shapes, secret))
	}
	require.Equal(t, "a [redacted] b", rest.Redact(`a 100%-sure&amp; b`, shapes, "100%-sure&amp;"), "a secret may look like an escape")
}

// TestRedactIsQuick: a platform may send 16 MiB of anything. Work that grows with the square
// of it takes hours; a minute is enough on a machine that does much else.
func TestRedactIsQuick(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"%", "%25", "&", "&#", "&#x41;", `\u`, "\\", secret[:len(secret)-1], eachByte(secret, "&#x000%x;"), "x"} {
		text := strings.Repeat(unit, 16<<20/len(unit))
		began := time.Now()
		said := rest.Redact(text, shapes, secret, strings.Repeat("ab", 100))
		require.Less(t, time.Since(began), time.Minute, "%q", unit)
		require.LessOrEqual(t, len(said), 600)
		require.NotContains(t, said, "&#x0007", "torn at a cut")
	}
}

func FuzzNoEncodingIsShown(f *testing.F) {
	f.Add(secret, "around", 1)
	f.Add(`a/b+c=d&e"f`, "", 2)
	f.Add("0f1e2d3c4b5a69788796", "%25", 0)
	f.Fuzz(func(t *testing.T, token, around string, before int) {
		for _, c := range []byte(token) {
			if c <= ' ' || c > '~' {
				return // no token has it
			}
		}
		if len(token) < 8 || strings.Contains(around, token) {
			return
		}
		lead := strings.Repeat("?", before&3)
		for name, shown := range map[string]string{
			"plain": token, "query": url.QueryEscape(token), "json": quoted(token), "html": html.EscapeString(token),
			"hex": hex.EncodeToString([]byte(token)), "std": base64.StdEncoding.EncodeToString([]byte(lead + token)),
			"url": base64.RawURLEncoding.EncodeToString([]byte(lead + token + "&")),
		} {
			said := rest.Redact(shown+around, shapes, token)
			require.Contains(t, said, "[redacted]", "%s: %s", name, shown)
		}
	})
}

func TestADeepAnswerIsRefused(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"[", `{"a":`, `[{"a":`} {
		_, ok := rest.Parse([]byte(strings.Repeat(unit, 15<<20/len(unit))))
		require.False(t, ok, unit)
	}
	_, ok := rest.Parse([]byte(strings.Repeat("[", 60) + strings.Repeat("]", 60)))
	require.True(t, ok)
}

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"a":1}`: `{"a":1}`, " \r\n{\"a\":1} \n": `{"a":1}`, "\ufeff{\"a\":1}": `{"a":1}`, "\n\ufeff [1]": `[1]`,
		`{"a":1}<!-- 3 ms -->`: `{"a":1}`, `{"a":1};`: `{"a":1}`, "{\"a\":1}\x00": `{"a":1}`, `{"a":"}"}x`: `{"a":"}"}`,
		`{"a":NaN,"b":[-Infinity,Infinity],"c":"NaN \" Infinity"}`: `{"a":null,"b":[null,null],"c":"NaN \" Infinity"}`,
		`{"a":1}{"b":2}`: "", `{"a":1}[]`: "", `{"a":1} "x"`: "", `{"a":1`: "", `{"a":}`: "", `"x"`: "", `7`: "", `null`: "", "": "", " ": "",
		`{"a":Nope}`: "", `<html>{"a":1}</html>`: "", `{'a':1}`: "", `{"a":"x`: "", `{"a":1}]`: `{"a":1}`, `[1,2}`: "",
	} {
		value, ok := rest.Parse([]byte(text))
		require.Equal(t, want != "", ok, text)
		require.Equal(t, want, value.Raw, text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":NaN,"b":"NaN"}x`))
	f.Add([]byte("\ufeff[{}]"))
	f.Fuzz(func(t *testing.T, body []byte) {
		value, ok := rest.Parse(body)
		require.Equal(t, ok, value.IsObject() || value.IsArray())
		if json.Valid(body) && len(body) < 60 && ok {
			require.Equal(t, strings.TrimSpace(string(body)), value.Raw, "what is whole stays as it is")
		}
	})
}

// TestRedirectsNameTheirHost and nothing more of the address.
func TestRedirectsNameTheirHost(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"https://login.example/sso?token=abc#x": "a redirect to login.example:",
		"http://user:pw@login.example:8443/":    "a redirect to login.example:8443:",
		"//cdn.example/x":                       "a redirect to cdn.example:",
		"/login?next=%2Fx":                      "a redirect to 127.0.0.1:",
		"":                                      "a redirect to nowhere",
		"http://[::1":                           "cannot be read",
		"mailto:somebody":                       "cannot be read",
		"https://" + hex.EncodeToString([]byte(secret)) + ".example/": "a redirect to [redacted].example:",
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			client, address := credentialed(t, platform.Settings{Token: fixed(secret)}, func(w http.ResponseWriter, _ *http.Request) {
				if location != "" {
					w.Header().Set("Location", location)
				}
				w.WriteHeader(status)
			})
			answer, failure := client.Do(t.Context(), post(address, "{}"))
			require.Nil(t, failure)
			failure = answer.Refusal(post(address, "{}"), []rest.Rule{{Scope: platform.ScopeAccount}}, rest.Said{})
			require.Contains(t, failure.Error(), fmt.Sprint("HTTP ", status))
			require.Contains(t, failure.Message, want)
			for _, secret := range []string{"abc", "user", "pw", "next", "sso"} {
				require.NotContains(t, failure.Message, secret+"=")
				require.NotContains(t, failure.Message, "/"+secret)
				require.NotContains(t, failure.Message, secret+":")
			}
		}
	}
}

// TestAnAnswerWithoutSenseIsDescribed: whoever reads the error learns what came.
func TestAnAnswerWithoutSenseIsDescribed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 400_000)
	for body, want := range map[string]string{
		"":                   "the answer has no handles but nothing",
		"  ":                 "the answer has no handles but nothing",
		`{}`:                 "the answer has no handles but an empty object",
		`{"a":null,"b":[1]}`: "the answer has no handles but a null, b [1]",
		`[7]`:                "the answer has no handles but a list: [7]",
		`<html>hm</html>`:    "the answer has no handles but text: <html>hm</html>",
		`{"a":"` + secret + `","` + secret + `":1}`:                     `the answer has no handles but a "[redacted]", [redacted] 1`,
		`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1}`: "the answer has no handles but a 1, b 1, c 1, d 1, e 1, f 1, g 1, h 1, and 2 more",
		strings.Repeat("\x00", 300_000) + secret:                        "the answer has no handles but text: …",
		long:                                                            "the answer has no handles but text: xxx",
		`{"a":"` + long + `","b":2}`:                                    `…, b 2`,
	} {
		client, address := credentialed(t, platform.Settings{
			Token: func(context.Context) (string, error) { return secret, nil },
		}, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, body) })
		call := post(address, "{}")
		answer, failure := client.Do(t.Context(), call)
		require.Nil(t, failure)
		failure = answer.Unreadable(call, "the answer has no handles")
		require.True(t, failure.Unclear)
		require.True(t, failure.Ambiguous)
		require.Contains(t, failure.Message, want)
		require.LessOrEqual(t, len(failure.Message), 600)
		require.NotContains(t, failure.Message, secret)
		require.Equal(t, "POST it: HTTP 200: the answer has no handles (may have been taken)", failure.Outline(), "logs have no words of the answer")
	}
}
