package mapping

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStripHTML(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":                          "plain",
		"  two   blanks ":                "two blanks",
		"<p>a</p><p>b</p>":               "a\nb",
		"a<br/>b":                        "a\nb",
		"<b>bold</b>ly":                  "boldly",
		"a < b and c > d":                "a < b and c > d",
		"1 <2":                           "1 <2",
		"AT&amp;T &lt;b&gt; &euro;":      "AT&T <b> €",
		"&amp;lt;":                       "&lt;",
		"a&nbsp;b":                       "a b",
		"x<!-- <p>no</p> -->y":           "xy",
		"x<!-- open":                     "x",
		"a<script>if (a<b) {}</script>b": "ab",
		"a<style>p{}":                    "a",
		"<a href=\"x\">link</a>":         "link",
		"<":                              "<",
		"</>":                            "</>",
		"open <b":                        "open <b",
		"":                               "",
	} {
		assert.Equal(t, want, stripHTML(text), text)
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	for _, each := range []struct{ start, end, want string }{
		{"2026-11-27T00:00-0500", "2026-11-30T23:59-0500", "2026-11-27T00:00:00-05:00/2026-11-30T23:59:00-05:00"},
		{"2026-11-27T00:00:00Z", "2026-11-30T23:59:00+01:00", "2026-11-27T00:00:00Z/2026-11-30T23:59:00+01:00"},
		{"2017-12-01T0:00-23:59", "2017-12-31T0:00-23:59", "2017-12-01T23:59:00Z/2017-12-31T23:59:00Z"}, // as Meta prints it
		{"2026-11-27T9:30+01:00", "2026-11-30T0:00Z", "2026-11-27T09:30:00+01:00/2026-11-30T00:00:00Z"},
		{"2026-11-27 00:00:00 +01:00", "", "2026-11-27T00:00:00+01:00/2099-12-31T23:59:59Z"},
	} {
		got, err := parseWindow(each.start, each.end, nil)
		if assert.NoError(t, err) {
			assert.Equal(t, each.want, got)
		}
	}
	for start, want := range map[string]error{"2026-11-27": errWindowZone, "2026-11-27T10:00": errWindowZone, "27.11.2026": errWindow, "tomorrow": errWindow, "2026-11-27T00:00+24:00": errWindow, "2026-11-27T:00Z": errWindow, "2026-1-27T00:00Z": errWindow} {
		_, err := parseWindow(start, "2026-12-30T00:00:00Z", nil)
		require.ErrorIs(t, err, want, start)
	}
	_, err := parseWindow("2026-11-27T00:00:00Z", "2026-11-26T00:00:00Z", nil)
	require.ErrorContains(t, err, "ends before it begins")
}
