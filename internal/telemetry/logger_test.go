package telemetry_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/telemetry"
)

func TestDurationsInLogsAreReadable(t *testing.T) {
	t.Parallel()
	const grace = 5 * time.Minute
	lines := map[string]struct {
		log  func(l *slog.Logger)
		want string
	}{
		"typed":              {func(l *slog.Logger) { l.Info("x", slog.Duration("d", grace)) }, "5m0s"},
		"a pair":             {func(l *slog.Logger) { l.Info("x", "d", grace) }, "5m0s"},
		"any":                {func(l *slog.Logger) { l.Info("x", slog.Any("d", grace)) }, "5m0s"},
		"by address":         {func(l *slog.Logger) { l.Info("x", slog.Any("d", new(grace))) }, "5m0s"},
		"of the logger":      {func(l *slog.Logger) { l.With("d", grace).Info("x") }, "5m0s"},
		"a warning":          {func(l *slog.Logger) { l.Warn("x", "d", grace) }, "5m0s"},
		"a part of a second": {func(l *slog.Logger) { l.Info("x", "d", 710565798*time.Nanosecond) }, "710.565798ms"},
		"digits that say nothing": {
			func(l *slog.Logger) { l.Info("x", "d", time.Hour+3*time.Second+123456789*time.Nanosecond) }, "1h0m3.123s",
		},
		"zero":     {func(l *slog.Logger) { l.Info("x", "d", time.Duration(0)) }, "0s"},
		"negative": {func(l *slog.Logger) { l.Info("x", "d", -grace) }, "-5m0s"},
	}
	for name, line := range lines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			line.log(telemetry.NewLogger(&out, "json", slog.LevelInfo))
			var fields map[string]any
			require.NoError(t, json.Unmarshal(out.Bytes(), &fields), out.String())
			require.Equal(t, line.want, fields["d"])
			out.Reset()
			line.log(telemetry.NewLogger(&out, "text", slog.LevelInfo))
			require.Contains(t, out.String(), "d="+line.want)
		})
	}
	var out bytes.Buffer
	log := telemetry.NewLogger(&out, "json", slog.LevelInfo)
	log.WithGroup("g").Info("x", slog.Group("h", slog.Duration("d", grace)), slog.Any("all", []time.Duration{grace, time.Second}), slog.Any("none", (*time.Duration)(nil)))
	require.Contains(t, out.String(), `"g":{"h":{"d":"5m0s"},"all":["5m0s","1s"],"none":null}`)
}
