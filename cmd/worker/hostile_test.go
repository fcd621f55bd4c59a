package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

// hostile are texts that would do something to a terminal, a log or a table. Each has
// HOSTILE in it, so that a test sees that it was shown.
var hostile = []string{
	"\x1b]0;HOSTILE\x07\x1b[31mred\x1b[2J",
	"HOSTILE\r\nok     forged\tline",
	"HOSTILE\u202Eevil\u2066\u2069\u200f",
	"HOSTILE\u0085\u009b31m\x7f\x08\x08",
	"HOSTILE\u200b\ufeff\u061c\u2028\u2029",
	"HOSTILE\U000e0041\U000e007f",
	"=HOSTILE(1)|'zażółć カタログ 👩‍👩‍👧'",
}

// harmless checks that text can do nothing to whoever reads it.
func harmless(t *testing.T, text string) {
	t.Helper()
	require.True(t, utf8.ValidString(text))
	for i, r := range text {
		if r == '\n' || r == '\u200d' && strings.Contains(text, "👩‍👩‍👧") {
			continue
		}
		require.False(t, unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp),
			"%U in %q", r, text[max(0, i-60):min(len(text), i+60)])
	}
	for line := range strings.Lines(text) {
		require.False(t, strings.HasPrefix(line, "ok     forged"), "a forged line in %q", text)
	}
}

// TestTextFromOutsideReachesNobodyAsItIs: what producers, platforms, files and the
// command line say is shown by every command, in the log and by the probes, as text.
//
//nolint:tparallel // each step stands on the one before
func TestTextFromOutsideReachesNobodyAsItIs(t *testing.T) {
	t.Parallel()
	rules := make([]sandbox.ItemRule, len(hostile))
	for i, text := range hostile {
		rules[i] = sandbox.ItemRule{Contains: "REFUSED-" + string(rune('a'+i)), Action: sandbox.RefuseItem, Message: text}
	}
	p := newPlant(t, sandbox.Options{Rules: rules})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	exited := make(chan execution, 2)
	for _, format := range []string{"json", "text"} {
		go func() {
			exited <- executeIn(ctx, builtin.Platforms(), p.variables, "run", "--config", p.config, "--name", "n-"+format, "--log-format", format, "--log-level", "debug")
		}()
	}
	p.awaitStream(t)
	letters := 0
	send := func(subject, body string) {
		message := nats.NewMsg("catalog.mutations." + subject)
		message.Data = []byte(body)
		message.Header.Set("X-From-Outside", "\x1b[2J\u202e")
		_, err := p.js.PublishMsg(t.Context(), message)
		require.NoError(t, err)
		letters++
	}
	for i, text := range hostile {
		quoted, err := json.Marshal(text)
		require.NoError(t, err)
		attributes, err := json.Marshal(lampOf("one"))
		require.NoError(t, err)
		for _, subject := range []string{"demo-meta.products.PRODUCT_ITEM", "demo-pinterest.us.RETAIL"} {
			send(subject, `{"item_id":`+string(quoted)+`,"operation":"NOPE"}`)
			send(subject, `{"item_id":`+string(quoted)+`,"operation":`+string(quoted)+`}`)
			send(subject, `{"id":`+string(quoted)+`,"item_id":7,"operation":"UPSERT"}`)
			send(subject, text)
		}
		item, err := json.Marshal("REFUSED-" + string(rune('a'+i)) + text)
		require.NoError(t, err)
		send("demo-meta.products.PRODUCT_ITEM", `{"item_id":`+string(item)+`,"operation":"CREATE","attributes":`+string(attributes)+`}`)
		send("nobody-"+string(rune('a'+i))+".us.RETAIL", `{"item_id":`+string(quoted)+`,"operation":"UPSERT","attributes":{}}`)
	}
	send("demo-meta.products.PRODUCT_ITEM", "\xff\xfe\x1b[2J not even UTF-8")
	letters -= len(hostile) // of unknown accounts: they wait for a configuration
	eventually(t, "all are dead letters", func() bool {
		var list []letter
		got := p.run(t, "dead-letters", "list", "--output", "json", "--limit", "1000")
		require.NoError(t, json.Unmarshal([]byte(got.out), &list))
		return len(list) == letters
	})

	shown := func(args ...string) execution {
		t.Helper()
		got := p.run(t, args...)
		harmless(t, got.out)
		harmless(t, got.err)
		return got
	}
	t.Run("tables and JSON", func(t *testing.T) {
		require.GreaterOrEqual(t, strings.Count(shown("dead-letters", "list", "--limit", "1000").out, "HOSTILE"), letters/2)
		require.Contains(t, shown("dead-letters", "list", "--limit", "1000").out, `\x1b]0;HOSTILE\x07`)
		require.Contains(t, shown("dead-letters", "list", "--limit", "1000").out, "zażółć カタログ 👩‍👩‍👧")
		require.Contains(t, shown("dead-letters", "list", "--limit", "1000", "--output", "json").out, `HOSTILE\u202eevil`)
		shown("status")
		shown("status", "--output", "json", "--batches", "100")
		for _, text := range hostile {
			require.Zero(t, shown("accounts", "pause", "demo-meta", "--reason", text).code)
			require.Contains(t, shown("status").out, "HOSTILE")
			require.True(t, json.Valid([]byte(shown("status", "--output", "json").out)))
			require.Contains(t, shown("accounts", "pause", text).err, "HOSTILE")
		}
		require.Zero(t, shown("accounts", "resume", "demo-meta").code)
	})
	t.Run("wrong usage", func(t *testing.T) {
		for _, text := range hostile {
			require.Contains(t, shown(text).err, "HOSTILE")
			require.Contains(t, shown("status", "--output", text).err, "HOSTILE")
			require.Contains(t, shown("status", "--"+text).err, "HOSTILE")
			require.Contains(t, shown("dead-letters", "replay", text).err, "HOSTILE")
			require.Contains(t, shown("check", "--config", filepath.Join(t.TempDir(), strings.ReplaceAll(text, "/", ""))).out, "HOSTILE")
			shown("status", "--database", "postgres://"+text+"@127.0.0.1:1/x")
			shown("dead-letters", "replay", "--all", "--yes", "--nats", "nats://"+text)
		}
	})
	t.Run("configuration", func(t *testing.T) {
		for _, text := range hostile {
			quoted, err := json.Marshal(text)
			require.NoError(t, err)
			path := filepath.Join(t.TempDir(), "courier.yaml")
			for _, yaml := range []string{
				string(quoted) + ": 1\n",
				"accounts:\n  " + string(quoted) + ": {platform: meta}\n",
				"accounts:\n  a: {platform: " + string(quoted) + "}\n",
				"accounts:\n  a: {platform: meta, " + string(quoted) + ": 1, catalogs: {" + string(quoted) + ": {}}}\n",
				text + "\x01: [",
			} {
				require.NoError(t, os.WriteFile(path, []byte(yaml), 0o600))
				for _, command := range []string{"check", "run"} {
					require.NotZero(t, shown(command, "--config", path).code)
				}
			}
		}
	})
	t.Run("a probe's answer", func(t *testing.T) {
		for _, text := range hostile {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = w.Write([]byte(text))
			}))
			require.Contains(t, shown("healthcheck", "--url", server.URL).err, "HOSTILE")
			server.Close()
		}
	})
	shown("dead-letters", "replay", "--all", "--yes")
	stop()
	for range 2 {
		got := <-exited
		require.Zero(t, got.code, got.err)
		harmless(t, got.out)
		harmless(t, got.err)
	}
}
