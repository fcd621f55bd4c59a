package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/telemetry"
)

var hostile = []string{
	"\x1b]0;TITLE\x07", "a\r\ntime=now level=INFO msg=forged", "\u202eevil\u2066", "\u009b31m\x7f", "\u200b\ufeff\u2028", "\U000e0041", "\xff\xfe",
}

type valuer string

func (v valuer) LogValue() slog.Value { return slog.StringValue(string(v)) }

// oneLine checks that text is one line in which nothing is hidden.
func oneLine(t *testing.T, text string) {
	t.Helper()
	line, found := strings.CutSuffix(text, "\n")
	require.True(t, found)
	require.True(t, utf8.ValidString(line))
	require.Negative(t, strings.IndexFunc(line, func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
	}), "%q", line)
}

// TestLogLinesAreLegible: whatever stands where in a line, in both formats.
func TestLogLinesAreLegible(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		for _, text := range hostile {
			var out bytes.Buffer
			log := telemetry.NewLogger(&out, format, slog.LevelDebug)
			for _, write := range []func(){
				func() { log.Info(text) }, //nolint:sloglint // the message is what is hostile
				func() { log.Info("m", text, text) },
				func() {
					log.Info("m", slog.Any("error", errors.New(text)), slog.Any("bytes", []byte(text)), slog.Any("v", valuer(text)))
				},
				func() { log.With(text, text).WithGroup(text).Warn("m", slog.Group(text, slog.String("k", text))) },
				func() {
					log.Error("m", slog.Any("any", map[string]any{text: []string{text}}), slog.String("account", text))
				},
			} {
				out.Reset()
				write()
				oneLine(t, out.String())
				if format == "json" {
					require.True(t, json.Valid(out.Bytes()), out.String())
				}
			}
		}
	}
	var out bytes.Buffer
	telemetry.NewLogger(&out, "json", slog.LevelInfo).Info("zażółć カタログ 👩‍👩‍👧", "k", "\u202e")
	require.Contains(t, out.String(), `zażółć カタログ 👩‍👩‍👧`)
	require.Contains(t, out.String(), `"k":"\u202e"`, "the value is the same for whoever reads the JSON")
}

// TestProbesAreLegible: what a part says is shown as text.
func TestProbesAreLegible(t *testing.T) {
	t.Parallel()
	told, err := telemetry.Start(t.Context(), telemetry.Options{Service: "test", LogOutput: io.Discard})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, told.Shutdown(context.Background())) })
	for _, text := range hostile {
		health := &telemetry.Health{}
		health.Started()
		health.AddCheck(text, func(context.Context) error { return errors.New(text) })
		answer := httptest.NewRecorder()
		told.Handler(health).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", http.NoBody))
		require.Equal(t, http.StatusServiceUnavailable, answer.Code)
		oneLine(t, answer.Body.String())
		require.True(t, json.Valid(answer.Body.Bytes()))
	}
}
