package legible_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

func TestText(t *testing.T) {
	t.Parallel()
	for text, shown := range map[string]string{
		"":                             "",
		"SKU-1 / 24.99 USD":            "SKU-1 / 24.99 USD",
		"\x1b]0;TITLE\a\x1b[31mred":    `\x1b]0;TITLE\x07\x1b[31mred`,
		"a\r\nforged\tline":            `a\r\nforged\tline`,
		"\x00\x08\x7f":                 `\x00\x08\x7f`,
		"\u0085\u009b31m":              `\u0085\u009b31m`,
		"\u202eevil\u2066x\u2069":      `\u202eevil\u2066x\u2069`,
		"a\u200eb\u200fc\u061cd":       `a\u200eb\u200fc\u061cd`,
		"a\u200bb\ufeffc\u200dd\u2060": `a\u200bb\ufeffc\u200dd\u2060`,
		"a\u2028b\u2029c":              `a\u2028b\u2029c`,
		"a\U000e0041\U000e007f":        `a\U000e0041\U000e007f`,
		"a\ufe0fb\u034fc\u3164d\u00ad": `a\ufe0fb\u034fc\u3164d\u00ad`,
		"\ufff9\ufffb\ue000\U0010ffff": `\ufff9\ufffb\ue000\U0010ffff`,
		"bad \xff\xc0\xaf\xed\xa0\x80": `bad \xff\xc0\xaf\xed\xa0\x80`,
		"\ufffd is a character":        "\ufffd is a character",
		`C:\new \x1b`:                  `C:\\new \\x1b`,
		"Zażółć gęślą jaźń":            "Zażółć gęślą jaźń",
		"カタログ　配信 が":                    "カタログ　配信 が",
		"كتالوج المنتجات":              "كتالوج المنتجات",
		"हिन्दी ไทย עברית한국어":          "हिन्दी ไทย עברית한국어",
		"👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 1️⃣ ❤️ 🇵🇱": "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 1️⃣ ❤️ 🇵🇱",
		"葛\U000e0100": "葛\U000e0100",
		"e\u0301":     "e\u0301",
	} {
		require.Equal(t, shown, legible.Text(text), "%q", text)
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		width int
		shown string
	}{
		{"abcdef", 6, "abcdef"},
		{"abcdefg", 6, "abcde…"},
		{"abc\x1bdef", 20, `abc\x1bdef`},
		{"abc\x1bdef", 7, "abc…"}, // not half of an escape
		{"abc\x1bdef", 8, `abc\x1b…`},
		{"abc\x1b", 7, `abc\x1b`},
		{"カタログ", 8, "カタログ"},
		{"カタログ", 7, "カタロ…"},
		{"カタログ", 6, "カタ…"},
		{"👩‍👩‍👧‍👦👩‍👩‍👧‍👦", 3, "👩‍👩‍👧‍👦…"},
		{"a\u202eb", 4, "a…"},
		{`\\\\`, 5, `\\\\…`},
		{"abc", 0, "…"},
	} {
		require.Equal(t, c.shown, legible.Clip(c.text, c.width), "%q in %d", c.text, c.width)
	}
}

// hidden reports what must never reach a reader.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Cf) && r != '\u200d' || r >= 0xe0000 && r <= 0xe007f
}

// joined reports whether every joiner stands between two pictures.
func joined(text string) bool {
	all := []rune(text)
	for i, r := range all {
		if r == '\u200d' && (i == 0 || i == len(all)-1 || all[i-1] < 0x2190 || all[i+1] < 0x2190) {
			return false
		}
	}
	return true
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{
		"", "plain", "\x1b[2J", "\u202e", "\xff\xfe", `\x1b`, "👩‍👩‍👧", "1️⃣\u200d", "\u200d", "a\u0301\u200b", "\U000e0041", "葛\U000e0100", "\r\n",
	} {
		f.Add(seed, 7)
	}
	f.Fuzz(func(t *testing.T, text string, width int) {
		shown := legible.Text(text)
		require.True(t, utf8.ValidString(shown))
		require.Negative(t, strings.IndexFunc(shown, hidden), "%q", shown)
		require.True(t, joined(shown), "%q", shown)
		meant, err := strconv.Unquote(`"` + strings.ReplaceAll(shown, `"`, `\"`) + `"`)
		require.NoError(t, err, "%q", shown)
		require.Equal(t, text, meant, "it means another text")

		width = 1 + (width%40+40)%40
		clipped := legible.Clip(text, width)
		if clipped != shown {
			begin, cut := strings.CutSuffix(clipped, "…")
			require.True(t, cut && strings.HasPrefix(shown, begin))
			_, err := strconv.Unquote(`"` + strings.ReplaceAll(begin, `"`, `\"`) + `"`)
			require.NoError(t, err, "an escape was cut: %q", clipped)
		}

		var out bytes.Buffer
		_, err = legible.NewWriter(&out).Write([]byte(text))
		require.NoError(t, err)
		require.Negative(t, strings.IndexFunc(strings.ReplaceAll(out.String(), "\n", ""), hidden))
		require.True(t, utf8.Valid(out.Bytes()))

		document, err := json.Marshal(map[string]string{text: text})
		require.NoError(t, err)
		var before, after map[string]string
		escaped := legible.JSON(document)
		require.NoError(t, json.Unmarshal(document, &before))
		require.NoError(t, json.Unmarshal(escaped, &after))
		require.Equal(t, before, after)
		require.Negative(t, bytes.IndexFunc(escaped, hidden))
	})
}
