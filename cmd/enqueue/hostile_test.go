package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// TestTextFromOutsideIsShownAsText: names of files, lines, and what NATS says.
func TestTextFromOutsideIsShownAsText(t *testing.T) {
	t.Parallel()
	harmless := func(text string) {
		t.Helper()
		require.True(t, utf8.ValidString(text))
		require.Negative(t, strings.IndexFunc(text, func(r rune) bool {
			return r != '\n' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp))
		}), "%q", text)
		for line := range strings.Lines(text) {
			require.False(t, strings.HasPrefix(line, "forged"), "%q", text)
		}
	}
	for _, text := range []string{
		"bad\x1b]0;x\a", "bad\r\nforged line\t", "bad\u202eevil", "bad\u009b31m\x7f", "bad\u200b\ufeff\u2028", "bad\U000e0041", "bad\xff\xfe",
	} {
		path := filepath.Join(t.TempDir(), text+".jsonl")
		require.Contains(t, execute(t, (&recorder{}).open, "", path).err, "bad")
		quoted, err := json.Marshal(text)
		require.NoError(t, err)
		lines := []string{
			`{"account":` + string(quoted) + `,"catalog":"c","type":"RETAIL","item_id":"1","operation":"DELETE"}`,
			`{"account":"a","catalog":"c","type":"RETAIL","item_id":"1","operation":` + string(quoted) + `}`,
			`{"account":"a","catalog":"c","type":"RETAIL","item_id":"1","operation":"DELETE",` + string(quoted) + `:1,` + string(quoted) + `:2}`,
			text,
		}
		require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
		for _, args := range [][]string{
			{path},
			{"--output", "json", path},
			{"--account", text, path},
			{"--" + text},
			{"--output", text},
			{"--nats", text, path},
			{"--config", text, path},
			{filepath.Join(path, text)},
		} {
			got := execute(t, (&recorder{failAt: 1}).open, "", args...)
			require.NotZero(t, got.code, "%q", args)
			harmless(got.out)
			harmless(got.err)
			if args[0] == "--output" && args[1] == "json" {
				require.True(t, json.Valid([]byte(got.out)))
			}
		}
	}
}

// TestALineNestedTooDeepIsRefusedForThat: however deep it is, it is read with a small
// stack, and the others are published.
func TestALineNestedTooDeepIsRefusedForThat(t *testing.T) {
	t.Parallel()
	for _, depth := range []int{300, 100_000} {
		frame := `{"account":"a","catalog":"c","type":"RETAIL","item_id":"1","operation":"UPSERT","attributes":{"x":%s}}`
		deep := strings.Replace(frame, "%s", strings.Repeat("[", depth)+strings.Repeat("]", depth), 1)
		r := &recorder{}
		got := execute(t, r.open, deep+"\n"+strings.Replace(frame, "%s", "1", 1)+"\n")
		require.Contains(t, got.out+got.err, "nested deeper than 256")
		require.Len(t, r.batches, 1)
		require.Len(t, r.batches[0], 1)
	}
}
